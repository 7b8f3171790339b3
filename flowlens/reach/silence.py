"""Whether the absence of records means anything: what logs would have shown."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from flowlens.words import noun

__all__ = ["Silence"]


class Silence:
    """What logs say by their silence.

    Args:
        conversations: with `observers`, or at least `observer`.
        coverage: of the same logs, from `flowlens.coverage.summary`.
    """

    def __init__(
        self, conversations: pl.DataFrame | pl.LazyFrame, coverage: Mapping[str, Any]
    ) -> None:
        names = conversations.lazy().collect_schema().names()
        listed = pl.col("observers").explode() if "observers" in names else pl.col("observer")
        seen = conversations.lazy().select(listed.alias("o")).unique().drop_nulls()
        told = {each["observer"] for each in coverage.get("silent", ())}
        self._observers = {*seen.collect()["o"].to_list(), *told}
        self._skipped = {each["observer"]: each["seconds"] for each in coverage.get("skipped", ())}
        self._coverage = coverage

    def why(self, faces: Iterable[str], doubt: str | None) -> str | None:
        """Say why nothing follows from there being no record; None if it follows.

        Args:
            faces: the interfaces that would have written it down.
            doubt: what of the rule cannot be read.
        """
        told = self._coverage
        mine = sorted(faces)
        missing = [face for face in mine if face not in self._observers]
        skipped = [face for face in mine if face in self._skipped]
        gaps = told.get("gaps") or ()
        actions = told.get("actions") or {}
        reasons = (
            doubt,
            missing and f"the logs have no record of {_some(missing)}",
            skipped and f"SKIPDATA: records of {_some(skipped)} were lost",
            gaps and f"nothing was recorded from {gaps[0][0]} to {gaps[0][1]}",
            told.get("lost") and f"{told['lost'][0]['source']} was not read to its end",
            told.get("rejects") and f"{noun(told['rejects'], 'line')} could not be read",
            actions and not set(actions) - {"REJECT"} and "the logs hold refused traffic only",
            mine and not told.get("first") and "there are no records",
        )
        return next((reason for reason in reasons if reason), None)

    def never(self, faces: Iterable[str], group: str) -> str:
        """Say in which time something never happened."""
        if not list(faces):
            return f"no interface has {group}"
        return f"never from {self._coverage['first']} to {self._coverage['last']}"


def _some(names: list[str]) -> str:
    """Return the first two of some names, and how many more there are.

    >>> _some(["a", "b", "c"]), _some(["a"])
    ('a, b and 1 more', 'a')
    """
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more
