"""Write flow logs as AWS delivers them: deterministic, of any size, in bounded memory.

The records are those of one flow log over the network of `network`, in files that each hold what
ended within five minutes. Connections last some capture windows and so lie in several files and
hours. Pairs inside are written down by both interfaces, traffic through a NAT gateway by the
gateway too: its inner and its outer leg, in version 2 with the gateway's own address where
version 5 has ``pkt-*`` fields beside it. Some records are there twice (delivery repeats); some
interfaces have NODATA or SKIPDATA lines.

    python -m benchmarks.capture RECORDS FOLDER [--form v2|v5|parquet]... [--pairs N]

``--pairs`` sets how many pairs of client and service talk in each hour, which is about the
number of conversations. Without it there is one for five and a half records of an hour's.
"""

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from isal import igzip

from benchmarks.layout import FIELDS, V2
from benchmarks.network import INBOUND, INSIDE, PORTS, Network, Numbers, mixed
from benchmarks.observed import WINDOW, records_of

__all__ = ["FORMS", "hours", "write"]

START = 1_767_225_600  # 2026-01-01T00:00:00Z
SLOT, SLOTS = 300, 12  # seconds that a file covers, and how many of these are an hour
MEAN, LONGEST = 2.75, 30  # windows of a connection
RATE = 5_000_000  # records an hour, where there are many
PER_FILE = 1_000_000
REPEAT = 512  # one record in so many is delivered twice
ACCOUNT = "123456789010"

TYPES = {"STRING": pl.String(), "INT32": pl.Int32(), "INT64": pl.Int64()}
FORMS = {"v2": ".log.gz", "v5": ".log.gz", "parquet": ".log.parquet"}


def hours(records: int) -> int:
    """Return over how many hours a capture of `records` goes: two at least."""
    return max(2, records // RATE)


def write(
    records: int, folder: Path, forms: tuple[str, ...] = ("v2",), *, pairs: int | None = None
) -> int:
    """Write a capture in each form, into a folder with the form's name.

    Args:
        records: how many there are, but for less than one in a hundred.
        folder: where to write; files of the same names are replaced.
        forms: of `FORMS`.
        pairs: how many pairs of client and service talk in each hour.

    Returns:
        how many records there are, without NODATA and SKIPDATA lines.
    """
    network = Network(pairs or max(int(records / hours(records) / 5.5), 100))
    texts = network.addresses(), network.holders()
    written = 0
    for form in forms:
        (folder / form).mkdir(parents=True, exist_ok=True)
    for slot, frame in enumerate(slots(network, records)):
        whole = pl.concat([frame, _quiet(network, slot)], how="diagonal")
        written += frame.height
        parts = -(-whole.height // PER_FILE)
        for part in range(parts):
            named = _named(whole[part::parts], *texts)
            for form in forms:
                _save(named, folder / form, form, slot * 100 + part)
    return written


def slots(network: Network, records: int) -> Iterator[pl.DataFrame]:
    """Yield the records, as numbers, of one five minutes after the other."""
    count = SLOTS * hours(records)
    rest = pl.DataFrame()
    for slot in range(count):
        rng = np.random.default_rng([11, slot])
        goal = round(records * (1 - 1 / REPEAT) / count)
        made = records_of(_connections(rng, network, slot, goal, left=count - slot))
        rest = pl.concat([rest, made], how="diagonal")
        due = pl.col("end") < START + (slot + 1) * SLOT
        last = slot == count - 1
        now = rest if last else rest.filter(due)
        rest = rest.clear() if last else rest.filter(~due)
        again = pl.col("bytes") * 31 + pl.col("start") * 7 + pl.col("packets")
        twice = pl.concat([now, now.filter(again % REPEAT == 0)])
        yield twice.sort("end", "holder", "client", "server", "port", "service", "out")


def _connections(
    rng: np.random.Generator, network: Network, slot: int, goal: int, *, left: int
) -> pl.DataFrame:
    """Return connections that begin in the slot and have about `goal` records together.

    Each of the slot's share of the pairs has one; what is left of them goes to few pairs.
    """
    share = np.arange(slot % SLOTS, network.pairs, SLOTS)
    popular = (network.pairs * rng.random(goal) ** 3).astype(np.int64)
    number = np.concatenate([rng.permutation(share), popular])
    talk = network.pair(number)
    views = _views(talk)
    mean = max(1.0, min(MEAN, goal / max(int(views[: len(share)].sum()), 1)))
    windows = np.minimum(rng.geometric(1 / mean, len(number)), min(LONGEST, left * 5))
    count = int(np.searchsorted(np.cumsum(windows * views), goal, side="right"))
    last = np.maximum(left * SLOT - windows * WINDOW, 1)  # so that it ends before the capture
    chosen = {
        "begin": START + slot * SLOT + rng.integers(0, np.minimum(SLOT, last)),
        "windows": windows,
        "port": rng.choice(PORTS, len(number)),
        "outer": rng.choice(PORTS, len(number)),
    }
    return talk.with_columns(**{name: pl.Series(some) for name, some in chosen.items()}).head(count)


def _views(talk: pl.DataFrame) -> Numbers:
    """Return how many records each connection has a window."""
    inside = (pl.col("kind") == INSIDE) & (pl.col("subnet") != INBOUND)
    whole = pl.when("through").then(6).when(inside).then(4).otherwise(2)
    half = pl.when(inside).then(2).otherwise(1)  # nobody answers, no gateway sees it
    return talk.select(pl.when("refused").then(half).otherwise(whole)).to_series().to_numpy()


def _quiet(network: Network, slot: int) -> pl.DataFrame:
    """Return windows in which interfaces had no traffic, or lost some of it."""
    holder = np.arange(slot % 20, network.interfaces, 20)
    start = START + slot * SLOT + mixed(holder, slot) % (SLOT - WINDOW)
    lost = mixed(holder, slot + 1) % 16 == 0
    return pl.DataFrame(
        {
            "holder": holder,
            "start": start,
            "end": start + WINDOW - 1,
            "status": np.where(lost, "SKIPDATA", "NODATA"),
        }
    )


def _named(rows: pl.DataFrame, addresses: pl.DataFrame, holders: pl.DataFrame) -> pl.DataFrame:
    """Turn numbers into the fields of version 5; a text that does not apply is ``-``."""

    def address(number: pl.Expr, column: str = "address") -> pl.Expr:
        return pl.lit(addresses[column]).gather(number).fill_null("-")

    def holder(column: str) -> pl.Expr:
        return pl.lit(holders[column]).gather(pl.col("holder"))

    packet = _way("client", "server"), _way("server", "client")
    family = address(packet[0]).str.contains(":", literal=True)
    fields = {
        "version": pl.lit(5),
        "account_id": pl.lit(ACCOUNT),
        "interface_id": holder("interface"),
        "srcaddr": address(_way("client", "raw_server")),
        "dstaddr": address(_way("raw_server", "client")),
        "srcport": _way("port", "service"),
        "dstport": _way("service", "port"),
        **{name: pl.col(name) for name in ("protocol", "packets", "bytes", "start", "end")},
        "action": _word(pl.col("refused"), "REJECT", "ACCEPT"),
        "log_status": pl.col("status").fill_null("OK"),
        "vpc_id": pl.lit("vpc-0a1b2c3d4e5f60718"),
        "subnet_id": holder("subnet"),
        "instance_id": holder("instance"),
        "tcp_flags": pl.col("flags"),
        "type": _word(family, "IPv6", "IPv4"),
        "pkt_srcaddr": address(packet[0]),
        "pkt_dstaddr": address(packet[1]),
        "region": pl.lit("us-east-1"),
        "az_id": holder("zone"),
        **dict.fromkeys(("sublocation_type", "sublocation_id"), pl.lit("-")),
        "pkt_src_aws_service": address(packet[0], "aws"),
        "pkt_dst_aws_service": address(packet[1], "aws"),
        "flow_direction": _word(pl.col("egress"), "egress", "ingress"),
        "traffic_path": pl.col("path"),
    }
    types = {name: TYPES[dtype] for name, dtype in FIELDS.items()}
    return rows.select(value.cast(types[name]).alias(name) for name, value in fields.items())


def _way(out: str, back: str) -> pl.Expr:
    """Return the one column for what clients sent, the other for replies."""
    return pl.when("out").then(out).otherwise(back)


def _word(condition: pl.Expr, yes: str, no: str) -> pl.Expr:
    """Return a word where there was traffic, else ``-``."""
    some = pl.when(condition).then(pl.lit(yes)).otherwise(pl.lit(no))
    return pl.when(pl.col("out").is_null()).then(pl.lit("-")).otherwise(some)


def _save(named: pl.DataFrame, folder: Path, form: str, number: int) -> None:
    """Write one file; its name is of the shape that AWS gives."""
    slot = START + number // 100 * SLOT
    stamp = pl.select(pl.from_epoch(pl.lit(slot)).dt.strftime("%Y%m%dT%H%MZ")).item()
    unique = f"{int(mixed(np.array([number]), 12)[0]) % 2**32:08x}"
    name = f"{ACCOUNT}_vpcflowlogs_us-east-1_fl-0a1b2c3d4e5f60718_{stamp}_{unique}"
    path = folder / f"{name}{FORMS[form]}"
    if form == "parquet":
        named.write_parquet(path, compression="gzip")
        return
    if form == "v2":
        named = named.select(V2).with_columns(version=pl.lit(2))
    text = io.BytesIO()
    text.write((" ".join(named.columns).replace("_", "-") + "\n").encode())
    named.write_csv(text, include_header=False, separator=" ", null_value="-")
    path.write_bytes(igzip.compress(text.getbuffer(), 3, mtime=0))


def main() -> None:
    """Read the arguments and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("records", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--form", action="append", choices=FORMS)
    parser.add_argument("--pairs", type=int)
    given = parser.parse_args()
    forms = tuple(given.form or ["v2"])
    print(write(given.records, given.folder, forms, pairs=given.pairs), "records")


if __name__ == "__main__":
    main()
