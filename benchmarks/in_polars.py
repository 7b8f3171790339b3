"""The conversation table in plain Polars: ``python -m benchmarks.in_polars FORM LOGS OUT``.

What is computed is said in `engines`. Of the ways to write each step, the one with the least
processor time is here: duplicates by ``unique``, client ports by ``n_unique``.
"""

import sys

import polars as pl

from benchmarks.layout import FIELDS, RESULT, SHORT, V2

__all__ = ["table"]

KEY = ["hour", "client", "server", "server_port", "protocol", "action"]
SUMS = ["bytes_out", "packets_out", "bytes_in", "packets_in"]


def records(form: str, logs: str) -> pl.LazyFrame:
    """Return the records, each once, with their ends named after their roles."""
    packet = "" if form == "v2" else "pkt_"
    sent = pl.col("srcport") > pl.col("dstport")

    def end(out: str | int, back: str | int) -> pl.Expr:
        return pl.when(sent).then(out).otherwise(back)

    columns = {
        "observer": pl.col("interface_id"),
        "client": end(f"{packet}srcaddr", f"{packet}dstaddr"),
        "server": end(f"{packet}dstaddr", f"{packet}srcaddr"),
        "server_port": end("dstport", "srcport"),
        "client_port": end("srcport", "dstport"),
        "sent": sent,
    }
    if form != "v2":
        raw = end("dstaddr", "srcaddr") != end("pkt_dstaddr", "pkt_srcaddr")
        between = raw & (pl.col("instance_id").fill_null("-") == "-")
        near = (pl.col("flow_direction") == "egress") == sent
        columns["vantage"] = pl.when(between).then(2).when(near).then(0).otherwise(1)
    same = ("protocol", "action", "start", "end", "bytes", "packets")
    flows = source(form, logs).filter(pl.col("log_status") == "OK")
    return flows.select(*same, **columns).unique()


def source(form: str, logs: str) -> pl.LazyFrame:
    """Return the fields as the files have them, with underscores."""
    if form == "parquet":
        return pl.scan_parquet(f"{logs}/*.parquet")
    names = V2 if form == "v2" else list(FIELDS)
    types = {name: getattr(pl, SHORT.get(name, "String")) for name in names}
    hyphens = {name.replace("_", "-"): dtype for name, dtype in types.items()}
    return pl.scan_csv(
        f"{logs}/*.log.gz", separator=" ", quote_char=None, null_values="-", schema=hyphens
    ).rename({name: name.replace("-", "_") for name in hyphens})


def table(form: str, logs: str) -> pl.LazyFrame:
    """Return the conversation table of a folder of logs."""
    sent, some = pl.col("sent"), [] if form == "v2" else ["vantage"]
    views = (
        records(form, logs)
        .with_columns(
            hour=pl.col("start") // 3600,
            **{f"{n}_out": pl.when(sent).then(n).otherwise(0) for n in ("bytes", "packets")},
            **{f"{n}_in": pl.when(sent).then(0).otherwise(n) for n in ("bytes", "packets")},
        )
        .group_by(*KEY, "observer", *some)
        .agg(
            pl.sum(*SUMS),
            records=pl.len(),
            connections=pl.col("client_port").n_unique(),
            first_seen=pl.min("start"),
            last_seen=pl.max("end"),
        )
        .collect(engine="streaming")
        .lazy()
    )
    placed = own(views) if form == "v2" else whole(views)
    best = placed.group_by(KEY).agg(pl.min("vantage"))
    return placed.join(best, on=[*KEY, "vantage"], how="semi").select(RESULT)


def own(views: pl.LazyFrame) -> pl.LazyFrame:
    """Add where an interface stands: its own address is the one that all its views have."""
    total = views.group_by("observer").agg(views=pl.len())
    ends = pl.concat(views.select("observer", address=end) for end in ("client", "server"))
    times = ends.group_by("observer", "address").agg(times=pl.len()).join(total, on="observer")
    mine = times.filter(pl.col("times") == pl.col("views")).unique("observer")
    at_client = pl.when(pl.col("own") == pl.col("client")).then(0)
    vantage = at_client.when(pl.col("own") == pl.col("server")).then(1).otherwise(2)
    named = views.join(mine.select("observer", own="address"), on="observer", how="left")
    return named.with_columns(vantage=vantage)


def whole(views: pl.LazyFrame) -> pl.LazyFrame:
    """Leave out the outer legs: what a NAT gateway says as a client."""
    between = views.filter(pl.col("vantage") == 2).select("observer").unique()
    outer = views.filter(pl.col("vantage") == 0).join(between, on="observer", how="semi")
    return views.join(outer, on=[*KEY, "observer"], how="anti")


def main() -> None:
    """Compute and write."""
    form, logs, out = sys.argv[1:]
    table(form, logs).sink_parquet(out)


if __name__ == "__main__":
    main()
