"""Typed flows as the interfaces of both ends meet them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import polars as pl

from flowlens.errors import UsageError
from flowlens.inventory.owners import owners
from flowlens.reach.seen import SEEN
from flowlens.reach.typed import Typed

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["met"]

_CALL = "ec2.describe_network_interfaces"


@dataclass(frozen=True, slots=True)
class _End:
    """An address, and the interface that has it, if one is known.

    ``address`` is the one that others send to, ``near`` the one that its interface sees.
    """

    address: str | None
    near: str | None = None
    interface: str | None = None


def met(flows: list[Typed], inventory: "Inventory", at: datetime | None = None) -> pl.DataFrame:
    """Return typed flows as `seen.SEEN`: a row for each interface that would log them.

    Args:
        flows: from `typed.parse`.
        inventory: says which interfaces the ends are.
        at: the time asked about; the latest capture without it.

    Raises:
        UsageError: an end is neither an address nor a name of the inventory.
    """
    when = at or max((each.captured_at for each in inventory.captures), default=None)
    table = _speaking(owners(inventory), inventory, when).to_dicts()
    rows = [row for flow in flows for row in _rows(flow, table, when)]
    return pl.DataFrame(rows, schema=SEEN).unique(maintain_order=True)


def _speaking(table: pl.DataFrame, inventory: "Inventory", at: datetime | None) -> pl.DataFrame:
    """Return the interfaces of the captures that speak for a time: of each account the last one."""
    chosen: dict[tuple[str | None, str | None], int] = {}
    for n in inventory.answered(_CALL):
        each = inventory.captures[n]
        scope = (each.account_id, each.region)
        if scope not in chosen or (at is not None and each.captured_at <= at):
            chosen[scope] = n
    return table.filter(pl.col("capture").is_in(sorted(chosen.values())))


def _rows(
    flow: Typed, table: list[dict[str, Any]], at: datetime | None
) -> Iterator[dict[str, Any]]:
    """Yield a row for each interface at either end; one without an interface if there is none."""
    family = _family(flow.client) or _family(flow.server)
    ends = [list(_ends(text, family, table)) for text in (flow.client, flow.server)]
    whole = {
        "protocol": flow.protocol,
        "src_port": flow.client_port,
        "dst_port": flow.server_port,
        "icmp_type": flow.icmp_type,
        "icmp_code": flow.icmp_code,
        "role": "initiate",
        "at": at,
    }
    known = any(end.interface for side in ends for end in side)
    for client in ends[0]:
        for server in ends[1]:
            both = {"client": client.address, "server": server.address}
            if client.interface or not known:
                here = {"src": client.near, "dst": server.address, "direction": "egress"}
                yield whole | both | here | {"interface_id": client.interface}
            if server.interface:
                here = {"src": client.address, "dst": server.near, "direction": "ingress"}
                yield whole | both | here | {"interface_id": server.interface}


def _ends(text: str, family: int | None, table: list[dict[str, Any]]) -> Iterator[_End]:
    """Yield what an end may be.

    Raises:
        UsageError: nothing has that name.
    """
    if _family(text):
        held = [_End(text, text, row["interface_id"]) for row in table if _holds(row, text)]
        public = [
            _End(text, _mapped(row, text), row["interface_id"])
            for row in table
            if text in (row["public_addresses"] or ())
        ]
        yield from held or public or [_End(text, text)]
        return
    names = [row for row in table if text == row["interface_id"] or text in (row["owner"] or ())]
    names = names or [row for row in table if text == row["instance_id"]]
    if not names:
        msg = (
            f"--flow: {text!r:.60} is neither an address nor an interface or owner of the inventory"
        )
        raise UsageError(msg)
    for row in names:
        own = [each for each in _private(row) if family in (None, _family(each))]
        own.sort(key=lambda each: (_family(each), each))
        yield _End(own[0] if own else None, own[0] if own else None, row["interface_id"])


def _private(row: dict[str, Any]) -> list[str]:
    return [*(row["addresses"] or ())]


def _holds(row: dict[str, Any], text: str) -> bool:
    blocks = (ip_network(each, strict=False) for each in row["prefixes"] or ())
    return text in _private(row) or any(ip_address(text) in block for block in blocks)


def _mapped(row: dict[str, Any], public: str) -> str | None:
    """Return the private address behind a public one."""
    pairs = {each["public"]: each["private"] for each in row["mapped"] or ()}
    single = [each for each in _private(row) if _family(each) == 4]
    return pairs.get(public, single[0] if len(single) == 1 else None)


def _family(text: str | None) -> int | None:
    try:
        return ip_address(text or "").version
    except ValueError:
        return None
