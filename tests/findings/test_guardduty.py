"""The finding types that GuardDuty draws from flow logs, and what answers each of them here."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from flowlens.findings import Context, Limits
from flowlens.findings.lists import Listed, Threats
from tests.findings.cases import CASES, FLOOD, LOGIN, SSH, Case
from tests.findings.conftest import edge, frame, inner
from tests.findings.test_detections import BY_KIND as DETECT
from tests.findings.test_detections import context

PAGE = (Path(__file__).parents[2] / "docs" / "detections.md").read_text()
OUTER: dict[str, Any] = {
    "client": "198.51.100.7",
    "client_owner": None,
    "client_kind": None,
    "vantage": "server",
}
BAD = Threats((Listed("bad.txt", "2026-11-15", ("203.0.113.9/32",), ()),))
TOR = Threats((Listed("tor.txt", "2026-11-15", ("203.0.113.9/32",), ()),))
BY_KIND: dict[str, Case] = {case.kind: case for case in reversed(CASES)}
SILENT: dict[str, Any] = {"packets_in": 0, "bytes_in": 0}
RELAY: dict[str, Any] = {"server_port": 9001, "connections": 40}

#: Type -> kind of the answer, and its traffic where it is not that of the detection's own case.
TYPES: dict[str, tuple[str, Any]] = {
    "Backdoor:EC2/C&CActivity.B": ("threat", edge(0)),
    "Backdoor:EC2/DenialOfService.Dns": ("flood", edge(0, **FLOOD, protocol=17, server_port=53)),
    "Backdoor:EC2/DenialOfService.Tcp": ("flood", edge(0, **FLOOD)),
    "Backdoor:EC2/DenialOfService.Udp": ("flood", edge(0, **FLOOD, protocol=17, server_port=9999)),
    "Backdoor:EC2/DenialOfService.UdpOnTcpPorts": (
        "flood", edge(0, **FLOOD, protocol=17, server_port=80),
    ),
    "Backdoor:EC2/DenialOfService.UnusualProtocol": (
        "flood", edge(0, **FLOOD, protocol=132, server_port=0),
    ),
    "Backdoor:EC2/Spambot": ("spam", None),
    "Behavior:EC2/NetworkPortUnusual": ("new-port", None),
    "Behavior:EC2/TrafficVolumeUnusual": ("volume", None),
    "CryptoCurrency:EC2/BitcoinTool.B": ("mining", None),
    "Impact:EC2/PortSweep": ("host-sweep", None),
    "Impact:EC2/WinRMBruteForce": ("brute-force", inner(0, **{**LOGIN, "server_port": 5985})),
    "Recon:EC2/PortProbeEMRUnprotectedPort": (
        "exposed", inner(0, **{**SSH, "server_port": 8088}, **OUTER),
    ),
    "Recon:EC2/PortProbeUnprotectedPort": ("exposed", None),
    "Recon:EC2/Portscan": ("port-scan", None),
    "Trojan:EC2/BlackholeTraffic": ("threat", edge(0, **SILENT)),
    "Trojan:EC2/DropPoint": ("threat", edge(0, bytes_out=40_000_000)),
    "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom": ("threat", edge(0)),
    "UnauthorizedAccess:EC2/RDPBruteForce": (
        "brute-force", inner(0, **{**LOGIN, "server_port": 3389}),
    ),
    "UnauthorizedAccess:EC2/SSHBruteForce": ("brute-force", None),
    "UnauthorizedAccess:EC2/TorClient": ("threat", edge(0, server_port=9001)),
    "UnauthorizedAccess:EC2/TorRelay": ("threat", edge(0, **RELAY)),
    "Backdoor:Lambda/C&CActivity.B": ("threat", edge(0)),
    "CryptoCurrency:Lambda/BitcoinTool.B": ("mining", None),
    "Trojan:Lambda/BlackholeTraffic": ("threat", edge(0, **SILENT)),
    "Trojan:Lambda/DropPoint": ("threat", edge(0, bytes_out=40_000_000)),
    "UnauthorizedAccess:Lambda/MaliciousIPCaller.Custom": ("threat", edge(0)),
    "UnauthorizedAccess:Lambda/TorClient": ("threat", edge(0, server_port=9001)),
    "UnauthorizedAccess:Lambda/TorRelay": ("threat", edge(0, **RELAY)),
}  # fmt: skip
KNOWN = [name for name, (kind, rows) in TYPES.items() if rows is not None or kind == "threat"]


@pytest.mark.parametrize("name", KNOWN)
def test_each_type_is_answered(name: str) -> None:
    """Traffic of the type is a finding of the kind that the page names for it."""
    kind, row = TYPES[name]
    threats = None if kind != "threat" else TOR if "Tor" in name else BAD
    (told,) = DETECT[kind](frame([row]).lazy(), Context(threats=threats)).to_dicts()
    assert told["kind"] == kind
    assert told["technique"] == "T1090.003" if "Tor" in name else told["technique"]


def test_every_type_has_its_row_and_its_case() -> None:
    """The page names an answer for each of the 22 and 7 types; each has traffic in the tests."""
    rows = dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)`", PAGE, re.MULTILINE))
    types = {name: kind for name, (kind, _) in TYPES.items()}
    assert {name: rows.get(name) for name in types} == types
    assert sum(":EC2/" in name for name in types) == 22
    assert sum(":Lambda/" in name for name in types) == 7
    assert all(row is not None or kind in BY_KIND for kind, row in TYPES.values())
    assert context(BY_KIND["new-port"]).learn_until is not None


def test_every_threshold_is_written_down() -> None:
    """The page has the value of each threshold, as it is in the code."""
    for field in fields(Limits):
        assert f"| `{field.name}` | {written(field.default)} |" in PAGE, field.name


def written(value: Any) -> str:
    """Return a threshold as the page writes it."""
    if isinstance(value, tuple):
        return " to ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
