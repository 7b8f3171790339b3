"""Judge a million distinct flows against 500 security groups of 60 rules each direction.

    python benchmarks/reach.py [FLOWS]

Prints the median of three runs; the first, which also makes numbers of the inventory, is apart.
"""

import sys
import time
from datetime import UTC, datetime
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from flowlens.inventory import Capture, Inventory
from flowlens.reach import evaluate

GROUPS, RULES, FACES, SUBNETS = 500, 60, 2000, 8
AT = datetime(2026, 3, 1, tzinfo=UTC)


def account(dice: np.random.Generator) -> Inventory:
    """Make up one VPC: NAT, ten lists of prefixes, and rules of every kind."""
    subnets = [f"subnet-{n}" for n in range(SUBNETS)]
    calls: dict[str, Any] = {
        "ec2.describe_vpcs": {"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}]},
        "ec2.describe_subnets": {
            "Subnets": [
                {"SubnetId": name, "VpcId": "vpc-1", "CidrBlock": f"10.0.{n * 16}.0/20"}
                for n, name in enumerate(subnets)
            ]
        },
        "ec2.describe_network_interfaces": {"NetworkInterfaces": list(interfaces(dice))},
        "ec2.describe_security_groups": {
            "SecurityGroups": [{"GroupId": f"sg-{n}", "VpcId": "vpc-1"} for n in range(GROUPS)]
        },
        "ec2.describe_security_group_rules": {"SecurityGroupRules": list(rules(dice))},
        "ec2.get_managed_prefix_list_entries": {
            f"pl-{n}": {"Entries": [{"Cidr": f"{50 + n}.{m}.0.0/16"} for m in range(20)]}
            for n in range(10)
        },
        **network(subnets),
    }
    return Inventory.of([Capture(AT, "1", "us-east-1", calls)])


def interfaces(dice: np.random.Generator) -> Any:
    for n in range(FACES):
        subnet = n % SUBNETS
        address = f"10.0.{subnet * 16 + n // SUBNETS // 200}.{n // SUBNETS % 200 + 10}"
        carried = dice.choice(GROUPS, dice.integers(1, 4), replace=False)
        yield {
            "NetworkInterfaceId": f"eni-{n}",
            "InterfaceType": "interface",
            "VpcId": "vpc-1",
            "SubnetId": f"subnet-{subnet}",
            "Groups": [{"GroupId": f"sg-{each}"} for each in carried],
            "PrivateIpAddress": address,
            "PrivateIpAddresses": [{"PrivateIpAddress": address}],
            "SourceDestCheck": True,
            "Attachment": {"InstanceId": f"i-{n}", "InstanceOwnerId": "1"},
        }


def rules(dice: np.random.Generator) -> Any:
    for n in range(GROUPS * RULES):
        low = int(dice.integers(1, 60000))
        peer: dict[str, Any] = {"CidrIpv4": f"{dice.integers(1, 224)}.{dice.integers(256)}.0.0/16"}
        if n % 10 == 0:
            peer = {"ReferencedGroupInfo": {"GroupId": f"sg-{dice.integers(GROUPS)}"}}
        elif n % 10 == 1:
            peer = {"PrefixListId": f"pl-{dice.integers(10)}"}
        elif n % 10 == 2:
            peer = {"CidrIpv6": f"2001:db8:{dice.integers(65536):x}::/48"}
        yield {
            "SecurityGroupRuleId": f"sgr-{n}",
            "GroupId": f"sg-{n % GROUPS}",
            "IsEgress": n // GROUPS % 2 == 0,
            "IpProtocol": ("tcp", "udp", "-1")[n % 3],
            "FromPort": -1 if n % 3 == 2 else low,
            "ToPort": -1 if n % 3 == 2 else low + int(dice.integers(5000)),
            **peer,
        }


def network(subnets: list[str]) -> dict[str, Any]:
    entries = [
        {
            "RuleNumber": 100 + n,
            "Egress": way,
            "Protocol": "6",
            "RuleAction": "allow",
            "CidrBlock": "0.0.0.0/0",
            "PortRange": {"From": n * 3000, "To": n * 3000 + 2999},
        }
        for n in range(20)
        for way in (True, False)
    ]
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}
    out = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}
    door = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}
    tables = [
        {
            "RouteTableId": "rtb-1",
            "VpcId": "vpc-1",
            "Associations": [{"Main": True}],
            "Routes": [local, out],
        },
        {
            "RouteTableId": "rtb-2",
            "VpcId": "vpc-1",
            "Associations": [{"SubnetId": subnets[0]}],
            "Routes": [local, door],
        },
    ]
    acls = {"NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": True, "Entries": entries}
    nat = {
        "NatGatewayId": "nat-1",
        "VpcId": "vpc-1",
        "SubnetId": subnets[0],
        "State": "available",
        "NatGatewayAddresses": [{"PrivateIp": "10.0.0.9", "PublicIp": "198.51.100.1"}],
    }
    gate = {"InternetGatewayId": "igw-1", "Attachments": [{"VpcId": "vpc-1", "State": "available"}]}
    return {
        "ec2.describe_network_acls": {"NetworkAcls": [acls]},
        "ec2.describe_route_tables": {"RouteTables": tables},
        "ec2.describe_nat_gateways": {"NatGateways": [nat]},
        "ec2.describe_internet_gateways": {"InternetGateways": [gate]},
        "ec2.describe_vpc_peering_connections": {"VpcPeeringConnections": []},
    }


def flows(dice: np.random.Generator, inventory: Inventory, size: int) -> pl.DataFrame:
    """Make up distinct flows, half of them inside the VPC."""
    faces = inventory.interfaces
    one, other = dice.integers(0, FACES, size), dice.integers(0, FACES, size)
    held = faces["addresses"].list.first()
    world = pl.DataFrame(dice.integers(1, 224, (size, 4)), schema=list("abcd"))
    far = world.select(pl.concat_str(pl.all().cast(pl.String), separator=".")).to_series()
    inside = pl.Series(dice.random(size) < 0.5)
    frame = pl.DataFrame(
        {
            "interface_id": faces["interface_id"].gather(one),
            "near": held.gather(one),
            "far": pl.select(pl.when(inside).then(held.gather(other)).otherwise(far)).to_series(),
            "direction": pl.Series(np.array(["egress", "ingress"])[dice.integers(0, 2, size)]),
            "protocol": pl.Series(np.array([6, 17])[dice.integers(0, 2, size)]),
            "src_port": pl.Series(dice.integers(1024, 65536, size)),
            "dst_port": pl.Series(dice.integers(1, 65536, size)),
        }
    )
    leaves = pl.when(pl.col("direction") == "egress")
    return frame.with_columns(
        leaves.then("near").otherwise("far").alias("src"),
        leaves.then("far").otherwise("near").alias("dst"),
        pl.lit(AT).alias("at"),
    )


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    dice = np.random.default_rng(4)
    inventory = account(dice)
    asked = flows(dice, inventory, size)
    taken = []
    for _ in range(4):
        begin = time.perf_counter()
        found = evaluate(asked, inventory)
        taken.append(time.perf_counter() - begin)
    print(found["verdict"].value_counts(sort=True))
    print(f"inventory and {size:,} flows: {taken[0]:.2f} s; again: {median(taken[1:]):.2f} s")


if __name__ == "__main__":
    main()
