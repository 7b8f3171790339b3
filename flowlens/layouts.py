"""Which columns the objects of a source have, found with as few glances as will do."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import polars as pl

from flowlens.sources import Lost, Object
from flowlens_parsers import DEFAULT, SCHEMA, Layout, peek

__all__ = ["survey", "union"]

#: Objects of one flow log that are looked into before it is given up as empty.
TRIES = 3

#: Glances across a network at the same time.
GLANCES = 4


def survey(
    objects: Sequence[Object], format: str | None, note: Callable[[str], None]
) -> dict[str, pl.DataType]:
    """Return the columns of all objects together.

    The format of a flow log cannot be changed, so one object stands for all that carry the same
    flow-log id; every other object is looked into.

    Args:
        objects: What will be read.
        format: Log format for lines without a header.
        note: Told when formats differ.

    Raises:
        FormatError: The format given names no field.
    """
    groups = list(_groups(objects).values())
    if any(found.remote for found in objects):
        with ThreadPoolExecutor(GLANCES, thread_name_prefix="glance") as pool:
            layouts = list(pool.map(lambda group: _glance(group, format), groups))
    else:
        layouts = [_glance(group, format) for group in groups]
    known = [layout for layout in layouts if layout is not None and layout.fields]
    sets = {frozenset(layout.fields) for layout in known}
    if len(sets) > 1:
        note(f"{len(sets)} record formats in the input; a field that one lacks is null there")
    return union(layout.schema for layout in known) or {name: SCHEMA[name] for name in DEFAULT}


def _groups(objects: Sequence[Object]) -> dict[tuple[str, str], list[Object]]:
    groups: dict[tuple[str, str], list[Object]] = {}
    for found in objects:
        kind = "parquet" if found.uri.endswith(".parquet") else ""
        groups.setdefault((found.flow_log or found.uri, kind), []).append(found)
    return groups


def _glance(group: list[Object], format: str | None) -> Layout | None:
    """Return the layout of the first object of a group that has one."""
    for found in [found for found in group if found.size != 0][:TRIES]:
        try:
            with closing(found.open()) as stream:
                layout = peek(stream, found.uri, format=format or found.format)
        except Lost:
            continue  # it is booked when its turn to be read comes
        if layout.fields:
            return layout
    return None


def union(schemas: Iterable[dict[str, pl.DataType]]) -> dict[str, pl.DataType]:
    """Return the columns of all schemas: AWS's fields in AWS's order, then the others by name.

    >>> union([{"srcport": SCHEMA["srcport"], "zeal": pl.String()}, {"version": SCHEMA["version"]}])
    {'version': UInt8, 'srcport': UInt16, 'zeal': String}
    """
    found: dict[str, pl.DataType] = {}
    for schema in schemas:
        for name, dtype in schema.items():
            same = found.setdefault(name, dtype) == dtype
            found[name] = dtype if same else SCHEMA.get(name, pl.String())
    known = {name: found[name] for name in SCHEMA if name in found}
    return known | {name: found[name] for name in sorted(found) if name not in SCHEMA}
