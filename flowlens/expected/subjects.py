"""Which rules of a document are about which workload."""

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from flowlens.destinations.prefixes import covering
from flowlens.expected.document import Document

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["COLUMNS", "applying", "pattern"]

#: What a workload is told by.
COLUMNS = {
    "client": pl.String(),
    "client_owner": pl.List(pl.String),
    "client_kind": pl.String(),
    "client_groups": pl.List(pl.String),
    "client_subnet": pl.String(),
    "client_vpc": pl.String(),
    "client_interface": pl.String(),
}

_FOUND = {
    "workload": pl.UInt32(),
    "candidate": pl.String(),
    "rule": pl.UInt32(),
    "doubt": pl.String(),
}
_LAMBDA = ("lambda", "lambda_managed_instance")


def applying(
    workloads: pl.DataFrame, document: Document, inventory: "Inventory | None"
) -> pl.DataFrame:
    """Return the rules that are, or may be, about each candidate owner of a workload.

    Args:
        workloads: Distinct rows of `COLUMNS` with their number in `workload`.
        document: The rules.
        inventory: For the instances behind interfaces.

    Returns:
        `workload`, `candidate` (null where the owner is not known), `rule` (position in the
        document) and `doubt`: null where the rule is about it for sure, else what is not known.
    """
    rows = [(n, s.kind, s.value) for n, r in enumerate(document.rules) for s in r.subjects]
    schema = {"rule": pl.UInt32(), "kind": pl.String(), "value": pl.String()}
    subjects = pl.DataFrame(rows, schema=schema, orient="row")
    people = (
        _instances(workloads, inventory)
        .with_columns(nobody=pl.col("client_owner").is_null())
        .explode("client_owner", empty_as_null=True)
        .rename({"client_owner": "candidate"})
    )
    # Most documents tell workloads in one or two ways: only these are looked at.
    wanted = {kind: rows for (kind,), rows in subjects.partition_by("kind", as_dict=True).items()}
    found = [find(people, wanted[kind]) for kind, find in (*_WAYS, *_DOUBTS) if kind in wanted]
    return (
        pl.concat([pl.DataFrame(schema=_FOUND), *(_shaped(f) for f in found)])
        .sort("workload", "candidate", "rule", "doubt", nulls_last=False)
        .unique(["workload", "candidate", "rule"], keep="first", maintain_order=True)
    )


def pattern(text: str) -> str:
    r"""Return the regular expression of a name in which ``*`` stands for any text.

    >>> pattern("payments-*")
    '^payments\\-.*$'
    """
    return "^" + ".*".join(re.escape(part) for part in text.split("*")) + "$"


def _shaped(frame: pl.DataFrame) -> pl.DataFrame:
    doubt = pl.col("doubt") if "doubt" in frame.columns else pl.lit(None)
    return frame.select("workload", "candidate", "rule", doubt=doubt).select(
        pl.col(name).cast(dtype) for name, dtype in _FOUND.items()
    )


def _instances(workloads: pl.DataFrame, inventory: "Inventory | None") -> pl.DataFrame:
    """Add the id of the instance that each interface is attached to."""
    if inventory is None:
        return workloads.with_columns(instance=pl.lit(None, pl.String))
    table = inventory.interfaces.select(client_interface="interface_id", instance="instance_id")
    known = table.drop_nulls().unique("client_interface", keep="last", maintain_order=True)
    return workloads.join(known, on="client_interface", how="left", maintain_order="left")


def _named(people: pl.DataFrame, wanted: pl.DataFrame, *, who: pl.Expr) -> pl.DataFrame:
    """Return candidates whose name a subject gives, with ``*`` for any text."""
    holders = people.filter(who)
    names = holders.select("candidate").unique().drop_nulls()
    matches = [
        names.filter(pl.col("candidate").str.contains(pattern(value))).with_columns(
            value=pl.lit(value)
        )
        for value in wanted["value"].unique().sort()
    ]
    return holders.join(pl.concat(matches), on="candidate").join(wanted, on="value")


def _equal(people: pl.DataFrame, wanted: pl.DataFrame, *, column: str) -> pl.DataFrame:
    return people.join(wanted, left_on=column, right_on="value")


def _grouped(people: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    several = people.explode("client_groups", empty_as_null=True)
    return _equal(several, wanted, column="client_groups")


def _within(people: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    held = covering(people["client"], wanted["value"].to_list())
    rules = held.join(wanted.with_row_index("row"), on="row")
    return people.join(rules, left_on="client", right_on="address")


def _anybody(people: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    return people.join(wanted, how="cross")


def _doubtful(
    people: pl.DataFrame, wanted: pl.DataFrame, *, test: pl.Expr, text: str
) -> pl.DataFrame:
    """Return pairs that cannot be decided because something about the client is not known."""
    pairs = people.filter(test).join(wanted, how="cross")
    return pairs.with_columns(doubt=pl.format(text, "client"))


def _nobody(*kinds: str) -> pl.Expr:
    kind = pl.col("client_kind")
    return pl.col("nobody") & (kind.is_null() | kind.is_in(kinds))


_Way = tuple[str, Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]]

#: Kind of subject -> the people it is about, among those asked for.
_WAYS: tuple[_Way, ...] = (
    ("function", partial(_named, who=pl.col("client_kind").is_in(_LAMBDA))),
    ("owner", partial(_named, who=pl.lit(value=True))),
    ("instance", partial(_named, who=pl.col("client_kind") == "ec2")),
    ("instance", partial(_equal, column="instance")),
    ("security_group", _grouped),
    ("subnet", partial(_equal, column="client_subnet")),
    ("vpc", partial(_equal, column="client_vpc")),
    ("cidr", _within),
    ("any", _anybody),
)

#: Kind of subject -> the people it may be about.
_DOUBTS: tuple[_Way, ...] = tuple(
    (kind, partial(_doubtful, test=test, text=text))
    for kind, test, text in (
        ("function", _nobody(*_LAMBDA), "the function behind {} is not known"),
        ("instance", _nobody("ec2"), "the instance behind {} is not known"),
        ("owner", pl.col("nobody"), "the owner of {} is not known"),
        (
            "security_group",
            pl.col("client_kind").is_null() & pl.col("client_groups").is_null(),
            "the security groups of {} are not known",
        ),
        ("subnet", pl.col("client_subnet").is_null(), "the subnet of {} is not known"),
        ("vpc", pl.col("client_vpc").is_null(), "the VPC of {} is not known"),
    )
)
