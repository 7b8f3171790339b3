"""Prefixes for each workload under what its quota leaves beside groups, lists and names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from flowlens.destinations.prefixes import covering
from flowlens.expected.budget import Sizes, used
from flowlens.expected.document import Document, Entry, Port, Rule, Subject
from flowlens.expected.ranges import Fit, Spoken, fit
from flowlens.words import PORTED, noun, service

__all__ = ["Terms", "spoken", "spread"]

_FAMILIES = (4, 6)


@dataclass(frozen=True, slots=True)
class Terms:
    """What prefixes are chosen under.

    Attributes:
        document: Entries that are there already.
        sizes: What prefix lists count as rules, by id.
        limits: Quotas.
        forbidden: Prefixes that nothing may admit.
        foreign: Addresses beside the observed ones that may be admitted.
        worth: Foreign addresses that a flow is worth; null to leave nothing out.
    """

    document: Document | None
    sizes: Sizes
    limits: Mapping[str, int]
    forbidden: tuple[str, ...]
    foreign: int
    worth: float | None


def spread(
    frame: pl.DataFrame, called: Sequence[tuple[Subject, ...]], terms: Terms
) -> tuple[pl.DataFrame, list[str]]:
    """Give every conversation the word or the prefix that admits it.

    Args:
        frame: What `instruments.choose` returns.
        called: The workloads by number.
        terms: What prefixes are chosen under.

    Returns:
        `frame` with `port` (0 where a protocol has none), `said` (protocol and port in words), and
        `value` filled in for ``cidr``; `kind` is null for what was left out for its price. And what
        a reader should know about the quotas, a sentence each.
    """
    frame = spoken(frame)
    notes: list[str] = []
    parts = []
    for (number,), part in sorted(frame.partition_by("workload", as_dict=True).items()):
        fitted, told = _fit(part, called[number], terms)
        parts.append(fitted)
        notes += told
    return (pl.concat(parts) if parts else frame), notes


def spoken(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `port` (0 where a protocol has none) and `said`, protocol and port in words."""
    port = pl.when(pl.col("protocol").is_in(list(PORTED))).then("server_port").fill_null(0)
    frame = frame.with_columns(port=port.cast(pl.UInt16))
    pairs = frame.select("protocol", "port").unique().sort("protocol", "port")
    said = [service(protocol, port) for protocol, port in pairs.iter_rows()]
    pairs = pairs.with_columns(said=pl.Series(said, dtype=pl.String))
    return frame.join(pairs, on=["protocol", "port"], how="left", maintain_order="left")


def _fit(
    part: pl.DataFrame, who: tuple[Subject, ...], terms: Terms
) -> tuple[pl.DataFrame, list[str]]:
    """Give the conversations of one workload their prefixes."""
    fits = _prefixes(part, who, terms)
    tight = [each.family for each in fits if _wrong(each, terms)]
    v6 = pl.col("server").str.contains(":", literal=True)
    pressed = v6.replace_strict({True: 6, False: 4}, return_dtype=pl.Int64).is_in(tight)
    swap = (pl.col("kind") == "cidr") & pl.col("alias").is_not_null() & pressed
    swapped = part.filter(swap)
    if swapped.height:
        part = part.with_columns(
            kind=pl.when(swap).then(pl.lit("domain")).otherwise("kind"),
            value=pl.when(swap).then("alias").otherwise("value"),
        )
        after = _prefixes(part, who, terms)
    else:
        after = fits
    names = swapped["alias"].n_unique()
    told = [
        text
        for one, other in zip(fits, after, strict=True)
        for text in _told(who, one, other, names if one.family in tight else 0, terms)
    ]
    return _assigned(part, after), told


def _wrong(one: Fit, terms: Terms) -> bool:
    """Say whether prefixes are the wrong instrument: under the quota they admit too much."""
    return one.least is None or one.least > terms.foreign or one.over


def _prefixes(part: pl.DataFrame, who: tuple[Subject, ...], terms: Terms) -> list[Fit]:
    """Cover the addresses of a workload, those of each family for themselves."""
    rows = part.filter(pl.col("kind") == "cidr")
    keys = rows.select("protocol", "port", "server").unique().sort(pl.all())
    groups: dict[Spoken, list[str]] = {}
    for protocol, port, server in keys.iter_rows():
        groups.setdefault((protocol, port), []).append(server)
    penalty = None
    if terms.worth is not None:
        flows = pl.col("connections").fill_null(1).clip(lower_bound=1).sum()
        priced = rows.group_by("server").agg(flows=flows)
        penalty = {server: terms.worth * count for server, count in priced.iter_rows()}
    taken = _used(part, who, terms)
    return [
        fit(
            groups,
            family,
            terms.limits["group_rules"] - used,
            forbidden=terms.forbidden,
            penalty=penalty,
            foreign=terms.foreign,
        )
        for family, used in zip(_FAMILIES, taken, strict=True)
    ]


def _used(part: pl.DataFrame, who: tuple[Subject, ...], terms: Terms) -> tuple[int, int]:
    """Return how many rules of each family the existing entries and the words come to."""
    keys = ["kind", "value", "place", "protocol", "port"]
    words = part.filter(pl.col("kind") != "cidr").select(keys).unique().sort(pl.all())
    entries = tuple(
        Entry(0, kind, (value,), place, (Port(protocol, *_range(protocol, port)),))
        for kind, value, place, protocol, port in words.iter_rows()
    )
    before = terms.document.rules if terms.document else ()
    names = terms.document.names if terms.document else {}
    whole = Document("", names, (*before, Rule(0, who, entries)))
    counts = [used(whole, each, terms.sizes) for each in who]
    return max(four for four, _ in counts), max(six for _, six in counts)


def _range(protocol: int, port: int) -> tuple[int, int]:
    return (port, port) if protocol in PORTED else (0, 65_535)


def _assigned(part: pl.DataFrame, fits: list[Fit]) -> pl.DataFrame:
    """Put the prefix that admits each address in its place."""
    table = [
        (*spoken, prefix)
        for one in fits
        for spoken, prefixes in one.prefixes.items()
        for prefix in prefixes
    ]
    schema = {"protocol": pl.UInt8(), "port": pl.UInt16(), "prefix": pl.String()}
    prefixes = pl.DataFrame(table, schema=schema, orient="row").with_row_index("at")
    held = covering(part.filter(pl.col("kind") == "cidr")["server"], prefixes["prefix"].to_list())
    keys = ["server", "protocol", "port"]
    found = held.rename({"row": "at", "address": "server"}).join(prefixes, on="at").drop("at")
    joined = part.join(found.unique(), on=keys, how="left", maintain_order="left")
    cidr = pl.col("kind") == "cidr"
    return joined.with_columns(
        kind=pl.when(~cidr | pl.col("prefix").is_not_null()).then("kind"),
        value=pl.when(cidr).then("prefix").otherwise("value"),
    ).drop("prefix")


def _told(who: tuple[Subject, ...], one: Fit, other: Fit, names: int, terms: Terms) -> list[str]:
    """Say what a quota made of a workload's prefixes."""
    workload = ", ".join(f"{each.kind} {each.value}" for each in who)
    beside = "addresses" if one.family == 4 else "networks of 64 bits"
    room = (
        f"{noun(max(0, one.room), f'IPv{one.family} rule')} left of {terms.limits['group_rules']}"
    )
    told = []
    if _wrong(one, terms):
        what = "prefixes cannot hold its addresses"
        if one.least is not None:
            what = f"the best prefixes would admit {one.least:,} foreign {beside}"
        told.append(f"{workload}: with {room} {what}: prefixes are the wrong instrument here")
        if names:
            told[-1] += f"; {noun(names, 'name')} took the place of addresses"
    if other.over:
        told.append(
            f"{workload}: {other.count:,} IPv{one.family} prefixes do not fit into {room}; ask AWS "
            "for more rules, put them into a prefix list of your own, or give a resolver log "
            "(--dns) so that names can take their place"
        )
    elif other.foreign:
        told.append(
            f"{workload}: {other.count:,} prefixes in {room} admit "
            f"{other.foreign:,} foreign {beside}"
        )
    left = sum(map(len, other.left.values()))
    if left:
        told.append(f"{workload}: {noun(left, 'rare address', 'rare addresses')} left out")
    return told
