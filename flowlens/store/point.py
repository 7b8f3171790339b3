"""Point questions: the conversations of one address, without reading the others."""

import re
from datetime import datetime
from ipaddress import ip_address

import polars as pl

from flowlens.store.place import Store
from flowlens.store.scan import hours
from flowlens.store.schema import typed
from flowlens.tables import CONVERSATIONS

__all__ = ["about", "point"]

#: Names by which a filter asks for either end of a conversation, for the client, for the server.
ENDS = {
    "either": {"addr", "address", "host", "ip", "net"},
    "client": {"client", "src", "saddr"},
    "server": {"server", "dst", "daddr"},
}
TERM = re.compile(r"\s*(\w+)\s*==?\s*([0-9a-fA-F.:]+)\s*")
#: With these a filter is no plain list of conditions that all hold.
LOOSE = re.compile(r"""["'()!,]|\b(or|not|in)\b""", re.IGNORECASE)


def about(
    store: Store,
    address: str,
    *,
    end: str = "either",
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.LazyFrame:
    """Return the conversations of an address.

    Args:
        store: The store.
        address: In canonical text.
        end: `client`, `server` or `either`: what the address is in them.
        since: Keep the hours that begin at this time (UTC) or later.
        until: Keep the hours that begin before this time.
    """
    found = []
    if end != "server":
        found.append(store.scan("conversations").filter(pl.col("client") == address))
    if end != "client":
        rows = store.scan("by_server").filter(pl.col("server") == address)
        # who talks to itself was found already
        found.append(rows.filter(pl.col("client") != address) if end == "either" else rows)
    return typed(hours(pl.concat(found), since, until), CONVERSATIONS)


def point(text: str | None) -> tuple[str, str] | None:
    """Return the end and the address to which a filter narrows the rows, if it plainly does.

    >>> point("addr = 10.0.1.5 and dport = 443")
    ('either', '10.0.1.5')
    >>> point("addr = 10.0.1.5 or dport = 443")

    Args:
        text: A filter, or None.
    """
    if text is None or LOOSE.search(text):
        return None
    for part in re.split(r"\band\b|&&", text, flags=re.IGNORECASE):
        term = TERM.fullmatch(part)
        if term is None:
            continue
        end = next((end for end, names in ENDS.items() if term[1].lower() in names), None)
        try:
            address = str(ip_address(term[2]))
        except ValueError:
            continue
        if end is not None:
            return end, address
    return None
