from typing import Any

import polars as pl
import pytest

from flowlens.errors import UsageError
from flowlens.inventory import Inventory
from flowlens.reach import EXPLAINED, explain
from flowlens.reach.ends import met
from flowlens.reach.typed import Typed, parse
from tests.reach.accounts import World, entry, rule
from tests.reach.test_explain import clock


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.1.10 -> 10.0.2.9:443/tcp", Typed("10.0.1.10", "10.0.2.9", 6, None, 443)),
        ("eni-a:* → db:5432/6", Typed("eni-a", "db", 6, None, 5432)),
        (
            "[2001:DB8::1]:9 -> [2001:db8:0::2]:53/udp",
            Typed("2001:db8::1", "2001:db8::2", 17, 9, 53),
        ),
        ("10.0.1.10->10.0.2.9/icmp/8/0", Typed("10.0.1.10", "10.0.2.9", 1, None, None, 8, 0)),
        ("10.0.1.10 -> 10.0.2.9/icmp/3", Typed("10.0.1.10", "10.0.2.9", 1, None, None, 3)),
        ("10.0.1.10 -> 10.0.2.9/50", Typed("10.0.1.10", "10.0.2.9", 50)),
    ],
)
def test_what_people_type(text: str, expected: Typed) -> None:
    """Both arrows, IPv6 in brackets, any port left out or starred, protocols by name or number."""
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.0.1.10", "0 arrows"),
        ("a -> b -> c/tcp", "2 arrows"),
        ("10.0.1.10 -> 10.0.2.9:443", "no protocol"),
        ("10.0.1.10/tcp -> 10.0.2.9:443/tcp", "'10.0.1.10/tcp' has a slash"),
        ("10.0.1.10 -> 10.0.2.9:443/tpc", "'tpc' is no protocol"),
        ("10.0.1.10 -> 10.0.2.9:443/300", "'300' is no protocol"),
        ("10.0.1.10 -> 10.0.2.9:x/tcp", "'x' is no port"),
        ("10.0.1.10 -> 10.0.2.9:70000/tcp", "'70000' is no port"),
        ("10.0.1.300 -> 10.0.2.9:1/tcp", "'10.0.1.300' is no address"),
        ("10.0.1.10 -> 2001:db8::1:443/tcp", "write IPv6 in brackets"),
        ("10.0.1.10 -> [2001:db8::1/tcp", "is no address in brackets"),
        ("10.0.1.10 -> 10.0.2.9:1/icmp", "icmp has no ports"),
        ("10.0.1.10 -> 10.0.2.9/icmp/256", "'256' is no ICMP type or code"),
        ("10.0.1.10 -> 10.0.2.9:1/tcp/8", "only ICMP has a type"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, why: str) -> None:
    """An error quotes the flow and names the part of it, in one line."""
    with pytest.raises(UsageError, match=r"--flow") as caught:
        parse(text)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def asked(world: World | Inventory, *texts: str, **parts: Any) -> list[dict[str, Any]]:
    known = Inventory.of([world.capture()]) if isinstance(world, World) else world
    found = explain(met([parse(text) for text in texts], known, **parts), known)
    assert dict(found.schema) == EXPLAINED
    return found.to_dicts()


def test_each_end_that_is_known_answers(world: World) -> None:
    """Both ends inside give two rows, one inside one; what neither has is unknown, and why."""
    world.acl(entry(100, "allow"), entry(100, "allow", out=True), subnets=("sub-2",))
    rows = asked(
        world,
        "10.0.1.10 -> 10.0.2.10:443/tcp",
        "eni-a -> eni-b:22/tcp",
        "203.0.113.5 -> 198.51.100.10:443/tcp",
        "203.0.113.5 -> 203.0.113.6:443/tcp",
    )
    found = {(row["server"], row["server_port"], row["interface_id"]): row for row in rows}
    whole = {key: (row["explanation"], row["layers"]) for key, row in found.items()}
    assert whole == {
        ("10.0.2.10", 443, "eni-a"): ("allowed", ["sg", "nacl_out", "nacl_in"]),
        ("10.0.2.10", 443, "eni-b"): ("allowed", ["sg", "nacl_out", "nacl_in"]),
        ("10.0.2.10", 22, "eni-a"): ("refused", ["far_sg"]),
        ("10.0.2.10", 22, "eni-b"): ("refused", ["sg"]),
        ("198.51.100.10", 443, "eni-p"): ("refused", ["sg"]),
        ("203.0.113.6", 443, None): ("unknown", []),
    }
    assert found["10.0.2.10", 443, "eni-b"]["rules"] == [
        *("sgr-b", "acl-own:egress:100", "acl-own:ingress:100"),
    ]
    assert found["10.0.2.10", 443, "eni-a"]["text"] == (
        "10.0.1.10 → 10.0.2.10 tcp/443 at eni-a: sgr-a (everything to 0.0.0.0/0) lets it out, "
        "acl-vpc-a entry 100 lets out what leaves, acl-vpc-a entry 100 lets in what enters, "
        "route 10.0.0.0/16 → local."
    )
    text = found["203.0.113.6", 443, None]["text"]
    assert "not known, which interface has the address is not known" in text


def test_icmp_by_its_type_and_a_time(world: World) -> None:
    """The type that is typed decides; so does the time; a name that nothing has is an error."""
    world.rules(rule("sgr-ping", "sg-b", "icmp", (8, -1), inward=True))
    past = Inventory.of([world.capture(clock(6)), World().capture(clock(8))])
    ping, other = "10.0.1.10 -> 10.0.2.10/icmp/8/0", "10.0.1.10 -> 10.0.2.10/icmp/13/0"
    early = asked(past, ping, other, at=clock(6))
    told = [row["explanation"] for row in early if row["interface_id"] == "eni-b"]
    assert sorted(told) == ["allowed", "refused"]
    assert {row["text"].partition(" at ")[0] for row in early} >= {"10.0.1.10 → 10.0.2.10 icmp/8/0"}
    assert {row["explanation"] for row in asked(past, ping)} == {"refused"}
    (row, _) = asked(past, ping, at=clock(7))
    assert row["explanation"] == "unknown"
    with pytest.raises(UsageError, match="'nobody' is neither an address"):
        asked(past, "nobody -> 10.0.2.10:1/tcp")
    assert explain(pl.DataFrame({"src": [], "dst": []}), past).is_empty()
