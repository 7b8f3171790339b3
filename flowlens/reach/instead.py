"""What could stand in the place of a rule for everywhere, and let through all that was seen."""

from collections.abc import Sequence

import polars as pl

from flowlens.destinations.prefixes import covering
from flowlens.errors import UsageError
from flowlens.expected.cover import shared_cover
from flowlens.expected.quotas import QUOTAS, weight
from flowlens.reach.account import Row
from flowlens.reach.meet import End
from flowlens.words import proto, service

__all__ = ["replacements"]

_LIMIT = QUOTAS["group_rules"].default
#: A protocol and port; the port is None where every port is meant.
_Spoken = tuple[int, int | None]


def replacements(
    hits: pl.DataFrame, rules: Sequence[Row], ends: Sequence[End]
) -> dict[str, list[str]]:
    """Return for rules that admit every address what would admit all that used them.

    AWS-managed prefix lists come first, then the best prefixes (`expected.optimal_cover`), as many
    as the quota of rules of a security group leaves room for beside the group's other rules.

    Args:
        hits: conversations with their `rule`.
        rules: those to be replaced.
        ends: the accounts that speak.

    Returns:
        Rule -> texts such as ``34.110.5.8/29 tcp/443``; none for a rule that nothing used, or
        where the quota leaves no room.
    """
    lists = {name: found for end in ends for name, found in _managed(end).items()}
    found = {}
    for row in rules:
        mine = hits.filter(pl.col("rule") == row["rule_id"])
        seen = mine.select("server", "protocol", "server_port").unique()
        if seen.height:
            found[row["rule_id"]] = _instead(seen, lists, _room(row, ends))
    return found


def _managed(end: End) -> dict[str, tuple[str, list[str]]]:
    """Return AWS's prefix lists with their names and blocks."""
    names = {row["prefix_list_id"]: row["name"] or "" for row in end.account.view.rows("lists")}
    return {
        name: (names[name], blocks)
        for name, blocks in end.groups.lists.blocks.items()
        if names.get(name, "").startswith("com.amazonaws.")
    }


def _room(row: Row, ends: Sequence[End]) -> int:
    """Return how many rules there may be beside the other ones of a group."""
    rows = {
        each["rule_id"]
        for end in ends
        for each in end.groups.rows
        if each["group_id"] == row["group_id"] and each["egress"] and _counts(each, row)
    }
    return _LIMIT - len(rows - {row["rule_id"]})


def _counts(each: Row, row: Row) -> bool:
    """Say whether a rule counts in the same quota: families are apart, references count in both."""
    return not each["cidr"] or (":" in each["cidr"]) == (":" in row["cidr"])


def _instead(seen: pl.DataFrame, lists: dict[str, tuple[str, list[str]]], room: int) -> list[str]:
    texts: list[str] = []
    for name, (title, blocks) in sorted(lists.items()):
        inside = covering(seen["server"], blocks)["address"].unique()
        served = seen.filter(pl.col("server").is_in(inside.implode()))
        if served.height:
            spoken = sorted(map(_spoken, served.iter_rows(named=True)), key=str)
            texts += [f"{name} {service(*each)} ({title})" for each in dict.fromkeys(spoken)]
            room -= (weight(title) or 1) * len(set(spoken))
            seen = seen.filter(~pl.col("server").is_in(inside.implode()))
    try:
        return texts + _prefixes(seen, room)
    except UsageError:
        return []


def _spoken(row: Row) -> _Spoken:
    return row["protocol"], row["server_port"]


def _prefixes(seen: pl.DataFrame, room: int) -> list[str]:
    """Return the best prefixes for each port; for each protocol, where there are too many ports.

    Raises:
        UsageError: there is no room.
    """
    spoken: dict[_Spoken, set[str]] = {}
    for row in seen.iter_rows(named=True):
        spoken.setdefault(_spoken(row), set()).add(row["server"])
    if len(spoken) > room:
        whole: dict[_Spoken, set[str]] = {}
        for (number, _), servers in spoken.items():
            whole.setdefault((number, None), set()).update(servers)
        spoken = whole
    if not spoken:
        return []
    covers = shared_cover({key: sorted(spoken[key]) for key in sorted(spoken, key=str)}, room)
    return [
        f"{prefix} {proto(number) if port is None else service(number, port)}"
        for (number, port), cover in covers.items()
        for prefix in cover.prefixes
    ]
