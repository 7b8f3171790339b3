"""The made-up account: its workloads, their interfaces and the names of everything.

Addresses outside the account are from the documentation ranges (RFC 5737, RFC 3849), those of
AWS services from the ranges that AWS publishes.
"""

ACCOUNT, REGION, VPC = "123456789012", "us-east-1", "vpc-0a1b2c3d4e5f60718"
SUBNETS = {
    "private-a": ("subnet-0aa0000000000000a", "10.20.1.0/24", "2001:db8:1200:1::/64", "use1-az1"),
    "private-b": ("subnet-0bb0000000000000b", "10.20.2.0/24", "2001:db8:1200:2::/64", "use1-az2"),
    "public-a": ("subnet-0cc0000000000000c", "10.20.0.0/24", None, "use1-az1"),
}
GROUPS = {
    "orders": "sg-0000000000000a001",
    "payments": "sg-0000000000000a002",
    "mail": "sg-0000000000000a003",
    "images": "sg-0000000000000a004",
    "batch": "sg-0000000000000a005",
    "database": "sg-0000000000000a006",
    "endpoints": "sg-0000000000000a007",
    "nightly": "sg-0000000000000a008",
}
S3_LIST, S3_ENDPOINT, NAT = "pl-63a5400a", "vpce-0a53000000000000f", "nat-0a8b0e0d28266841f"
NAT_PUBLIC = "198.51.100.10"

#: Flow log -> (what it covers, seconds of a window, file format).
LOGS = {
    "fl-0a110000000000001": (SUBNETS["private-a"][0], 60, "plain-text"),
    "fl-0a110000000000002": (SUBNETS["private-b"][0], 60, "plain-text"),
    "fl-0b220000000000003": (SUBNETS["public-a"][0], 600, "parquet"),
    "fl-0c330000000000004": ("eni-00000000000000102", 600, "plain-text"),
}

#: Interface -> (subnet, address, group).
FACES = {
    "eni-00000000000000101": ("private-a", "10.20.1.21", "orders"),
    "eni-00000000000000102": ("private-b", "10.20.2.31", "payments"),
    "eni-00000000000000103": ("private-b", "10.20.2.32", "mail"),
    "eni-00000000000000104": ("private-a", "10.20.1.22", "images"),
    "eni-00000000000000105": ("private-a", "10.20.1.90", "batch"),
    "eni-00000000000000106": ("private-b", "10.20.2.50", "database"),
    "eni-00000000000000107": ("private-a", "10.20.1.60", "endpoints"),
    "eni-00000000000000108": ("private-a", "10.20.1.61", "endpoints"),
    "eni-00000000000000109": ("public-a", "10.20.0.220", ""),
    "eni-00000000000000110": ("private-b", "10.20.2.40", "batch"),  # until it is terminated
    # This one gets the address of the terminated instance.
    "eni-00000000000000111": ("private-b", "10.20.2.40", "nightly"),
}
IPV6 = {"eni-00000000000000104": "2001:db8:1200:1::22"}
FACE_OF = {
    "orders": "eni-00000000000000101",
    "payments": "eni-00000000000000102",
    "mail": "eni-00000000000000103",
    "images": "eni-00000000000000104",
    "batch": "eni-00000000000000105",
    "database": "eni-00000000000000106",
    "secrets": "eni-00000000000000107",
    "queue": "eni-00000000000000108",
    "nat": "eni-00000000000000109",
    "old batch": "eni-00000000000000110",
    "nightly": "eni-00000000000000111",
}
INSTANCES = {
    "eni-00000000000000105": ("i-0ba7c400000000001", "batch"),
    "eni-00000000000000110": ("i-0ba7c400000000002", "batch-old"),
}
#: Function -> (subnets, group, since the second capture only).
FUNCTIONS = {
    "orders-api": (("private-a",), "orders", False),
    "orders-worker": (("private-a",), "orders", False),
    "invoice-pdf": (("private-a",), "orders", False),
    "payments": (("private-b",), "payments", False),
    "report-mailer": (("private-b",), "mail", False),
    "image-resize": (("private-a",), "images", False),
    "nightly-export": (("private-b",), "nightly", True),
    "status-page": ((), "", False),
}


def address(name: str) -> str:
    """Return the address of one of `FACE_OF`."""
    return FACES[FACE_OF[name]][1]


def owner(name: str) -> list[str]:
    """Return what one of `FACE_OF` belongs to: every function with its subnet and group."""
    face = FACE_OF[name]
    subnet, _, group = FACES[face]
    if face in INSTANCES:
        return [INSTANCES[face][1]]
    return sorted(f for f, (where, own, _) in FUNCTIONS.items() if subnet in where and own == group)
