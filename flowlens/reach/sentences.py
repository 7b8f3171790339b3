"""Explanations in words: one sentence a flow, made column by column."""

from typing import TYPE_CHECKING

import polars as pl

from flowlens.reach.compare import grouped, over, star
from flowlens.words import PORTED, PROTOCOLS

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["labels", "sentences"]

SHOWN = 3  # rules in a sentence; `rules` has all
MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_LAYERS = {
    "sg": "the security groups",
    "nacl_in": "the network ACL",
    "nacl_out": "the network ACL",
}
_PASS = {"nacl_out": "out what leaves", "nacl_in": "in what enters"}


def sentences(found: pl.DataFrame, inventory: "Inventory") -> pl.DataFrame:
    """Add `text`.

    Args:
        found: columns of `seen.SEEN`, `schema.REACH` and of `compare.compare`, ``changed_after``,
            ``changed_before`` and ``held`` (time of the capture that accounts for the log).
        inventory: says what rules let through.
    """
    spoken = labels(inventory)
    named = found.with_columns(
        let=_let(spoken), barred=_barred(), changed=_changed(), first=_first()
    )
    return named.with_columns(
        text=pl.concat_str(
            _who(), pl.lit(": "), _said(), pl.col("changed").fill_null(""), pl.lit(".")
        )
    ).drop("let", "barred", "changed", "first")


def labels(inventory: "Inventory") -> pl.DataFrame:
    """Return ``rule`` and ``label``: what each rule of a security group says, in AWS's words."""
    rules = inventory.rules.unique("rule_id", keep="last", maintain_order=True)
    number = pl.col("protocol").str.to_lowercase()
    every = number.is_in(["-1", "all"])
    word = number.replace({str(n): name for n, name in PROTOCOLS.items()})
    low, high = pl.col("from_port"), pl.col("to_port")
    one = pl.when(low == high).then(low.cast(pl.String)).otherwise(pl.format("{}-{}", low, high))
    whole = low.is_null() | (low < 0) | ((low == 0) & (high == 65535))
    ports = pl.when(whole).then(pl.lit("")).otherwise(pl.concat_str(pl.lit("/"), one))
    kind = pl.when(every).then(pl.lit("everything")).otherwise(pl.concat_str(word, ports))
    peer = pl.coalesce("cidr", "prefix_list_id", "referenced_group", pl.lit("?"))
    way = pl.when("egress").then(pl.lit("to")).otherwise(pl.lit("from"))
    return rules.select(
        rule="rule_id", label=pl.format("{} ({} {} {})", "rule_id", kind, way, peer)
    ).drop_nulls()


def _who() -> pl.Expr:
    """Name the flow: both ends and what it is, and what the log says of it."""
    port = pl.when(pl.col("protocol").is_in(sorted(PORTED))).then("server_port")
    names = pl.col("protocol").replace_strict(
        PROTOCOLS, default=pl.col("protocol").cast(pl.String), return_dtype=pl.String
    )
    parts = [names.fill_null("any protocol"), port, pl.col("icmp_type"), pl.col("icmp_code")]
    kind = pl.concat_str(parts, separator="/", ignore_nulls=True)
    ends = [pl.col(name).fill_null("?") for name in ("client", "server")]
    where = pl.format(" at {}", "interface_id").fill_null("")
    action = pl.format(" {}", "action").fill_null("")
    return pl.concat_str(pl.format("{} → {} {}", *ends, kind), action, where)


def _way() -> pl.Expr:
    """Return the way of the packet that opened the connection, at this interface."""
    out = (pl.col("direction") == "egress") == (pl.col("role") == "initiate")
    return pl.when(out).then(pl.lit("out")).otherwise(pl.lit("in"))


def _let(spoken: pl.DataFrame) -> pl.Expr:
    """Say what lets it through, layer by layer, the narrowest rule first."""
    count = pl.col("sg_rules").list.len().cast(pl.Int64)
    first = pl.col("sg_rules").list.head(SHOWN)
    rules = first.list.eval(pl.element().replace(spoken["rule"], spoken["label"])).list.join(", ")
    more = (
        pl.when(count > SHOWN).then(pl.format(" and {} more", count - SHOWN)).otherwise(pl.lit(""))
    )
    verb = pl.when(count == 1).then(pl.lit("lets")).otherwise(pl.lit("let"))
    opens = pl.format("{}{} {} it {}", rules, more, verb, _way())
    answers = pl.format("it answers what {}{} {} {}", rules, more, verb, _way())
    group = pl.when(pl.col("sg") == "allow").then(
        pl.when(count == 0)
        .then(pl.lit("the interface has no security group"))
        .when(pl.col("role") == "reply")
        .then(answers)
        .otherwise(opens)
    )
    sides = [
        pl.when((pl.col(name) == "allow") & _counts(name) & pl.col(number).is_not_null()).then(
            pl.format(f"{{}} entry {{}} lets {word}", "nacl", star(pl.col(number)))
        )
        for name, word in _PASS.items()
        for number in (f"{name}_rule",)
    ]
    apart = pl.when(pl.all_horizontal(pl.col(f"{n}_rule").is_null() for n in _PASS)).then(
        pl.when((pl.col("nacl_out") == "allow") & (pl.col("nacl_in") == "allow")).then(
            pl.lit("no network ACL stands inside a subnet")
        )
    )
    route = pl.when(
        pl.col("action").is_null() & (pl.col("route_usable").fill_null(value=False))
    ).then(pl.format("route {} → {}", "route", "route_target"))
    return pl.concat_list(group, *sides, apart, route).list.drop_nulls().list.join(", ")


def _counts(name: str) -> pl.Expr:
    """Say whether a direction of the ACL belongs into the sentence."""
    return pl.col("action").is_null() | (pl.col("way") == name)


def _barred() -> pl.Expr:
    """Say what refuses it, layer by layer."""
    groups = pl.col("groups").list.join(", ").fill_null("its groups")
    group = pl.when((pl.col("sg") == "deny") & grouped()).then(
        pl.when(pl.col("role") == "reply")
        .then(pl.format("no rule of {} lets {} what it answers", groups, _way()))
        .otherwise(pl.format("no rule of {} lets it {}", groups, _way()))
    )
    sides = [
        pl.when((pl.col(name) == "deny") & _counts(name)).then(
            pl.format(
                f"{{}} entry {{}} refuses what {verb}",
                pl.col("nacl").fill_null("the network ACL"),
                star(pl.col(f"{name}_rule")).fill_null("?"),
            )
        )
        for name, verb in (("nacl_out", "leaves"), ("nacl_in", "enters"))
    ]
    blocked = pl.when("bpa").then(pl.lit("VPC Block Public Access refuses it"))
    beyond = [
        pl.when(pl.col("blocked_by").list.contains(pl.lit(name)) & pl.col("action").is_null()).then(
            pl.lit(text)
        )
        for name, text in BEYOND.items()
    ]
    return pl.concat_list(group, *sides, blocked, *beyond).list.drop_nulls().list.join(" and ")


#: What layers beyond groups and ACL of the own end do, in words.
BEYOND = {
    "route": "no usable route leads to the other end",
    "interface": "the interface takes no such connection",
    "far_sg": "no group rule at the other end lets it through",
    "far_nacl_out": "the network ACL at the other end refuses what leaves",
    "far_nacl_in": "the network ACL at the other end refuses what enters",
    "far_route": "the other end has no usable route back",
    "far_interface": "the interface at the other end takes no such connection",
    "nat_nacl": "the network ACL of the NAT gateway refuses it",
    "nat_route": "the NAT gateway has no usable route there",
    "path": "what lies in between takes no such packets",
}


def _changed() -> pl.Expr:
    """Say between which captures it changed, and which of them accounts for the log."""
    ends = ("changed_after", "changed_before")
    after, before, held = (pl.col(name).dt.strftime(MOMENT) for name in (*ends, "held"))
    other = pl.when(pl.col("held") == pl.col("changed_after")).then(before).otherwise(after)
    rules = pl.col("was").list.head(SHOWN).list.join(", ")
    named = (
        pl.when(pl.col("was").list.len() > 0).then(pl.format(" by {}", rules)).otherwise(pl.lit(""))
    )
    contrary = pl.format(
        "; it was as the log says{} at {}, and changed between the captures of {} and {}",
        *(named, held, after, before),
    )
    around = pl.format("; so says the capture of {}, but not that of {}", held, other)
    lost = pl.when(pl.col("case") == "drift").then(
        pl.lit("; no capture of the inventory has it so")
    )
    mine = pl.col("case").is_in(["drift", "late"])
    told = pl.when(mine).then(contrary).otherwise(around)
    return pl.when(after.is_not_null() & before.is_not_null()).then(told).otherwise(lost)


def _first() -> pl.Expr:
    """Return the notes as a reason."""
    some = pl.col("notes").list.head(2).list.join("; ")
    return (
        pl.when(pl.col("notes").list.len() > 0).then(some).otherwise(pl.lit("it is not told why"))
    )


def _said() -> pl.Expr:
    """Say what was found out, case by case."""
    let, barred, first = pl.col("let"), pl.col("barred"), pl.col("first")
    reason = pl.col("reject_reason")
    only = pl.col("layers").list.join(" or ").replace(_LAYERS)
    late = pl.when(over()).then(pl.lit(" if it did not come late")).otherwise(pl.lit(""))
    told = pl.when(pl.col("action") == "ACCEPT").then(let).otherwise(barred)
    cases = {
        "through": let,
        "refused": pl.when(reason == "BPA")
        .then(pl.lit("VPC Block Public Access refuses it"))
        .otherwise(barred),
        "both": barred + pl.lit("; the log does not say which of them did"),
        "part": pl.lit("a part of such packets passes, and the log does not say more of them"),
        "late": let + pl.lit("; a packet of a connection that was over, or the rules were others"),
        "other": pl.format("{}, if the other end opened it: a guess", told),
        "drift": pl.when(reason == "BPA")
        .then(pl.lit("drift, VPC Block Public Access does not refuse it"))
        .when(pl.col("action") == "ACCEPT")
        .then(pl.lit("drift, ") + barred)
        .otherwise(pl.lit("drift, ") + let),
        "shut": pl.when(reason == "EC")
        .then(pl.lit("encryption control refused it, says the log, and the inventory has none"))
        .otherwise(pl.lit("Block Public Access refused it, says the log; its mode is not known")),
        "likely": pl.format(
            "{} must have refused it{}, the rest lets it through; {}", only, late, first
        ),
        "unlogged": pl.format("not known, the log has what flow logs leave out; {}", first),
        "unknown": pl.format("not known, {}", first),
        "allow": let,
        "deny": pl.format("refused, {}", pl.when(barred != "").then(barred).otherwise(first)),
        "partial": pl.format("a part of such packets passes, {}", let),
        "blank": pl.when(pl.col("verdict") == "allow")
        .then(pl.format("{}; what lies beyond is not known, {}", let, first))
        .otherwise(pl.format("not known, {}", first)),
    }
    return pl.coalesce(pl.when(pl.col("case") == case).then(text) for case, text in cases.items())
