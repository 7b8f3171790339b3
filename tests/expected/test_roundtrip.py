"""Rules are put back into the account they are for, and do there what the document says."""

import os
from copy import deepcopy
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from random import Random
from typing import Any

import msgspec
import polars as pl

import flowlens
from flowlens.destinations.known import gather
from flowlens.expected import Bounds, Document, Entry, Port, Rule, Subject, judge, learn
from flowlens.expected.evidence import sift, whole, within
from flowlens.expected.quotas import QUOTAS
from flowlens.expected.render import Plan, Unsaid, changes, plan, render
from flowlens.inventory import Capture, Inventory, owners
from flowlens.reach import FLOWS, evaluate
from tests.expected.rendered import commands, from_permissions, from_template, from_terraform
from tests.expected.test_judge import SCHEMA
from tests.expected.test_learn import traffic
from tests.reach.worlds import BLOCKS4, BLOCKS6, REMOTE, addresses, world

AT = datetime(2026, 3, 1, tzinfo=UTC)
#: Accounts in a run of the suite; FLOWLENS_RENDER_ACCOUNTS=1000 makes 60,000 flows.
ACCOUNTS = int(os.environ.get("FLOWLENS_RENDER_ACCOUNTS", "2"))
FLOWS_EACH = 60
RULES = "ec2.describe_security_group_rules"
BANNED = ("169.254.169.254", "203.0.113.0/26", "52.216.0.0/15", "10.1.1.0/24")
LISTS = "ec2.describe_managed_prefix_lists"
ENTRIES = "ec2.get_managed_prefix_list_entries"

Item = dict[str, Any]
PORTS = (
    *((Port(6, 443, 443),), (Port(17, 53, 53),), (Port(None),), (Port(6),)),
    *((Port(1), Port(58)), (Port(47),), (Port(6, 1024, 65535), Port(17, 123, 123))),
)


def account(dice: Random) -> Item:
    """A random account whose prefix lists have names and sizes, with functions."""
    calls = world(dice)
    for item in calls.get(LISTS, {}).get("PrefixLists", ()):
        own = item["PrefixListId"] != "pl-1"
        item["PrefixListName"] = "partners" if own else "com.amazonaws.us-east-1.s3"
        item |= {"MaxEntries": dice.choice((5, 20, 57))} if own else {}
    faces = calls.get("ec2.describe_network_interfaces", {}).get("NetworkInterfaces", [])
    idle: Item = {"InterfaceType": "lambda", "SubnetId": "vpc-a-0", "VpcId": "vpc-a"}
    idle["Groups"] = [{"GroupId": "sg-0"}]
    mine = [each for each in (*faces, idle) if each["InterfaceType"] == "lambda"]
    functions = [
        {
            "FunctionName": f"fn-{n}",
            "FunctionArn": f"arn:aws:lambda:us-east-1:1:function:fn-{n}",
            "Version": "$LATEST",
            "VpcConfig": {
                "VpcId": each["VpcId"],
                "SubnetIds": [each["SubnetId"]],
                "SecurityGroupIds": [group["GroupId"] for group in each["Groups"]],
            },
        }
        for n, each in enumerate([*mine, *dice.sample(mine, 1)])
    ]
    return calls | {"lambda.list_functions": {"Functions": functions}}


def subject(dice: Random) -> Subject:
    kind = dice.choice(("security_group",) * 3 + ("function", "function", "subnet", "cidr", "vpc"))
    values = {
        "security_group": [f"sg-{n}" for n in range(6)],
        "function": ["fn-0", "fn-1", "fn-2", "fn-*"],
        "subnet": ["vpc-a-0", "vpc-b-1"],
        "cidr": ["10.0.1.0/24", "10.1.0.10/32"],
        "vpc": ["vpc-a"],
    }
    return Subject(kind, dice.choice(values[kind]))


def entry(dice: Random, line: int) -> Entry:
    ports = dice.choice(PORTS)
    kinds = ("any", "domain", "name", "aws_service", *("prefix_list", "security_group") * 2, "many")
    kind = dice.choice((*kinds, *("cidr",) * 4))
    if kind == "many":
        first, size = dice.randrange(256), dice.choice((1, 1, 20, 61, 250))
        return Entry(line, "cidr", tuple(f"10.{first}.{n}.0/24" for n in range(size)), ports=ports)
    values = {
        "any": "any",
        "domain": f"*.x{line}.example",
        "name": "hq",
        "aws_service": "S3",
        "prefix_list": f"pl-{dice.randint(1, 3)}",
        "security_group": f"sg-{dice.randrange(6)}",
        "cidr": dice.choice((*BLOCKS4, *BLOCKS6)),
    }
    why = dice.choice((None, "é" * 300, 'it\'s ${hq} "here"; {{x}}'))
    region = "us-east-1" if kind == "aws_service" else None
    return Entry(line, kind, (values[kind],), region=region, ports=ports, why=why)


def document(dice: Random) -> Document:
    rules = []
    line = 3
    for _ in range(dice.randint(1, 5)):
        entries = tuple(entry(dice, line + n + 1) for n in range(dice.randint(1, 4)))
        some = tuple({subject(dice): None for _ in range(dice.choice((1, 1, 2)))})
        rules.append(Rule(line, some, entries))
        line += len(entries) + 1
    names = {"hq": ("203.0.113.0/25", "2600::/16")}
    return Document("e.yaml", names, tuple(rules))


def inventory(calls: Item) -> Inventory:
    return Inventory.of([Capture(AT, "1", "us-east-1", deepcopy(calls))])


def applied(calls: Item, rules: list[Item]) -> Item:
    """The account with these egress rules and no others."""
    kept = [r for r in calls.get(RULES, {}).get("SecurityGroupRules", ()) if not r["IsEgress"]]
    return calls | {RULES: {"SecurityGroupRules": [*kept, *rules]}}


def rows(dice: Random, calls: Item, known: Inventory) -> list[tuple[Item, Item]]:
    """Random flows out of the account: as `evaluate` takes them, and as `judge` does."""
    faces = calls.get("ec2.describe_network_interfaces", {}).get("NetworkInterfaces", [])
    mine = [each for each in faces if each["Groups"]]
    whose = {row["interface_id"]: row for row in owners(known).to_dicts()}
    held = {a: each for each in faces for a in addresses(each)[:2]}
    lists = {
        name: [ip_network(each["Cidr"]) for each in answer["Entries"]]
        for name, answer in calls.get(ENTRIES, {}).items()
    }
    found = []
    for _ in range(FLOWS_EACH if mine else 0):
        face, six = dice.choice(mine), dice.random() < 0.35
        near = addresses(face)[1 if six else 0]
        far = dice.choice([a for a in (*held, *REMOTE) if (":" in a) == six and a != near])
        protocol = dice.choice((6, 6, 6, 17, 58 if six else 1, 47))
        port = dice.choice((53, 80, 123, 443, 5432)) if protocol in (6, 17) else None
        within = [n for n, nets in lists.items() if any(ip_address(far) in each for each in nets)]
        server, owner = held.get(far), whose[face["NetworkInterfaceId"]]
        flow = {
            "interface_id": face["NetworkInterfaceId"],
            "direction": "egress",
            "src": near,
            "dst": far,
            "protocol": protocol,
            "src_port": 40000 if port else None,
            "dst_port": port,
        }
        edge = dict.fromkeys(SCHEMA) | {
            "client": near,
            "client_owner": owner["owner"],
            "client_kind": owner["kind"],
            "client_groups": [each["GroupId"] for each in face["Groups"]],
            "client_subnet": face["SubnetId"],
            "client_vpc": face["VpcId"],
            "server": far,
            "server_groups": [g["GroupId"] for g in server["Groups"]] if server else [],
            "services": ["AMAZON", "S3"] if "pl-1" in within else [],
            "region": "us-east-1",
            "lists": within,
            "server_port": port or 0,
            "protocol": protocol,
            "first_seen": AT,
            "domains": [],
        }
        found.append((flow, edge))
    return found


def told(made: Plan, names: set[str], groups: list[str]) -> bool:
    """Whether it was said that rules let a workload out that is not meant."""
    others = [place.others or {} for place in made.places]
    return any(names & set(each.get(g, ())) for each in others for g in groups)


def strange(row: Item) -> bool:
    """Whether the hypervisor answers, or a group at the other end is not reached directly."""
    return bool(row["route_target"] != "local")


def agree(seed: int) -> tuple[int, int]:
    """Check one account; return how many flows were allowed and refused for sure."""
    dice = Random(seed)
    calls, said = account(dice), document(dice)
    known = inventory(calls)
    made = plan(said, known, now=AT)
    script = [
        from_permissions(*msgspec.json.decode(asked, type=dict[str, Any]).values())
        for _, _, asked in commands(render(made, "awscli").text)
    ]
    rules = [each for some in script for each in some]
    assert key(rules) == key(from_terraform(render(made, "terraform").text)), seed
    assert key(rules) == key(from_template(render(made, "cloudformation").text)), seed
    limits(made, rules, calls, seed)
    differ(made, known, calls, rules, seed)
    pairs = rows(dice, calls, known)
    if not pairs:
        return 0, 0
    frame = pl.DataFrame([each for each, _ in pairs], schema=_schema())
    reached = evaluate(frame, inventory(applied(calls, rules))).to_dicts()
    edges = pl.DataFrame([each for _, each in pairs], schema=SCHEMA)
    verdicts = judge(edges, said, known).select("expected", "why").rows()
    left = {f"e.yaml:{each.line} " for each in render(made, "awscli").left}
    counts = {"allow": 0, "deny": 0}
    for (flow, edge), row, (verdict, why) in zip(pairs, reached, verdicts, strict=True):
        if row["sg"] not in counts or verdict == "unknown" or exempt(flow["dst"]):
            continue
        referred = bool(edge["server_groups"])
        out = why.startswith(tuple(left))  # it was told that no rule says this
        if verdict == "yes" and not (referred and strange(row)) and not out:
            assert row["sg"] == "allow", (seed, flow, row)
        if verdict == "no" and row["sg"] == "allow":
            near = str(ip_address(flow["src"]))
            names = {flow["interface_id"], near, *(edge["client_owner"] or ())}
            assert told(made, names, edge["client_groups"]), (seed, flow, row)
        counts[row["sg"]] += 1
    return counts["allow"], counts["deny"]


def exempt(address: str) -> bool:
    """Whether no group is asked: metadata, DNS and the router of a subnet."""
    last = address.rpartition(".")[2]
    return address.startswith(("169.254.", "fd00:ec2:")) or last in ("1", "2")


def _schema() -> dict[str, pl.DataType]:
    return {k: v for k, v in FLOWS.items() if k not in ("at", "icmp_type", "icmp_code", "role")}


def key(rules: list[Item]) -> list[tuple[str, ...]]:
    """Rules in an order, without their ids."""
    return sorted(
        tuple(f"{k}={v}" for k, v in sorted(each.items()) if k != "SecurityGroupRuleId")
        for each in rules
    )


def differ(made: Plan, known: Inventory, calls: Item, rules: list[Item], seed: int) -> None:
    """Rules that are there, and what the difference adds and revokes, are the rendered rules."""
    if RULES not in calls:
        return
    change = changes(made, known)
    lost = {row["rule_id"] for row in change.revoke}
    kept = {row["rule_id"] for row, _ in change.keep}
    covered = {group for place in made.places for group in place.covered}
    there = [r for r in calls[RULES]["SecurityGroupRules"] if r["IsEgress"]]
    after = {same(r) for r in there if r["SecurityGroupRuleId"] not in lost | kept}
    after |= {
        same(rule)
        for each in change.add
        for rule in rules
        if rule["GroupId"] == each.group and each.grant.peer.value in str(rule)
    }
    unknown = {u.text.partition(":")[0] for u in change.unsaid if u.line == 1}
    for group in covered - unknown:
        want = {same(r) for r in rules if r["GroupId"] == group}
        assert {each for each in after if each[0] == group} == want, (seed, group)


def same(rule: Item) -> tuple[Any, ...]:
    """A rule as one value, however AWS spells it."""
    number = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58"}
    protocol = number.get(rule["IpProtocol"], rule["IpProtocol"])
    ends = (rule.get("FromPort"), rule.get("ToPort"))
    ends = ends if protocol in ("1", "6", "17", "58") else (None, None)
    peer = [rule.get(name) for name in ("CidrIpv4", "CidrIpv6", "PrefixListId")]
    return (
        rule["GroupId"],
        protocol,
        *ends,
        *peer,
        rule.get("ReferencedGroupInfo", {}).get("GroupId"),
    )


def limits(made: Plan, rules: list[Item], calls: Item, seed: int) -> None:
    """No rendering breaks a quota without saying so."""
    said = {to: render(made, to) for to in ("awscli", "prefix-list", "suricata", "dns-firewall")}
    sizes = {
        item["PrefixListId"]: item.get("MaxEntries", 1)
        for item in calls.get(LISTS, {}).get("PrefixLists", ())
    }
    families = {"pl-1": 46, "pl-2": 4, "pl-3": 6}
    for group in {rule["GroupId"] for rule in rules}:
        for family in (4, 6):
            mine = [rule for rule in rules if rule["GroupId"] == group]
            total = sum(_size(rule, family, sizes, families) for rule in mine)
            if total > QUOTAS["group_rules"].default:
                assert over(said["awscli"].unsaid, f"{group} would have"), (seed, group)
            if LISTS in calls:
                words = over(said["awscli"].unsaid, f"{group} would have {total} IPv{family}")
                assert words == (total > 60), (seed, group, total)
    for _, verb, asked in commands(said["prefix-list"].text):
        request = msgspec.json.decode(asked, type=dict[str, Any])
        changed = request.get("Entries", request.get("AddEntries", []))
        assert len(changed) <= QUOTAS["list_changes"].default
        assert verb != "create-managed-prefix-list" or request["MaxEntries"] >= len(changed)
    text = said["suricata"].text
    assert len(text.encode()) < QUOTAS["firewall_text"].default
    assert all(len(line) <= QUOTAS["firewall_rule"].default for line in text.splitlines())
    assert said["dns-firewall"].text.count("create-firewall-rule ") <= QUOTAS["dns_rules"].default


def _size(rule: Item, family: int, sizes: dict[str, int], families: dict[str, int]) -> int:
    """What one rule counts in a family: worked out from the account, not from the plan."""
    only = {"icmp": 4, "icmpv6": 6}.get(rule["IpProtocol"], family)
    if only != family:
        return 0
    if "PrefixListId" in rule:
        name = rule["PrefixListId"]
        weighs = str(family) in str(families[name])
        return sizes.get(name, 1) * weighs
    return int("ReferencedGroupInfo" in rule or f"CidrIpv{family}" in rule)


def over(unsaid: tuple[Unsaid, ...], text: str) -> bool:
    return any(text in each.text for each in unsaid)


def test_rules_do_what_the_document_says() -> None:
    """Random documents, rendered, put into random accounts, let through what they say alone."""
    counts = [agree(seed) for seed in range(ACCOUNTS)]
    assert sum(allowed for allowed, _ in counts) >= ACCOUNTS
    assert sum(refused for _, refused in counts) >= ACCOUNTS


def test_what_was_learned_is_let_through() -> None:
    """Learned from an account's traffic, rendered and put into it: all of that passes, no more."""
    counts = {"allow": 0, "deny": 0}
    for seed in range(-(-ACCOUNTS // 2)):
        dice = Random(seed)
        calls = account(dice)
        known = inventory(calls)
        frame = flowlens.edges(traffic(dice, calls).lazy(), known, whole=True).collect()
        space = gather(known)
        found = learn(frame, known, known=space, bounds=Bounds(BANNED))
        made = plan(found.document, known, now=AT)
        script = [
            from_permissions(*msgspec.json.decode(asked, type=dict[str, Any]).values())
            for _, _, asked in commands(render(made, "awscli").text)
        ]
        rules = [each for some in script for each in some]
        flows = frame.select(
            interface_id="observer",
            direction=pl.lit("egress"),
            src="client",
            dst="server",
            protocol="protocol",
            dst_port=pl.when(pl.col("protocol") != 1).then("server_port"),
        )
        reached = evaluate(flows, inventory(applied(calls, rules))).select("sg", "route_target")
        taught = sift(whole(frame), space, BANNED)["left"].is_null()
        banned = within(frame["server"], BANNED)
        left = tuple(f"{made.source}:{each.line} " for each in render(made, "awscli").left)
        why = judge(frame, found.document, known, known=space)["why"].fill_null("")
        rows = zip(frame.to_dicts(), reached.to_dicts(), taught, banned, why, strict=True)
        for row, said, wanted, never, line in rows:
            mixed = (":" in row["client"]) != (":" in row["server"])  # no packet has both
            if said["sg"] not in counts or exempt(row["server"]) or mixed:
                continue
            if not row["client_groups"]:  # nothing can refuse what such an interface sends
                continue
            referred = bool(row["server_groups"]) and strange(said)
            if wanted and not referred and not line.startswith(left):  # told: no rule says it
                assert said["sg"] == "allow", (seed, row["client"], row["server"])
            if never:
                assert said["sg"] == "deny", (seed, row["client"], row["server"])
            counts[said["sg"]] += 1
    assert min(counts.values()) >= ACCOUNTS // 2
