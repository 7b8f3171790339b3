"""What is to change in security groups so that they let through what the document says."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from flowlens.errors import UsageError
from flowlens.expected.render.awscli import authorize
from flowlens.expected.render.body import Body
from flowlens.expected.render.grouped import Permission, by_group, permissions
from flowlens.expected.render.peers import Unsaid
from flowlens.expected.render.places import told
from flowlens.expected.render.plan import Plan
from flowlens.expected.render.shell import FIRST, Command
from flowlens.expected.render.text import comment
from flowlens.words import proto

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["CHANGES", "Change", "changes", "render"]

CHANGES: dict[str, pl.DataType] = {
    "change": pl.String(),  # add, revoke; keep: to be revoked, had the group all it needs
    "group": pl.String(),
    "rule_id": pl.String(),  # of what is revoked
    "protocol": pl.String(),
    "from_port": pl.Int32(),  # with ICMP its type and code; -1: every one
    "to_port": pl.Int32(),
    "destination": pl.String(),
    "description": pl.String(),
    "line": pl.UInt32(),  # of what is added, or of what needs the rule that is kept
}

_NUMBERS = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58", "all": "-1"}
_WIDE = ("0.0.0.0/0", "::/0")
_WATCH = """\
# Both hold now: what was let through and what the document says. Before the rest, see what it
# would stop: flowlens allowlist replay LOGS -i INVENTORY -e {source}
"""


@dataclass(frozen=True, slots=True)
class Change:
    """Rules to add and to revoke.

    Attributes:
        add: Rules that are not there.
        revoke: Rows of rules that the document does not ask for; the widest last.
        keep: Likewise, of groups whose workloads need what no rule can say: with the reasons.
        unsaid: What is left out, and what to know.
    """

    add: tuple[Permission, ...]
    revoke: tuple[dict[str, Any], ...]
    keep: tuple[tuple[dict[str, Any], Unsaid], ...]
    unsaid: tuple[Unsaid, ...]

    def table(self) -> pl.DataFrame:
        """Return the changes as a table of schema `CHANGES`, in the order in which to make them."""
        rows = [
            (
                "add",
                rule.group,
                None,
                "all" if rule.protocol == "-1" else rule.protocol,
                *(rule.ports or (None, None)),
                rule.grant.peer.value,
                rule.grant.description,
                rule.grant.lines[0],
            )
            for rule in self.add
        ]
        rows += [("revoke", *_shown(row), None) for row in self.revoke]
        rows += [("keep", *_shown(row), why.line) for row, why in self.keep]
        return pl.DataFrame(rows, schema=CHANGES, orient="row")


def changes(plan: Plan, inventory: "Inventory | None") -> Change:
    """Return what is to change in the groups of the document's workloads.

    Args:
        plan: What the document asks for.
        inventory: The rules that are there.

    Raises:
        UsageError: There is no inventory.
        InventoryError: It does not hold the rules of groups.
    """
    if inventory is None:
        msg = "--diff compares with the rules that are there; try -i INVENTORY"
        raise UsageError(msg)
    granted = permissions(plan)
    rules, unsaid, lacking = granted.rules, granted.unsaid, granted.lacking
    covered = {group for place in plan.places for group in place.covered}
    there, unknown = _there(inventory, covered)
    wanted = {_key(rule) for rule in rules}
    present = {_row_key(row) for row in there}
    gone = [row for row in there if _row_key(row) not in wanted]
    add = [rule for rule in rules if _key(rule) not in present and rule.group not in unknown]
    unsaid += [Unsaid(1, f"{group}: {why}") for group, why in sorted(unknown.items())]
    unsaid += _strangers(plan, {row["group_id"] for row in gone} - set(lacking))
    gone.sort(key=lambda row: (row["cidr"] in _WIDE, row["group_id"], row["rule_id"]))
    keep = [(row, lacking[row["group_id"]]) for row in gone if row["group_id"] in lacking]
    gone = [row for row in gone if row["group_id"] not in lacking]
    return Change(tuple(add), tuple(gone), tuple(keep), tuple(unsaid))


def render(change: Change, source: str) -> Body:
    """Return a script that adds first, then revokes, what lets everything through last."""
    lines = [
        line for rules in by_group(list(change.add)).values() for line in authorize(rules, source)
    ]
    if change.revoke:
        lines += _WATCH.format(source=comment(source)).split("\n")
    for row in change.revoke:
        lines += [_told(row), str(_revoke(row))]
    if change.keep:
        lines += ["", "# These stay, because their groups cannot say all that is needed:"]
    for row, why in change.keep:
        lines += [_told(row), comment(f"# line {why.line}: {why.text}"), f"# {_revoke(row)}"]
    return Body(lines, list(change.unsaid), FIRST)


def _told(row: dict[str, Any]) -> str:
    said = " ".join(str(part) for part in _shown(row)[2:] if part is not None)
    return comment(f"# {row['group_id']}: {said}")


def _revoke(row: dict[str, Any]) -> Command:
    asked: dict[str, Any] = {"GroupId": row["group_id"]}
    if row["rule_id"].startswith("sgr-"):
        asked["SecurityGroupRuleIds"] = [row["rule_id"]]
    else:  # older captures have no ids: the rule is named by what it says
        asked["IpPermissions"] = [_permission(row)]
    return Command("ec2", "revoke-security-group-egress", asked)


def _permission(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"IpProtocol": row["protocol"]}
    if row["from_port"] is not None:
        found |= {"FromPort": row["from_port"], "ToPort": row["to_port"]}
    if row["cidr"]:
        six = ":" in row["cidr"]
        key = ("Ipv6Ranges", "CidrIpv6") if six else ("IpRanges", "CidrIp")
        return found | {key[0]: [{key[1]: row["cidr"]}]}
    if row["prefix_list_id"]:
        return found | {"PrefixListIds": [{"PrefixListId": row["prefix_list_id"]}]}
    return found | {"UserIdGroupPairs": [{"GroupId": row["referenced_group"]}]}


def _there(
    inventory: "Inventory", covered: set[str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the egress rules of groups at their latest, and groups whose rules are unknown."""
    from flowlens.reach.account import Account
    from flowlens.reach.permits import Permits
    from flowlens.reach.views import Views

    views = Views(inventory)
    view = views.around(2 * len(views.times))[0]  # behind the last capture: each answer's last
    permits = Permits(view, Account(view).atlas)
    unknown = {g: why for g in sorted(covered) if (why := permits.unknown(g))}
    return [r for r in permits.rows if r["egress"] and r["group_id"] in covered], unknown


def _key(rule: Permission) -> tuple[Any, ...]:
    number = _NUMBERS.get(rule.protocol, rule.protocol)
    return (rule.group, number, rule.ports, rule.grant.peer.value)


def _row_key(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return the key of a rule that is there, whichever way AWS spelt it."""
    number = _NUMBERS.get(row["protocol"], row["protocol"])
    ends = (row["from_port"], row["to_port"])
    # For other protocols AWS answers -1, 0 or nothing, and heeds none of it.
    ports = ends if number in ("1", "6", "17", "58") and None not in ends else None
    peer = row["cidr"] or row["prefix_list_id"] or row["referenced_group"]
    return (row["group_id"], number, ports, peer)


def _shown(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return a rule that is there in the columns of `CHANGES`."""
    number = _NUMBERS.get(row["protocol"], row["protocol"])
    named = "all" if number == "-1" else proto(int(number)) if number.isdecimal() else number
    _, _, ports, peer = _row_key(row)
    ends = ports or (None, None)
    return (row["group_id"], row["rule_id"], named, *ends, peer, row.get("description"))


def _strangers(plan: Plan, groups: set[str]) -> Iterator[Unsaid]:
    """Yield groups from which rules are revoked although someone undeclared carries them."""
    declared = {name for place in plan.places for name in place.meant}
    for group in sorted(groups):
        names = sorted(
            {n for u in plan.known.units if group in (u.groups or ()) for n in u.names} - declared
        )
        if names:
            what = f"{group} is carried by {told(names)}, for which nothing is declared: "
            yield Unsaid(1, f"{what}what is revoked is lost to it as well", left=False)
