"""Write the demo case: a small serverless account on the night of an intrusion.

    python data/make.py [FOLDER]      (default: data/case)

The same bytes come out on every run.
"""

import gzip
import json
import shutil
import sys
from collections import defaultdict
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))

from data.account import ACCOUNT, FACE_OF, FACES, LOGS, REGION, VPC, owner
from data.answers import capture
from data.records import CUSTOM, DEFAULT, Record, overlapping, private, public, silence
from data.traffic import BEGIN, END, HOUR, NAMES, Session, parts, sessions

HERE = Path(__file__).parent
SEED = 20_261_121
KEY = "AWSLogs/{0}/vpcflowlogs/{1}/{2:%Y/%m/%d}/{0}_vpcflowlogs_{1}_{3}_{2:%Y%m%dT%H%MZ}_{4}{5}"

NUMBERS = {"packets": pa.int64(), "bytes": pa.int64(), "start": pa.int64(), "end": pa.int64()}
SMALL = ("version", "srcport", "dstport", "protocol", "tcp-flags", "traffic-path")

RANGES = {
    "syncToken": "1793491200",
    "createDate": "2026-11-01-00-00-00",
    "prefixes": [
        {"ip_prefix": "52.216.0.0/15", "region": "us-east-1", "service": service}
        for service in ("AMAZON", "S3")
    ],
    "ipv6_prefixes": [],
}


def text(value: Any) -> str:
    """Return a value as the text format writes it."""
    return "-" if value is None else str(value)


def lines(records: list[Record], fields: list[str]) -> list[str]:
    """Return records as lines, in the order of their end."""
    ordered = sorted(records, key=lambda row: (row["end"], [text(row.get(f)) for f in fields]))
    return [" ".join(text(row.get(field)) for field in fields) for row in ordered]


def grouped(records: list[Record], width: int) -> dict[int, list[Record]]:
    """Return the end of each slot and what ends in it: a file is named for the end."""
    slots: dict[int, list[Record]] = defaultdict(list)
    for row in records:
        slots[(row["end"] // width + 1) * width].append(row)
    return dict(sorted(slots.items()))


def key(log: str, slot: int, suffix: str) -> str:
    """Return the object key that AWS would give a file of flow log `log`."""
    at = datetime.fromtimestamp(slot, UTC)
    return KEY.format(
        ACCOUNT, REGION, at, log, sha256(f"{log}{slot}".encode()).hexdigest()[:8], suffix
    )


def packed(rows: list[str]) -> bytes:
    """Return lines as a gzip that holds no time."""
    return gzip.compress(("\n".join(rows) + "\n").encode(), 9, mtime=0)


def parquet(records: list[Record]) -> bytes:
    """Return records as AWS types them: text with '-' for what is missing, numbers with null."""
    ordered = sorted(records, key=lambda row: (row["end"], [text(row.get(f)) for f in CUSTOM]))
    columns = {}
    for field in CUSTOM:
        name, values = field.replace("-", "_"), [row.get(field) for row in ordered]
        if field in NUMBERS or field in SMALL:
            columns[name] = pa.array(values, NUMBERS.get(field, pa.int32()))
        else:
            columns[name] = pa.array([text(value) for value in values])
    sink = BytesIO()
    pq.write_table(pa.table(columns), sink, compression="gzip", use_dictionary=True)
    return sink.getvalue()


def logs(made: list[Session], rng: Random) -> dict[str, bytes]:
    """Return the objects of the flow logs."""
    files = {}
    first, second, outer, old = LOGS
    inner = _silent() + private(made, rng)
    for log in (first, second):
        mine = [row for row in inner if row["subnet-id"] == LOGS[log][0]]
        for slot, rows in grouped(mine, 2 * HOUR).items():
            body = lines(rows, CUSTOM)
            if (log, slot) == (first, BEGIN + 14 * HOUR):
                body.insert(5, body[5][:71])  # a line that was cut off
            files[key(log, slot, ".log.gz")] = packed([" ".join(CUSTOM), *body])
    for slot, rows in grouped(public(made, rng), 10 * HOUR).items():
        files[key(outer, slot, ".log.parquet")] = parquet(rows)
    for slot, rows in grouped(overlapping(made), 12 * HOUR).items():
        body = lines(rows, DEFAULT)
        files[key(old, slot, ".log.gz")] = packed([" ".join(DEFAULT), *body])
    return files


def _silent() -> list[Record]:
    """Return what says that interfaces were idle, and once that something was lost."""
    idle = (("old batch", 10, 12), ("nightly", 12, 15))  # before it is terminated, before its work
    quiet = [
        silence(FACE_OF[name], at, "NODATA")
        for name, begin, end in idle
        for at in range(BEGIN + begin * HOUR, BEGIN + end * HOUR, HOUR // 3)
    ]
    return [*quiet, silence(FACE_OF["mail"], BEGIN + 11 * HOUR, "SKIPDATA")]


def queries(made: list[Session]) -> list[str]:
    """Return the resolver's query log: clients ask again long after an answer has expired."""
    asked: dict[tuple[str, str, str], int] = {}
    rows = []
    for one in made:
        if not one.name or one.begin < BEGIN:
            continue
        last = asked.get((one.client, one.name, one.server))
        if last is not None and one.begin - last < 40 * NAMES[one.name][2]:
            continue
        asked[one.client, one.name, one.server] = one.begin
        rows.append(json.dumps(_query(one), separators=(",", ":")))
    return rows


def _query(one: Session) -> dict[str, Any]:
    kind = "AAAA" if ":" in one.server else "A"
    canonical = NAMES[one.name][1]
    alias = [{"Rdata": f"{canonical}.", "Type": "CNAME", "Class": "IN"}]
    at = datetime.fromtimestamp(one.begin - 1, UTC)
    return {
        "version": "1.100000",
        "account_id": ACCOUNT,
        "region": REGION,
        "vpc_id": VPC,
        "query_timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "query_name": f"{one.name}.",
        "query_type": kind,
        "query_class": "IN",
        "rcode": "NOERROR",
        "answers": [
            *(alias if canonical != one.name else []),
            {"Rdata": one.server, "Type": kind, "Class": "IN"},
        ],
        "srcaddr": FACES[one.face][1],
        "srcport": str(1_024 + one.client_port % 60_000),
        "transport": "UDP",
        "srcids": {},
    }


def truth(made: list[Session]) -> list[dict[str, Any]]:
    """Return what really happened, a row for each client, server and port, and whose it was."""
    sums: dict[tuple[str, str, int, int], list[int]] = {}
    about: dict[tuple[str, str, int, int], dict[str, Any]] = {}
    for part in (part for one in made for part in parts(one)):
        one = part.session
        pair = (one.client, one.server, one.port, one.protocol)
        row = sums.setdefault(pair, [0, 0, 0, 0, part.start, part.end])
        row[0 if part.out else 2] += part.bytes
        row[1 if part.out else 3] += part.packets
        row[4], row[5] = min(row[4], part.start), max(row[5], part.end)
        about[pair] = {"owner": owner(one.who), "expected": "yes" if one.meant else "no"}
    ends = ("client", "server", "server_port", "protocol")
    names = ("bytes_out", "packets_out", "bytes_in", "packets_in", "first", "last")
    return [
        dict(zip((*ends, *names), (*pair, *row), strict=True)) | about[pair]
        for pair, row in sorted(sums.items())
    ]


def case() -> dict[str, bytes]:
    """Return every file of the case, by path."""
    made = sessions(Random(SEED))
    files = {f"flowlogs/{name}": body for name, body in logs(made, Random(SEED + 1)).items()}
    files["resolver.jsonl.gz"] = packed(queries(made))
    files["expected.yaml"] = (HERE / "expected.yaml").read_bytes()
    files["ip-ranges.json"] = _json(RANGES)
    files["truth.json"] = _json(truth(made))
    for at, later in ((BEGIN - HOUR // 2, False), (BEGIN + 18 * HOUR, True)):
        moment = datetime.fromtimestamp(at, UTC)
        name = f"inventory/{moment:%Y-%m-%dT%H-%M-%SZ}.json"
        files[name] = _json(capture(moment, later=later))
    return files


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def write(folder: Path) -> None:
    """Write the case into a folder, in the place of what is there."""
    if folder.exists():
        shutil.rmtree(folder)
    for name, body in case().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "case"
    write(target)
    print(f"{target}: {END - BEGIN} seconds of traffic")
