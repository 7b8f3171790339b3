"""Tables of what lets traffic through and where it goes: routes, group rules, ACL entries."""

import polars as pl

from flowlens.inventory.pick import FLAG, TEXT, WHOLE, Shape, held, ids, struct, structs

__all__ = ["ACLS", "NACLS", "PERMISSIONS", "ROUTES", "RULES", "SECURITY_GROUPS", "TABLES"]

_ROUTE = pl.col("Routes").struct.field
_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "EgressOnlyInternetGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
)
# An association that is not made yet, or not any more, counts for nothing (user guide of VPC,
# "Subnet route tables"; RouteTableAssociationState).
_MADE = ("Associations", "SubnetId", "AssociationState.State", ("associated",))
_MAIN = (
    held("Associations", "Main", "AssociationState.State", ("associated",))
    .list.eval(pl.element().cast(pl.Boolean))
    .list.any()
    .fill_null(value=False)
)
_ASSOCIATIONS = structs("SubnetId", "GatewayId", Main=FLAG, AssociationState=struct("State"))
_TABLE: dict[str, str | pl.Expr] = {
    "route_table_id": "RouteTableId",
    "vpc_id": "VpcId",
    "subnets": held(*_MADE).list.unique().list.sort(),
    "main": _MAIN,
}
TABLES = Shape("ec2.describe_route_tables", _TABLE, {"Associations": _ASSOCIATIONS})
ROUTES = Shape(
    "ec2.describe_route_tables",
    {
        **_TABLE,
        "cidr": pl.coalesce(_ROUTE("DestinationCidrBlock"), _ROUTE("DestinationIpv6CidrBlock")),
        "prefix_list_id": "Routes.DestinationPrefixListId",
        "target": pl.coalesce([_ROUTE(name) for name in _TARGETS]),
        "origin": "Routes.Origin",
        "state": "Routes.State",
    },
    {
        "Associations": _ASSOCIATIONS,
        "Routes": structs(
            "DestinationCidrBlock",
            "DestinationIpv6CidrBlock",
            "DestinationPrefixListId",
            "Origin",
            "State",
            *_TARGETS,
        ),
    },
    explode="Routes",
)


RULES = Shape(
    "ec2.describe_security_group_rules",
    {
        "rule_id": "SecurityGroupRuleId",
        "group_id": "GroupId",
        "egress": "IsEgress",
        "protocol": "IpProtocol",
        "from_port": "FromPort",
        "to_port": "ToPort",
        "cidr": pl.coalesce("CidrIpv4", "CidrIpv6"),
        "prefix_list_id": "PrefixListId",
        "referenced_group": "ReferencedGroupInfo.GroupId",
        "peering_id": "ReferencedGroupInfo.VpcPeeringConnectionId",
        "peering_state": "ReferencedGroupInfo.PeeringStatus",
        "description": "Description",
    },
    {
        "IsEgress": FLAG,
        "FromPort": WHOLE,
        "ToPort": WHOLE,
        "CidrIpv4": TEXT,
        "CidrIpv6": TEXT,
        "ReferencedGroupInfo": struct(
            "GroupId", "VpcPeeringConnectionId", "PeeringStatus", "VpcId", "UserId"
        ),
    },
)


SECURITY_GROUPS = Shape(
    "ec2.describe_security_groups",
    {"group_id": "GroupId", "vpc_id": "VpcId", "owner_id": "OwnerId", "name": "GroupName"},
)


_PERMISSIONS = structs(
    "IpProtocol",
    FromPort=WHOLE,
    ToPort=WHOLE,
    IpRanges=structs("CidrIp"),
    Ipv6Ranges=structs("CidrIpv6"),
    PrefixListIds=structs("PrefixListId"),
    UserIdGroupPairs=structs("GroupId", "VpcPeeringConnectionId", "PeeringStatus"),
)
#: The same rules as older tools capture them: without ids of their own, several in one.
PERMISSIONS = Shape(
    "ec2.describe_security_groups",
    {"group_id": "GroupId", "ingress": "IpPermissions", "egress": "IpPermissionsEgress"},
    {"IpPermissions": _PERMISSIONS, "IpPermissionsEgress": _PERMISSIONS},
)


_ACL: dict[str, str | pl.Expr] = {
    "nacl_id": "NetworkAclId",
    "vpc_id": "VpcId",
    "default": "IsDefault",
    "subnets": ids("Associations", "SubnetId"),
}
_ACL_FIELDS: dict[str, pl.DataType] = {"IsDefault": FLAG, "Associations": structs("SubnetId")}
ACLS = Shape("ec2.describe_network_acls", _ACL, _ACL_FIELDS)


_ENTRY = pl.col("Entries").struct.field
NACLS = Shape(
    "ec2.describe_network_acls",
    {
        **_ACL,
        "number": "Entries.RuleNumber",
        "egress": "Entries.Egress",
        "protocol": "Entries.Protocol",
        "action": "Entries.RuleAction",
        "cidr": pl.coalesce(_ENTRY("CidrBlock"), _ENTRY("Ipv6CidrBlock")),
        "from_port": "Entries.PortRange.From",
        "to_port": "Entries.PortRange.To",
        "icmp_type": "Entries.IcmpTypeCode.Type",
        "icmp_code": "Entries.IcmpTypeCode.Code",
    },
    {
        **_ACL_FIELDS,
        "Entries": structs(
            "Protocol",
            "RuleAction",
            "CidrBlock",
            "Ipv6CidrBlock",
            RuleNumber=WHOLE,
            Egress=FLAG,
            PortRange=pl.Struct({"From": WHOLE, "To": WHOLE}),
            IcmpTypeCode=pl.Struct({"Type": WHOLE, "Code": WHOLE}),
        ),
    },
    explode="Entries",
)
