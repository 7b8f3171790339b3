"""AWS's own address ranges: which service and Region a public address belongs to.

The file is ``ip-ranges.json`` (VPC user guide, "AWS IP address ranges"). It is dated, so what it
says holds for its day only. One prefix may stand there several times: ``AMAZON`` holds every
range of every service, and a service's range may lie inside that of another.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import polars as pl

from flowlens.destinations.prefixes import covering
from flowlens.errors import InputError

__all__ = ["TENANTS", "URL", "Ranges", "fetch_ranges", "locate", "ranges"]

URL = "https://ip-ranges.amazonaws.com/ip-ranges.json"

#: Codes of space that AWS lets to its customers (or, AMAZON, has not told): such a code says whose
#: the cable is, not who the destination is.
TENANTS = (
    "AMAZON",
    "API_GATEWAY",
    "CLOUDFRONT",
    "CLOUDFRONT_ORIGIN_FACING",
    "EC2",
    "GLOBALACCELERATOR",
)

_TABLE = {"prefix": pl.String(), "service": pl.String(), "region": pl.String()}
_LOCATED = {
    "address": pl.String(),
    "service": pl.String(),
    "region": pl.String(),
    "services": pl.List(pl.String),
}
_DATE = "%Y-%m-%d-%H-%M-%S"
_TIMEOUT = 20  # seconds
_LIMIT = 64 * 1024 * 1024  # bytes; the file had 2 MB in 2025


@dataclass(frozen=True, slots=True)
class Ranges:
    """AWS's address ranges of one day.

    Attributes:
        created: When AWS published them (`createDate`); null where the file does not say.
        table: `prefix`, `service` (AWS's code) and `region` (``GLOBAL`` for anycast services).
    """

    created: datetime | None
    table: pl.DataFrame


def ranges(path: str | Path) -> Ranges:
    """Read a file of AWS's address ranges.

    Args:
        path: A file as AWS publishes it at `URL`.

    Raises:
        InputError: The file cannot be read, is no JSON, or holds no prefixes.
    """
    try:
        return _shape(json.loads(Path(path).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        msg = f"{path}: not a file of AWS address ranges ({_reason(exc)}); get one from {URL}"
        raise InputError(msg) from exc


def _reason(exc: Exception) -> str:
    if isinstance(exc, OSError):
        return exc.strerror or type(exc).__name__
    return f"no {exc}" if isinstance(exc, KeyError) else str(exc)


def _shape(answer: Mapping[str, Any]) -> Ranges:
    families = (("prefixes", "ip_prefix"), ("ipv6_prefixes", "ipv6_prefix"))
    rows = [
        (str(ip_network(item[key])), item["service"], item.get("region"))
        for family, key in families
        for item in answer[family]
    ]
    created = answer.get("createDate")
    day = datetime.strptime(created, _DATE).replace(tzinfo=UTC) if created else None
    return Ranges(day, pl.DataFrame(rows, schema=_TABLE, orient="row"))


def locate(addresses: pl.Series, known: Ranges) -> pl.DataFrame:
    """Return the AWS service and Region of addresses.

    The most specific service wins: any other code beats ``AMAZON``, which holds all of them; then
    the longest prefix; then, for equal prefixes, any other code beats ``EC2``.

    Args:
        addresses: Addresses as text.
        known: The ranges of one day.

    Returns:
        One row for each distinct address that AWS owns: `address`, `service`, `region` and
        `services`, all codes whose ranges hold the address, sorted.
    """
    held = covering(addresses, known.table["prefix"].to_list())
    table = known.table.with_row_index("row").with_columns(
        length=pl.col("prefix").str.extract(r"/(\d+)$").cast(pl.UInt8)
    )
    return (
        held.lazy()
        .join(table.lazy(), on="row")
        .sort(
            "address",
            pl.col("service") == "AMAZON",
            -pl.col("length").cast(pl.Int16),
            pl.col("service") == "EC2",
            "service",
            "region",
            nulls_last=True,
        )
        .group_by("address", maintain_order=True)
        .agg(
            pl.col("service", "region").first(),
            pl.col("service").unique().sort().alias("services"),
        )
        .select(*_LOCATED)
        .collect()
    )


def fetch_ranges(url: str = URL, *, cache: Path) -> Path:
    """Fetch the current ranges, or find that the cached ones are current, and return the file.

    The only function here that uses the network; the library never calls it by itself.

    Args:
        url: Where the file is.
        cache: Folder that keeps the file and its entity tag.

    Raises:
        InputError: The file cannot be fetched, and the cache has none.
    """
    kept, tag = cache / "ip-ranges.json", cache / "ip-ranges.etag"
    known = tag.read_text().strip() if tag.is_file() and kept.is_file() else None
    try:
        body, etag = _download(url, known)
        _shape(json.loads(body))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        # "304 Not Modified" comes as an exception too.
        if not kept.is_file():
            msg = f"{url}: cannot be fetched ({exc}); give a file with --aws-ranges"
            raise InputError(msg) from exc
    else:
        _keep(kept, body)
        _keep(tag, etag.encode())
    return kept


def _download(url: str, etag: str | None) -> tuple[bytes, str]:
    from urllib.request import Request, urlopen

    if not url.startswith(("https://", "http://")):
        msg = f"{url}: expected an https address"
        raise InputError(msg)
    headers = {"If-None-Match": etag} if etag else {}
    request = Request(url, headers=headers)  # noqa: S310 (the scheme was checked above)
    with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
        return answer.read(_LIMIT), answer.headers.get("ETag", "")


def _keep(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, also beside a second process that does the same."""
    import os

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)
