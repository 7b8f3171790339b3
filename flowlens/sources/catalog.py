"""The Glue Data Catalog: what a table of Athena has, and where its objects lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowlens.errors import InputError
from flowlens.sources.partitions import Partition, pattern
from flowlens.sources.session import code, guarded
from flowlens.sources.table import Table

__all__ = ["Found", "look_up"]

#: A table's property that says how a column of projected partitions writes its days.
PROJECTED = "projection.{}.format"

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A table and its objects.

    Args:
        table: Its columns.
        location: `s3://…/`, below which all its objects lie; None where nobody can tell.
    """

    table: Table
    location: str | None


def look_up(glue: Any, database: str, table: str) -> Found:
    """Return what the catalog knows about a table.

    Args:
        glue: Glue client.
        database: Its database.
        table: Its name.

    Raises:
        AccessError: Credentials or `glue:GetTable` are missing.
        InputError: There is no such table, or it has no partitions yet.
    """
    try:
        with guarded("glue:GetTable", f"{database}.{table}"):
            entry = glue.get_table(DatabaseName=database, Name=table)["Table"]
    except InputError as error:
        if code(error.__cause__) != "EntityNotFoundException":
            raise
        msg = f"athena:{database}.{table}: no such table here; check its name and --region"
        raise InputError(msg) from error
    view = entry.get("TableType") == "VIRTUAL_VIEW"
    storage = entry.get("StorageDescriptor", {})
    keys = {key["Name"]: key.get("Type", "string") for key in entry.get("PartitionKeys", ())}
    columns = {one["Name"]: one.get("Type", "string") for one in storage.get("Columns", ())}
    properties = entry.get("Parameters", {})
    projected = properties.get("projection.enabled", "").lower() == "true"
    sample = {} if projected or not keys else _sample(glue, database, table)
    partitions = {
        key: Partition(kind, properties.get(PROJECTED.format(key)) or pattern(value))
        for key, kind, value in zip(
            keys, keys.values(), sample.get("Values") or [""] * len(keys), strict=False
        )
    }
    location = _location(storage, properties, sample)
    known = Table(database, table, {**columns, **keys}, partitions, path=not view)
    return Found(known, None if view else location)


def _sample(glue: Any, database: str, table: str) -> dict[str, Any]:
    """Return one partition of the table, from which its days are read."""
    with guarded("glue:GetPartitions", f"{database}.{table}"):
        found = glue.get_partitions(DatabaseName=database, TableName=table, MaxResults=1)
    if not found.get("Partitions"):
        msg = (
            f"athena:{database}.{table}: the table has no partitions yet; "
            "add them (MSCK REPAIR TABLE or ALTER TABLE ADD PARTITION)"
        )
        raise InputError(msg)
    return dict(found["Partitions"][0])


def _location(storage: Entry, properties: Mapping[str, str], sample: Entry) -> str | None:
    """Return where all objects lie; None where a partition lies elsewhere than its table."""
    location = str(storage.get("Location") or "").rstrip("/") + "/"
    if not location.startswith("s3://"):
        return None
    template = properties.get("storage.location.template", "")
    inside = sample.get("StorageDescriptor", {}).get("Location", "") or template.partition("${")[0]
    return location if not inside or inside.startswith(location.rstrip("/")) else None
