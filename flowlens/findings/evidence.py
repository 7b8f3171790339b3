"""Filter texts that give back the rows behind a finding."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from flowlens.words import PORTED, PROTOCOLS

__all__ = ["conversations", "records"]

#: Spellings of protocols that the filter language knows; others are numbers.
SPELT = {number: name for number, name in PROTOCOLS.items() if number in {1, 6, 17}}


def records(row: Mapping[str, Any]) -> str:
    """Return the filter that yields the flow-log records behind a merged row.

    Either end may be the source of a record, hence `addr` twice. The observers are named where
    all are interfaces, so that what another interface wrote about the same traffic stays out.

    What is unknown makes no clause.

    Args:
        row: `clients`, `servers`, `observers`, `actions` (lists; the last two empty where the log
            does not say for each record), `server_port`, `protocol`, and `since` and `until`: the
            first and the last hour.
    """
    clauses = [among("addr", ends) for ends in (row["clients"], row["servers"]) if ends]
    clauses += _service(row, "port", "proto")
    if row["since"] is not None:
        end = row["until"] + timedelta(hours=1)
        clauses.append(f"start >= {row['since']:%Y-%m-%dT%H:%M:%SZ}")
        clauses.append(f"start < {end:%Y-%m-%dT%H:%M:%SZ}")
    if len(row["actions"]) == 1:
        clauses.append(f"action = {row['actions'][0]}")
    observers = row["observers"]
    if observers and all(name.startswith("eni-") for name in observers):
        clauses.append(among("interface_id", observers))
    return " and ".join(clauses)


def conversations(row: Mapping[str, Any]) -> str:
    """Return the filter that yields the conversations (or edges) of one client and server.

    >>> conversations({"client": "10.0.1.5", "server": "203.0.113.9", "server_port": 4444,
    ...                "protocol": 6})
    'client = 10.0.1.5 and server = 203.0.113.9 and server_port = 4444 and protocol = tcp'
    """
    clauses = [f"client = {row['client']}", f"server = {row['server']}"]
    return " and ".join([*clauses, *_service(row, "server_port", "protocol")])


def among(field: str, values: Sequence[str]) -> str:
    """Return the clause for one or several values.

    >>> among("addr", ["10.0.0.1"]), among("addr", ["10.0.0.1", "10.0.0.2"])
    ('addr = 10.0.0.1', 'addr in (10.0.0.1, 10.0.0.2)')
    """
    return f"{field} = {values[0]}" if len(values) == 1 else f"{field} in ({', '.join(values)})"


def _service(row: Mapping[str, Any], port: str, protocol: str) -> list[str]:
    """Return the clauses for port and protocol, as far as both are known and mean something."""
    number = row["protocol"]
    clauses = []
    if row["server_port"] is not None and (number is None or number in PORTED):
        clauses.append(f"{port} = {row['server_port']}")
    if number is not None:
        clauses.append(f"{protocol} = {SPELT.get(number, number)}")
    return clauses
