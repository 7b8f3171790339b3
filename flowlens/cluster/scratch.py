"""The folder or prefix that all workers share for the time of one run."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from flowlens.errors import OutputError
from flowlens.sources import Aws

__all__ = ["OWN", "Scratch", "scratch"]

#: Folder of a store in which the scratch folders of its runs are, and which goes with the last.
OWN = "_scratch"

MEMORY = 64 << 20  # bytes of a file for S3 that lie in memory until they are sent
TRIES = 4  # times a transfer is begun


@dataclass(frozen=True, slots=True)
class Scratch:
    """Files under names that nobody used before, told only when they are whole.

    Args:
        root: Folder or `s3://BUCKET/PREFIX` of one run.
        aws: How to reach AWS.
    """

    root: str
    aws: Aws = field(default_factory=Aws)

    @contextmanager
    def create(self, kind: str) -> Iterator[tuple[str, BinaryIO]]:
        """Give a new name and a stream for what shall be there."""
        name = f"{kind}-{uuid.uuid4()}"
        if self._bucket is None:
            with self._path(name).open("wb") as file:
                yield name, file
            return
        with SpooledTemporaryFile(MEMORY) as held:
            yield name, cast(BinaryIO, held)
            held.seek(0)
            _s3(self.aws).upload_fileobj(held, self._bucket, self._key(name))

    def read(self, name: str, begin: int = 0, size: int | None = None) -> bytes:
        """Return bytes of a file, all of them if nothing else is said."""
        if self._bucket is None:
            with self._path(name).open("rb") as file:
                file.seek(begin)
                return file.read(-1 if size is None else size)
        from flowlens.sources.body import BREAKS

        span = f"bytes={begin}-" if size is None else f"bytes={begin}-{begin + size - 1}"
        where = {"Bucket": self._bucket, "Key": self._key(name), "Range": span}
        for attempt in count(1):
            try:
                data: bytes = _s3(self.aws).get_object(**where)["Body"].read()
            except BREAKS:
                if attempt == TRIES:
                    raise
            else:
                break
        return data

    def fetch(self, name: str, target: Path) -> None:
        """Move a file to this machine."""
        if self._bucket is None:
            shutil.move(self._path(name), target)
            return
        _s3(self.aws).download_file(self._bucket, self._key(name), os.fspath(target))
        _s3(self.aws).delete_object(Bucket=self._bucket, Key=self._key(name))

    def has(self, name: str) -> bool:
        """Say whether a file is there, as seen from this machine."""
        if self._bucket is None:
            return self._path(name).is_file()
        found = _s3(self.aws).list_objects_v2(Bucket=self._bucket, Prefix=self._key(name))
        return bool(found["KeyCount"])

    def remove(self) -> None:
        """Take everything away."""
        if self._bucket is None:
            shutil.rmtree(self.root, ignore_errors=True)
            if Path(self.root).parent.name == OWN:
                with suppress(OSError):  # somebody else's run is in it
                    Path(self.root).parent.rmdir()
            return
        pages = _s3(self.aws).get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._key("")):
            names = [{"Key": entry["Key"]} for entry in page.get("Contents", ())]
            if names:
                _s3(self.aws).delete_objects(Bucket=self._bucket, Delete={"Objects": names})

    @property
    def _bucket(self) -> str | None:
        """The bucket; None for a folder."""
        if not self.root.startswith("s3://"):
            return None
        return self.root.removeprefix("s3://").partition("/")[0]

    def _key(self, name: str) -> str:
        return f"{self.root.removeprefix('s3://').partition('/')[2]}/{name}"

    def _path(self, name: str) -> Path:
        return Path(self.root) / name


@contextmanager
def scratch(base: str, aws: Aws) -> Iterator[Scratch]:
    """Make a folder of its own for one run, and take it away afterwards.

    Args:
        base: Folder or `s3://BUCKET/PREFIX` below which it is.
        aws: How to reach AWS.

    Raises:
        OutputError: It cannot be made.
    """
    remote = base.startswith("s3://")
    if not remote:  # workers have folders of their own that they are in
        base = Path(base).absolute().as_posix()
    place = Scratch(f"{base.rstrip('/')}/flowlens-{uuid.uuid4()}", aws)
    if not remote:
        try:
            Path(place.root).mkdir(parents=True)
        except OSError as error:
            msg = f"{base}: no scratch folder can be made here ({error}); choose another --scratch"
            raise OutputError(msg) from error
    try:
        yield place
    finally:
        place.remove()


@cache
def _s3(aws: Aws) -> Any:
    """Return this process's client, which writes, unlike those that read sources."""
    from botocore.config import Config

    from flowlens.sources.session import session

    config = Config(retries={"mode": "adaptive", "total_max_attempts": 8})
    return session(aws).client("s3", endpoint_url=aws.endpoint_url, config=config)
