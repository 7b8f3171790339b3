"""The conversation table in DuckDB's SQL: ``python -m benchmarks.in_duckdb FORM LOGS OUT``.

What is computed, and where the made traffic makes it simpler than `flowlens` has it, is said in
`engines`. Of the ways to write each step, the one with the least processor time is here: exact
duplicates by ``distinct``, client ports counted by grouping twice, the best observer by
``row_number``.
"""

import sys

from benchmarks.layout import FIELDS, RESULT, SHORT, V2

__all__ = ["query"]

TYPES = {"UInt8": "UTINYINT", "UInt16": "USMALLINT", "UInt32": "BIGINT", "UInt64": "BIGINT"}

#: Where the observer stands to a record's conversation, as far as a record can tell.
PLACE = """case
    when if(srcport > dstport, dstaddr <> pkt_dstaddr, srcaddr <> pkt_srcaddr)
        and coalesce(instance_id, '-') = '-' then 2
    when (flow_direction = 'egress') = (srcport > dstport) then 0
    else 1 end"""

VIEWS = """
with records as (
    select distinct interface_id as observer, protocol, action, "start", "end", bytes, packets,
        srcport > dstport as sent, least(srcport, dstport) as server_port,
        greatest(srcport, dstport) as client_port,
        if(srcport > dstport, {src}, {dst}) as client,
        if(srcport > dstport, {dst}, {src}) as server,
        {place} as vantage
    from {logs} where log_status = 'OK'
), flows as (
    select "start" // 3600 as hour, observer, client, server, server_port, client_port, protocol,
        action, vantage,
        sum(if(sent, bytes, 0))::bigint as bytes_out, sum(if(sent, 0, bytes))::bigint as bytes_in,
        sum(if(sent, packets, 0))::bigint as packets_out,
        sum(if(sent, 0, packets))::bigint as packets_in,
        count(*) as records, min("start") as first_seen, max("end") as last_seen
    from records group by all
), views as materialized (
    select hour, observer, client, server, server_port, protocol, action, vantage,
        sum(bytes_out)::bigint as bytes_out, sum(bytes_in)::bigint as bytes_in,
        sum(packets_out)::bigint as packets_out, sum(packets_in)::bigint as packets_in,
        sum(records)::bigint as records, count(*) as connections,
        min(first_seen) as first_seen, max(last_seen) as last_seen
    from flows group by all
)"""

#: An interface's own address is the one that all its conversations have.
OWN = """, ends as (
    select observer, client as address, count(*) as times from views group by all
    union all select observer, server, count(*) from views group by all
), own as (
    select observer, any_value(address) as own
    from (select observer, address, sum(times) as times from ends group by all)
    join (select observer, count(*) as views from views group by all) using (observer)
    where times = views group by observer
), placed as (
    select views.* replace (
        case own when client then 0 when server then 1 else 2 end as vantage)
    from views left join own using (observer)
)"""

#: What a NAT gateway says as a client is the outer leg of what it passes on.
WHOLE = """, placed as (
    from views where vantage <> 0
        or observer not in (select observer from views where vantage = 2)
)"""

BEST = """
select {result} from (
    from placed select *, row_number() over (
        partition by hour, client, server, server_port, protocol, action order by vantage
    ) as turn
) where turn = 1"""


def query(form: str, logs: str) -> str:
    """Return the query for a folder of logs."""
    if form == "parquet":
        source = f"read_parquet('{logs}/*.parquet')"
    else:
        names = V2 if form == "v2" else FIELDS
        columns = {name: TYPES.get(SHORT.get(name, ""), "VARCHAR") for name in names}
        source = (
            f"read_csv('{logs}/*.log.gz', delim=' ', header=true, quote='', escape='', "
            f"nullstr='-', auto_detect=false, columns={columns})"
        )
    packet = "" if form == "v2" else "pkt_"
    views = VIEWS.format(
        logs=source,
        src=f"{packet}srcaddr",
        dst=f"{packet}dstaddr",
        place="null" if form == "v2" else PLACE,
    )
    return views + (OWN if form == "v2" else WHOLE) + BEST.format(result=", ".join(RESULT))


def main() -> None:
    """Run the query."""
    import duckdb

    form, logs, out = sys.argv[1:]
    duckdb.sql(f"copy ({query(form, logs)}) to '{out}' (format parquet)")


if __name__ == "__main__":
    main()
