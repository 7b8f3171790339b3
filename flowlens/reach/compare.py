"""What the configuration says of a flow, held against what the log says.

A flow log's action is what the security groups and the network ACL of the interface's own side
made of one packet (user guide of VPC, "Flow log records"); routes and the other end never show.
"""

import polars as pl

from flowlens.reach.acls import LAST4, LAST6

__all__ = ["CASES", "HELD", "compare", "grouped", "over", "star"]

#: Directions of a network ACL as AWS calls them.
ACLS = {"nacl_out": "egress", "nacl_in": "ingress"}
LAST = (LAST4, LAST6)

#: What a flow turned out to be, and the class that people read.
CASES = {
    "through": "agrees",  # let through, as the log says
    "refused": "agrees",  # refused by one layer, as the log says
    "both": "ambiguous",  # more than one layer refuses: the log does not say which did
    "part": "ambiguous",  # a part of such packets passes, and the log does not say which part
    "late": "ambiguous",  # let through but refused: the connection was over, or drift
    "other": "ambiguous",  # it depends on who opened it, which is a guess
    "drift": "drift",  # the log says otherwise
    "shut": "unknown",  # refused by what is not in the inventory, as the log says
    "likely": "unknown",  # refused, and one layer only can have done it
    "unlogged": "unknown",  # the log has what flow logs leave out
    "unknown": "unknown",
    "allow": "allowed",
    "deny": "refused",
    "partial": "partly",
    "blank": "unknown",
}

#: Cases in which a capture accounts for what the log says.
HELD = ("through", "refused", "both")

_NONE = pl.lit([], dtype=pl.List(pl.String))


def compare(flows: pl.DataFrame) -> pl.DataFrame:
    """Add `case` (of `CASES`), `layers` and `rules`.

    Args:
        flows: columns of `seen.SEEN` and of `schema.REACH`.
    """
    return (
        flows.with_columns(**_layers())
        .with_columns(refusers=_refusers())
        .with_columns(case=_case())
        .with_columns(layers=_named())
        .with_columns(rules=_rules())
    )


def _layers() -> dict[str, pl.Expr]:
    """Return the network ACL as the flow's own packet meets it, and who opened the connection."""
    out = pl.col("direction") == "egress"
    return {
        "way": pl.when(out).then(pl.lit("nacl_out")).otherwise(pl.lit("nacl_in")),
        "acl": pl.when(out).then("nacl_out").otherwise("nacl_in"),
        "entry": pl.when(out).then("nacl_out_rule").otherwise("nacl_in_rule"),
        "opens": pl.col("role") == "initiate",
        "bpa": pl.col("blocked_by").list.contains("bpa"),
    }


def _refusers() -> pl.Expr:
    """Return the layers that refuse the packet for sure, of those that its own log shows."""
    # The log names Block Public Access where it is the reason, if it has that field.
    open = pl.col("opens")
    parts = [
        pl.when(pl.col("acl") == "deny").then(pl.col("way")),
        pl.when((pl.col("sg") == "deny") & grouped()).then(pl.lit("sg")),
        pl.when(pl.col("bpa") & open).then(pl.lit("bpa")),
    ]
    return pl.concat_list(parts).list.drop_nulls()


def grouped() -> pl.Expr:
    """Say whether groups may have refused it: not an answer, as they let in what it answers."""
    return (pl.col("role") == "initiate") | (pl.col("action") != "REJECT").fill_null(value=True)


def over() -> pl.Expr:
    """Say whether a TCP packet may have come after its connection: neither SYN nor SYN-ACK."""
    told = pl.col("stage").is_in(["syn", "answer"]).fill_null(value=False)
    return (pl.col("protocol") == 6) & ~told


def _case() -> pl.Expr:
    """Tell the cases apart."""
    action, forward, reason = pl.col("action"), pl.col("forward"), pl.col("reject_reason")
    told = {"allow": "allow", "deny": "deny", "partial": "partial", "unknown": "blank"}
    odd = pl.any_horizontal(pl.col("sg", "acl") == "unknown")
    half = pl.any_horizontal(pl.col("sg", "acl") == "partial") & ~odd
    one = pl.any_horizontal(pl.col("sg", "acl") == "allow")
    count = pl.col("refusers").list.len()
    blocking = (
        pl.col("notes").list.eval(pl.element().str.contains("Block Public Access")).list.any()
    )
    opens, stage = pl.col("opens"), pl.col("stage")
    # An answer that the ACL lets through has no layer left that refuses it.
    stateful = (
        ~opens & (action == "REJECT") & (pl.col("acl") == "allow") & (pl.col("sg") != "allow")
    )
    cases = [
        (action.is_null(), pl.col("end_to_end").replace_strict(told)),
        (pl.col("direction").is_null(), pl.lit("unknown")),
        (forward == "UNLOGGED", pl.lit("unlogged")),
        ((reason == "EC") & (action == "REJECT"), pl.lit("shut")),
        ((reason == "BPA") & pl.col("bpa"), pl.lit("refused")),
        ((reason == "BPA") & blocking, pl.lit("shut")),
        (reason == "BPA", pl.lit("drift")),
        ((action == "ACCEPT") & (forward == "ACCEPT"), pl.lit("through")),
        ((action == "ACCEPT") & (forward == "REJECT"), pl.lit("drift")),
        (stateful & (stage == "answer"), pl.lit("drift")),
        (stateful, pl.lit("late")),
        ((forward == "UNKNOWN") & half, pl.lit("part")),
        ((action == "REJECT") & (forward == "UNKNOWN") & one, pl.lit("likely")),
        (forward == "UNKNOWN", pl.lit("unknown")),
        ((forward == "REJECT") & (count > 1), pl.lit("both")),
        (forward == "REJECT", pl.lit("refused")),
        (over() | (~opens & stage.ne_missing("answer")), pl.lit("late")),
    ]
    return pl.coalesce(*(pl.when(test).then(case) for test, case in cases), pl.lit("drift"))


def _named() -> pl.Expr:
    """Return the layers that let it through, or that refused it or would have."""
    reason, case = pl.col("reject_reason"), pl.col("case")
    through = _through()
    doubtful = [
        pl.when(~pl.col("acl").is_in(["allow", "deny"])).then("way"),
        pl.when(~pl.col("sg").is_in(["allow", "deny"])).then(pl.lit("sg")),
    ]
    return (
        pl.when(case.is_in(["shut", "refused"]) & reason.is_in(["EC", "BPA"]))
        .then(pl.concat_list(reason.str.to_lowercase()))
        .when(case.is_in(["refused", "both"]))
        .then("refusers")
        .when(case == "through")
        .then(through)
        .when(case == "likely")
        .then(pl.concat_list(doubtful).list.drop_nulls())
        .when(case == "part")
        .then(pl.concat_list(doubtful).list.drop_nulls())
        .when((case == "drift") & (pl.col("action") == "ACCEPT"))
        .then("refusers")
        .when(case.is_in(["deny", "partial"]))
        .then("blocked_by")
        .when(case == "allow")
        .then(through)
        .otherwise(_NONE)
    )


def _through() -> pl.Expr:
    """Return the layers that had a say: inside a subnet an ACL has none, without groups they."""
    sides = [
        pl.when(pl.col(f"{name}_rule").is_not_null() & _own(name)).then(pl.lit(name))
        for name in ACLS
    ]
    groups = pl.when(pl.col("sg_rules").list.len() > 0).then(pl.lit("sg"))
    return pl.concat_list(groups, *sides).list.drop_nulls()


def _own(name: str) -> pl.Expr:
    """Say whether a direction of the ACL counts: a log is about one packet, else both do."""
    return pl.col("action").is_null() | (pl.col("way") == name)


def _rules() -> pl.Expr:
    """Return the rules of the layers: those of groups, else the groups, then the ACL's entries."""
    layers, groups = pl.col("layers"), pl.col("groups").fill_null(_NONE)
    entries = [
        pl.when(layers.list.contains(pl.lit(name)) & pl.col(f"{name}_rule").is_not_null()).then(
            pl.format(f"{{}}:{way}:{{}}", pl.col("nacl"), star(pl.col(f"{name}_rule")))
        )
        for name, way in ACLS.items()
    ]
    some = pl.col("sg_rules").list.len() > 0
    named = pl.when(layers.list.contains(pl.lit("sg")))
    said = named.then(pl.when(some).then("sg_rules").otherwise(groups)).otherwise(_NONE)
    return pl.concat_list(said, pl.concat_list(entries).list.drop_nulls())


def star(number: pl.Expr) -> pl.Expr:
    """Write the number of an ACL's entry; the last one of each family is AWS's ``*``."""
    return pl.when(number.is_in(LAST)).then(pl.lit("*")).otherwise(number.cast(pl.String))
