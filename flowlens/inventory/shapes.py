"""The tables of an inventory by name."""

from flowlens.inventory import holders, network, rules
from flowlens.inventory.pick import Shape

__all__ = ["SHAPES"]

SHAPES: dict[str, Shape] = {
    "databases": holders.DATABASES,
    "elastic": network.ELASTIC,
    "endpoints": network.ENDPOINTS,
    "entries": network.ENTRIES,
    "functions": holders.FUNCTIONS,
    "instances": holders.INSTANCES,
    "interfaces": holders.INTERFACES,
    "lists": network.LISTS,
    "nacls": rules.NACLS,
    "nat_gateways": network.GATEWAYS,
    "peerings": network.PEERINGS,
    "provided": holders.PROVIDED,
    "routes": rules.ROUTES,
    "rules": rules.RULES,
    "subnets": network.SUBNETS,
    "tasks": holders.TASKS,
    "vpcs": network.VPCS,
}
