"""The fields of versions 2 to 5 in AWS's order, and the table that every engine must make.

Without imports, because each engine is measured in a process of its own.
Source of the fields: "Flow log records" and "Flow log files" (Parquet types), VPC user guide.
"""

__all__ = ["FIELDS", "RESULT", "SHORT", "V2"]

#: Each field's Parquet type; every ``INT64`` is at least a `bigint` elsewhere.
FIELDS = {
    "version": "INT32",
    **dict.fromkeys(("account_id", "interface_id", "srcaddr", "dstaddr"), "STRING"),
    **dict.fromkeys(("srcport", "dstport", "protocol"), "INT32"),
    **dict.fromkeys(("packets", "bytes", "start", "end"), "INT64"),
    **dict.fromkeys(("action", "log_status", "vpc_id", "subnet_id", "instance_id"), "STRING"),
    "tcp_flags": "INT32",
    **dict.fromkeys(("type", "pkt_srcaddr", "pkt_dstaddr", "region", "az_id"), "STRING"),
    **dict.fromkeys(("sublocation_type", "sublocation_id"), "STRING"),
    **dict.fromkeys(("pkt_src_aws_service", "pkt_dst_aws_service", "flow_direction"), "STRING"),
    "traffic_path": "INT32",
}
V2 = list(FIELDS)[:14]

#: Smaller types that hold the values of a flow log, as DuckDB, ClickHouse and Polars know them.
SHORT = {
    **dict.fromkeys(("srcport", "dstport"), "UInt16"),
    "protocol": "UInt8",
    **dict.fromkeys(("packets", "bytes"), "UInt64"),
    **dict.fromkeys(("start", "end"), "UInt32"),
}

#: Columns of the result. Times are seconds; an hour is the number of hours since 1970; `vantage`
#: is 0 where the observer is the client's interface, 1 the server's, 2 one between them.
RESULT = [
    *("hour", "observer", "client", "server", "server_port", "protocol", "action"),
    *("bytes_out", "packets_out", "bytes_in", "packets_in", "records", "connections"),
    *("first_seen", "last_seen", "vantage"),
]
