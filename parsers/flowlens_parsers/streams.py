"""Bytes as they come: compression taken off, in pieces of bounded size."""

from typing import BinaryIO

__all__ = ["Reader"]


class Reader:
    """A decompressed stream that can be looked into before it is read.

    gzip and zstandard are recognised by their first bytes, whatever the name says, also several
    members in a row and one inside the other. `raw` is the stream itself where nothing was
    compressed and it can seek (a Parquet file wants that), else None.
    """

    raw: BinaryIO | None

    def __init__(self, stream: BinaryIO) -> None:
        raise NotImplementedError

    def peek(self, size: int) -> bytes:
        """Return up to `size` of the next bytes without taking them (all there are, if broken)."""
        raise NotImplementedError

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, b"" at the end.

        Raises:
            BrokenError: After every readable byte was handed out, where the stream is cut off or
                damaged.
        """
        raise NotImplementedError
