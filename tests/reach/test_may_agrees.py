import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from random import Random
from typing import Any

import polars as pl

from flowlens.inventory import Capture, Inventory
from flowlens.reach import FLOWS, evaluate, may
from tests.reach.worlds import Calls, flow, world

AT = datetime(2026, 3, 1, tzinfo=UTC)
#: Accounts in a run of the suite; more of them find more.
ACCOUNTS = int(os.environ.get("FLOWLENS_MAY_ACCOUNTS", "1"))
TARGETS = 3
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
NAMES = {number: name for name, number in NUMBERS.items()}
Item = dict[str, Any]
Pair = tuple[Item, Item | None]


def protocols(word: str, *, six: bool) -> list[int]:
    """Protocols that a row is about, of those that flows here have."""
    if word == "all":
        return [6, 17, 58 if six else 1, 47, 253]
    if word.startswith("other"):
        return [253]
    return [NUMBERS.get(word, 0) or int(word)]


def inside(dice: Random, row: Item) -> Item:
    """A flow somewhere in a row: in the middle or at an edge of its addresses and ports."""
    net = ip_network(dice.choice(row["blocks"]))
    last = net.num_addresses - 1
    far = net[dice.choice((0, last, dice.randint(0, last)))]
    number = dice.choice(protocols(row["protocol"], six=net.version == 6))
    top = 255 if number in (1, 58) else 65535
    low = 0 if row["first_port"] is None else row["first_port"]
    high = top if row["last_port"] is None else row["last_port"]
    point = dice.choice((low, high, dice.randint(low, high)))
    return {
        "dst": str(far),
        "protocol": number,
        "dst_port": point if number in (6, 17) else None,
        "icmp_type": point if number in (1, 58) else None,
    }


def holds(row: Item, asked: Item) -> bool:
    """Whether a flow is one that a row is about."""
    far = ip_address(asked["dst"])
    if not any(far in ip_network(block) for block in row["blocks"]):
        return False
    number = asked["protocol"]
    if row["protocol"] == "all":
        return True
    word = NAMES.get(number, str(number))
    if row["protocol"] != word:
        named = row["protocol"].removeprefix("other").removeprefix(" but ").split(", ")
        return row["protocol"].startswith("other") and word not in (*NUMBERS, *named)
    if row["first_port"] is None:
        return True
    point = asked["dst_port"] if number in (6, 17) else asked["icmp_type"]
    return bool(row["first_port"] <= point <= row["last_port"])


def vague(far: str) -> bool:
    """Whether an address is one that routers and DNS servers of unknown VPCs have."""
    return ":" not in far and int(ip_address(far)) & 15 in (1, 2)


def senders(row: Item, own: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Interfaces and addresses that a row is about."""
    return [
        (name, text)
        for name in row["interfaces"]
        for text in own[name]
        if any(ip_address(text) in ip_network(each) for each in row["addresses"])
    ]


def sample(dice: Random, rows: list[Item], own: dict[str, list[str]]) -> Iterator[Pair]:
    """Flows in rows, each with its row."""
    for row in dice.sample(rows, min(len(rows), 100)):
        for name, near in senders(row, own)[:1]:
            yield {"interface_id": name, "src": near, **inside(dice, row)}, row


def stray(
    dice: Random, rows: list[Item], own: dict[str, list[str]], calls: Calls
) -> Iterator[Pair]:
    """Flows from anywhere to anywhere, each with the row that is about it, if there is one."""
    told = {name for row in rows for name in row["interfaces"]}
    for _ in range(100):
        one = flow(dice, calls)
        if one["interface_id"] not in told or one["direction"] != "egress":
            continue
        one = {name: one[name] for name in ("interface_id", "src", "dst", "protocol")}
        one["src"] = clean(one["src"])
        number = one["protocol"]
        one["dst_port"] = dice.randrange(65536) if number in (6, 17) else None
        one["icmp_type"] = dice.randrange(256) if number in (1, 58) else None
        sent = [row for row in rows if (one["interface_id"], one["src"]) in senders(row, own)]
        about = [row for row in sent if holds(row, one)]
        assert len(about) <= 1, (one, about)
        yield one, about[0] if about else None


def held(calls: Calls, text: str) -> bool:
    """Whether an interface, or what AWS leases, has an address."""
    return f'"{text}"' in json.dumps(calls)


def clean(text: str) -> str:
    return str(ip_address(text))


def test_rows_and_evaluate_say_the_same() -> None:
    """Of flows inside a row `evaluate` says what the row says, and it refuses all others."""
    for seed in range(ACCOUNTS):
        dice = Random(seed)
        calls = world(dice)
        inventory = Inventory.of([Capture(AT, "1", "us-east-1", calls)])
        own = dict(inventory.interfaces.select("interface_id", "addresses").iter_rows())
        if not own:
            continue
        told = may(inventory, "eni-*" if ACCOUNTS > 1 else "vpc-a")
        rows = told.filter(pl.col("verdict") != "deny").to_dicts()
        pairs = [*sample(dice, rows, own), *stray(dice, rows, own, calls)]
        pairs = [pair for pair in pairs if not vague(pair[0]["dst"])]
        asked = [{"direction": "egress", "at": AT, **one} for one, _ in pairs]
        found = evaluate(pl.DataFrame(asked, schema=FLOWS), inventory).to_dicts()
        for (one, row), said in zip(pairs, found, strict=True):
            where = (seed, one, row, said)
            assert said["verdict"] == (row["verdict"] if row else "deny"), where
            if row is None:
                continue
            assert set(said["sg_rules"]) == set(row["rules"]), where
            assert said["route_target"] == row["route_target"], where
            # What interfaces at the other end do is told for a target only.
            if row["end_to_end"] in ("allow", "deny") and not held(calls, one["dst"]):
                assert said["end_to_end"] == row["end_to_end"], where
        for (one, _), said in [*zip(pairs, found, strict=True)][-TARGETS:]:
            rows = may(inventory, one["interface_id"], one["dst"]).to_dicts()
            sent = [row for row in rows if (one["interface_id"], one["src"]) in senders(row, own)]
            about = [row for row in sent if row["end_to_end"] != "deny" and holds(row, one)]
            expected = about[0]["end_to_end"] if about else "deny"
            assert said["end_to_end"] == expected, (seed, one, about, said)
