"""Filter texts that give back the rows behind a finding."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from flowlens.words import PORTED, PROTOCOLS

__all__ = ["among", "conversations", "records"]

#: Spellings of protocols that the filter language knows; others are numbers.
SPELT = {number: name for number, name in PROTOCOLS.items() if number in {1, 6, 17}}


def records(row: Mapping[str, Any]) -> str:
    """Return the filter that yields the flow-log records behind a merged row.

    Either end may be the source of a record. Of one service, both addresses are named with
    `addr`; of several, or of a service of all servers, each direction has its clause. The
    observers are named where all are interfaces, so that what another interface wrote about the
    same traffic stays out; where one client has several, each with its action and hours.

    What is unknown makes no clause.

    Args:
        row: `clients`, `servers`, `observers`, `actions` (lists; the last two empty where the log
            does not say for each record), `server_port`, `protocol`, `since` and `until` (the
            first and the last hour); where there are several, `ports`; `open`, names of the
            lists that are no condition; `views`, the hours of each observer and action.
    """
    opened = row.get("open", ())
    clients = [] if "clients" in opened else row["clients"]
    servers = [] if "servers" in opened else row["servers"]
    if "ports" in row or opened:
        ports = [] if "ports" in opened else row.get("ports", [row["server_port"]])
        ways = [
            _way("src", "dst", clients, servers, "dport", ports),
            _way("dst", "src", clients, servers, "sport", ports),
        ]
        clauses = [f"({ways[0]} or {ways[1]})", *_protocol(row, "proto")]
    else:
        clauses = [among("addr", ends) for ends in (clients, servers) if ends]
        clauses += _service(row, "port", "proto")
    return " and ".join([*clauses, *_seen(row)])


def conversations(row: Mapping[str, Any]) -> str:
    """Return the filter that yields the conversations (or edges) of one client and server.

    >>> conversations({"client": "10.0.1.5", "server": "203.0.113.9", "server_port": 4444,
    ...                "protocol": 6})
    'client = 10.0.1.5 and server = 203.0.113.9 and server_port = 4444 and protocol = tcp'
    """
    clauses = [f"client = {row['client']}", f"server = {row['server']}"]
    return " and ".join([*clauses, *_service(row, "server_port", "protocol")])


def among(field: str, values: Sequence[Any]) -> str:
    """Return the clause for one or several values.

    >>> among("addr", ["10.0.0.1"]), among("addr", ["10.0.0.1", "10.0.0.2"])
    ('addr = 10.0.0.1', 'addr in (10.0.0.1, 10.0.0.2)')
    """
    if len(values) == 1:
        return f"{field} = {values[0]}"
    return f"{field} in ({', '.join(map(str, values))})"


def _way(
    near: str,
    far: str,
    clients: Sequence[str],
    servers: Sequence[str],
    port: str,
    ports: Sequence[int],
) -> str:
    """Return the clause for one direction."""
    parts = ((near, clients), (far, servers), (port, ports))
    return f"({' and '.join(among(name, values) for name, values in parts if values)})"


def _seen(row: Mapping[str, Any]) -> list[str]:
    """Return the clauses for time, action and observer."""
    views = row.get("views") or ()
    if views:
        if len(views) == 1:
            return [_view(views[0])]
        return [f"({' or '.join(f'({_view(view)})' for view in views)})"]
    clauses = _hours(row["since"], row["until"])
    if len(row["actions"]) == 1:
        clauses.append(f"action = {row['actions'][0]}")
    observers = row["observers"]
    if observers and all(name.startswith("eni-") for name in observers):
        clauses.append(among("interface_id", observers))
    return clauses


def _view(view: Mapping[str, Any]) -> str:
    """Return the clause for what one interface did to the traffic of some hours."""
    clauses = _hours(view["since"], view["until"])
    return " and ".join(
        [*clauses, f"action = {view['action']}", f"interface_id = {view['observer']}"]
    )


def _hours(since: datetime | None, until: datetime | None) -> list[str]:
    """Return the clauses for the first and the last hour."""
    if since is None or until is None:
        return []
    end = until + timedelta(hours=1)
    return [f"start >= {since:%Y-%m-%dT%H:%M:%SZ}", f"start < {end:%Y-%m-%dT%H:%M:%SZ}"]


def _service(row: Mapping[str, Any], port: str, protocol: str) -> list[str]:
    """Return the clauses for port and protocol, as far as both are known and mean something."""
    number = row["protocol"]
    clauses = []
    if row["server_port"] is not None and (number is None or number in PORTED):
        clauses.append(f"{port} = {row['server_port']}")
    return [*clauses, *_protocol(row, protocol)]


def _protocol(row: Mapping[str, Any], protocol: str) -> list[str]:
    """Return the clause for the protocol, if it is known."""
    number = row["protocol"]
    return [] if number is None else [f"{protocol} = {SPELT.get(number, number)}"]
