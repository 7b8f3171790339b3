"""Compression taken off, in bounded memory, whatever the input demands."""

import zlib
from collections.abc import Callable, Iterator
from gzip import BadGzipFile
from typing import BinaryIO

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
    from isal import isal_zlib

    rest = b""
    while rest := (rest or next(parts, b"")):
        if not _GZIP.startswith(rest[:3]):
            if rest.strip(b"\0"):
                raise BrokenError(DAMAGED)
            rest = b""
            continue
        member, first = isal_zlib.decompressobj(wbits=31), True
        try:
            for out in _member(member, rest, parts):
                yield out
                first = False
        except isal_zlib.error as error:  # type: ignore[misc]  # its stub has no base class
            if first:
                yield _salvage(rest)
            raise BrokenError(DAMAGED) from error
        rest = member.unused_data


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
        if self._slow is not None:
            return 0
        try:
            size: int = self._file.readinto(room)
        except (EOFError, BadGzipFile, self._fault):
            self._slow = self._careful()
            return 0
        self._done += size
        return size

    def __next__(self) -> bytes:
        if self._slow is None:
            part = bytearray(_OUTPUT)
            size = self.readinto(memoryview(part))
            if size:
                return bytes(memoryview(part)[:size])
        if self._slow is None:
            raise StopIteration
        return next(self._slow)

    def _careful(self) -> Iterator[bytes]:
        """Yield what was not read yet."""
        self._stream.seek(self._begin)
        done = self._done
        for data in gunzip(raw(self._stream)):
            if len(data) > done:
                yield data[done:]
            done = max(0, done - len(data))


def _salvage(data: bytes) -> bytes:
    """Return what a damaged member holds before the damage: isal gives nothing of that call.

    Byte by byte, because zlib too gives nothing of the call that fails.
    """
    member, out, have = zlib.decompressobj(wbits=31), [], 0
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
