"""Compression taken off, in bounded memory, whatever the input demands."""

import zlib
from collections.abc import Callable, Generator, Iterator
from gzip import BadGzipFile
from typing import Any, BinaryIO

from flowlens_parsers.errors import DAMAGED, TRUNCATED, BrokenError

__all__ = ["DECODERS", "Swift", "gunzip", "raw"]

_GZIP = b"\x1f\x8b\x08"
_ZSTD = b"\x28\xb5\x2f\xfd"
#: Compressed bytes read at once: what a call leaves over is copied, so little should be.
_INPUT = 1 << 17
_OUTPUT = 1 << 20  # decompressed bytes made at once; small enough that memory is used again
_BUFFER = 1 << 19  # compressed bytes that isal reads at once
_SLICE = 1 << 10  # a zstandard block of 4 bytes may hold 128 KiB: at most 32 MiB from a slice


def raw(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of a stream as they are."""
    while data := stream.read(_INPUT):
        yield data


def gunzip(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip members; zero padding after the last is legal, anything else is not."""
    return _members(parts, _quick)


def exact(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip members as `gunzip` does, up to the very byte that is wrong, but slower.

    So what can be read of a damaged object does not depend on how much is asked for at once.
    """
    return _members(parts, _slow)


#: Yields what a member holds, given its first bytes and where more come from; returns what is left.
Member = Callable[[bytes, Iterator[bytes]], Generator[bytes, None, bytes]]


def _members(parts: Iterator[bytes], member: Member) -> Iterator[bytes]:
    rest = b""
    while rest := (rest or next(parts, b"")):
        rest = b"" if _padded(rest) else (yield from member(rest, parts))


def _quick(data: bytes, parts: Iterator[bytes]) -> Generator[bytes, None, bytes]:
    from isal import isal_zlib

    member, first = isal_zlib.decompressobj(wbits=31), True
    try:
        for out in _member(member, data, parts):
            yield out
            first = False
    except isal_zlib.error as error:  # type: ignore[misc]  # its stub has no base class
        if first:
            yield _salvage(zlib.decompressobj(wbits=31), data)
        raise BrokenError(DAMAGED) from error
    return member.unused_data


def _slow(data: bytes, parts: Iterator[bytes]) -> Generator[bytes, None, bytes]:
    member = zlib.decompressobj(wbits=31)
    while not member.eof:
        before = member.copy()
        try:
            out = member.decompress(data, _OUTPUT)
        except zlib.error as error:
            yield _salvage(before, data)
            raise BrokenError(DAMAGED) from error
        yield out
        if not member.eof:
            data = member.unconsumed_tail or next(parts, b"")
            if not data and not out:
                raise BrokenError(TRUNCATED)
    return member.unused_data


def _padded(data: bytes) -> bool:
    """Say whether there is only padding in place of a member."""
    if _GZIP.startswith(data[:3]):
        return False
    if data.strip(b"\0"):
        raise BrokenError(DAMAGED)
    return True


class Swift(Iterator[bytes]):
    """gzip members, decompressed at once; from where that fails on, with care.

    Args:
        stream: What can be read again.
        begin: Where the first member begins.
    """

    def __init__(self, stream: BinaryIO, begin: int) -> None:
        from isal import isal_zlib

        stream.seek(begin)
        self._stream, self._begin, self._done = stream, begin, 0
        self._fault: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub
        # What `igzip.open` returns has no `readinto` of its own, and a copy costs a fifth.
        self._file = isal_zlib._GzipReader(stream, _BUFFER)
        self._slow: Iterator[bytes] | None = None

    def readinto(self, room: memoryview) -> int:
        """Fill memory with the next bytes; return how many, 0 where only parts come, or none."""
        size: int = self._tried(self._file.readinto, room) or 0
        self._done += size
        return size

    def __next__(self) -> bytes:
        part: bytes = self._tried(self._file.read, _INPUT) or b""
        self._done += len(part)
        return part or next(self._slow or iter(()))

    def _tried(self, do: Callable[[Any], Any], given: object) -> Any:
        """Return what the fast way does, None from where it fails on."""
        if self._slow is None:
            try:
                return do(given)
            except (EOFError, BadGzipFile, self._fault):
                self._slow = self._careful()
        return None

    def _careful(self) -> Iterator[bytes]:
        """Yield what was not read yet."""
        self._stream.seek(self._begin)
        done = self._done
        for data in exact(raw(self._stream)):
            if len(data) > done:
                yield data[done:]
            done = max(0, done - len(data))


def _salvage(member: "zlib._Decompress", data: bytes) -> bytes:
    """Return what a member's data holds before the damage: a call that fails gives nothing.

    Byte by byte, because zlib too gives nothing of the call that fails.
    """
    out, have = [], 0
    for at in range(len(data)):
        try:
            out.append(member.decompress(data[at : at + 1], _OUTPUT))
        except zlib.error:
            break
        have += len(out[-1])
        if have > _OUTPUT:
            break
    return b"".join(out)


def _member(member: object, data: bytes, parts: Iterator[bytes]) -> Iterator[bytes]:
    decompress: Callable[[bytes, int], bytes] = member.decompress  # type: ignore[attr-defined]
    while True:
        out = decompress(data, _OUTPUT)
        if out:
            yield out
        if member.eof:  # type: ignore[attr-defined]
            return
        data = member.unconsumed_tail  # type: ignore[attr-defined]
        if not data and len(out) < _OUTPUT:
            data = next(parts, b"")
            if not data:
                raise BrokenError(TRUNCATED)


def _zstd(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress zstandard frames in slices, so that no input can demand much memory."""
    import zstandard

    frame = None
    for part in parts:
        for at in range(0, len(part), _SLICE):
            data = part[at : at + _SLICE]
            while data:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                try:
                    yield frame.decompress(data)
                except zstandard.ZstdError as error:
                    raise BrokenError(DAMAGED) from error
                data = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    if frame is not None:
        raise BrokenError(TRUNCATED)


#: What takes compression off, by the first bytes of what it made.
DECODERS = {_GZIP: gunzip, _ZSTD: _zstd}
