"""A table of flow logs in Athena: added up there, read here.

::

    athena:DATABASE.TABLE  ->  Glue: columns, partitions           catalog
                           ->  SQL                                 pushdown
                           ->  cost, said before it arises         `_estimate`
                           ->  UNLOAD to Parquet                   `queries`
                           ->  the Parquet objects

Athena bills by the bytes that a query scans, so one is never run twice over the same objects: the
token of a query is made of its text and of the versions of all objects that it may read, and
Athena answers a token it has seen with the query that it ran then.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qsl

from flowlens import words
from flowlens.errors import AccessError, InputError, UsageError
from flowlens.sources import keys
from flowlens.sources.base import Object, Window
from flowlens.sources.catalog import Found, look_up
from flowlens.sources.partitions import conditions
from flowlens.sources.pushdown import select
from flowlens.sources.queries import PRIMARY, Request, output, run
from flowlens.sources.s3 import list_s3
from flowlens.sources.table import unused

__all__ = ["Asked", "list_athena", "parse"]

#: Dollars for a terabyte (10^12 bytes) scanned, in most regions, and the bytes that the smallest
#: query is billed for (https://aws.amazon.com/athena/pricing/).
PRICE, LEAST = 5.0, 10_000_000

NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,254}"
PLACE = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w!./=+@ -]*)?"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What `athena:DATABASE.TABLE?output=s3://…&workgroup=NAME` says.

    Args:
        database: Name of the database.
        table: Name of the table or view.
        output: Where results go; None for where the workgroup puts them.
        workgroup: Name of the workgroup.
    """

    database: str
    table: str
    output: str | None = None
    workgroup: str = PRIMARY


def parse(uri: str) -> Asked:
    """Return what a source says.

    Raises:
        UsageError: It is no name of a table, or has an option that nobody knows.

    >>> parse("athena:logs.vpc?workgroup=soc&output=s3://results/flows/")
    Asked(database='logs', table='vpc', output='s3://results/flows/', workgroup='soc')
    """
    whole, _, query = uri.removeprefix("athena:").partition("?")
    names = re.fullmatch(rf"({NAME})\.({NAME})", whole, re.ASCII)
    if names is None:
        msg = f"{uri!r} names no table; write athena:DATABASE.TABLE, of letters, digits, _ and -"
        raise UsageError(msg)
    given = dict(parse_qsl(query, keep_blank_values=True))
    odd = sorted(given.keys() - {"output", "workgroup"})
    if odd:
        msg = f"{uri!r}: there is no option {odd[0]!r}; there are output=s3://… and workgroup=NAME"
        raise UsageError(msg)
    place = given.get("output")
    if place is not None and not re.fullmatch(PLACE, place, re.ASCII):
        msg = f"{uri!r}: output is {place!r}; expected s3://BUCKET/FOLDER/"
        raise UsageError(msg)
    # The catalog folds names; so does Athena.
    return Asked(names[1].lower(), names[2].lower(), place, given.get("workgroup") or PRIMARY)


def list_athena(
    clients: Callable[[str], Any], uri: str, window: Window, note: Say, say: Say
) -> Iterator[Object]:
    """Run the query for a table, and yield the Parquet objects that Athena wrote.

    Args:
        clients: Makes the client of a service: `athena`, `glue` and `s3`.
        uri: `athena:DATABASE.TABLE`, with `?output=s3://…&workgroup=NAME` where the workgroup's
            own settings will not do.
        window: The asked time.
        note: Told what was left out.
        say: Told at once what the query may cost, and afterwards what it did.

    Raises:
        UsageError: The name or an option is wrong, or the table is none of flow logs.
        AccessError: Credentials or a permission is missing.
        InputError: There is no such table, or the query failed.
    """
    asked = parse(uri)
    athena = clients("athena")
    short = f"athena:{asked.database}.{asked.table}"
    found = look_up(clients("glue"), asked.database, asked.table)
    query = select(found.table, window)
    left = unused(found.table)
    if left:
        note(f"{short}: columns that are not read: {', '.join(left)}")
    place = output(athena, asked.workgroup, asked.output)

    def tell(text: str) -> None:
        say(f"{short}: {text}")

    seen = _estimate(clients("s3"), found, window, tell)
    request = Request(query, place, asked.database, asked.workgroup, seen)
    yield from run(athena, clients("s3"), request, tell)


def _estimate(s3: Any, found: Found, window: Window, say: Say) -> str | None:
    """Say what the query may cost.

    Returns:
        A digest of the objects that it may read; None where that is not known.
    """
    if found.location is None:
        say("Athena bills the bytes scanned; how many cannot be told before")
        return None
    digest = hashlib.sha256()
    size = count = 0
    try:
        for one in _objects(s3, found, window):
            digest.update(f"{one.uri} {one.size} {one.etag}\n".encode())
            size, count = size + (one.size or 0), count + 1
    except (AccessError, InputError) as error:
        say(f"Athena bills the bytes scanned; how many is unknown ({error})")
        return None
    say(
        f"the query scans at most {words.size(size)} in {count:,} objects, "
        f"which is {_dollars(size)} at ${PRICE:.0f} a TB"
    )
    return digest.hexdigest()


def _objects(s3: Any, found: Found, window: Window) -> Iterator[Object]:
    """Yield the objects of the partitions that the SQL does not leave out: whole days."""
    near = window if conditions(found.table.partitions, window) else Window()
    first, last = (None if day is None else day.date() for day in near.days())
    midnight = time(tzinfo=UTC)
    span = Window(
        None if first is None else datetime.combine(first, midnight),
        None if last is None else datetime.combine(last + timedelta(days=1), midnight),
    )
    # The listing looks around its time too; what lies in other days is left out here.
    for one in list_s3(s3, str(found.location), span, "vpcflowlogs", lambda _: None):
        slot = keys.parse(one.uri).slot
        day = None if slot is None else slot.date()
        early = day is not None and first is not None and day < first
        late = day is not None and last is not None and day > last
        if not early and not late:
            yield one


def _dollars(size: int) -> str:
    """Return what scanning costs.

    >>> _dollars(1), _dollars(3_000_000_000), _dollars(40 * 10**12)
    ('less than $0.01', '$0.02', '$200.00')
    """
    cents = math.ceil(max(size, LEAST) / 10**12 * PRICE * 100)
    return "less than $0.01" if cents == 1 else f"${cents / 100:,.2f}"
