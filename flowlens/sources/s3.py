"""Objects in S3: listed no further than the asked time, read with resume."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from flowlens.errors import InputError
from flowlens.sources import keys
from flowlens.sources.base import Object, Window
from flowlens.sources.body import open_body
from flowlens.sources.session import code, guarded

__all__ = ["list_s3"]

#: Levels of folders that are walked in search of `AWSLogs/`; what lies deeper is listed flat.
DEPTH = 4

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Walk:
    """One listing: where, for which time, and which service's logs.

    Args:
        client: S3 client.
        bucket: Name of the bucket.
        window: The asked time.
        service: Folder name of the service whose logs are wanted, such as `vpcflowlogs`.
        note: Told once for each folder of another service that is left out.
    """

    client: Any
    bucket: str
    window: Window
    service: str
    note: Callable[[str], None]

    def pages(self, prefix: str, **options: Any) -> Iterator[Entry]:
        """Yield the answers of ListObjectsV2 below `prefix`."""
        pager = self.client.get_paginator("list_objects_v2")
        with guarded("s3:ListBucket", f"arn:aws:s3:::{self.bucket}"):
            yield from pager.paginate(Bucket=self.bucket, Prefix=prefix, **options)

    def below(self, prefix: str) -> Iterator[Entry]:
        """Yield the objects whose key starts with `prefix`, in order of their keys.

        In a region's folder keys sort by day in all four layouts, so the listing starts at the
        first day that may matter and stops after the last.
        """
        found = keys.place(prefix)
        after, before = ("", None) if found is None else found.span(self.window)
        for page in self.pages(prefix, StartAfter=after):
            for entry in page.get("Contents", ()):
                if before is not None and entry["Key"] >= before:
                    return
                yield entry

    def tree(self, prefix: str, depth: int = 0) -> Iterator[Entry]:
        """Yield the objects below `prefix`, folder by folder down to the regions' folders.

        A Delta table is left out.

        Raises:
            InputError: `prefix` itself is one.
        """
        beyond = depth > DEPTH and "AWSLogs/" not in prefix
        if beyond or keys.place(prefix) is not None:
            yield from self.below(prefix)
            return
        for page in self.pages(prefix, Delimiter="/"):
            entries = page.get("Contents", ())
            folders = page.get("CommonPrefixes", ())
            # The log's name sorts before those of partitions, so it comes with the first of them.
            if f"{prefix}{keys.LOGS}/" in map(_key, folders):
                above, _, _ = f"s3://{self.bucket}/{prefix.rstrip('/')}".rpartition("/")
                left = keys.tables(above)
                if not depth:
                    raise InputError(left)
                self.note(left)
                return
            for item in sorted([*entries, *folders], key=_key):
                if "Key" in item:
                    yield item
                elif keys.foreign(item["Prefix"], self.service):
                    self.note(
                        f"s3://{self.bucket}/{item['Prefix']} is not {self.service}: left out"
                    )
                else:
                    yield from self.tree(item["Prefix"], depth + 1)

    def root(self, key: str) -> Iterator[Entry]:
        """Yield the objects that `key` means.

        `logs` is the object `logs`, else the folder `logs/`, else the beginning of a name; so a
        folder beside it, `logs-old/`, is not read along.
        """
        if key and not key.endswith("/"):
            first = self.first(key)
            if first is not None and first["Key"] == key:
                yield first
                return
            key = key if self.first(key + "/") is None else key + "/"
        yield from self.tree(key)

    def first(self, prefix: str) -> Entry | None:
        """Return the first object below `prefix`."""
        for page in self.pages(prefix, PaginationConfig={"MaxItems": 1}):
            for entry in page.get("Contents", ()):
                return dict(entry)
        return None


def _key(item: Entry) -> str:
    return str(item.get("Key") or item["Prefix"])


def list_s3(
    client: Any, uri: str, window: Window, service: str, note: Callable[[str], None]
) -> Iterator[Object]:
    """Yield the objects below `s3://BUCKET/PREFIX` that may hold records of the time, by key.

    Args:
        client: S3 client.
        uri: The prefix may end anywhere: above `AWSLogs/`, in a day's folder, within a name.
        window: The asked time.
        service: Folder name of the service whose logs are wanted.
        note: Told what was left out.

    Raises:
        AccessError: Credentials or `s3:ListBucket` are missing.
        InputError: The bucket does not exist or nothing is below the prefix.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket:
        msg = f"{uri}: no bucket named; write s3://BUCKET/PREFIX"
        raise InputError(msg)
    walk = Walk(client, bucket, window, service, note)
    empty = True
    for entry in _entries(walk, uri, key):
        name = keys.parse(entry["Key"])
        if not keys.ignored(entry["Key"]) and window.holds(name.slot):
            empty = False
            yield _object(client, bucket, entry, name)
    if empty:
        _explain_empty(walk, uri, key)


def _entries(walk: Walk, uri: str, key: str) -> Iterator[Entry]:
    try:
        yield from walk.root(key)
    except InputError as error:
        if code(error.__cause__) != "NoSuchBucket":
            raise
        msg = (
            f"{uri}: there is no bucket {walk.bucket!r}; check the name (`aws s3 ls`) and --profile"
        )
        raise InputError(msg) from error


def _explain_empty(walk: Walk, uri: str, key: str) -> None:
    """Raise where nothing is below the prefix at all; note where only the time leaves nothing."""
    if walk.window.bounded and walk.first(key) is not None:
        walk.note(f"{uri}: no object may hold records of the asked time")
        return
    what = f"no {walk.service} objects below this prefix"
    msg = f"{uri}: {what}; check it with `aws s3 ls --recursive`"
    raise InputError(msg)


def _object(client: Any, bucket: str, entry: Entry, name: keys.Name) -> Object:
    uri = f"s3://{bucket}/{entry['Key']}"
    get = partial(client.get_object, Bucket=bucket, Key=entry["Key"])
    return Object(
        uri=uri,
        open=partial(open_body, get, entry["Size"], entry.get("ETag")),
        size=entry["Size"],
        etag=entry.get("ETag", "").strip('"') or None,
        modified=entry.get("LastModified"),
        flow_log=name.flow_log,
        remote=True,
    )
