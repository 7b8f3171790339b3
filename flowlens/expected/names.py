"""Which domains of a document the names of a destination have the form of."""

from collections.abc import Callable, Iterable

import polars as pl

from flowlens.expected.document import Document
from flowlens.expected.subjects import pattern
from flowlens.tables import DOMAIN

__all__ = ["CLAIMED", "claim", "form", "matching"]

CLAIMED = pl.List(pl.Struct({"value": pl.String, "likely": pl.Boolean}))
#: Names together at least this probable cover a destination for sure.
LIKELY = 0.5


def claim(frame: pl.DataFrame, document: Document) -> pl.DataFrame:
    """Add `claimed`: the domains of the document that the names of a conversation fit.

    Probabilities differ in every conversation, what they mean for the document does not; so this
    is what destinations are told apart by.

    Args:
        frame: Conversations with `domains`.
        document: The entries.

    Returns:
        `frame` with `claimed`: the domain of each entry that fits, and whether the names that fit
        it are likely together; empty where none fits, null where no resolver log was read.
    """
    heard = frame.select(domains=pl.col("domains").cast(pl.List(DOMAIN))).with_row_index("row")
    names = (
        heard.lazy()
        .explode("domains", empty_as_null=True)
        .drop_nulls("domains")
        .unnest("domains")
        .collect()
    )
    wanted = [
        value
        for rule in document.rules
        for entry in rule.entries
        if entry.kind == "domain"
        for value in entry.values
    ]
    matches = matching(names["name"], wanted, form)
    fits = (
        names.lazy()
        .join(matches.lazy(), on="name")
        .sort("row", "value", "name")
        .group_by("row", "value", maintain_order=True)
        .agg(likely=pl.col("probability").sum() >= LIKELY)
        .group_by("row", maintain_order=True)
        .agg(claimed=pl.struct("value", "likely"))
        .collect()
    )
    claimed = pl.when(pl.col("domains").is_not_null()).then(
        pl.col("claimed").fill_null(pl.lit([], CLAIMED))
    )
    joined = heard.join(fits, on="row", how="left", maintain_order="left")
    return frame.with_columns(joined.select(claimed.alias("claimed")).to_series())


def form(domain: str) -> str:
    r"""Return the regular expression of a domain; ``*.x`` covers every name below x, not x itself.

    >>> form("*.x.example")
    '^.+\\.x\\.example$'
    """
    below = domain.startswith("*.")
    return pattern(domain) if not below else "^.+" + pattern(domain[1:])[1:]


def matching(names: pl.Series, wanted: Iterable[str], spell: Callable[[str], str]) -> pl.DataFrame:
    """Return the pairs of a `name` and a `value` of the document whose form it has."""
    distinct = pl.DataFrame({"name": names.unique().drop_nulls()}, schema={"name": pl.String})
    pairs = [
        distinct.filter(pl.col("name").str.contains(spell(value))).with_columns(value=pl.lit(value))
        for value in sorted(set(wanted))
    ]
    return pl.concat([distinct.clear().with_columns(value=pl.lit(None, pl.String)), *pairs])
