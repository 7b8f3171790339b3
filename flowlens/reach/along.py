"""Conversations as the configuration sees them: what let them through, and where they are sent."""

from typing import TYPE_CHECKING

import polars as pl

from flowlens.reach.schema import FLOWS

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["along"]

_ROUTE = ("route", "route_target")
_KEY = [name for name in FLOWS if name != "at"]
_ASKED = [*_KEY, "action", "slot"]


def along(frame: pl.DataFrame, inventory: "Inventory | None") -> pl.DataFrame:
    """Add `rule`, `route` and `route_target` to conversations.

    `rule` names what let a conversation through, or refused it, where it was captured: rules of
    groups, ``ACL:ingress:NUMBER``, "no rule of" the groups; what contradicts the log begins with
    "drift". `route` and `route_target` are the block and where the client's route table sends it.
    Null is not known. Client ports are not part of a conversation: any that a client may use are
    asked about.

    Args:
        frame: conversations with the owners of both ends (`flowlens.inventory.own`).
        inventory: from `flowlens.inventory.load`; without it nothing is known.
    """
    if inventory is None or frame.is_empty():
        blank = pl.lit(None, pl.String)
        return frame.with_columns(rule=blank, route=blank, route_target=blank)
    from flowlens.reach.history import judged
    from flowlens.reach.seen import given, slot

    here = frame.select(**_captured(), action="action", at="first_seen")
    sent = frame.select(**_sent(), action=pl.lit(None, pl.String), at="first_seen")
    cut = slot(pl.col("at"), inventory)
    asked, routed = (flows.with_columns(slot=cut).select(*_ASKED, "at") for flows in (here, sent))
    # Each distinct flow is asked about once.
    flows = pl.concat([asked, routed]).drop_nulls(["interface_id", "direction"])
    each = flows.unique(_ASKED, keep="first", maintain_order=True)
    told = judged(given(each.drop("slot")), inventory)
    known = each.select(_ASKED).with_columns(
        told.select(_words(), *(_lively(name) for name in _ROUTE))
    )
    rule, way = (
        flows.join(known, on=_ASKED, how="left", nulls_equal=True, maintain_order="left")
        for flows in (asked, routed)
    )
    return frame.with_columns(rule["rule"], *(way[name] for name in _ROUTE))


def _sent() -> dict[str, pl.Expr]:
    """Return the flow as the client's own interface sends it, wherever it was captured."""
    known = {
        "interface_id": pl.col("client_interface"),
        "direction": pl.lit("egress"),
        "src": pl.col("client"),
        "dst": pl.col("server"),
        "protocol": pl.col("protocol"),
        "dst_port": pl.col("server_port"),
        "role": pl.lit("initiate"),
    }
    return {name: known.get(name, pl.lit(None, FLOWS[name])) for name in _KEY}


def _lively(name: str) -> pl.Expr:
    """Return a part of the route, unless nothing takes it."""
    gone = pl.col("notes").list.eval(pl.element().str.contains("blackhole", literal=True))
    return pl.when(~gone.list.any()).then(name).alias(name)


def _captured() -> dict[str, pl.Expr]:
    """Return the flow that the observer met: the packets that open it, or else the answers."""
    observer, place = pl.col("observer"), pl.col("vantage")
    here = (
        pl.when(observer == pl.col("client_interface"))
        .then(pl.lit("client"))
        .when(observer == pl.col("server_interface"))
        .then(pl.lit("server"))
        .when(place != "unknown")
        .then(place)
    )
    answers = (pl.col("packets_out") == 0) & (pl.col("packets_in") > 0)
    answers = answers.fill_null(value=False)
    leaves = (here == "client") != answers
    # What stands in the middle answers for what comes to it; its own address is not known here.
    middle = here == "middle"
    back = answers & ~middle
    near = pl.when(~middle).then("server")
    port = pl.col("server_port")
    return {
        "interface_id": observer,
        "direction": pl.when(here.is_null())
        .then(pl.lit(None, pl.String))
        .when(leaves & ~middle)
        .then(pl.lit("egress"))
        .otherwise(pl.lit("ingress")),
        "role": pl.when(back).then(pl.lit("reply")).otherwise(pl.lit("initiate")),
        "src": pl.when(back).then("server").otherwise("client"),
        "dst": pl.when(back).then("client").otherwise(near),
        "protocol": pl.col("protocol"),
        "src_port": pl.when(back).then(port),
        "dst_port": pl.when(~back).then(port),
        "icmp_type": pl.lit(None, FLOWS["icmp_type"]),
        "icmp_code": pl.lit(None, FLOWS["icmp_code"]),
    }


def _words() -> pl.Expr:
    """Return the rules in a line; null where they are not known."""
    case, rules = pl.col("case"), pl.col("rules").list.join(", ")
    barred = pl.when(pl.col("layers").list.contains(pl.lit("sg"))).then(
        pl.format("no rule of {}", rules)
    )
    refused = pl.coalesce(barred, rules)
    public = pl.col("layers").list.contains(pl.lit("bpa"))
    let = pl.col("sg_rules").list.join(", ")
    words = (
        pl.when(case == "through")
        .then(rules)
        .when(case.is_in(["refused", "both"]) & public)
        .then(pl.lit("Block Public Access"))
        .when(case.is_in(["refused", "both"]))
        .then(refused)
        .when((case == "drift") & (pl.col("action") == "ACCEPT"))
        .then(pl.format("drift: {}", refused))
        .when(case == "drift")
        .then(pl.format("drift: {} let it through", let.replace("", "all layers")))
        .when(case == "late")
        .then(pl.lit("late packets, or drift"))
        .when((case == "part") & (pl.col("sg") == "allow"))
        .then(let)
    )
    return pl.when(words != "").then(words).alias("rule")
