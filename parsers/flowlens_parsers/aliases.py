"""What people call the fields: the column a name stands for.

Query tools fold case and drop separators (`interfaceid`), Logs Insights writes camel case
(`interfaceId`), and the table definitions that AWS hands out have words of their own
(`sourceaddress`, `numpackets`), as `start` and `end` are reserved words in SQL.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from flowlens_parsers.fields import SCHEMA

__all__ = ["columns"]

_WORDS: dict[str, tuple[str, ...]] = {
    "account_id": ("account", "awsaccount", "awsaccountid", "accountnumber"),
    "interface_id": ("interface", "eni", "eniid", "networkinterface", "networkinterfaceid"),
    "srcaddr": ("sourceaddress", "sourceaddr", "sourceip", "srcip", "srcaddress", "source", "src"),
    "dstaddr": (
        *("destinationaddress", "destinationaddr", "destinationip", "destaddr", "destip"),
        *("dstip", "dstaddress", "destination", "dest", "dst"),
    ),
    "srcport": ("sourceport", "sport"),
    "dstport": ("destinationport", "destport", "dport"),
    "protocol": ("proto", "protocolnumber", "ianaprotocol"),
    "packets": ("numpackets", "packetcount", "numberofpackets"),
    "bytes": ("numbytes", "bytecount", "numberofbytes"),
    "start": ("starttime", "startts", "starttimestamp", "windowstart"),
    "end": ("endtime", "endts", "endtimestamp", "windowend"),
    "log_status": ("status", "flowlogstatus"),
    "vpc_id": ("vpc",),
    "subnet_id": ("subnet",),
    "instance_id": ("instance",),
    "pkt_srcaddr": ("packetsourceaddress", "packetsrcaddr", "pktsourceaddress"),
    "pkt_dstaddr": ("packetdestinationaddress", "packetdstaddr", "pktdestinationaddress"),
    "flow_direction": ("direction",),
}

#: A name without case and separators -> the column.
_COLUMNS: dict[str, str] = {word: column for column, words in _WORDS.items() for word in words} | {
    column.replace("_", ""): column for column in SCHEMA
}

#: Names that the reader itself gives.
_OWN = {"line", "source"}


def columns(names: Iterable[str]) -> list[str]:
    """Return the columns that `names` stand for, in order and without duplicates.

    A name that says nothing, or stands for a column that a plainer name already claims, stays as
    it is: a partition column, an expression, a second address.

    >>> columns(["interfaceId", "Start-Time", "numbytes", "bytes", "day", "line"])
    ['interface_id', 'start', 'numbytes', 'bytes', 'day', 'line_']
    """
    return list(_named(tuple(names)))


@lru_cache(maxsize=64)  # objects of one log have the same columns
def _named(names: tuple[str, ...]) -> tuple[str, ...]:
    given = [name.strip() for name in names]
    keys = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in given]
    plain = {key for key in keys if _COLUMNS.get(key, "").replace("_", "") == key}
    found: list[str] = []
    for name, key in zip(given, keys, strict=True):
        column = _COLUMNS.get(key, "")
        taken = column in found or (key not in plain and column.replace("_", "") in plain)
        own = name if not column or taken else column
        while own in found or own in _OWN or (own in SCHEMA and own != column) or not own:
            own += "_"
        found.append(own)
    return tuple(found)
