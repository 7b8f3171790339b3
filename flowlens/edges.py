"""Conversations -> edges: owned at both ends, named, judged."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from flowlens.destinations.aws import Ranges, ranges
from flowlens.destinations.dns import attribute, names
from flowlens.destinations.known import Known, gather
from flowlens.destinations.paths import path
from flowlens.destinations.recognise import recognise
from flowlens.expected.document import Document
from flowlens.expected.judgement import judge, judged_by
from flowlens.expected.reader import load
from flowlens.reach.along import along
from flowlens.tables import DOMAIN, EDGES

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["OWNED", "edges", "owned"]

#: What `flowlens.inventory.own` adds for each end.
OWNED = {
    "owner": pl.List(pl.String),
    "kind": pl.String(),
    "certainty": pl.String(),
    "interface": pl.String(),
    "groups": pl.List(pl.String),
    "subnet": pl.String(),
    "vpc": pl.String(),
}
_ENDS = ("client", "server")
_ORDER = (
    "hour",
    "client",
    "server",
    "server_port",
    "protocol",
    "action",
    "observer",
    "leg",
    "first_seen",
    "last_seen",
)
_CONVERSATION = ("client", "client_vpc", "server", "first_seen", "last_seen")


def edges(
    conversations: pl.LazyFrame,
    inventory: "Inventory | None" = None,
    expected: Document | str | Path | None = None,
    dns: pl.LazyFrame | None = None,
    *,
    aws_ranges: Ranges | str | Path | None = None,
    learn_until: datetime | None = None,
    asn: str | Path | None = None,
    whole: bool = False,
) -> pl.LazyFrame:
    """Say of each conversation who its ends are and whether it should have happened.

    Args:
        conversations: A frame of `flowlens.tables.CONVERSATIONS`.
        inventory: AWS's configuration, once or several times; without it no owner is known.
        expected: The document of what should happen, or its file.
        dns: Answers of the VPC's resolver; without them `domains` is null.
        aws_ranges: AWS's address ranges, or their file.
        learn_until: Without a document, traffic before this time is the baseline.
        asn: The user's own ``.mmdb`` file of networks.
        whole: Keep what the judgement looks at as well (groups, subnets, services, prefix lists,
            endpoints), so that another document can judge the same edges.

    Returns:
        A frame of `flowlens.tables.EDGES` in the order of hour, client, server, port, protocol,
        action and observer, whatever the order of the conversations; with `whole` the columns of
        `flowlens.expected.judgement.judged_by` follow.

    Raises:
        DocumentError: The document cannot be read.
        InputError: The file of ranges or networks cannot be read.
        UsageError: `asn` is given and ``maxminddb`` is not installed.
    """
    document = load(expected) if isinstance(expected, str | Path) else expected
    published = ranges(aws_ranges) if isinstance(aws_ranges, str | Path) else aws_ranges
    words = document.names if document else None
    known = gather(inventory, ranges=published, names=words, asn=asn)
    finish = partial(
        _finish,
        known=known,
        inventory=inventory,
        document=document,
        dns=dns,
        learn_until=learn_until,
        more=judged_by() if whole else {},
    )
    return owned(conversations, inventory).map_batches(
        finish,
        schema=pl.Schema({**EDGES, **finish.keywords["more"]}),
        predicate_pushdown=False,
        projection_pushdown=False,
    )


def owned(frame: pl.LazyFrame, inventory: "Inventory | None") -> pl.LazyFrame:
    """Add the owners of both ends as of the conversation, the columns `OWNED`.

    Args:
        frame: conversations.
        inventory: AWS's configuration; without it all is null.
    """
    if inventory is None:
        nothing = {f"{end}_{name}": d for end in _ENDS for name, d in OWNED.items()}
        return frame.with_columns(pl.lit(None, d).alias(name) for name, d in nothing.items())
    from flowlens.inventory import own

    for end in _ENDS:
        # The observer is the interface of the end at which it stands.
        here = pl.when(pl.col("vantage") == end).then(pl.col("observer"))
        frame = own(
            frame.with_columns(standing=here),
            inventory,
            address=end,
            time="first_seen",
            until="last_seen",
            interface="standing",
            observer="observer",
            prefix=end,
        ).drop("standing")
    return frame


def _finish(
    frame: pl.DataFrame,
    *,
    known: Known,
    inventory: "Inventory | None",
    document: Document | None,
    dns: pl.LazyFrame | None,
    learn_until: datetime | None,
    more: dict[str, pl.DataType],
) -> pl.DataFrame:
    named = _name(frame, dns)
    placed = path(along(recognise(named, known), inventory), known)
    judged = judge(placed, document, inventory, learn_until, known=known)
    columns = [pl.col(name).cast(dtype) for name, dtype in EDGES.items()]
    return judged.select(*columns, *more).sort(*_ORDER, nulls_last=True, maintain_order=True)


def _name(frame: pl.DataFrame, dns: pl.LazyFrame | None) -> pl.DataFrame:
    """Add the ranked names of the server; null where there is no resolver log."""
    if dns is None:
        return frame.with_columns(domains=pl.lit(None, pl.List(DOMAIN)))
    wanted = frame.select(_CONVERSATION).unique(maintain_order=True)
    found = attribute(wanted, names(dns).collect())
    return frame.join(found, on=_CONVERSATION, how="left", nulls_equal=True, maintain_order="left")
