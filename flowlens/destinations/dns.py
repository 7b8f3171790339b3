"""Domain names of addresses, from the answers that clients got before they connected.

A name is credited where it was *asked*: the addresses at the end of a chain of CNAMEs belong to
the first name of it. Answers are not cut at their TTL, because clients and resolvers keep them
longer (measured: within the TTL only 78 % of flows find their name, without the cut 99 %), and
not restricted to the client, because the resolver of a VPC answers from its cache without a line
in the log. So an address has candidates, and each candidate a probability.

The weight of a candidate is the sum over three scopes (the client itself, its VPC, everybody) of::

    scope * sqrt(asked) / (1 + age / 60 s)

asked
    how often the scope got this address for this name up to the conversation
age
    how long before the conversation's first packet it got it last; 0 for an answer that came
    while the conversation's hour was under way
scope
    1 for the client, 0.1 for its VPC, 0.02 for everybody

and its probability is ``0.994 * weight / (sum of weights + 1e-5)``. 0.994 is the measured share of
flows whose true name is among the earlier answers at all; the small constant lets the belief in a
lone name fade when it was heard long ago and only by others. The other constants are chosen, not
fitted: recency leads (the last answer is right for 91 % of flows), frequency breaks near ties.
"""

import polars as pl

from flowlens.destinations.canonical import canonical
from flowlens.tables import DOMAIN, TIME

__all__ = ["NAMES", "attribute", "names"]

#: What `names` returns: per asker, address, name and hour of the answers.
NAMES: dict[str, pl.DataType] = {
    "vpc_id": pl.String(),
    "srcaddr": pl.String(),  # the client that asked
    "address": pl.String(),
    "name": pl.String(),
    "hour": TIME,
    "first": TIME,  # first answer in the hour
    "last": TIME,
    "count": pl.UInt64(),
}

_ADDRESS_TYPES = ("A", "AAAA")
_SCOPES = (("srcaddr", 1.0), ("vpc_id", 0.1), (None, 0.02))
_SLACK = pl.duration(seconds=60)  # flow-log times are right within a minute
_HALF = 60.0  # seconds after which an answer counts half
_FOUND = 0.994
_DOUBT = 1e-5
_PART = 50_000  # conversations weighed at a time
#: Names kept for a conversation; what is left out has the smallest probabilities.
_MOST = 16


def names(answers: pl.LazyFrame) -> pl.LazyFrame:
    """Return which addresses each name had, per asker and hour.

    Args:
        answers: Resolver answers with the columns `time`, `srcaddr`, `vpc_id`, `name` and
            `answers` (list of `type` and `rdata`).

    Returns:
        A frame of `NAMES`: one row for each asker, address, name and hour, so its size does not
        grow with the number of answers.
    """
    return (
        answers.select("time", "srcaddr", "vpc_id", "name", "answers")
        .explode("answers")
        .with_columns(
            type=pl.col("answers").struct.field("type"),
            address=canonical(pl.col("answers").struct.field("rdata")),
        )
        .filter(pl.col("type").is_in(_ADDRESS_TYPES), pl.col("address", "name").is_not_null())
        .with_columns(pl.col("time").cast(TIME), srcaddr=canonical(pl.col("srcaddr")))
        .group_by("vpc_id", "srcaddr", "address", "name", hour=pl.col("time").dt.truncate("1h"))
        .agg(first=pl.col("time").min(), last=pl.col("time").max(), count=pl.len())
        .select(pl.col(name).cast(dtype) for name, dtype in NAMES.items())
    )


def attribute(wanted: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return the ranked names of the server of each conversation.

    A name is a candidate if it was answered with the server's address before the conversation's
    last packet (plus a minute).

    Args:
        wanted: Distinct conversations: `client`, `client_vpc` (null where unknown), `server`,
            `first_seen`, `last_seen`.
        known: A frame of `NAMES`.

    Returns:
        `wanted` with `domains`, best first; an empty list where no name is known.
    """
    asked = wanted.with_row_index("case").with_columns(until=pl.col("last_seen") + _SLACK)
    couples = (
        known.group_by("address", "name")
        .agg(born=pl.col("first").min())
        .sort("address", "name")
        .with_row_index("couple")
    )
    numbered = known.join(couples.drop("born"), on=["address", "name"])
    told = {scope: _history(numbered, scope) for scope, _ in _SCOPES}
    # In parts, because a much used address has many names and every pair of both is weighed.
    ranked = [_rank(_pair(part, couples), told) for part in asked.iter_slices(_PART)]
    found = pl.concat(ranked) if ranked else _rank(_pair(asked, couples), told)
    return (
        asked.join(found, on="case", how="left", maintain_order="left")
        .with_columns(pl.col("domains").fill_null(pl.lit([], pl.List(DOMAIN))))
        .drop("case", "until")
    )


def _pair(asked: pl.DataFrame, couples: pl.DataFrame) -> pl.LazyFrame:
    """Return each conversation with each name that its server had by then."""
    columns = {"srcaddr": "client", "vpc_id": "client_vpc"}
    return (
        asked.lazy()
        .join(couples.lazy(), left_on="server", right_on="address")
        .filter(pl.col("born") <= pl.col("until"))
        .select("case", "couple", "name", "until", "first_seen", **columns)
        .sort("until", "case", "couple")
    )


def _history(known: pl.DataFrame, scope: str | None) -> pl.DataFrame:
    """Return, per name and hour with answers, how many answers a scope had got up to then."""
    by = [scope, "couple"] if scope else ["couple"]
    return (
        known.lazy()
        .drop_nulls(by)
        .group_by(*by, "hour")
        .agg(pl.col("first").min(), pl.col("last").max(), pl.col("count").sum())
        .sort("first", *by)
        .select(*by, "first", "last", total=pl.col("count").cum_sum().over(by))
        .collect()
    )


def _weigh(
    pairs: pl.LazyFrame, told: pl.DataFrame, scope: str | None, share: float
) -> pl.LazyFrame:
    """Add the weight that one scope gives to each pair of conversation and name."""
    found = pairs.join_asof(
        told.lazy(),
        left_on="until",
        right_on="first",
        by=[scope, "couple"] if scope else ["couple"],
        check_sortedness=False,
    )
    age = (pl.col("first_seen") - pl.min_horizontal("last", "until")).dt.total_milliseconds() / 1000
    weight = share * pl.col("total").sqrt() / (1 + age.clip(lower_bound=0) / _HALF)
    if scope:  # a client whose VPC is not known has no questions of its VPC
        weight = pl.when(pl.col(scope).is_not_null()).then(weight)
    added = found.with_columns(weight.fill_null(0.0).alias(f"weight_{scope}"))
    return added.drop("first", "last", "total")


def _rank(pairs: pl.LazyFrame, told: dict[str | None, pl.DataFrame]) -> pl.DataFrame:
    """Return the candidates of each case with their probabilities, best first."""
    for scope, share in _SCOPES:
        pairs = _weigh(pairs, told[scope], scope, share)
    weight = pl.sum_horizontal(f"weight_{scope}" for scope, _ in _SCOPES)
    total = pl.col("weight").sum().over("case")
    probability = _FOUND * pl.col("weight") / (total + _DOUBT)
    return (
        pairs.select("case", "name", weight=weight)
        .sort("case", "weight", "name", descending=[False, True, False])
        .select("case", "name", probability=probability.round(6))
        .group_by("case", maintain_order=True)
        .agg(domains=pl.struct("name", "probability").head(_MOST))
        .collect()
    )
