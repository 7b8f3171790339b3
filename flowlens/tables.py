"""The schema of every table, once.

Times are UTC in milliseconds, addresses are canonical text (RFC 5952 for IPv6), ports are
``UInt16``, protocols IANA numbers, counts and bytes ``UInt64``. Unknown is null; it never
stands for "no".
"""

import polars as pl

from flowlens_parsers.batch import COVERAGE

__all__ = [
    "CONVERSATIONS",
    "COVERAGE",
    "DESTINATION_KINDS",
    "DOMAIN",
    "EDGES",
    "FINDINGS",
    "PATHS",
    "TIME",
    "empty",
]

TIME = pl.Datetime("ms", "UTC")

#: A name an address answered to, with the share of belief that it is the right one (0..1).
DOMAIN = pl.Struct({"name": pl.String, "probability": pl.Float64})

#: What a destination was recognised as, in the order in which the map groups them.
DESTINATION_KINDS = ("inside", "endpoint", "aws", "named", "domain", "network", "address")

#: How a conversation left its interface.
PATHS = (
    "local",
    "interface endpoint",
    "gateway endpoint",
    "nat",
    "internet gateway",
    "peering",
    "inter-region peering",
    "transit gateway",
    "virtual private gateway",
    "local zone",
)

CONVERSATIONS: dict[str, pl.DataType] = {
    "hour": TIME,  # start of the hour in which the counted records start
    "observer": pl.String(),  # interface (or nat-…, tgw-attach-…) whose records were counted
    "client": pl.String(),
    "server": pl.String(),
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "action": pl.String(),  # ACCEPT, REJECT; null where the log has none (transit gateway)
    "bytes_out": pl.UInt64(),  # client -> server
    "packets_out": pl.UInt64(),
    "bytes_in": pl.UInt64(),
    "packets_in": pl.UInt64(),
    "records": pl.UInt64(),  # flow-log records counted
    "connections": pl.UInt64(),  # distinct client ports: a lower bound of connections
    "first_seen": TIME,
    "last_seen": TIME,
    "orientation": pl.String(),  # certain, likely, guess
    # What the fixed columns leave out and later rooms need:
    "observers": pl.List(pl.String),  # every interface that wrote it down, sorted, with `observer`
    "leg": pl.String(),  # null; or "nat inner"/"nat outer": half of a pair that could not be linked
    "vantage": pl.String(),  # where `observer` stands: client, server, middle, unknown
    "aws_service": pl.String(),  # pkt-*-aws-service of the server's address
    "traffic_path": pl.UInt8(),  # AWS's egress path code as seen at the client's interface
}

EDGES: dict[str, pl.DataType] = {
    **CONVERSATIONS,
    "client_owner": pl.List(pl.String),  # candidates, sorted; one only if it is sure; null unknown
    "client_kind": pl.String(),  # lambda, ec2, nat_gateway, … (eni_owners); null unknown
    "server_owner": pl.List(pl.String),
    "server_kind": pl.String(),
    "destination": pl.String(),  # one name for the server, for people and for grouping
    "destination_kind": pl.String(),  # one of DESTINATION_KINDS
    "region": pl.String(),  # AWS region of the server's address, where known
    "domains": pl.List(DOMAIN),  # ranked, best first; empty where DNS was read but knew no name
    "path": pl.String(),  # one of PATHS; null unknown
    "expected": pl.String(),  # yes, no, unknown
    "why": pl.String(),  # the entry of the document, the baseline sighting, or what is missing
    "rule": pl.String(),  # what let it through or refused it (`flowlens.reach.along`); null unknown
}

FINDINGS: dict[str, pl.DataType] = {
    "id": pl.String(),  # same evidence, same id
    "kind": pl.String(),
    "severity": pl.String(),  # info, low, medium, high, critical
    "owner": pl.List(pl.String),
    "client": pl.String(),
    "server": pl.String(),
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "destination": pl.String(),
    "first_seen": TIME,
    "last_seen": TIME,
    "numbers": pl.Struct(
        {
            "bytes_out": pl.UInt64,
            "bytes_in": pl.UInt64,
            "packets_out": pl.UInt64,
            "packets_in": pl.UInt64,
            "records": pl.UInt64,
            "rejected": pl.UInt64,  # of the records
            "connections": pl.UInt64,
            "hours": pl.UInt64,
            # What a detection measured; null where it did not.
            "clients": pl.UInt64,  # distinct addresses
            "servers": pl.UInt64,
            "ports": pl.UInt64,  # distinct ports of servers
            "workloads": pl.UInt64,  # owner sets that reach the destination
            "peers": pl.UInt64,  # similar workloads
            "peers_there": pl.UInt64,  # of them that reach the destination
            "peers_alike": pl.UInt64,  # of them that did it in the same hour
            "tries": pl.UInt64,  # connections that the detection counts
            "retries": pl.UInt64,  # starts of them at intervals that double
            "peak": pl.UInt64,  # bytes of the hour with the most
            "usual": pl.UInt64,  # bytes of the median hour
            "days": pl.UInt64,  # days of the schedule that a function keeps
            "seconds": pl.UInt64,  # how long one thing lasted
            "period": pl.Float64,  # median seconds between starts
            "jitter": pl.Float64,  # their median absolute deviation, in seconds
            "score": pl.Float64,  # the statistic of the detection
        }
    ),
    "text": pl.String(),
    "technique": pl.String(),  # ATT&CK
    "evidence": pl.Struct(
        {
            "filter": pl.String,
            "lines": pl.List(
                pl.Struct({"source": pl.String, "line": pl.UInt64, "text": pl.String})
            ),
        }
    ),
}


def empty(schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Return a frame of `schema` without rows.

    >>> empty({"a": pl.Int64()}).shape
    (0, 1)
    """
    return pl.DataFrame(schema=schema)
