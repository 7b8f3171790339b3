"""Which network an address belongs to, from the user's own ``.mmdb`` file.

Such files map prefixes to records whose keys differ by vendor; the keys of the common ones are
read (MaxMind DB format: https://maxmind.github.io/MaxMind-DB/).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from flowlens.errors import InputError, UsageError

__all__ = ["networks"]

_NETWORKS = {"address": pl.String(), "network": pl.String(), "country": pl.String()}
_NUMBERS = ("autonomous_system_number", "asn", "as_number")
_OWNERS = ("autonomous_system_organization", "as_name", "organization", "as_domain", "name")


def networks(addresses: pl.Series, path: str | Path) -> pl.DataFrame:
    """Return the network owner and country of addresses.

    Args:
        addresses: Addresses as text.
        path: A file in MaxMind's format with AS numbers, countries, or both.

    Returns:
        One row for each distinct address that the file knows: `address`, `network`
        (``AS64500 Example``; null where unknown) and `country` (ISO 3166-1 alpha-2).

    Raises:
        UsageError: The package ``maxminddb`` is not installed.
        InputError: The file cannot be read or is of another format.
    """
    try:
        import maxminddb
    except ImportError as exc:
        msg = f"{path}: reading it needs maxminddb; pip install 'vpc-flowlens[asn]'"
        raise UsageError(msg) from exc
    distinct = addresses.drop_nulls().unique().sort().to_list()
    try:
        with maxminddb.open_database(str(path)) as database:
            rows = [(a, *_read(database.get(a))) for a in distinct]
    except (OSError, maxminddb.InvalidDatabaseError) as exc:
        msg = f"{path}: not a readable .mmdb file ({exc})"
        raise InputError(msg) from exc
    frame = pl.DataFrame(rows, schema=_NETWORKS, orient="row")
    return frame.filter(pl.any_horizontal(pl.col("network", "country").is_not_null()))


def _read(record: object) -> tuple[str | None, str | None]:
    """Return network and country of one record, whoever made the file.

    >>> _read({"autonomous_system_number": 64500, "autonomous_system_organization": "Example"})
    ('AS64500 Example', None)
    >>> _read({"asn": "AS64500", "as_name": "Example", "country_code": "NL"})
    ('AS64500 Example', 'NL')
    """
    if not isinstance(record, Mapping):
        return None, None
    number, owner = _first(record, _NUMBERS), _first(record, _OWNERS)
    label = f"AS{number.removeprefix('AS')}" if number else None
    network = " ".join(part for part in (label, owner) if part) or None
    return network, _country(record)


def _first(record: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((str(record[key]) for key in keys if record.get(key)), None)


def _country(record: Mapping[str, Any]) -> str | None:
    for key in ("country", "country_code", "registered_country"):
        value = record.get(key)
        if isinstance(value, Mapping):
            value = value.get("iso_code")
        if isinstance(value, str) and value:
            return value
    return None
