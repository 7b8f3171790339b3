"""With what to admit a destination: the narrowest word for it that will still be true next week.

For each conversation the first of these that can be had:

1. ``endpoint``: it went to an interface endpoint
2. ``security_group``: an interface of ours in the same or a peered VPC; of its groups the one that
   the fewest interfaces have
3. ``prefix_list``: a managed list holds the address and counts no more rules than the addresses
   would; AWS's lists of S3 and DynamoDB count one for thousands of addresses
4. ``aws_service``: a service of AWS that is a destination of its own, without a list
5. ``domain``: the resolver's log names it and the name's addresses change (`CHURN`)
6. ``cidr``: otherwise

A word that would also admit forbidden space is no word for anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import collapse_addresses, ip_network
from typing import TYPE_CHECKING

import polars as pl

from flowlens.destinations.aws import TENANTS
from flowlens.destinations.known import Known
from flowlens.destinations.paths import private
from flowlens.destinations.recognise import ENDPOINTS
from flowlens.expected import values
from flowlens.expected.budget import Sizes
from flowlens.expected.churn import unseen
from flowlens.expected.evidence import within
from flowlens.expected.taint import tainted

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["CHURN", "Rules", "choose", "names"]

#: Chance that the next flow goes to a new address, above which a name counts as changing.
CHURN = 0.01
_LIKELY = 0.5  # as in `targets`: a name this probable is the name
_NEAR = ("local", "peering")  # where a group can be referred to
_NAMED = (6, 17)  # TCP and UDP


@dataclass(frozen=True, slots=True)
class Rules:
    """What the choice depends on beside the traffic.

    Attributes:
        known: What is known about addresses.
        sizes: What prefix lists count as rules, by id.
        shared: How many interfaces have each security group.
        forbidden: Prefixes that nothing may admit.
        tainted: Words that would admit forbidden space, as kind and value.
    """

    known: Known
    sizes: Sizes
    shared: Mapping[str, int]
    forbidden: tuple[str, ...] = ()
    tainted: frozenset[tuple[str, str]] = field(default_factory=frozenset)


def choose(frame: pl.DataFrame, rules: Rules, inventory: "Inventory | None") -> pl.DataFrame:
    """Add the word for each destination.

    Args:
        frame: Edges to learn from (`left` is null) and others, with `workload`.
        rules: What else the choice depends on.
        inventory: For the addresses of security groups.

    Returns:
        The edges to learn from with `kind`, `value` (null for ``cidr``), `place` (the Region of a
        service), `alias` (the name that could stand for the address) and `churn` (chance of an
        address not seen yet; null where no name is known).
    """
    rules = replace(rules, tainted=tainted(frame, rules.known, rules.forbidden, inventory))
    learned = frame.filter(pl.col("left").is_null())
    named = _churn(names(learned))
    named = named.with_columns(_alias(named, rules).alias("alias"))
    words = (
        ("endpoint", _endpoint(named, rules)),
        ("security_group", _group(named, rules)),
        ("prefix_list", _lists(named, rules)),
        ("aws_service", _service(named, rules)),
        ("domain", _domain(named)),
    )
    chosen = named.with_columns(pl.Series(f"= {kind}", v, pl.String) for kind, v in words)
    columns = [pl.col(f"= {kind}") for kind, _ in words]
    pairs = zip(columns, words, strict=True)
    kinds = [pl.when(c.is_not_null()).then(pl.lit(k)) for c, (k, _) in pairs]
    return (
        chosen.with_columns(kind=pl.coalesce(*kinds, pl.lit("cidr")), value=pl.coalesce(columns))
        .with_columns(place=pl.when(pl.col("kind") == "aws_service").then("region"))
        .drop(f"= {kind}" for kind, _ in words)
    )


def names(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `name`: the name of the server, if one is more probable than all others together."""
    first = pl.col("domains").list.first()
    sure = first.struct.field("probability") >= _LIKELY
    name = pl.when(sure).then(first.struct.field("name").str.strip_chars_end("."))
    return frame.with_columns(name=name)


def _churn(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `churn` of each name for each workload: addresses others got for it count as unseen."""
    flows = pl.col("connections").fill_null(1).clip(lower_bound=1)
    seen = frame.drop_nulls("name").select("workload", "name", "server", "hour", flows=flows)
    found = unseen(seen, ["name"], ["server"]).select("name", "kinds", "unseen")
    own = seen.group_by("workload", "name").agg(own=pl.col("server").n_unique())
    rate = own.join(found, on="name").select(
        "workload",
        "name",
        churn=pl.when(pl.col("own") < pl.col("kinds"))
        .then(pl.max_horizontal("unseen", 1 - pl.col("own") / pl.col("kinds")))
        .otherwise("unseen"),
    )
    return frame.join(rate, on=["workload", "name"], how="left", maintain_order="left")


def _usable(kind: str, value: str | None, rules: Rules) -> str | None:
    """Return a value if a document can say it and it admits nothing forbidden."""
    if value is None or (kind, value) in rules.tainted:
        return None
    try:
        return value if values.TARGET[kind](value) == value else None
    except ValueError:
        return None


def _each(column: pl.Series, kind: str, rules: Rules) -> pl.Series:
    """Return the values of a column that can be used."""
    distinct = column.unique().to_list()
    return column.replace_strict(
        distinct, [_usable(kind, v, rules) for v in distinct], return_dtype=pl.String
    )


def _endpoint(frame: pl.DataFrame, rules: Rules) -> pl.Series:
    face = (pl.col("path") == "interface endpoint") | pl.col("server_kind").is_in(ENDPOINTS)
    return _each(frame.select(pl.when(face).then("endpoint")).to_series(), "endpoint", rules)


def _group(frame: pl.DataFrame, rules: Rules) -> pl.Series:
    """Return the group of the server that says the least beyond it."""
    blocks = rules.known.blocks
    inside = frame.select(private(pl.col("server"))).to_series()
    inside |= within(frame["server"], blocks or ())
    near = inside & frame["path"].is_in(_NEAR).fill_null(value=False)
    groups = frame.select(pl.when(pl.lit(near)).then("server_groups")).to_series()
    best: dict[str | None, str | None] = {None: None}
    for some in groups.drop_nulls().unique().to_list():
        usable = [each for each in some if _usable("security_group", each, rules)]
        ranked = sorted(usable, key=lambda each: (rules.shared.get(each, 0), each))
        best[" ".join(some)] = ranked[0] if ranked else None
    return groups.list.join(" ").replace_strict(best, return_dtype=pl.String)


def _lists(frame: pl.DataFrame, rules: Rules) -> pl.Series:
    """Return the prefix list of each server whose rules it saves, for the workload and port."""
    rows = (
        frame.with_row_index("row")
        .select("row", "workload", "server_port", "protocol", "server", "lists")
        .explode("lists", empty_as_null=True)
        .drop_nulls("lists")
    )
    usable = {v: _usable("prefix_list", v, rules) for v in rows["lists"].unique()}
    bought = []
    keys = ["workload", "server_port", "protocol", "lists"]
    for key, part in rows.group_by(keys, maintain_order=True):
        name = str(key[-1])
        size = max(rules.sizes.get(name, (0, 0)))
        if usable[name] and 0 < size <= _prefixes(part["server"]):
            bought.append((*key, size))
    schema = {**{k: rows.schema[k] for k in keys}, "size": pl.Int64()}
    table = pl.DataFrame(bought, schema=schema, orient="row")
    found = rows.join(table, on=keys, nulls_equal=True).sort("row", "size", "lists")
    first = found.unique("row", keep="first").select("row", value="lists")
    return (
        frame.with_row_index("row")
        .select("row")
        .join(first, on="row", how="left", maintain_order="left")["value"]
    )


def _prefixes(addresses: pl.Series) -> int:
    """Return how many prefixes hold exactly these addresses, in the family that needs more."""
    nets = [ip_network(each) for each in addresses.unique().to_list()]
    families = ([n for n in nets if n.version == v] for v in (4, 6))
    return max(len(list(collapse_addresses(some))) for some in families)  # type: ignore[type-var]


def _service(frame: pl.DataFrame, rules: Rules) -> pl.Series:
    """Return the service of AWS; of several the first, as in the file of ranges."""
    own = pl.col("services").list.eval(pl.element().filter(~pl.element().is_in(TENANTS)))
    known = pl.col("region").is_not_null() & ~private(pl.col("server"))
    return _each(
        frame.select(pl.when(known).then(own.list.first())).to_series(), "aws_service", rules
    )


def _domain(frame: pl.DataFrame) -> pl.Series:
    """Return the names whose addresses change."""
    moving = pl.col("churn") > CHURN
    return frame.select(pl.when(moving).then("alias")).to_series()


def _alias(frame: pl.DataFrame, rules: Rules) -> pl.Series:
    """Return the name that a document can say in the place of addresses."""
    public = ~private(pl.col("server")) & pl.col("server_owner").is_null()
    spoken = pl.col("protocol").is_in(_NAMED)
    return _each(frame.select(pl.when(public & spoken).then("name")).to_series(), "domain", rules)
