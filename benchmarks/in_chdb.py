"""The conversation table in ClickHouse's SQL: ``python -m benchmarks.in_chdb FORM LOGS OUT``.

What is computed is said in `engines`. Of the ways to write each step, the one with the least
processor time is here: lines cut by ``splitByChar`` (less than ``CustomSeparated`` needs; CSV
refuses the blank), exact duplicates by ``group by`` (``distinct`` uses one thread), client ports
by ``uniqExact``, the best observer by ``limit 1 by``.
"""

import sys

from benchmarks.layout import FIELDS, RESULT, SHORT, V2

__all__ = ["queries"]

TYPES = {"STRING": "String", "INT32": "Int32", "INT64": "Int64"}

PLACE = """multiIf(
    if(srcport > dstport, dstaddr != pkt_dstaddr, srcaddr != pkt_srcaddr)
        and instance_id = '-', 2,
    (flow_direction = 'egress') = (srcport > dstport), 0,
    1)"""

KEY = "hour, client, server, server_port, protocol, action"
IDENTITY = """observer, protocol, action, start, end, bytes, packets, sent, server_port,
    client_port, client, server, vantage"""

VIEWS = """
create table views engine = Memory as
with records as (
    select {identity} from (
        select interface_id as observer, protocol, action, start, end, bytes, packets,
            srcport > dstport as sent, least(srcport, dstport) as server_port,
            greatest(srcport, dstport) as client_port,
            if(srcport > dstport, {src}, {dst}) as client,
            if(srcport > dstport, {dst}, {src}) as server,
            {place} as vantage
        from {logs} where log_status = 'OK'
    ) group by {identity}
)
select intDiv(start, 3600) as hour, observer, client, server, server_port, protocol, action,
    vantage,
    sumIf(bytes, sent) as bytes_out, sumIf(packets, sent) as packets_out,
    sumIf(bytes, not sent) as bytes_in, sumIf(packets, not sent) as packets_in,
    count() as records, uniqExact(client_port) as connections,
    min(start) as first_seen, max(end) as last_seen
from records group by {key}, observer, vantage"""

OWN = """
with own as (
    select observer, any(address) as own from (
        select observer, address, count() as times
        from (select observer, arrayJoin([client, server]) as address from views)
        group by observer, address
    ) as ends
    join (select observer, count() as views from views group by observer) as total
    using (observer) where times = views group by observer
), placed as (
    select views.* replace (
        multiIf(own = client, 0, own = server, 1, 2) as vantage)
    from views left join own using (observer)
)"""

WHOLE = """
with placed as (
    select * from views where vantage != 0
        or observer not in (select observer from views where vantage = 2)
)"""

BEST = """
select {result} from placed order by vantage limit 1 by {key}
into outfile '{out}' truncate format Parquet"""


def queries(form: str, logs: str, out: str) -> list[str]:
    """Return the statements for a folder of logs: its views, then the best of them."""
    packet = "" if form == "v2" else "pkt_"
    views = VIEWS.format(
        logs=_parquet(logs) if form == "parquet" else _text(form, logs),
        identity=IDENTITY,
        key=KEY,
        src=f"{packet}srcaddr",
        dst=f"{packet}dstaddr",
        place="0" if form == "v2" else PLACE,
    )
    best = BEST.format(result=", ".join(RESULT), key=KEY, out=out)
    return [views, (OWN if form == "v2" else WHOLE) + best]


def _parquet(logs: str) -> str:
    columns = ", ".join(f"{name} {TYPES[dtype]}" for name, dtype in FIELDS.items())
    return f"file('{logs}/*.parquet', Parquet, '{columns}')"


def _text(form: str, logs: str) -> str:
    """Return a subquery that cuts lines; a number that is none (a header, a ``-``) is 0."""

    def value(name: str, at: int) -> str:
        word = f"words[{at}]"
        return f"to{SHORT[name]}OrZero({word})" if name in SHORT else word

    names = V2 if form == "v2" else FIELDS
    values = ", ".join(f"{value(name, at)} as {name}" for at, name in enumerate(names, 1))
    lines = f"file('{logs}/*.log.gz', LineAsString, 'line String')"
    return f"(select {values} from (select splitByChar(' ', line) as words from {lines}))"


def main() -> None:
    """Run the statements."""
    from chdb import session

    form, logs, out = sys.argv[1:]
    database = session.Session()
    for statement in queries(form, logs, out):
        database.query(statement)


if __name__ == "__main__":
    main()
