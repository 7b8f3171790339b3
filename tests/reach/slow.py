"""A second evaluator, slow and plain: one flow at a time, every rule looked at, `ipaddress` only.

It reads one capture's raw answers and shares nothing with flowlens. What it says is compared with
`flowlens.reach.evaluate` over random accounts.
"""

from functools import cache, cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Flow = dict[str, Any]
Address = IPv4Address | IPv6Address
PORTED, ICMPS = (6, 17), (1, 58)
REPLIES = {(1, 8): 0, (1, 13): 14, (1, 15): 16, (1, 17): 18, (58, 128): 129}
REPLIES |= {(58, 133): 134, (58, 135): 136}
OPENERS = {(protocol, reply): asked for (protocol, asked), reply in REPLIES.items()}
RFC1918 = [ip_network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
PRIVATE = [*RFC1918, ip_network("100.64.0.0/10")]
HIDDEN = {
    ip_address(each)
    for each in (
        *("169.254.169.253", "fd00:ec2::253", "169.254.169.254", "fd00:ec2::254"),
        *("169.254.169.123", "fd00:ec2::123", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"),
        *("169.254.169.250", "169.254.169.251", "fd00:ec2::250", "fd00:ec2::251"),
    )
}
NEVER = [ip_network("169.254.168.0/22"), ip_network("fd00:ec2::/32")]
NAT64 = ip_network("64:ff9b::/96")
MANY = {"nat_gateway", "transit_gateway", "gateway_load_balancer", "network_load_balancer"}


def within(address: Address, block: str) -> bool:
    network = loose(block)
    return address.version == network.version and address in network


@cache
def loose(block: str) -> IPv4Network | IPv6Network:
    """The network of a block, which may have host bits."""
    return ip_network(block, strict=False)


def serial(*words: str) -> str:
    """What layers one after the other do."""
    if "deny" in words:
        return "deny"
    if "unknown" in words:
        return "unknown"
    return "partial" if "partial" in words else "allow"


def together(words: list[str]) -> str:
    """What one layer does with all the packets that a vague flow may be."""
    if "unknown" in words:
        return "unknown"
    kinds = set(words)
    return kinds.pop() if len(kinds) == 1 else "partial"


class Slow:
    """The answers of one capture."""

    def __init__(self, calls: dict[str, Any]) -> None:
        self.calls = calls

    def items(self, call: str) -> list[dict[str, Any]] | None:
        answer = self.calls.get(f"ec2.{call}")
        return None if answer is None else next(iter(answer.values()))

    @cached_property
    def faces(self) -> dict[str, dict[str, Any]]:
        found = self.items("describe_network_interfaces") or []
        return {each["NetworkInterfaceId"]: each for each in found}

    def own(self, face: dict[str, Any]) -> list[str]:
        """The private addresses and delegated prefixes of an interface."""
        found = [each["PrivateIpAddress"] for each in face.get("PrivateIpAddresses", [])]
        found += [each["Ipv6Address"] for each in face.get("Ipv6Addresses", [])]
        found += [each["Ipv4Prefix"] for each in face.get("Ipv4Prefixes", [])]
        return found + [each["Ipv6Prefix"] for each in face.get("Ipv6Prefixes", [])]

    def public(self, face: dict[str, Any], address: Address) -> str | None:
        for each in face.get("PrivateIpAddresses", []):
            public = each.get("Association", {}).get("PublicIp")
            if public and str(address) in (each["PrivateIpAddress"], public):
                return str(public)
        for nat in self.items("describe_nat_gateways") or []:
            for part in nat["NatGatewayAddresses"]:
                mine = part.get("NetworkInterfaceId") == face["NetworkInterfaceId"]
                public = part.get("PublicIp")
                if mine and public and str(address) in (part["PrivateIp"], public):
                    return str(public)
        return None

    def holder(self, vpc: str, address: Address) -> dict[str, Any] | None:
        for face in self.faces.values():
            if face["VpcId"] == vpc and any(within(address, each) for each in self.own(face)):
                return face
        return None

    # Networks

    def blocks(self, vpc: str) -> list[str] | None:
        for each in self.items("describe_vpcs") or []:
            if each["VpcId"] == vpc:
                more = [part["CidrBlock"] for part in each.get("CidrBlockAssociationSet", [])]
                six = [p["Ipv6CidrBlock"] for p in each.get("Ipv6CidrBlockAssociationSet", [])]
                return [each["CidrBlock"], *more, *six]
        local = [
            route.get("DestinationCidrBlock") or route["DestinationIpv6CidrBlock"]
            for table in self.items("describe_route_tables") or []
            if table["VpcId"] == vpc
            for route in table["Routes"]
            if route.get("GatewayId") == "local"
        ]
        return local or None

    def primary(self, vpc: str) -> str | None:
        for each in self.items("describe_vpcs") or []:
            if each["VpcId"] == vpc:
                return str(each["CidrBlock"])
        four = {each for each in self.blocks(vpc) or [] if ":" not in each}
        return four.pop() if len(four) == 1 else None

    def ranges(self, subnet: str) -> list[str] | None:
        for each in self.items("describe_subnets") or []:
            if each["SubnetId"] == subnet:
                six = [p["Ipv6CidrBlock"] for p in each.get("Ipv6CidrBlockAssociationSet", [])]
                return [each["CidrBlock"], *six]
        return None

    def near(self, vpc: str, address: Address) -> bool:
        held = self.holder(vpc, address) is not None
        return held or any(within(address, each) for each in self.blocks(vpc) or [])

    def same_subnet(self, face: dict[str, Any], other: Address) -> bool | None:
        ranges = self.ranges(face["SubnetId"])
        if ranges is not None:
            return any(within(other, each) for each in ranges)
        holder = self.holder(face["VpcId"], other)
        if holder:
            return bool(holder["SubnetId"] == face["SubnetId"])
        known = self.blocks(face["VpcId"]) is not None
        return None if self.near(face["VpcId"], other) or not known else False

    def hidden(self, face: dict[str, Any], other: Address, flow: Flow) -> bool | None:
        """Whether the packet is to or from a service of the hypervisor."""
        ports = sorted(flow[each] if flow[each] is not None else -1 for each in ("port", "back"))
        if other in HIDDEN or (flow["protocol"] == 17 and ports in ([67, 68], [546, 547])):
            return True
        vpc, four = face["VpcId"], other.version == 4
        primary = self.primary(vpc)
        if primary and other == ip_network(primary)[2]:
            return True
        nets = [each for each in self.items("describe_subnets") or [] if each["VpcId"] == vpc]
        if any(other == ip_network(each["CidrBlock"])[1] for each in nets):
            return True
        blank = four and (
            (int(other) % 16 == 2 and not primary) or (int(other) % 16 == 1 and not nets)
        )
        blocks = self.blocks(vpc)
        there = blocks is None or any(within(other, each) for each in blocks)
        return None if blank and there and not self.holder(vpc, other) else False

    # Rules

    @staticmethod
    def number(text: str) -> int:
        names = {"-1": -1, "all": -1, "tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
        return names[text] if text in names else int(text)

    def fits(self, rule: tuple[int, Any, Any], packet: tuple[int, int, int]) -> bool:
        """Whether protocol, ports or type and code of a rule fit a packet."""
        number, first, last = rule
        protocol, a, b = packet
        if number not in (-1, protocol):
            return False
        if number in PORTED and first not in (None, -1):
            return bool(first <= a <= last)
        if number in ICMPS and first not in (None, -1):
            return first == a and (last in (None, -1) or last == b)
        return True

    def samples(self, flow: Flow, kind: str, rules: list[tuple[int, Any, Any]]) -> list[Any]:
        """The packets that stand for all that a flow may be: at every bound of a rule."""
        protocol = flow["protocol"]
        if protocol in PORTED:
            value = flow[kind]
            if value is not None:
                return [(protocol, value, 0)]
            low = 1024 if kind == "back" else 0
            bounds = {low, 65535}
            for _, first, last in rules:
                if first is not None:
                    bounds |= {first - 1, first, first + 1, last - 1, last, last + 1}
            return [(protocol, each, 0) for each in sorted(bounds) if low <= each <= 65535]
        if protocol in ICMPS:
            type_, code = flow[f"{kind}_type"], flow[f"{kind}_code"]
            types = range(256) if type_ is None else [type_]
            codes = range(256) if code is None else [code]
            near = {0, 255} | {n for r in rules for e in r[1:] if e is not None for n in (e, e + 1)}
            return [
                (protocol, t, c)
                for t in types
                if type_ is not None or t in near
                for c in codes
                if code is not None or c in near
            ]
        return [(protocol, 0, 0)]

    def group_rules(self, group: str) -> list[dict[str, Any]] | None:
        listed = self.items("describe_security_groups")
        rules = self.items("describe_security_group_rules")
        mine = [each for each in rules or [] if each["GroupId"] == group]
        if mine:
            return mine
        found = [each for each in listed or [] if each["GroupId"] == group]
        return [] if found and rules is not None else None

    def entries(self, name: str) -> list[str] | None:
        answer = self.calls.get("ec2.get_managed_prefix_list_entries", {}).get(name)
        return None if answer is None else [each["Cidr"] for each in answer["Entries"]]

    def family(self, name: str) -> str | None:
        lists = self.items("describe_managed_prefix_lists") or []
        return next((e["AddressFamily"] for e in lists if e["PrefixListId"] == name), None)

    def aws_list(self, name: str) -> bool:
        lists = self.items("describe_managed_prefix_lists") or []
        return any(each["PrefixListId"] == name and each["OwnerId"] == "AWS" for each in lists)

    def whom(self, rule: dict[str, Any], face: dict[str, Any], end: dict[str, Any]) -> str:  # noqa: C901, PLR0911
        """Whether a rule lets the address at the other end through: yes, no, unknown."""
        other: Address = end["other"]
        for key in ("CidrIpv4", "CidrIpv6"):
            if rule.get(key):
                return "yes" if within(other, rule[key]) else "no"
        if rule.get("PrefixListId"):
            name = rule["PrefixListId"]
            blocks = self.entries(name)
            if blocks is None:
                private = other.version == 4 and any(other in each for each in PRIVATE)
                strange = self.family(name) not in (None, f"IPv{other.version}")
                return "no" if strange or (self.aws_list(name) and private) else "unknown"
            return "yes" if any(within(other, each) for each in blocks) else "no"
        info = rule["ReferencedGroupInfo"]
        if info.get("PeeringStatus", "active") != "active":
            return "no"
        doubt = False
        if info.get("VpcPeeringConnectionId"):
            peerings = self.items("describe_vpc_peering_connections")
            mine = [
                each
                for each in peerings or []
                if each["VpcPeeringConnectionId"] == info["VpcPeeringConnectionId"]
            ]
            if mine and (mine[0]["Status"]["Code"] != "active" or self.distant(mine[0])):
                return "no"
            if not mine and peerings is not None:
                return "no"
            doubt = not mine and "PeeringStatus" not in info
        return self.carries(info["GroupId"], face, end, doubt=doubt)

    def carries(self, group: str, face: dict[str, Any], end: dict[str, Any], *, doubt: bool) -> str:
        if end["link"] == "never":
            return "no"
        if end["link"] == "perhaps":
            return "unknown"
        if end["far"] is None:
            return "unknown"
        carried = group in [each["GroupId"] for each in end["far"]["Groups"]]
        vague = doubt or end["link"] == "vague"
        return ("unknown" if vague else "yes") if carried else "no"

    @staticmethod
    def distant(peering: dict[str, Any]) -> bool:
        ends = [peering[side].get("Region") for side in ("RequesterVpcInfo", "AccepterVpcInfo")]
        return None not in ends and ends[0] != ends[1]

    def groups(self, face: dict[str, Any], flow: Flow, end: dict[str, Any]) -> dict[str, Any]:
        """What the groups do with the packet that opens the connection."""
        if not face["Groups"]:
            return {"sg": "allow", "rules": set(), "tracked": True}
        rules, blind = [], False
        for group in face["Groups"]:
            found = self.group_rules(group["GroupId"])
            blind |= found is None
            rules += found or []
        way = [each for each in rules if each["IsEgress"] == flow["out"]]
        shapes = [(self.number(e["IpProtocol"]), e.get("FromPort"), e.get("ToPort")) for e in way]
        words, hits, wide = [], set(), False
        for packet in self.samples(flow, "port", shapes):
            told = {"unknown"} if blind else set()
            for rule, shape in zip(way, shapes, strict=True):
                if not self.fits(shape, packet):
                    continue
                whom = self.whom(rule, face, end)
                told.add(whom)
                if whom == "yes":
                    hits.add(rule["SecurityGroupRuleId"])
                    wide |= rule.get("CidrIpv4") == "0.0.0.0/0" or rule.get("CidrIpv6") == "::/0"
            words.append("allow" if "yes" in told else "unknown" if "unknown" in told else "deny")
        tracked: bool | None = True
        if flow["protocol"] in PORTED and wide:
            tracked = not self.open(rules, flow, end["other"]) and (None if blind else True)
        return {"sg": together(words), "rules": hits, "tracked": tracked}

    def open(self, rules: list[dict[str, Any]], flow: Flow, other: Address) -> bool:
        """Whether a rule for everything lets the other direction pass."""
        for rule in rules:
            number, first = self.number(rule["IpProtocol"]), rule.get("FromPort")
            every = number == -1 or first in (None, -1) or (first == 0 and rule["ToPort"] == 65535)
            six = rule.get("CidrIpv6") == "::/0" and other.version == 6
            four = rule.get("CidrIpv4") == "0.0.0.0/0" and other.version == 4
            back = rule["IsEgress"] != flow["out"]
            if back and every and number in (-1, flow["protocol"]) and (six or four):
                return True
        return False

    def acl(self, subnet: str, vpc: str) -> dict[str, Any] | None:
        acls = self.items("describe_network_acls")
        for each in acls or []:
            if subnet in [part["SubnetId"] for part in each["Associations"]]:
                return each
        return next((e for e in acls or [] if e["IsDefault"] and e["VpcId"] == vpc), None)

    def crossing(
        self, place: tuple[str, str], flow: Flow, other: Address, *, out: bool, kind: str
    ) -> tuple[str, int | None]:
        """What the ACL of (subnet, VPC) does with a packet: word and rule number."""
        acl = self.acl(*place)
        if acl is None:
            return "unknown", None
        last = 32767 if other.version == 4 else 32768
        entries = sorted(
            (each for each in acl["Entries"] if each["Egress"] == out),
            key=lambda each: each["RuleNumber"],
        )
        shapes = []
        for each in entries:
            number = self.number(each["Protocol"])
            ends: tuple[Any, Any] = (None, None)
            if number in PORTED:
                span = each.get("PortRange", {})
                ends = (span.get("From"), span.get("To"))
            elif number == 1 or (number == 58 and "Ipv6CidrBlock" in each):
                span = each.get("IcmpTypeCode", {})
                ends = (span.get("Type"), span.get("Code"))
            shapes.append((number, *ends))
        told = []
        for packet in self.samples(flow, kind, shapes):
            decided = ("deny", last)
            for each, shape in zip(entries, shapes, strict=True):
                block = each.get("CidrBlock") or each["Ipv6CidrBlock"]
                if self.fits(shape, packet) and within(other, block):
                    decided = (each["RuleAction"], each["RuleNumber"])
                    break
            told.append(decided)
        numbers = {number for _, number in told}
        word = together([word for word, _ in told])
        return word, numbers.pop() if len(numbers) == 1 else None

    # Routes

    def table(self, subnet: str, vpc: str) -> dict[str, Any] | None:
        tables = self.items("describe_route_tables")
        main = None
        for each in tables or []:
            for part in each["Associations"]:
                if part.get("AssociationState", {}).get("State", "associated") != "associated":
                    continue
                if part.get("SubnetId") == subnet:
                    return each
                if part.get("Main") and each["VpcId"] == vpc:
                    main = each
        return main

    def choose(self, table: dict[str, Any] | None, other: Address) -> dict[str, Any] | str:  # noqa: C901
        """The route for a destination; "none" or "unknown"."""
        if table is None:
            return "unknown"
        if any(within(other, str(each)) for each in NEVER):
            return "none"
        found, doubts = [], []
        local = any(
            route.get("GatewayId") == "local"
            and within(
                other, route.get("DestinationCidrBlock") or route["DestinationIpv6CidrBlock"]
            )
            for route in table["Routes"]
        )
        for route in table["Routes"]:
            name = route.get("DestinationPrefixListId")
            block = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock")
            blocks = self.entries(name) if name else [block]
            if blocks is None:
                doubts.append(route)
                continue
            spread = route.get("Origin") in ("EnableVgwRoutePropagation", "Advertisement")
            rank = 1 if name else 0 if spread else 2
            if spread and local:
                continue
            for each in blocks:
                if within(other, each):
                    found.append((ip_network(each).prefixlen, rank, route))
        best = max(((length, rank) for length, rank, _ in found), default=None)
        top = [route for length, rank, route in found if (length, rank) == best]
        for route in doubts:
            if self.may_cover(route, other, local=local) and not (
                top
                and (
                    best == (other.max_prefixlen, 2)
                    or (self.target(top[0]), top[0].get("State"))
                    == (self.target(route), route.get("State"))
                )
            ):
                return "unknown"
        if not top:
            return "none"
        if len({(self.target(each), each.get("State")) for each in top}) > 1:
            return "unknown"
        chosen: dict[str, Any] = top[0]
        return chosen

    def may_cover(self, route: dict[str, Any], other: Address, *, local: bool) -> bool:
        name, target = route["DestinationPrefixListId"], self.target(route)
        if self.family(name) not in (None, f"IPv{other.version}"):
            return False
        endpoints = self.items("describe_vpc_endpoints") or []
        gateway = any(
            e["VpcEndpointId"] == target and e["VpcEndpointType"] == "Gateway" for e in endpoints
        )
        private = other.version == 4 and any(other in each for each in PRIVATE)
        if private and (self.aws_list(name) or gateway):
            return False
        inner = target.startswith(("eni-", "i-", "nat-", "vpce-")) and not gateway
        return inner or not local

    @staticmethod
    def target(route: dict[str, Any]) -> str:
        keys = (
            *("GatewayId", "NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId"),
            *("EgressOnlyInternetGatewayId", "NetworkInterfaceId", "InstanceId"),
        )
        return next((str(route[key]) for key in keys if route.get(key)), "")

    def attached(self, call: str, name: str, vpc: str) -> str:
        key = "InternetGatewayId" if name.startswith("igw") else "EgressOnlyInternetGatewayId"
        for each in self.items(call) or []:
            if each[key] == name:
                doors = [
                    d["VpcId"]
                    for d in each["Attachments"]
                    if d["State"] in ("available", "attached")
                ]
                return "allow" if vpc in doors else "deny"
        return "unknown"

    def lead(  # noqa: C901, PLR0911, PLR0912
        self, route: dict[str, Any] | str, face: dict[str, Any], flow: Flow, ends: tuple[Any, Any]
    ) -> tuple[str, str, Any]:
        """Kind of way, whether it takes the packet, and what stands behind it."""
        own, other = ends
        if route == "none":
            return "none", "deny", None
        if isinstance(route, str):
            return "unknown", "unknown", None
        target = self.target(route)
        if route.get("State") == "blackhole":
            return "none", "deny", None
        private = other.version == 4 and any(other in each for each in PRIVATE)
        vpc = face["VpcId"]
        if target == "local":
            return "local", "allow", None
        if target.startswith("igw-"):
            told = self.attached("describe_internet_gateways", target, vpc)
            bare = other.version == 4 and not self.public(face, own)
            nats = self.items("describe_nat_gateways")
            if bare and face["InterfaceType"] == "nat_gateway" and nats is None:
                bare, told = False, "unknown"
            refused = private or bare or face.get("DenyAllIgwTraffic")
            return "igw", "deny" if refused else told, None
        if target.startswith("eigw-"):
            fits = flow["out"] and other.version == 6
            call = "describe_egress_only_internet_gateways"
            return "eigw", self.attached(call, target, vpc) if fits else "deny", None
        if target.startswith("nat-"):
            if not flow["out"] or not (other.version == 4 or other in NAT64):
                return "nat", "deny", None
            nats = [
                e for e in self.items("describe_nat_gateways") or [] if e["NatGatewayId"] == target
            ]
            if not nats:
                return "nat", "unknown", None
            return "nat", "allow" if nats[0]["State"] == "available" else "deny", nats[0]
        if target.startswith("vpce-"):
            return self.endpoint(target, flow)
        if target.startswith("pcx-"):
            return self.peering(target, vpc, other)
        if target.startswith(("tgw-", "vgw-")):
            return "transit", "allow", None
        machine = self.faces.get(target)
        if machine is None:
            return "appliance", "unknown", None
        if any(within(other, each) for each in self.own(machine)):
            return "local", "allow", None
        return "appliance", "deny" if machine["SourceDestCheck"] else "allow", None

    def endpoint(self, target: str, flow: Flow) -> tuple[str, str, Any]:
        for each in self.items("describe_vpc_endpoints") or []:
            if each["VpcEndpointId"] == target:
                if not flow["out"] or each["State"] != "available":
                    return "endpoint", "deny", each
                if flow["protocol"] == 6:
                    return "endpoint", "allow", each
                if flow["protocol"] in ICMPS:
                    asked = flow["port_type"]
                    if asked is None:
                        return "endpoint", "partial", each
                    return "endpoint", "allow" if asked in (8, 128) else "deny", each
                return "endpoint", "deny", each
        return "unknown", "unknown", None

    def sides(self, peering: dict[str, Any], vpc: str) -> tuple[str, list[str]] | None:
        """The VPC at the other end of a peering, and its blocks."""
        one, other = peering["RequesterVpcInfo"], peering["AccepterVpcInfo"]
        for mine, theirs in ((one, other), (other, one)):
            if mine["VpcId"] == vpc:
                blocks = [each["CidrBlock"] for each in theirs.get("CidrBlockSet", [])]
                blocks += [e["Ipv6CidrBlock"] for e in theirs.get("Ipv6CidrBlockSet", [])]
                known = next(
                    (v for v in self.items("describe_vpcs") or [] if v["VpcId"] == theirs["VpcId"]),
                    None,
                )
                extra = self.blocks(theirs["VpcId"]) if known else []
                return theirs["VpcId"], [*blocks, *(extra or [])]
        return None

    def peering(self, target: str, vpc: str, other: Address) -> tuple[str, str, Any]:
        for each in self.items("describe_vpc_peering_connections") or []:
            if each["VpcPeeringConnectionId"] == target:
                found = self.sides(each, vpc)
                if each["Status"]["Code"] != "active" or found is None:
                    return "peering", "deny", None
                peer, blocks = found
                held = any(within(other, block) for block in blocks)
                return "peering", "allow" if held else "deny", (peer, each)
        return "peering", "unknown", None

    # One end

    def far(  # noqa: C901
        self, face: dict[str, Any], flow: Flow, way: tuple[str, str, Any], ends: tuple[Any, Any]
    ) -> dict[str, Any]:
        """Who is at the other end, and whether a rule can name its groups."""
        own, other = ends
        kind, usable, behind = way
        vpc = face["VpcId"]
        end: dict[str, Any] = {"other": other, "far": None, "link": "never"}
        if self.near(vpc, other) and (not flow["out"] or kind in ("local", "unknown")):
            end |= {"far": self.holder(vpc, other), "link": "direct"}
        elif (
            (kind == "peering" and usable == "unknown")
            or kind in ("transit", "unknown")
            or (not flow["out"] and self.items("describe_vpc_peering_connections") is None)
        ):
            end["link"] = "perhaps"
        if (
            flow["out"]
            and kind == "peering"
            and behind
            and usable != "deny"
            and end["link"] == "never"
        ):
            peer, peering = behind
            link = "never" if self.distant(peering) else "direct"
            end |= {"far": self.holder(peer, other), "link": link}
        if not flow["out"] and not self.near(vpc, other):
            for peering in self.items("describe_vpc_peering_connections") or []:
                found = self.sides(peering, vpc)
                active = peering["Status"]["Code"] == "active"
                if found and active and any(within(other, each) for each in found[1]):
                    link = "never" if self.distant(peering) else "direct"
                    end |= {"far": self.holder(found[0], other), "link": link}
        if not self.same_subnet(face, other):
            detour = self.detour(flow, kind, end, own)
            if detour:
                end["link"] = "never"
            elif detour is None and end["link"] == "direct":
                end["link"] = "vague"
        return end

    def detour(self, flow: Flow, kind: str, end: dict[str, Any], own: Address) -> bool | None:
        """Whether packets pass a machine in between, by the route of whoever sends them."""
        far = end["far"]
        if flow["out"]:
            return None if kind == "unknown" else kind == "appliance"
        if far is None:
            return kind == "appliance"
        route = self.choose(self.table(far["SubnetId"], far["VpcId"]), own)
        mirrored = {**flow, "out": True}
        sent = self.lead(route, far, mirrored, (end["other"], own))[0]
        return None if sent == "unknown" else sent in ("appliance", "nat")

    def side(self, face: dict[str, Any], flow: Flow, ends: tuple[Any, Any]) -> dict[str, Any]:  # noqa: PLR0915
        other = ends[1]
        place = (face["SubnetId"], face["VpcId"])
        table = self.table(*place)
        route = self.choose(table, other)
        way = self.lead(route, face, flow, ends)
        same = self.same_subnet(face, other)
        if same and table is not None:
            way = ("local", "allow", None)
        if same is None and way[0] != "local" and self.near(face["VpcId"], other):
            way = ("unknown", "unknown", None)
        end = self.far(face, flow, way, ends)
        found = self.groups(face, flow, end)
        for out in (True, False):
            kind = "port" if out == flow["out"] else "back"
            skip = same or (flow["protocol"] in ICMPS and flow[f"{kind}_type"] == "none")
            word, number = "allow", None
            if not skip:
                word, number = self.crossing(place, flow, other, out=out, kind=kind)
                if same is None and word != "allow":
                    word = "unknown"
            name = "nacl_out" if out else "nacl_in"
            found |= {name: word, f"{name}_rule": number}
        kind = face["InterfaceType"]
        closed = kind == "lambda" and not flow["out"]
        blocks = self.blocks(face["VpcId"])
        if kind == "nat_gateway" and not flow["out"] and blocks is not None:
            closed |= not any(within(other, each) for each in blocks)
        found["interface"] = "deny" if closed else "allow"
        named = route if isinstance(route, dict) else {}
        block = named.get("DestinationPrefixListId") or named.get("DestinationCidrBlock")
        found["route"] = block or named.get("DestinationIpv6CidrBlock")
        found["route_target"] = self.target(named) or None
        return found | {"usable": way[1], "way": way, "end": end}

    HERE = ("sg", "nacl_out", "nacl_in", "usable", "interface")

    def beyond(
        self, face: dict[str, Any], flow: Flow, mine: dict[str, Any], ends: tuple[Any, Any]
    ) -> str:
        own, other = ends
        kind, usable, behind = mine["way"]
        if usable == "deny":
            return "deny"
        if kind in ("transit", "appliance"):
            return "unknown"
        if kind in ("local", "peering"):
            far = mine["end"]["far"]
            return "unknown" if far is None else self.mirror(far, flow, (other, own))
        words = [self.outside(kind, face, flow, behind, ends)]
        if kind == "nat" and behind:
            words.append(self.through(behind, face, flow, ends))
        return serial(*words)

    def outside(
        self, kind: str, face: dict[str, Any], flow: Flow, behind: Any, ends: tuple[Any, Any]
    ) -> str:
        """What an interface of the account does that is met over the internet."""
        own, other = ends
        if kind not in ("igw", "eigw", "nat"):
            return "allow"
        seen = self.public(face, own) if other.version == 4 else str(own)
        if kind == "nat":
            publics = [
                e["PublicIp"]
                for e in (behind or {}).get("NatGatewayAddresses", [])
                if "PublicIp" in e
            ]
            seen = publics[0] if len(publics) == 1 else None
        for each in self.faces.values():
            met = self.publics(each) if other.version == 4 else self.own(each)
            if str(other) in [str(ip_address(e)) for e in met if "/" not in e]:
                return (
                    "unknown"
                    if seen is None
                    else self.mirror(each, flow, (other, ip_address(seen)))
                )
        return "allow"

    def publics(self, face: dict[str, Any]) -> list[str]:
        found = [
            each["Association"]["PublicIp"]
            for each in face.get("PrivateIpAddresses", [])
            if each.get("Association")
        ]
        for nat in self.items("describe_nat_gateways") or []:
            for part in nat["NatGatewayAddresses"]:
                if (
                    part.get("NetworkInterfaceId") == face["NetworkInterfaceId"]
                    and "PublicIp" in part
                ):
                    found.append(part["PublicIp"])
        return found

    def mirror(self, far: dict[str, Any], flow: Flow, ends: tuple[Any, Any]) -> str:
        found = self.side(far, {**flow, "out": not flow["out"]}, ends)
        words = [found[each] for each in self.HERE]
        if found["way"][0] in ("transit", "appliance"):
            words.append("unknown")
        return serial(*words)

    def through(  # noqa: C901
        self, nat: dict[str, Any], face: dict[str, Any], flow: Flow, ends: tuple[Any, Any]
    ) -> str:
        own, other = ends
        if other in NAT64:
            other = IPv4Address(int(other) % 2**32)
        place = (nat["SubnetId"], nat["VpcId"])
        blank = {**flow, "back": None}
        answered = flow["protocol"] not in ICMPS or flow["back_type"] != "none"
        words = [self.crossing(place, flow, other, out=True, kind="port")[0]]
        if answered:
            words.append(self.crossing(place, blank, other, out=False, kind="back")[0])
        if face["SubnetId"] != nat["SubnetId"]:
            words.append(self.crossing(place, flow, own, out=False, kind="port")[0])
            if answered:
                words.append(self.crossing(place, flow, own, out=True, kind="back")[0])
        if flow["protocol"] not in (1, 6, 17):
            words.append("deny")
        route = self.choose(self.table(*place), other)
        if isinstance(route, str):
            return serial(*words, "deny" if route == "none" else "unknown")
        target = self.target(route)
        if route.get("State") == "blackhole":
            words.append("deny")
        elif target.startswith("igw-"):
            words.append(self.attached("describe_internet_gateways", target, face["VpcId"]))
            public = any(each.get("PublicIp") for each in nat["NatGatewayAddresses"])
            private = any(other in each for each in PRIVATE)
            if nat.get("ConnectivityType") == "private" or not public or private:
                words.append("deny")
        else:
            words.append("unknown")
        return serial(*words)

    # The whole

    def flow(self, asked: Flow) -> Flow:
        """The flow as the connection it belongs to: who opened it, and with what."""
        leaves, reply = asked["direction"] == "egress", asked["role"] == "reply"
        source, target = asked["src_port"], asked["dst_port"]
        protocol, kind, code = asked["protocol"], asked["icmp_type"], asked["icmp_code"]
        if reply and protocol in ICMPS and kind is not None:
            kind = OPENERS.get((protocol, kind), kind)
        answer: Any = None
        if protocol in ICMPS and kind is not None:
            answer = REPLIES.get((protocol, kind), "none")
        return {
            "out": leaves != reply,
            "protocol": protocol,
            "port": source if reply else target,
            "back": target if reply else source,
            "port_type": kind,
            "port_code": code,
            "back_type": answer,
            "back_code": None if answer is None else 0,
        }

    def evaluate(self, asked: Flow) -> dict[str, Any]:
        face = self.faces.get(asked["interface_id"])
        names = ("sg", "nacl_out", "nacl_in", "verdict", "end_to_end")
        unknown = dict.fromkeys(names, "unknown") | {"forward": "UNKNOWN", "reply": "UNKNOWN"}
        if face is None:
            return unknown
        leaves, reply = asked["direction"] == "egress", asked["role"] == "reply"
        own, other = (
            ip_address(asked[key]) for key in (("src", "dst") if leaves else ("dst", "src"))
        )
        flow = self.flow(asked)
        hidden = self.hidden(face, other, flow)
        if hidden:
            passed = dict.fromkeys(names, "allow")
            return passed | {"forward": "UNLOGGED", "reply": "UNLOGGED", "sg_rules": set()}
        mine = self.side(face, flow, (own, other))
        layers = [mine[each] for each in self.HERE]
        if hidden is None:
            return {"hidden": None}
        verdict = serial(*layers)
        first, second = ("nacl_out", "nacl_in") if leaves else ("nacl_in", "nacl_out")
        forward = self.log(mine["sg"], mine[first])
        back = self.log(mine["sg"], mine[second]) if reply else self.log(mine[second])
        if not reply:
            if forward == "UNKNOWN":
                back = "UNKNOWN"
            if forward == "REJECT" or (forward == "ACCEPT" and flow["back_type"] == "none"):
                back = "UNLOGGED"
        end = serial(verdict, self.beyond(face, flow, mine, (own, other)))
        usable = {"allow": True, "deny": False}.get(mine["usable"])
        return {
            "verdict": verdict,
            "end_to_end": end,
            "forward": forward,
            "reply": back,
            "sg_rules": mine["rules"],
            "route_usable": usable,
            "tracked": self.tracked(face, mine),
            **{name: mine[name] for name in ("sg", "nacl_out", "nacl_in", "nacl_out_rule")},
            **{name: mine[name] for name in ("nacl_in_rule", "route", "route_target")},
        }

    def tracked(self, face: dict[str, Any], mine: dict[str, Any]) -> bool | None:
        if mine["sg"] not in ("allow", "partial"):
            return None
        kind, _, behind = mine["way"]
        always = {*MANY, "lambda", "vpc_endpoint"}
        far = mine["end"]["far"]
        if face["InterfaceType"] in always or (far and far["InterfaceType"] in always):
            return True
        if kind in ("nat", "eigw", "transit"):
            return True
        if kind == "endpoint" and behind and behind["ServiceName"].endswith("dynamodb"):
            return True
        found: bool | None = mine["tracked"]
        dim = (
            kind == "unknown"
            or mine["end"]["link"] == "perhaps"
            or (kind in ("local", "peering") and far is None)
        )
        return None if dim and found is False else found

    @staticmethod
    def log(*words: str) -> str:
        word = serial(*words)
        return {"allow": "ACCEPT", "deny": "REJECT"}.get(word, "UNKNOWN")
