"""Bytes as they come: compression taken off, cut into blocks of whole lines, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from flowlens_parsers.errors import LONG, BrokenError
from flowlens_parsers.inflate import DECODERS, Swift, gunzip, raw

__all__ = ["LIMIT", "Block", "Fault", "Reader", "blocks", "lent"]

#: Bytes of the longest line that is read; AWS's longest possible record is far below.
LIMIT = 1 << 20

_NEWLINE = ord("\n")
_DEPTH = 3  # compression inside compression: deeper is no log but a trap
_FIRST = 1 << 19  # bytes of the first block: clearing more would cost small objects much


#: Whole lines, which may lie in memory that is used again.
Block = bytes | bytearray


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
        self._parts: Iterator[bytes] = raw(stream)
        self._held: list[bytes] = []  # read ahead, in order
        self._broken: BrokenError | None = None
        self.ended = False  # nothing more to come, and nothing is missing
        for _ in range(_DEPTH):
            decoder = next((DECODERS[m] for m in DECODERS if self.peek(len(m)) == m), None)
            if decoder is None:
                break
            if decoder is gunzip and self.raw is not None:
                self._parts = Swift(stream, begin)
            else:
                self._parts = decoder(self._chain(self._held, self._parts, self._broken))
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

    def fill(self, room: memoryview) -> int:
        """Fill memory with the next bytes, as far as there are any; return how many.

        Raises:
            BrokenError: as `read` does.
        """
        have = 0
        while have < len(room):
            if not self._held and isinstance(self._parts, Swift):
                size = self._parts.readinto(room[have:])
                have += size
                if size:
                    continue
            if not self._held and not self._pull():
                break
            part = self._held.pop(0)
            size = min(len(part), len(room) - have)
            room[have : have + size] = part[:size]
            have += size
            self.give(part[size:])
        if room and not have and self._broken is not None:
            raise self._broken
        return have

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


def _cut(block: bytearray) -> Iterator[bytearray | Fault]:
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


def _long(line: bytes | bytearray) -> Fault:
    return Fault(LONG, _shown(line))


def _break(reason: str, line: bytes | bytearray) -> Iterator[Fault]:
    """Tell of the place where a stream breaks, in a line that may be too long already."""
    if len(line) > LIMIT:
        yield _long(line)
        line = b""
    yield Fault(reason, _shown(line))


def _shown(line: bytes | bytearray) -> str:
    return line[:800].decode("utf-8", "replace")


def lent(reader: Reader, size: int) -> Iterator[bytearray | Fault]:
    """Yield blocks as `blocks` does, each in the memory of the one before.

    Fresh memory for each would cost as much as taking the compression off.
    """
    size += 1  # for a newline at the end
    room, have, skipping = bytearray(min(size, _FIRST)), 0, False
    try:
        while (filled := _filled(reader, room, have)) > have:
            have = filled
            if skipping:
                begin = room.find(b"\n", 0, have) + 1
                skipping, rest = not begin, room[begin:have] if begin else b""
                room[: len(rest)], have = rest, len(rest)
            end = room.rfind(b"\n", 0, have) + 1
            if end:
                rest, spare = room[end:have], bytes(max(size, len(room)) - end)
                del room[end:]
                yield from _cut(room)
                room += spare
                room[: len(rest)], have = rest, len(rest)
            elif have > LIMIT:
                yield _long(room)
                have, skipping = 0, True
            elif have > len(room) // 2:
                room += bytes(len(room))
    except BrokenError as error:
        yield from _break(error.reason, b"" if skipping else room[:have])
        return
    if have:
        yield room[:have] + b"\n"


def _filled(reader: Reader, room: bytearray, have: int) -> int:
    """Fill memory behind what it has; return how much it has then.

    A last line without its newline gets one.
    """
    with memoryview(room) as whole, whole[have:-1] as free:
        more = reader.fill(free)
        if more and more < len(free) and reader.ended and whole[have + more - 1] != _NEWLINE:
            whole[have + more], more = _NEWLINE, more + 1
    return have + more


def blocks(reader: Reader, size: int) -> Iterator[bytes | Fault]:
    r"""Yield blocks of whole lines of about `size` bytes, each ending in a newline.

    A line of more than `LIMIT` bytes is a fault and is skipped without being held; so is the
    place where a compressed stream breaks, with the unfinished line as its text.

    >>> import io
    >>> list(blocks(Reader(io.BytesIO(b"one\ntwo")), 6))
    [b'one\n', b'two\n']
    """
    for block in lent(reader, size):
        yield block if isinstance(block, Fault) else bytes(block)
