"""Records to conversations: who talked to whom, counted once.

::

    records -> flows       one row a 5-tuple, observer, hour and action     flows
            -> roles       who is the client of each 5-tuple                roles, witnesses
            -> views       what each observer saw of each conversation      views
            -> linked      the two legs at NAT gateways put together        legs
            -> counted     one view of each conversation kept               counting

Large inputs take the same way as rows of integers in compiled loops, part by part, so that memory
stays bounded; tests hold both ways to the same table::

    objects -> rows        packed records in parts                          packed, shelf, pile,
                                                                            stamps
            -> views       merged, and the client told                      oriented, work
            -> conversations  placed, linked, counted, put into order       parts, seats, through,
                                                                            chosen, sorter, naming
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import polars as pl
from polars.io.plugins import register_io_source

from flowlens.conversations.codes import NOTHING, code
from flowlens.conversations.counting import counted, named, spans, with_action
from flowlens.conversations.flows import LATER, fields, flows
from flowlens.conversations.legs import boxes, linked
from flowlens.conversations.roles import roles
from flowlens.conversations.views import merged, placed, views
from flowlens.reading import hand_on
from flowlens.records import scanned
from flowlens.scan import Scan
from flowlens.small import collect, sized
from flowlens.tables import CONVERSATIONS

if TYPE_CHECKING:
    from flowlens.conversations.parts import Hints, Views
    from flowlens.inventory import Inventory

__all__ = ["Engine", "conversations"]

#: Reads a scan into views somewhere else, as `packed.seen` does here.
Engine = Callable[[Scan, pl.Categorical, frozenset[str], "Views"], None]

#: Records that are no scan go together so many at a time, and are counted as frames up to `MANY`.
CHUNK, MANY = 1 << 17, 1 << 19

#: Fields without which a column of the result cannot be known.
NEEDED = {
    "hour": "start",
    "first_seen": "start",
    "last_seen": "end",
    "server_port": "dstport",
    "protocol": "protocol",
    "bytes_out": "bytes",
    "bytes_in": "bytes",
    "packets_out": "packets",
    "packets_in": "packets",
}


def conversations(
    records: pl.LazyFrame, inventory: "Inventory | None" = None, engine: Engine | None = None
) -> pl.LazyFrame:
    """Return who talked to whom, each conversation counted once.

    A conversation is the traffic of one (client, server, server port, protocol, action) in one
    hour. The client is who opened it; both ends, NAT gateways, transit gateways and
    overlapping flow logs write it down, and the figures of one of them are kept.

    Args:
        records: the records table (`flowlens.scan_records`); ``flow_log`` tells overlapping
            flow logs apart where it is there.
        inventory: AWS configuration; names NAT gateways, so that their two legs can be put
            together in logs without ``pkt-*`` fields.
        engine: where records are read, if not here; they are as `scan_records` returns them.

    Returns:
        the conversations table (`flowlens.tables.CONVERSATIONS`), sorted. A column whose
        field the log format left out is null.

    Raises:
        UsageError: the log format has no source or destination address.

    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)]
    >>> records = pl.LazyFrame({
    ...     "interface_id": "eni-1", "srcaddr": ["10.0.0.5", "192.0.2.1"],
    ...     "dstaddr": ["192.0.2.1", "10.0.0.5"], "srcport": [40000, 443],
    ...     "dstport": [443, 40000], "protocol": 6, "bytes": [100, 900], "packets": [2, 3],
    ...     "start": at, "end": at, "action": "ACCEPT",
    ... })
    >>> shown = ["client", "server_port", "bytes_out", "bytes_in"]
    >>> conversations(records).select(shown).collect().row(0)
    ('10.0.0.5', 443, 100, 900)
    """
    columns = fields(records)
    known = None if inventory is None else (_known(inventory), _held(inventory))
    told = partial(_conversations, records, columns, known, engine)

    def read(
        wanted: list[str] | None, predicate: pl.Expr | None, limit: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        yield from hand_on(
            told(), list(CONVERSATIONS) if wanted is None else wanted, predicate, limit, size
        )

    return register_io_source(read, schema=CONVERSATIONS, is_pure=True)


def _conversations(
    records: pl.LazyFrame,
    columns: frozenset[str],
    known: "Hints | None",
    engine: Engine | None,
) -> Iterator[pl.DataFrame]:
    """Yield the table in order: straight from the bytes where that pays, else from frames."""
    words = pl.Categorical(pl.Categories.random("flowlens"))
    kept = pl.Series(dtype=words)  # a dictionary lives as long as a series of it does
    gone = [name for name, field in NEEDED.items() if field not in columns]
    blank = [pl.lit(None, CONVERSATIONS[name]).alias(name) for name in gone]
    scan, frames = scanned(records), None
    if "merged" not in columns and scan is not None:
        frames = _packed(scan, words, columns, known, engine)
    elif "merged" not in columns:
        frames = _poured(records, words, columns, known)
    for frame in [_framed(records, words, columns, known)] if frames is None else frames:
        yield frame.with_columns(blank)
    del kept


def _packed(
    scan: Scan,
    words: pl.Categorical,
    columns: frozenset[str],
    known: "Hints | None",
    engine: Engine | None,
) -> Iterator[pl.DataFrame] | None:
    """Return the table of a scan in pieces, None where frames are the way to it."""
    if scan.strict and engine is None:
        return None
    from flowlens.conversations.packed import TooFar, seen, told, worthwhile

    with suppress(ImportError, TooFar):
        if engine is not None or worthwhile(scan.size):
            return _begun(
                told(partial(engine or seen, scan, words, columns), words, columns, known)
            )
    return None


def _poured(
    records: pl.LazyFrame, words: pl.Categorical, columns: frozenset[str], known: "Hints | None"
) -> Iterator[pl.DataFrame] | None:
    """Return the table of other records in pieces, None where frames are the way to it."""
    from flowlens_parsers.slots import SLOTS

    needed = records.select(sorted({*SLOTS, *LATER, "flow_log"} & columns))
    frames = needed.collect_batches(chunk_size=CHUNK, maintain_order=False)
    some = pl.DataFrame(schema=needed.collect_schema())
    while some.height < MANY and (frame := next(frames, None)) is not None:
        some.extend(frame)
    if some.height < MANY:
        return iter([_framed(some.lazy(), words, columns, known)])
    from flowlens.conversations.packed import TooFar, poured, told, worthwhile

    with suppress(ImportError, TooFar):
        if worthwhile(None):
            every = chain(some.iter_slices(CHUNK), frames)
            return _begun(told(partial(poured, every, words, columns), words, columns, known))
    return None


def _begun(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Return frames of which the first is made; all is read by then."""
    first = next(frames, None)
    return iter(()) if first is None else chain([first], frames)


def _framed(
    records: pl.LazyFrame,
    words: pl.Categorical,
    columns: frozenset[str],
    known: "Hints | None",
) -> pl.DataFrame:
    # Flows and views are each used several times and are small against the records: they are
    # the two places where a frame is held.
    held = flows(records, words).collect(engine="streaming")
    with sized(held.height):
        seen = collect(views(held.lazy(), roles(held.lazy(), words))).lazy()
        del held
        return _told(seen, words, columns, known)


def _told(
    seen: pl.LazyFrame,
    words: pl.Categorical,
    columns: frozenset[str],
    known: "Hints | None",
) -> pl.DataFrame:
    """Return the table of views that are held."""
    between = collect(boxes(seen, words, known and known[0]))
    owned = None if known is None else known[1].select(code(pl.all(), words))
    separate = placed(seen, between.lazy(), owned).with_columns(leg=pl.lit(None, pl.String))
    if between["box"].is_not_null().any():
        separate = linked(collect(separate.drop("leg")).lazy(), between.lazy(), words)
    if "tgw_attachment_id" in columns:
        accept = pl.select(code(pl.lit("ACCEPT"), words)).item()
        separate = with_action(collect(separate).lazy(), accept, NOTHING)
        separate = merged(separate, least=["place", "leg"], some=[])
    stood = collect(separate).lazy()
    kept = counted(stood, spans(seen), words)
    return collect(named(stood, kept, words))


def _known(inventory: "Inventory") -> pl.LazyFrame:
    """Return ``observer`` and ``box`` of the gateways that the inventory names."""
    from flowlens.inventory import middleboxes

    gateways = middleboxes(inventory).lazy()
    own = pl.concat_list("addresses", "public_addresses")
    box = pl.when(pl.col("kind").is_in(["nat_gateway", "regional_nat_gateway"])).then(own)
    return (
        gateways.select(observer="interface_id", box=box)
        .explode("box")
        .with_columns(pl.col("box").cast(pl.String))
    )


def _held(inventory: "Inventory") -> pl.LazyFrame:
    """Return ``observer`` and ``address`` of the interfaces that the inventory knows."""
    from flowlens.inventory import addresses

    return addresses(inventory).lazy().select(observer="interface_id", address="address").unique()
