"""The parts of a finding's sentence: who, where, when, and what became of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from flowlens.words import noun, service, span, who

__all__ = ["outcome", "when", "where", "whom"]


def whom(row: Mapping[str, Any]) -> str:
    """Return who it is about."""
    return who(row["client_owner"], row["client"], row["client_kind"])


def where(row: Mapping[str, Any], *, port: bool = True) -> str:
    """Return the destination, how its name is known, and the service."""
    server, destination = row["server"], row["destination"]
    if destination is None and len(row["servers"]) > 1:
        kinds = f" {service(row['protocol'], row['server_port'])}" if port else ""
        return f"{noun(len(row['servers']), 'address', 'addresses')}{kinds}"
    others = " and others" if len(row["servers"]) > 1 else ""
    words = f" {service(row['protocol'], row['server_port'])}" if port else ""
    if destination is not None and destination not in row["servers"]:
        return f"{destination} ({server}{others}){words}"
    names = row["domains"]
    if names:
        return f"{server}{others} (perhaps {names[0]['name']}){words}"
    reason = "no resolver log was read" if names is None else "no name known"
    return f"{server}{others} ({reason}){words}"


def when(row: Mapping[str, Any]) -> str:
    """Return the number of records, and the time."""
    return f"in {noun(row['records'], 'record')} {span(row['first_seen'], row['last_seen'])}"


def outcome(row: Mapping[str, Any]) -> str:
    """Return what became of the records."""
    if row["unsaid"]:
        return "and the log does not say whether it was accepted"
    if not row["rejected"]:
        return f"all accepted{_ruled(row['let_by'])}"
    outcome = "some of them rejected" if row["accepted"] else "all rejected"
    return f"{outcome}{_ruled(row['refused_by'])}"


def _ruled(rules: Sequence[str]) -> str:
    """Return the rules that refused it, or else that let it through, as far as they are known."""
    if not rules:
        return ""
    first, *more = rules
    others = f" and {noun(len(more), 'other')}" if more else ""
    return f" ({first}{others})"
