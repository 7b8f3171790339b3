import struct
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowlens.destinations.asn import networks
from flowlens.errors import InputError, UsageError


def encode(value: Any) -> bytes:
    """Write a value as MaxMind's format does (its specification, "Output Data Section")."""
    if isinstance(value, dict):
        head = bytes([7 << 5 | len(value)])
        return head + b"".join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, list):
        return bytes([len(value), 11 - 7]) + b"".join(encode(v) for v in value)
    if isinstance(value, str):
        raw = value.encode()
        long = [29, len(raw) - 29] if len(raw) >= 29 else [len(raw)]
        return bytes([2 << 5 | long[0], *long[1:]]) + raw
    if isinstance(value, bytes):  # an unsigned integer of 16 or 64 bits
        return (bytes([5 << 5 | 2]) if len(value) == 2 else bytes([8, 9 - 7])) + value
    return bytes([6 << 5 | 4]) + struct.pack(">I", value)


def database(path: Path, records: dict[str, dict[str, Any]]) -> Path:
    """Write a small database of IPv4 prefixes."""
    data, places = b"", {}
    for prefix, record in records.items():
        places[prefix] = len(data)
        data += encode(record)
    tree: list[list[int | str | None]] = [[None, None]]
    for prefix in records:
        net = ip_network(prefix)
        bits = f"{int(net.network_address):032b}"[: net.prefixlen]
        node = 0
        for bit in bits[:-1]:
            following = tree[node][int(bit)]
            if not isinstance(following, int):
                tree.append([None, None])
                following = len(tree) - 1
                tree[node][int(bit)] = following
            node = following
        tree[node][int(bits[-1])] = prefix
    count = len(tree)

    def pointer(side: int | str | None) -> int:
        if isinstance(side, str):
            return count + 16 + places[side]
        return count if side is None else side

    nodes = b"".join(pointer(s).to_bytes(3, "big") for node in tree for s in node)
    meta = {
        "node_count": count,
        "record_size": struct.pack(">H", 24),
        "ip_version": struct.pack(">H", 4),
        "database_type": "Test",
        "languages": [],
        "binary_format_major_version": struct.pack(">H", 2),
        "binary_format_minor_version": struct.pack(">H", 0),
        "build_epoch": struct.pack(">Q", 1),
        "description": {},
    }
    path.write_bytes(nodes + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encode(meta))
    return path


def test_networks_of_addresses(tmp_path: Path) -> None:
    """Each address that the file knows has its network and country, the others no row."""
    path = database(
        tmp_path / "asn.mmdb",
        {
            "192.0.2.0/24": {
                "autonomous_system_number": 64500,
                "autonomous_system_organization": "Example Networks",
            },
            "198.51.100.0/25": {"country": {"iso_code": "NL"}},
        },
    )
    addresses = pl.Series(["192.0.2.7", "198.51.100.1", "203.0.113.1", "192.0.2.7", None])
    assert networks(addresses, path).rows() == [
        ("192.0.2.7", "AS64500 Example Networks", None),
        ("198.51.100.1", None, "NL"),
    ]


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A file of another format and a missing file are named."""
    path = tmp_path / "x.mmdb"
    path.write_bytes(b"no database")
    for wrong in (path, tmp_path / "none.mmdb"):
        with pytest.raises(InputError, match=f"{wrong.name}: not a readable .mmdb file"):
            networks(pl.Series(["192.0.2.7"]), wrong)


def test_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional package the message says how to install it."""
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(UsageError, match=r"pip install 'vpc-flowlens\[asn\]'"):
        networks(pl.Series(["192.0.2.7"]), tmp_path / "x.mmdb")
