"""The tables of an inventory by name."""

from flowlens.inventory import holders, network, rules
from flowlens.inventory.pick import Shape

__all__ = ["SHAPES"]

SHAPES: dict[str, Shape] = {
    "acls": rules.ACLS,
    "blocking": network.BLOCKING,
    "databases": holders.DATABASES,
    "egress_only": network.EGRESS_ONLY,
    "elastic": network.ELASTIC,
    "endpoints": network.ENDPOINTS,
    "entries": network.ENTRIES,
    "exclusions": network.EXCLUSIONS,
    "functions": holders.FUNCTIONS,
    "instances": holders.INSTANCES,
    "interfaces": holders.INTERFACES,
    "internet_gateways": network.INTERNET_GATEWAYS,
    "lists": network.LISTS,
    "nacls": rules.NACLS,
    "nat_gateways": network.GATEWAYS,
    "peerings": network.PEERINGS,
    "permissions": rules.PERMISSIONS,
    "provided": holders.PROVIDED,
    "routes": rules.ROUTES,
    "rules": rules.RULES,
    "security_groups": rules.SECURITY_GROUPS,
    "subnets": network.SUBNETS,
    "tables": rules.TABLES,
    "tasks": holders.TASKS,
    "vpcs": network.VPCS,
}
