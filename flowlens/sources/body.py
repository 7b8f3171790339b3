"""The bytes of one S3 object, whatever happens on the way."""

import io
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)

from flowlens.sources.base import Lost
from flowlens.sources.session import DENIED, code, explain, stranger

__all__ = ["open_body"]

#: Times a body that breaks off is resumed where it broke.
RESUMES = 4

#: What breaks a transfer and may be gone on the next try.
BREAKS = (IncompleteReadError, ResponseStreamingError, HTTPClientError)

Entry = dict[str, Any]


def open_body(get: Callable[..., Entry], size: int, etag: str | None) -> BinaryIO:
    """Return the bytes of an object as a stream with seek and tell; see `Body`.

    Raises:
        Lost: The object is gone, refused, changed or archived.
        AccessError: Credentials are missing or ran out.
    """
    body = Body(get, size, etag)
    body.begin()
    return io.BufferedReader(body, 1 << 18)


class Body(io.RawIOBase):
    """The bytes of one object, read in order or by seek; a transfer that breaks is resumed.

    Args:
        get: GetObject for this object; takes `Range` and `IfMatch`.
        size: Bytes of the object, as listed.
        etag: Version that was listed; another one is not mixed with it.
    """

    def __init__(self, get: Callable[..., Entry], size: int, etag: str | None) -> None:
        super().__init__()
        self._get = get
        self._size = size
        self._match = {"IfMatch": etag} if etag else {}
        self._body: Any = None
        self._position = 0

    def begin(self) -> None:
        """Ask for the bytes from the present position on.

        Raises:
            Lost: The object is gone, refused, changed or archived.
        """
        self._drop()
        part = {"Range": f"bytes={self._position}-"} if self._position else {}
        try:
            self._body = self._get(**part, **self._match)["Body"]
        except (BotoCoreError, ClientError) as error:
            if stranger(error):
                raise explain(error, "s3:GetObject", "an object") from error
            raise Lost(" ".join(str(error).split()), _reason(error)) from error

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = (0, self._position, self._size)[whence]
        target = max(0, base + offset)
        if target != self._position:
            self._drop()
        self._position = target
        return target

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed: Buffer
        wanted = min(len(buffer), self._size - self._position)
        if wanted <= 0:
            return 0
        block = self._read(wanted)
        buffer[: len(block)] = block
        self._position += len(block)
        return len(block)

    def _read(self, wanted: int) -> bytes:
        said = "the transfer broke off"
        for attempt in range(RESUMES + 1):
            try:
                if self._body is None:
                    self.begin()
                block: bytes = self._body.read(wanted)
                if block:
                    return block
            except BREAKS as error:
                said = " ".join(str(error).split())
            self._drop()
            if attempt < RESUMES:
                time.sleep(0.1 * 2**attempt)
        msg = f"{said}; {self._position} of {self._size} bytes were read"
        raise Lost(msg)

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        self._drop()
        super().close()


def _reason(error: Exception) -> str:
    said = code(error)
    if said in DENIED:
        return "denied"
    reasons = {
        "NoSuchKey": "vanished",
        "404": "vanished",
        "PreconditionFailed": "changed",
        "InvalidObjectState": "archived",
    }
    return reasons.get(said, "unreadable")
