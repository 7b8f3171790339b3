"""Bytes as they come: compression taken off, cut into blocks of whole lines, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from flowlens_parsers.errors import LONG, BrokenError
from flowlens_parsers.inflate import DECODERS, gunzip, raw, swift

__all__ = ["LIMIT", "Fault", "Reader", "blocks"]

#: Bytes of the longest line that is read; AWS's longest possible record is far below.
LIMIT = 1 << 20

_DEPTH = 3  # compression inside compression: deeper is no log but a trap


@dataclass(frozen=True, slots=True)
class Fault:
    """A place in a stream that cannot be read as a line."""

    reason: str
    text: str


class Reader:
    """A decompressed stream that can be looked into before it is read.

    gzip and zstandard are recognised by their first bytes, whatever the name says, also several
    members in a row and one inside the other. `raw` is the stream itself where nothing was
    compressed and it can seek (a Parquet file wants that), else None.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.raw: BinaryIO | None = stream if stream.seekable() else None
        begin = stream.tell() if self.raw else 0
        self._parts = raw(stream)
        self._held: list[bytes] = []  # read ahead, in order
        self._broken: BrokenError | None = None
        self.ended = False  # nothing more to come, and nothing is missing
        for _ in range(_DEPTH):
            decoder = next((DECODERS[m] for m in DECODERS if self.peek(len(m)) == m), None)
            if decoder is None:
                break
            parts = self._chain(self._held, self._parts, self._broken)
            fast = decoder is gunzip and self.raw is not None
            self._parts = swift(stream, begin, parts) if fast else decoder(parts)
            self.raw = None
            self._held, self._broken, self.ended = [], None, False

    @staticmethod
    def _chain(
        held: list[bytes], parts: Iterator[bytes], broken: BrokenError | None
    ) -> Iterator[bytes]:
        yield from held
        if broken is not None:
            raise broken
        yield from parts

    def _pull(self) -> bool:
        """Read one part ahead; False at the end or the break."""
        if self._broken is not None:
            return False
        try:
            part = next(self._parts, None)
        except BrokenError as error:
            self._broken, part = error, None
        if part is None:
            self.ended = self._broken is None
            return False
        self._held.append(part)
        return True

    def peek(self, size: int) -> bytes:
        """Return up to `size` of the next bytes without taking them (all there are, if broken)."""
        while sum(map(len, self._held)) < size and self._pull():
            pass
        data = b"".join(self._held)
        self._held = [data] if data else []
        return data[:size]

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes (all without a size), b"" at the end.

        Raises:
            BrokenError: After every readable byte was handed out, where the stream is cut off or
                damaged.
        """
        parts = self.take(size)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def part(self) -> bytes:
        """Return the next bytes as they come, at most `LIMIT`; b"" where no more can be had."""
        if not self._held and not self._pull():
            return b""
        if LIMIT // 4 < len(self._held[0]) <= LIMIT:
            return self._held.pop(0)
        return b"".join(self.take(LIMIT))

    def give(self, data: bytes) -> None:
        """Take back bytes that were read last."""
        if data:
            self._held.insert(0, data)

    def take(self, size: int = -1) -> list[bytes]:
        """Return what `read` does, in the parts that it came in: joining them is a copy."""
        have = sum(map(len, self._held))
        while (size < 0 or have < size) and self._pull():
            have += len(self._held[-1])
        if not have and self._broken is not None:
            raise self._broken
        taken, self._held = self._held, []
        if 0 <= size < have:
            if have - size > len(taken[-1]):
                taken = [b"".join(taken)]
            last = taken.pop()
            cut = len(last) - (have - size)
            taken, self._held = [*taken, last[:cut]], [last[cut:]]
        return taken


def _cut(block: bytes) -> Iterator[bytes | Fault]:
    """Take lines longer than `LIMIT` out of a block of whole lines."""
    begin = at = 0
    while at + LIMIT < len(block):
        end = block.rfind(b"\n", at, at + LIMIT + 1)
        if end >= 0:
            at = end + 1
            continue
        if at > begin:
            yield block[begin:at]
        yield _long(block[at : at + LIMIT])
        begin = at = block.index(b"\n", at) + 1
    if begin < len(block):
        yield block[begin:] if begin else block


def _parts(reader: Reader, size: int) -> Iterator[list[bytes]]:
    """Yield the parts of each block, a last line without its newline with one."""
    while parts := reader.take(size):
        if reader.ended and sum(map(len, parts)) < size and not parts[-1].endswith(b"\n"):
            parts[-1] += b"\n"
        yield parts


def _long(line: bytes) -> Fault:
    return Fault(LONG, line[:800].decode("utf-8", "replace"))


def blocks(reader: Reader, size: int) -> Iterator[bytes | Fault]:
    r"""Yield blocks of whole lines of about `size` bytes, each ending in a newline.

    A line of more than `LIMIT` bytes is a fault and is skipped without being held; so is the
    place where a compressed stream breaks, with the unfinished line as its text.

    >>> import io
    >>> list(blocks(Reader(io.BytesIO(b"one\ntwo")), 6))
    [b'one\n', b'two\n']
    """
    tail, skipping = b"", False
    try:
        for parts in _parts(reader, size):
            if skipping or b"\n" not in parts[-1]:
                parts = [b"".join(parts)]
            if skipping:
                _, newline, parts[0] = parts[0].partition(b"\n")
                skipping = not newline
            last = parts.pop()
            end = last.rfind(b"\n") + 1
            if end:
                yield from _cut(b"".join((tail, *parts, memoryview(last)[:end])))
                tail = b""
            tail += last[end:]
            if len(tail) > LIMIT:
                yield _long(tail)
                tail, skipping = b"", True
    except BrokenError as error:
        yield Fault(error.reason, tail[:800].decode("utf-8", "replace"))
        return
    if tail:
        yield tail + b"\n"
