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
    born = known.group_by("address", "name").agg(born=pl.col("first").min())
    pairs = (
        asked.lazy()
        .join(born.lazy(), left_on="server", right_on="address")
        .filter(pl.col("born") <= pl.col("until"))
        .sort("until")
        .collect()
    )
    weighed = [_weigh(pairs, known, key, share) for key, share in _SCOPES]
    ranked = _rank(pl.concat(weighed))
    return (
        asked.join(ranked, on="case", how="left", maintain_order="left")
        .with_columns(pl.col("domains").fill_null(pl.lit([], pl.List(DOMAIN))))
        .drop("case", "until")
    )


def _weigh(pairs: pl.DataFrame, known: pl.DataFrame, key: str | None, share: float) -> pl.DataFrame:
    """Return the weight that one scope gives to each pair of conversation and name."""
    by = [key, "address", "name"] if key else ["address", "name"]
    client = {"srcaddr": "client", "vpc_id": "client_vpc"}
    columns = {"address": "server", **({key: client[key]} if key else {})}
    found = (
        pairs.lazy()
        .with_columns(pl.col(source).alias(name) for name, source in columns.items())
        .filter(pl.col(key).is_not_null() if key else True)
        .sort("until")
        .join_asof(
            _history(known, by).lazy(),
            left_on="until",
            right_on="first",
            by=by,
            check_sortedness=False,
        )
        .filter(pl.col("last").is_not_null())
    )
    age = (pl.col("first_seen") - pl.min_horizontal("last", "until")).dt.total_milliseconds() / 1000
    weight = share * pl.col("total").sqrt() / (1 + age.clip(lower_bound=0) / _HALF)
    return found.select("case", "name", weight=weight).collect()


def _history(known: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Return, per key and hour with answers, how many answers there were up to then."""
    return (
        known.lazy()
        .drop_nulls(by)
        .group_by(*by, "hour")
        .agg(pl.col("first").min(), pl.col("last").max(), pl.col("count").sum())
        .sort("first", *by)
        .with_columns(total=pl.col("count").cum_sum().over(by))
        .select(*by, "first", "last", "total")
        .collect()
    )


def _rank(weighed: pl.DataFrame) -> pl.DataFrame:
    """Return the candidates of each case with their probabilities, best first."""
    summed = weighed.group_by("case", "name").agg(pl.col("weight").sort().sum())
    total = pl.col("weight").sort().sum().over("case")
    probability = _FOUND * pl.col("weight") / (total + _DOUBT)
    return (
        summed.with_columns(probability=probability.round(6))
        .sort("case", -pl.col("weight"), "name")
        .group_by("case", maintain_order=True)
        .agg(domains=pl.struct("name", "probability").head(_MOST))
    )
