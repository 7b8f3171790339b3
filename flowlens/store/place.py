"""Where a store is, and its tables as Delta sees them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from flowlens.errors import InputError, OutputError
from flowlens.sources import Aws
from flowlens.store.arrow import schema
from flowlens.store.files import scan
from flowlens.store.schema import TABLES

if TYPE_CHECKING:
    import boto3
    from deltalake import DeltaTable

__all__ = ["WHOLE", "Held", "Store", "remote"]

#: Commits after which Delta sums its log up; each one since then is a request to whoever opens.
LOG = {"delta.checkpointInterval": "10"}

#: The tables that are made of the records.
MADE = ("conversations", "by_server")

STACK = re.compile(r"\s+0: ")

#: What to do without one of the others.
WHOLE = "a store is what `flowlens ingest` writes, whole; ingest the logs into a new one"


@dataclass(frozen=True, slots=True)
class Store:
    """A folder or prefix with the tables of `flowlens.store.schema.TABLES`.

    Args:
        root: Path of a folder or `s3://BUCKET/PREFIX`.
        aws: How to reach AWS.
    """

    root: str
    aws: Aws = field(default_factory=Aws)

    def uri(self, table: str) -> str:
        """Return the address of a table.

        >>> Store("s3://bucket/kept/").uri("records")
        's3://bucket/kept/records'
        """
        root = self.root if remote(self.root) else Path(self.root).absolute().as_posix()
        return f"{root.rstrip('/')}/{table}"

    def options(self) -> dict[str, str]:
        """Return what Delta and Polars need to reach S3, with the credentials boto3 finds."""
        return _options(self.aws, self._session()) if remote(self.root) else {}

    def _session(self) -> "boto3.Session":
        from flowlens.sources.session import session

        return session(self.aws)

    def open(self, table: str) -> "DeltaTable":
        """Return the newest state of a table.

        Raises:
            InputError: The store or the table is not there, or cannot be read.
        """
        from deltalake import DeltaTable

        with self._readable(table):
            return DeltaTable(self.uri(table), storage_options=self.options())

    @contextmanager
    def _readable(self, table: str) -> Iterator[None]:
        """Turn what Delta says of a table into one line."""
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            yield
        except TableNotFoundError as error:
            hint = "`flowlens ingest` makes it again" if table in MADE else WHOLE
            msg = f"{self.root}: no table {table!r} here; {hint}"
            raise InputError(msg) from error
        except (DeltaError, OSError) as error:
            msg = f"{self.uri(table)} cannot be read ({_line(error)}); try again, or ingest the "
            msg += "logs into a new store"
            raise InputError(msg) from error

    def scan(self, table: "str | DeltaTable") -> pl.LazyFrame:
        """Return a table, or one state of it, as a lazy frame."""
        source = self.open(table) if isinstance(table, str) else table
        return scan(source, self.options())

    def create(self) -> None:
        """Make the tables that are not there yet; two processes may do it at the same time.

        Raises:
            OutputError: The place cannot be written, or no longer has all that was kept there.
        """
        there, absent = [], []
        for name in TABLES:
            try:
                there.append(self.open(name))
            except InputError:  # not there, or not to be reached
                absent.append(name)
        lost = [name for name in absent if name not in MADE]
        if lost and any(map(_begun, there)):
            # Another process may have made and filled what was not there a moment ago.
            gone = [name for name in lost if not _there(self.uri(name), self.options())]
            if gone:
                msg = f"{self.root}: no table {gone[0]!r} here any more; {WHOLE}"
                raise OutputError(msg)
        for name in absent:
            self._make(name)

    def _make(self, name: str) -> None:
        from deltalake import DeltaTable, Schema
        from deltalake.exceptions import DeltaError

        columns, partitions = TABLES[name]
        uri, options = self.uri(name), self.options()
        try:
            if not remote(uri):
                Path(uri).mkdir(parents=True, exist_ok=True)
            kept = Schema.from_arrow(schema(columns))
            DeltaTable.create(
                uri,
                kept,
                mode="ignore",
                partition_by=partitions,
                configuration=LOG,
                storage_options=options,
            )
        except (DeltaError, OSError) as error:
            if _there(uri, options):  # somebody else was faster
                return
            msg = f"{self.root}: no store can be made here ({_line(error)})"
            raise OutputError(msg) from error


@dataclass(frozen=True, slots=True)
class Held(Store):
    """A store whose tables one run holds open: each is read once, then only what came after.

    A table that was opened goes on with those opened later, so threads must not share it. The
    session is one for the run, too; it renews credentials that end.
    """

    tables: dict[str, "DeltaTable"] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    sessions: "list[boto3.Session]" = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def _session(self) -> "boto3.Session":
        if not self.sessions:
            self.sessions.append(Store._session(self))
        return self.sessions[0]

    def open(self, table: str) -> "DeltaTable":
        """Return the newest state of a table, also where it is held already."""
        if table not in self.tables:
            self.tables[table] = Store.open(self, table)
        else:
            with self._readable(table):
                self.tables[table].update_incremental()
        return self.tables[table]


def remote(uri: str) -> bool:
    """Say whether a place is in S3."""
    return uri.startswith("s3://")


def _begun(table: "DeltaTable") -> bool:
    """Say whether anything was committed after a table was made.

    Its version does not tell: two processes that make a table at once may both commit that.
    """
    return all(commit.get("operation") != "CREATE TABLE" for commit in table.history(1))


def _there(uri: str, options: dict[str, str]) -> bool:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return bool(DeltaTable.is_deltatable(uri, options))
    except (DeltaError, OSError):
        return False


def _line(error: Exception) -> str:
    """Return what Delta says, without the frames of its stack."""
    return STACK.split(" ".join(str(error).split()), maxsplit=1)[0][:300]


def _options(aws: Aws, found: "boto3.Session") -> dict[str, str]:
    options = {
        # A commit is a PUT with If-None-Match, which S3 refuses if the version is there already.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        "aws_conditional_put": "etag",
        "aws_region": found.region_name or "us-east-1",
    }
    credentials = found.get_credentials()
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        options["aws_access_key_id"] = frozen.access_key
        options["aws_secret_access_key"] = frozen.secret_key
        if frozen.token:
            options["aws_session_token"] = frozen.token
    if aws.endpoint_url:
        options["aws_endpoint_url"] = aws.endpoint_url
        options["aws_allow_http"] = "true"
    return options
