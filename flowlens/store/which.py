"""Which sources of a command are stores."""

from pathlib import Path
from typing import Any

from flowlens.errors import FlowlensError
from flowlens.sources import Aws
from flowlens.sources.keys import LOGS
from flowlens.sources.listing import Source
from flowlens.store.place import Store, remote

__all__ = ["divide", "is_store"]

#: The tables by which a store is known. One without the other is a store that lost something, and
#: says so; its files are no logs.
MARKS = ("records", "objects")


def is_store(src: str | Path, aws: Aws | None = None) -> bool:
    """Say whether a source is a store.

    Args:
        src: As on the command line.
        aws: How to reach AWS.
    """
    text = str(src)
    if not remote(text):
        return any((Path(text) / name / LOGS).is_dir() for name in MARKS)
    from flowlens.sources.session import client, guarded

    bucket, _, key = text.removeprefix("s3://").partition("/")
    prefix = f"{key.rstrip('/')}/" if key.strip("/") else ""
    try:
        s3 = client("s3", aws or Aws())
        with guarded("s3:ListBucket", f"arn:aws:s3:::{bucket}"):
            return any(_holds(s3, bucket, f"{prefix}{name}/{LOGS}/") for name in MARKS)
    except FlowlensError:
        return False  # whoever lists the source says what is wrong with it


def divide(src: Source, aws: Aws | None = None) -> tuple[list[Store], list[str]]:
    """Divide sources into stores and what is raw.

    Args:
        src: As for `flowlens.scan_records`.
        aws: How to reach AWS.
    """
    several = [src] if isinstance(src, str | Path) else list(src)
    stores = [one for one in several if is_store(one, aws)]
    raw = [str(one) for one in several if one not in stores]
    return [Store(str(one), aws or Aws()) for one in stores], raw


def _holds(s3: Any, bucket: str, prefix: str) -> bool:
    return bool(s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"))
