from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest

from flowlens.errors import UsageError
from flowlens.inventory import Inventory
from flowlens.reach import EXPLAINED, explain
from tests.reach.accounts import ANY4, AT, World, entry, face, rule, subnet

Row = dict[str, Any]
SCHEMA: dict[str, Any] = {
    "interface_id": pl.String,
    "srcaddr": pl.String,
    "dstaddr": pl.String,
    "srcport": pl.UInt16,
    "dstport": pl.UInt16,
    "protocol": pl.UInt8,
    "packets": pl.UInt64,
    "bytes": pl.UInt64,
    "start": pl.Datetime("ms", "UTC"),
    "end": pl.Datetime("ms", "UTC"),
    "action": pl.String,
    "tcp_flags": pl.UInt8,
    "flow_direction": pl.String,
    "pkt_srcaddr": pl.String,
    "pkt_dstaddr": pl.String,
    "reject_reason": pl.String,
}
V2 = ("tcp_flags", "flow_direction", "pkt_srcaddr", "pkt_dstaddr", "reject_reason")


def record(face: str, source: str, target: str, action: str = "ACCEPT", **parts: Any) -> Row:
    """A record of one packet, an opening one of TCP from port 40000 to 443 unless told."""
    at = parts.pop("at", AT)
    whole: Row = {
        "interface_id": face,
        "srcaddr": source,
        "dstaddr": target,
        "srcport": 40000,
        "dstport": 443,
        "protocol": 6,
        "packets": 1,
        "bytes": 40,
        "start": at,
        "end": at + timedelta(seconds=20),
        "action": action,
        "tcp_flags": 2,
        "flow_direction": "egress",
        "pkt_srcaddr": source,
        "pkt_dstaddr": target,
        "reject_reason": None,
    }
    return whole | parts


def into(face: str, source: str, target: str, action: str = "ACCEPT", **parts: Any) -> Row:
    return record(face, source, target, action, **{"flow_direction": "ingress"} | parts)


def frame(*rows: Row) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=SCHEMA)


def told(inventory: World | Inventory, *rows: Row, without: tuple[str, ...] = ()) -> list[Row]:
    known = Inventory.of([inventory.capture()]) if isinstance(inventory, World) else inventory
    found = explain(frame(*rows).drop(without), known)
    assert dict(found.schema) == EXPLAINED
    assert found["records"].sum() == len(rows)
    return found.to_dicts()


def shown(row: Row) -> tuple[Any, ...]:
    return row["explanation"], row["layers"], row["rules"]


PEER = ("eni-b", "10.0.1.10", "10.0.2.10")
CLIENT = "10.0.1.10"


class Gallery(World):
    """An account in which each scene has an interface, a subnet, a group, and perhaps an ACL.

    The interface of scene ``x`` is eni-x, its group sg-x, its ACL acl-x.
    """

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Row] = []

    def scene(self, name: str, *rules: Row, acl: tuple[Row, ...] = ()) -> tuple[str, str]:
        """Return the interface of a new scene and its address."""
        number = 50 + len(self.items("describe_subnets"))
        address = f"10.0.{number}.10"
        self.items("describe_subnets").append(subnet(f"sub-{name}", f"10.0.{number}.0/24"))
        self.items("describe_network_interfaces").append(
            face(f"eni-{name}", address, f"sub-{name}", f"sg-{name}")
        )
        group = {"GroupId": f"sg-{name}", "VpcId": "vpc-a"}
        self.items("describe_security_groups").append(group)
        self.rules(*rules)
        if acl:
            self.acl(*acl, subnets=(f"sub-{name}",))
            self.items("describe_network_acls")[-1]["NetworkAclId"] = f"acl-{name}"
        return f"eni-{name}", address

    def ins(self, name: str, *actions: str, rules: Any = (), acl: Any = (), **parts: Any) -> None:
        """Add a scene that CLIENT sends packets to, a record for each action."""
        face, address = self.scene(name, *rules, acl=acl)
        self.records += [into(face, CLIENT, address, each, **parts) for each in actions]

    def outs(self, name: str, *actions: str, rules: Any = (), acl: Any = (), **parts: Any) -> None:
        """Add a scene that sends packets to CLIENT."""
        face, address = self.scene(name, *rules, acl=acl)
        self.records += [record(face, address, CLIENT, each, **parts) for each in actions]


OPEN, OUT = entry(100, "allow"), entry(100, "allow", out=True)
PING: Row = {"protocol": 1, "srcport": 0, "dstport": 0, "tcp_flags": 0}
ANSWER: Row = {"srcport": 443, "dstport": 40000, "tcp_flags": 18}
PORTS = (1024, 2000, 49999, 50000, 50002)


def https(name: str) -> Row:
    return rule(f"sgr-{name}", f"sg-{name}", "tcp", (443, 443), inward=True, **ANY4)


def exhibits() -> Gallery:
    """All scenes, so that the account is read once."""
    world = Gallery()
    wide = rule("sgr-wide", "sg-e01", inward=True)
    narrow = rule("sgr-one", "sg-e01", "tcp", (443, 443), inward=True, CidrIpv4="10.0.1.10/32")
    world.ins("e01", "ACCEPT", rules=(wide, https("e01"), narrow))
    ping = rule("sgr-ping", "sg-e02", "icmp", (-1, -1), inward=True)
    world.ins("e02", "ACCEPT", rules=(ping,), acl=(OPEN, entry(90, "deny", "1", out=True)), **PING)
    last = world.records[-1]
    back = {"srcaddr": last["dstaddr"], "dstaddr": CLIENT, "flow_direction": "egress"}
    back |= {"pkt_srcaddr": last["dstaddr"], "pkt_dstaddr": CLIENT, "action": "REJECT"}
    world.records.append(last | back | {"start": AT + timedelta(seconds=1)})
    world.outs("e03sg", "REJECT")
    all_out = rule("sgr-out", "sg-e03acl")
    few = entry(100, "allow", "6", out=True, ports=(0, 442), CidrBlock="0.0.0.0/0")
    world.outs("e03acl", "REJECT", rules=(all_out,), acl=(OPEN, few))
    world.ins("e04", "REJECT", acl=(OUT,))
    world.outs("e05", "REJECT", acl=(OPEN,), **ANSWER)
    world.outs("e14", "REJECT", **ANSWER)
    for name, flags in (("e06late", 1), ("e06bare", None), ("e06syn", 2)):
        world.ins(name, "REJECT", rules=(https(name),), tcp_flags=flags)
    typed = rule("sgr-typed", "sg-e08", "icmp", (8, -1), inward=True)
    world.ins("e08", "ACCEPT", "REJECT", rules=(typed,), **PING)
    world.records.append(record("eni-p", "10.0.0.10", "203.0.113.5", "REJECT", reject_reason="BPA"))
    world.records.append(record("eni-zz", "10.0.1.77", "10.0.2.10"))
    face, address = world.scene("ports", https("ports"), acl=(OPEN, few_ports()))
    for port in PORTS:
        world.records.append(into(face, CLIENT, address, srcport=port))
        answer = ANSWER | {"dstport": port}
        action = "REJECT" if port == 50000 else "ACCEPT"
        world.records.append(record(face, address, CLIENT, action, **answer))
    return world


def few_ports() -> Row:
    """Let answers out to ports below 50000."""
    return entry(100, "allow", "6", out=True, ports=(0, 49999), CidrBlock="0.0.0.0/0")


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    return exhibits()


@pytest.fixture(scope="module")
def found(gallery: Gallery) -> dict[str, list[Row]]:
    """The explanations by scene."""
    rows: dict[str, list[Row]] = {}
    for row in told(gallery, *gallery.records):
        rows.setdefault(row["interface_id"].removeprefix("eni-"), []).append(row)
    return rows


Found = dict[str, list[Row]]


def test_e01_every_rule_that_let_it_through_the_narrowest_first(found: Found) -> None:
    """All group rules that fit are named, and the one entry of the ACL that decided."""
    (row,) = found["e01"]
    rules = ["sgr-one", "sgr-e01", "sgr-wide", "acl-vpc-a:ingress:100"]
    assert shown(row) == ("agrees", ["sg", "nacl_in"], rules)
    assert row["text"] == (
        f"10.0.1.10 → {row['server']} tcp/443 ACCEPT at eni-e01: "
        "sgr-one (tcp/443 from 10.0.1.10/32), sgr-e01 (tcp/443 from 0.0.0.0/0), "
        "sgr-wide (everything from 0.0.0.0/0) let it in, acl-vpc-a entry 100 lets in what enters."
    )


def test_e02_the_ping_of_the_user_guide(found: Found) -> None:
    """Ping accepted inbound and refused outbound: the network ACL, as groups keep state."""
    assert [(row["role"], *shown(row)) for row in found["e02"]] == [
        ("initiate", "agrees", ["sg", "nacl_in"], ["sgr-ping", "acl-e02:ingress:100"]),
        ("reply", "agrees", ["nacl_out"], ["acl-e02:egress:90"]),
    ]
    text = found["e02"][1]["text"]
    assert text.endswith("REJECT at eni-e02: acl-e02 entry 90 refuses what leaves.")


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        ("e03sg", ("agrees", ["sg"], ["sg-e03sg"])),
        ("e03acl", ("agrees", ["nacl_out"], ["acl-e03acl:egress:*"])),
        ("e04", ("ambiguous", ["nacl_in", "sg"], ["sg-e04", "acl-e04:ingress:*"])),
        ("e05", ("agrees", ["nacl_out"], ["acl-e05:egress:*"])),
        ("e14", ("drift", [], [])),
        ("e06late", ("ambiguous", [], [])),
        ("e06bare", ("ambiguous", [], [])),
        ("e06syn", ("drift", [], [])),
        ("p", ("drift", [], [])),
    ],
)
def test_one_refused_packet(found: Found, scene: str, expected: tuple[Any, ...]) -> None:
    """What refused a packet, where the log and the configuration tell.

    On the way out a group or the ACL (e03); both, and the log does not say which (e04); an answer
    is never refused by a missing rule of the group (e05, e14); a packet that everything lets
    through may be a late one, unless it is a lone SYN (e06); the reason in the log counts (p).
    """
    (row,) = found[scene]
    assert shown(row) == expected


def test_sentences_say_what_is_not_told(found: Found) -> None:
    """Where the answer is not unique, the sentence gives the ways it may have been."""
    assert found["e04"][0]["text"].endswith(
        "no rule of sg-e04 lets it in and acl-e04 entry * refuses what enters; "
        "the log does not say which of them did."
    )
    late = "a packet of a connection that was over, or the rules were others."
    assert found["e06late"][0]["text"].endswith(late)
    assert found["e06syn"][0]["text"].endswith("; no capture of the inventory has it so.")
    (row,) = found["zz"]
    assert row["explanation"] == "unknown"
    assert "eni-zz is not in the inventory" in row["text"]


def test_e08_typed_icmp_is_ambiguous(found: Found) -> None:
    """Rules for some ICMP types only: the log has no type, so nothing is claimed."""
    assert [(row["action"], row["explanation"], row["layers"]) for row in found["e08"]] == [
        (action, "ambiguous", ["sg"]) for action in ("ACCEPT", "REJECT")
    ]


def test_ports_that_no_rule_tells_apart_are_one_row(found: Found) -> None:
    """Client ports are merged up to the bounds of the ACL that decides, and no further."""
    rows = [(r["role"], r["action"], r["connections"], r["explanation"]) for r in found["ports"]]
    assert sorted(rows) == [
        ("initiate", "ACCEPT", 5, "agrees"),
        ("reply", "ACCEPT", 1, "drift"),
        ("reply", "ACCEPT", 3, "agrees"),
        ("reply", "REJECT", 1, "agrees"),
    ]


def test_order_and_chunks_change_nothing(gallery: Gallery) -> None:
    """The same records in any order give the same table; none give an empty one."""
    rows, inventory = gallery.records, Inventory.of([gallery.capture()])
    first = explain(frame(*rows), inventory)
    mixed = Random(1).sample(rows, len(rows))
    parts = pl.concat([frame(*mixed[:5]), frame(*mixed[5:])], rechunk=False)
    assert explain(parts, inventory).equals(first)
    assert explain(frame(), inventory).is_empty()


SSH = rule("sgr-ssh", "sg-b", "tcp", (22, 22), inward=True)


def clock(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, 1, hour, minute, tzinfo=UTC)


@pytest.fixture(scope="module")
def past() -> dict[tuple[int, str], Row]:
    """Records by hour and action; the rule for SSH was there until 8 and gone at 10."""
    captures = []
    for hour in (6, 8, 10, 11):
        world = World()
        if hour <= 8:
            world.rules(SSH)
        captures.append(world.capture(clock(hour)))
    asked = ((10, "ACCEPT"), (7, "REJECT"), (9, "ACCEPT"), (9, "REJECT"))
    records = [into(*PEER, action, dstport=22, at=clock(hour, 30)) for hour, action in asked]
    rows = told(Inventory.of(captures), *records)
    return {(row["first_seen"].hour, row["action"]): row for row in rows}


Past = dict[tuple[int, str], Row]


def test_e07_accepted_though_no_rule_is_left(past: Past) -> None:
    """Drift: the nearest capture with a rule for it and the one after say when it went."""
    row = past[10, "ACCEPT"]
    assert shown(row) == ("drift", ["sg"], ["sg-b"])
    assert (row["changed_after"], row["changed_before"]) == (clock(8), clock(10))
    assert row["notes"] == ["a tracked connection outlives the rule that let it through"]
    assert row["text"] == (
        "10.0.1.10 → 10.0.2.10 tcp/22 ACCEPT at eni-b: drift, no rule of sg-b lets it in; it was "
        "as the log says by sgr-ssh, acl-vpc-a:ingress:100 at 2026-03-01T08:00:00Z, and changed "
        "between the captures of 2026-03-01T08:00:00Z and 2026-03-01T10:00:00Z."
    )


def test_e10_refused_though_a_rule_is_there(past: Past) -> None:
    """Drift the other way round, which a later capture accounts for."""
    row = past[7, "REJECT"]
    assert row["explanation"] == "drift"
    assert (row["changed_after"], row["changed_before"]) == (clock(8), clock(10))


@pytest.mark.parametrize("action", ["ACCEPT", "REJECT"])
def test_e11_between_captures_that_differ_the_log_tells(past: Past, action: str) -> None:
    """Between a capture with the rule and one without, the one that has it so accounts for it."""
    row = past[9, action]
    held = ["sgr-ssh", "acl-vpc-a:ingress:100"] if action == "ACCEPT" else ["sg-b"]
    assert (row["explanation"], row["rules"]) == ("agrees", held)
    assert (row["changed_after"], row["changed_before"]) == (clock(8), clock(10))
    mine, other = ("08", "10") if action == "ACCEPT" else ("10", "08")
    assert row["text"].endswith(
        f"so says the capture of 2026-03-01T{mine}:00:00Z, but not that of "
        f"2026-03-01T{other}:00:00Z."
    )


def test_e09_block_public_access_and_encryption_control(world: World) -> None:
    """The log names them; the inventory says whether Block Public Access is on."""
    mode = {"InternetGatewayBlockMode": "block-bidirectional"}
    for name, answer in (
        ("options", {"VpcBlockPublicAccessOptions": mode}),
        ("exclusions", {"VpcBlockPublicAccessExclusions": []}),
    ):
        world.calls[f"describe_vpc_block_public_access_{name}"] = answer
    out = record("eni-p", "10.0.0.10", "203.0.113.5", "REJECT")
    rows = told(world, *(out | {"reject_reason": why} for why in ("BPA", "EC")))
    assert [shown(row) for row in rows] == [("agrees", ["bpa"], []), ("unknown", ["ec"], [])]


def test_e12_half_an_inventory_says_what_it_can(world: World) -> None:
    """Without network ACLs a refusal by the group is one; the others are unknown, and why."""
    del world.calls["describe_network_acls"]
    world.errors["describe_network_acls"] = "AccessDenied"
    passes, ssh = into(*PEER), into(*PEER, "REJECT", dstport=22)
    rows = told(world, ssh, into(*PEER, "REJECT"), passes)
    assert [shown(row) for row in rows] == [
        ("agrees", ["sg"], ["sg-b"]),
        ("unknown", [], []),
        ("unknown", ["nacl_in"], []),
    ]
    assert "the network ACL must have refused it" in rows[2]["text"]
    assert all("AccessDenied" in row["text"] for row in rows[1:])


def test_captures_that_contradict_each_other_say_nothing() -> None:
    """Two answers of one time: unknown, and why; no other capture is asked for a way out."""
    world = World()
    world.rules(SSH)
    both = Inventory.of([world.capture(clock(8)), World().capture(clock(8))])
    (row,) = told(both, into(*PEER, dstport=22, at=clock(8)))
    assert (row["explanation"], row["changed_after"]) == ("unknown", None)
    assert "the captures of 2026-03-01T08:00:00Z contradict each other" in row["text"]


def test_e13_a_log_of_version_2_tells_as_much(world: World) -> None:
    """Without flow-direction, the interface's own address says the direction; ports the rest."""
    rows = (
        record("eni-a", "10.0.1.10", "10.0.2.10"),
        into("eni-a", "10.0.2.10", "10.0.1.10", **ANSWER),
        into(*PEER),
        into(*PEER, "REJECT", dstport=22),
    )
    whole, bare = told(world, *rows), told(world, *rows, without=V2)
    names = ("interface_id", "direction", "role", "client", "layers", "rules")
    assert [[row[n] for n in names] for row in bare] == [[row[n] for n in names] for row in whole]


def test_both_ends_of_a_nat_gateway(world: World) -> None:
    """Each interface answers for itself: the client's groups and ACL, the gateway's ACL alone."""
    out = "203.0.113.5"
    rows = (
        record("eni-a", "10.0.1.10", out),
        into("eni-nat", "10.0.1.10", "10.0.0.9", pkt_dstaddr=out),
        record("eni-nat", "10.0.0.9", out, srcport=2048),
        into("eni-nat", out, "10.0.0.9", **ANSWER | {"dstport": 2048}),
        record("eni-nat", "10.0.0.9", "10.0.1.10", pkt_srcaddr=out, **ANSWER),
    )
    found = told(world, *rows)
    assert {row["explanation"] for row in found} == {"agrees"}
    told_ = [(row["client"], row["direction"], row["role"], row["layers"]) for row in found]
    assert told_ == [
        ("10.0.1.10", "egress", "initiate", ["sg", "nacl_out"]),
        ("10.0.0.9", "egress", "initiate", ["nacl_out"]),
        ("10.0.0.9", "ingress", "reply", ["nacl_in"]),
        ("10.0.1.10", "egress", "reply", ["nacl_out"]),
        ("10.0.1.10", "ingress", "initiate", ["nacl_in"]),
    ]
    assert {row["server"] for row in found} == {out}


def test_a_host_sweep_is_put_on_the_right_layer() -> None:
    """A sweep that its targets' group refuses is the group's; one that the ACL stops is its own."""
    world = Gallery()
    world.scene("sg")
    shut = entry(90, "deny", CidrBlock="10.0.1.0/24")
    world.scene("acl", rule("sgr-acl", "sg-acl", inward=True), acl=(shut, OPEN, OUT))
    faces, rows = world.items("describe_network_interfaces"), []
    for name in ("sg", "acl"):
        prefix = next(each for each in faces if each["NetworkInterfaceId"] == f"eni-{name}")
        prefix = prefix["PrivateIpAddress"].removesuffix("10")
        for n in range(20, 60):
            eni, host = f"eni-{name}-{n}", f"{prefix}{n}"
            faces.append(face(eni, host, f"sub-{name}", f"sg-{name}"))
            rows.append(into(eni, CLIENT, host, "REJECT", dstport=22, srcport=50000 + n))
    found = told(world, *rows)
    said = {(row["interface_id"][4:6], row["explanation"], *row["layers"], *row["rules"])
            for row in found}  # fmt: skip
    assert len(found) == 80
    assert said == {
        ("sg", "agrees", "sg", "sg-sg"),
        ("ac", "agrees", "nacl_in", "acl-acl:ingress:90"),
    }


def test_roles_that_are_a_guess_are_tried_both_ways(world: World) -> None:
    """Where the log fits one way round only and who opened it is a guess, both are said."""
    talk: Row = {"srcport": 5000, "dstport": 5000, "protocol": 17, "tcp_flags": 0}
    rows = (
        record("eni-a", "10.0.1.10", "10.0.0.10", **talk),
        into("eni-a", "10.0.0.10", "10.0.1.10", "REJECT", **talk),
    )
    _, row = sorted(told(world, *rows), key=lambda row: row["action"])
    assert (row["orientation"], row["role"]) == ("guess", "reply")
    assert shown(row) == ("ambiguous", ["sg"], ["sg-a"])
    assert row["text"].endswith("no rule of sg-a lets it in, if the other end opened it: a guess.")


def test_fields_that_are_not_there_are_unknown(world: World) -> None:
    """Middleboxes have no groups; a log of two addresses and a protocol tells what it can."""
    passing = record("x", "10.0.1.10", "10.0.2.10") | {"interface_id": None}
    frames = [
        frame(passing).with_columns(tgw_attachment_id=pl.lit("tgw-attach-1")),
        frame(passing).with_columns(resource_id=pl.lit("nat-1")),
    ]
    known = Inventory.of([world.capture()])
    both = pl.concat(frames, how="diagonal").drop("flow_direction")
    rows = explain(both, known).to_dicts()
    assert [(row["interface_id"], row["explanation"], row["notes"]) for row in rows] == [
        ("nat-1", "unknown", ["a regional NAT gateway has no groups and no network ACL"]),
        ("tgw-attach-1", "unknown", ["a transit gateway has no groups and no network ACL"]),
    ]
    bare = frame(record("eni-a", "10.0.1.10", "203.0.113.5")).select(
        "interface_id", "srcaddr", "dstaddr", "protocol", "action"
    )
    (row,) = explain(bare, known).to_dicts()
    assert shown(row) == ("agrees", ["sg", "nacl_out"], ["sgr-a", "acl-vpc-a:egress:100"])
    with pytest.raises(UsageError, match="no dstaddr"):
        explain(bare.drop("dstaddr"), known)
