"""Compression taken off, in bounded memory, whatever the input demands."""

import io
import zlib
from collections.abc import Callable, Iterator
from gzip import BadGzipFile
from typing import BinaryIO

from flowlens_parsers.errors import DAMAGED, TRUNCATED, BrokenError

__all__ = ["DECODERS", "gunzip", "raw", "swift"]

_GZIP = b"\x1f\x8b\x08"
_ZSTD = b"\x28\xb5\x2f\xfd"
#: Compressed bytes read at once: what a call leaves over is copied, so little should be.
_INPUT = 1 << 17
_OUTPUT = 1 << 20  # decompressed bytes made at once; small enough that memory is used again
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


def swift(stream: BinaryIO, begin: int, parts: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip members at once; from where that fails on, with care.

    Args:
        stream: What can be read again.
        begin: Where the first member begins.
        parts: The same bytes, in order, of which some were read from the stream already.
    """
    from isal import igzip, isal_zlib

    file: BinaryIO = igzip.open(_Joined(parts))  # type: ignore[no-untyped-call]
    done = 0
    try:
        # It fills what it returns; a decompressor of one member makes room bit by bit.
        while data := file.read(_OUTPUT):
            yield data
            done += len(data)
    except (EOFError, BadGzipFile, isal_zlib.error):  # type: ignore[misc]  # as in `gunzip`
        stream.seek(begin)
        for data in gunzip(raw(stream)):
            if len(data) > done:
                yield data[done:]
            done = max(0, done - len(data))


class _Joined(io.RawIOBase):
    """Bytes that come in parts, as a file."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._rest = parts, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed: Buffer
        if not self._rest:
            self._rest = memoryview(next(self._parts, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


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
