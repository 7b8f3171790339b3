"""What to call a workload in `from`, so that a rule is about it and about nothing else.

A function that has its interface for itself is called by its name. Functions that share one are
called by a security group that nobody else has, because the log cannot tell them apart and a new
one joins them unasked; failing that, by all their names. Everything else is called by its security
group, which stays when instances come and go (of several, by the one that the fewest interfaces
have), then by name, then by address.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from flowlens.expected import values
from flowlens.expected.document import Subject

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["Subjects", "holders", "name"]

_WHO = ["client_owner", "client_kind", "client_groups", "client"]
_LAMBDA = ("lambda", "lambda_managed_instance")

#: A workload as it stands in `from`.
Subjects = tuple[Subject, ...]


def holders(frame: pl.DataFrame, inventory: "Inventory | None") -> dict[str, int]:
    """Return how many interfaces (without an inventory: addresses) have each security group."""
    if inventory is not None and not inventory.interfaces.is_empty():
        table = inventory.interfaces.select(group="groups", holder="interface_id")
    else:
        ends = [frame.select(group=f"{e}_groups", holder=e) for e in ("client", "server")]
        table = pl.concat(ends)
    counted = table.explode("group", empty_as_null=True).drop_nulls().group_by("group")
    return dict(counted.agg(pl.col("holder").n_unique()).iter_rows())


def name(
    frame: pl.DataFrame, inventory: "Inventory | None", shared: Mapping[str, int]
) -> tuple[pl.DataFrame, list[Subjects]]:
    """Number the workloads of conversations.

    Args:
        frame: Edges.
        inventory: For the functions that have a security group.
        shared: What `holders` returns.

    Returns:
        `frame` with `workload`, a position in the list that comes with it, which is in order.
    """
    people = frame.select(_WHO).unique()
    functions = _functions(frame, inventory)
    called = [_called(row, functions, shared) for row in people.iter_rows()]
    every = sorted(set(called), key=lambda some: [(each.kind, each.value) for each in some])
    place = {some: n for n, some in enumerate(every)}
    numbers = people.with_columns(workload=pl.Series([place[c] for c in called], dtype=pl.UInt32))
    joined = frame.join(numbers, on=_WHO, how="left", nulls_equal=True, maintain_order="left")
    return joined, every


def _called(
    row: tuple[Any, ...], functions: Mapping[str, set[str]], shared: Mapping[str, int]
) -> Subjects:
    """Return what to call a workload, a row of `_WHO`."""
    owners, kind, groups, client = row
    named = [each for each in owners or () if _speakable(each)]
    known = [each for each in groups or () if _valid("security_group", each)]
    ranked = sorted(known, key=lambda group: (shared.get(group, 0), group))
    whole = bool(owners) and len(named) == len(owners or ())
    if kind in _LAMBDA and whole:
        own = [g for g in ranked if functions.get(g, set()) <= set(named)]
        if len(named) > 1 and own:
            return (Subject("security_group", own[0]),)
        return tuple(Subject("function", each) for each in sorted(named))
    if ranked:
        return (Subject("security_group", ranked[0]),)
    if whole and kind is not None:
        return tuple(Subject("owner", each) for each in sorted(named))
    return (Subject("cidr", values.cidr(client)),)


def _functions(frame: pl.DataFrame, inventory: "Inventory | None") -> dict[str, set[str]]:
    """Return everybody who has each security group, as far as traffic and inventory tell."""
    seen = frame.select(group="client_groups", who="client_owner")
    tables = [seen.explode("group", empty_as_null=True).explode("who", empty_as_null=True)]
    if inventory is not None:
        listed = inventory.functions.select(group="groups", who="function")
        tables.append(listed.explode("group", empty_as_null=True))
    found: dict[str, set[str]] = {}
    for group, who in pl.concat(tables).drop_nulls("group").unique().iter_rows():
        found.setdefault(group, set()).add(who or "")
    return found


def _speakable(text: str) -> bool:
    """Say whether a document can name somebody: `*` stands for any text, ends are stripped."""
    return bool(text.strip()) and text == text.strip() and "*" not in text and text.isprintable()


def _valid(kind: str, text: str) -> bool:
    try:
        return values.SUBJECT[kind](text) == text
    except ValueError:
        return False
