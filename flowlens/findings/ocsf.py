"""Findings as OCSF events: a Detection Finding (2004) with Network Activity (4001) as evidence.

The events use only what version 1.1.0, which Security Lake's sources speak, has in common with the
versions after it: https://schema.ocsf.io/1.1.0/classes/detection_finding
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import polars as pl

from flowlens.findings.alert import Alert, alerts, version

__all__ = ["VERSION", "events"]

VERSION = "1.1.0"

SEVERITIES = ("Unknown", "Informational", "Low", "Medium", "High", "Critical")
ANALYTICS = {1: "Rule", 2: "Behavioral", 3: "Statistical"}
#: connection_info.direction_id by `Alert.inward`.
DIRECTIONS = {None: (0, "Unknown"), True: (1, "Inbound"), False: (2, "Outbound")}
TRAFFIC = ("bytes_in", "bytes_out", "packets_in", "packets_out")


def events(findings: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield one Detection Finding for each finding.

    ``finding_info.uid`` is the finding's id: a second run over the same evidence updates, and
    never adds. Times come from the records, never from a clock.

    Args:
        findings: a table of schema FINDINGS, with `place` where it is known.

    Returns:
        Plain values, ready for JSON; what is not known is left out.
    """
    return (_finding(alert) for alert in alerts(findings))


def _finding(alert: Alert) -> dict[str, Any]:
    """Return the Detection Finding."""
    _, last = alert.times
    return {
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "type_uid": 200401,
        "type_name": "Detection Finding: Create",
        **_common(alert),
        "time": _ms(last),
        "status_id": 1,
        "status": "New",
        "message": alert.row["text"],
        "finding_info": _info(alert),
        **_listed("resources", _resources(alert)),
        "evidences": [_evidence(alert)],
        "remediation": {"desc": alert.kind.advice},
        "unmapped": {"flowlens": alert.numbers},
    }


def _common(alert: Alert) -> dict[str, Any]:
    """Return what both classes say."""
    place = alert.place
    account = place.get("account")
    cloud: dict[str, Any] = {"provider": "AWS", **_known(region=place.get("region"))}
    if account:
        cloud["account"] = {"uid": account, "type_id": 10, "type": "AWS Account"}
    return {
        "severity_id": alert.level,
        "severity": SEVERITIES[alert.level],
        "cloud": cloud,
        "metadata": {
            "version": VERSION,
            "profiles": ["cloud"],
            "product": {"name": "flowlens", "vendor_name": "flowlens"},
            "log_name": "VPC Flow Logs",
            "log_provider": "AWS",
            "uid": alert.id,
        },
    }


def _info(alert: Alert) -> dict[str, Any]:
    """Return what was found, by which detection, and what ATT&CK calls it."""
    first, last = alert.times
    return {
        "uid": alert.id,
        "title": alert.title,
        "desc": alert.row["text"],
        "types": list(alert.types),
        "analytic": {
            "uid": alert.row["kind"],
            "name": alert.kind.title,
            "type_id": alert.kind.analytic,
            "type": ANALYTICS[alert.kind.analytic],
        },
        **_listed("attacks", [_attack(one) for one in alert.techniques]),
        "created_time": _ms(first),
        "modified_time": _ms(last),
        "first_seen_time": _ms(first),
        "last_seen_time": _ms(last),
        "data_sources": ["VPC Flow Logs"],
        "related_events": [{"uid": _activity_uid(alert), "type_uid": _activity(alert)["type_uid"]}],
    }


def _attack(technique: Any) -> dict[str, Any]:
    """Return one technique with its tactic."""
    main, _, sub = technique.id.partition(".")
    told = {"uid": technique.id, **_known(name=technique.name), "src_url": technique.url}
    found: dict[str, Any] = {"sub_technique" if sub else "technique": told}
    if sub:
        found["technique"] = {"uid": main}
    if technique.tactic:
        found["tactic"] = {"uid": technique.tactic.id, "name": technique.tactic.name}
    return found


def _resources(alert: Alert) -> list[dict[str, Any]]:
    """Return the interface, and all who may have used it as its data."""
    place = alert.place
    uid = place.get("interface")
    if uid is None and not alert.candidates:
        return []
    owner = {"candidates": alert.candidates} if alert.candidates else None
    named = alert.owner if len(alert.candidates) == 1 or uid is None else None
    kind = place.get("kind")
    return [_known(uid=uid, name=named, type=kind, region=place.get("region"), data=owner)]


def _evidence(alert: Alert) -> dict[str, Any]:
    """Return the evidence: who, whom, how, with the traffic as a Network Activity."""
    data = {"network_activity": _activity(alert), **_known(filter=alert.filter)}
    lines = [dict(line) for line in alert.lines]
    return {**_ends(alert), "data": {**data, **_listed("lines", lines)}}


def _ends(alert: Alert) -> dict[str, Any]:
    """Return both endpoints and the connection."""
    row, place = alert.row, alert.place
    number, name = DIRECTIONS[alert.inward]
    ours = {
        "client": {},
        "server": {},
        place.get("end"): _known(interface_uid=place.get("interface")),
    }
    family = version(row["client"]) or version(row["server"]) or 0
    info = {
        "direction_id": number,
        "direction": name,
        **_known(protocol_num=row["protocol"], protocol_name=alert.protocol),
        "protocol_ver_id": family,
    }
    found = {
        "src_endpoint": {**_endpoint(row["client"], None, alert.owner), **ours["client"]},
        "dst_endpoint": {
            **_endpoint(row["server"], row["server_port"], row["destination"]),
            **ours["server"],
        },
    }
    return {**found, "connection_info": info}


def _endpoint(address: str | None, port: int | None, name: str | None) -> dict[str, Any]:
    """Return an endpoint; what is no address (a pseudonym) is its name."""
    known = address if version(address) else None
    told = name if name and name != known else None
    return _known(ip=known, port=port, name=told or (None if known else address or "unknown"))


def _activity(alert: Alert) -> dict[str, Any]:
    """Return the traffic behind a finding as one Network Activity event."""
    first, last = alert.times
    activity, name = (5, "Refuse") if alert.refused else (6, "Traffic")
    told = alert.numbers
    traffic = {key: told[key] for key in TRAFFIC if key in told}
    for unit in ("bytes", "packets"):
        if {f"{unit}_in", f"{unit}_out"} <= set(traffic):
            traffic[unit] = traffic[f"{unit}_in"] + traffic[f"{unit}_out"]
    common = _common(alert)
    return {
        "activity_id": activity,
        "activity_name": name,
        "category_uid": 4,
        "category_name": "Network Activity",
        "class_uid": 4001,
        "class_name": "Network Activity",
        "type_uid": 400100 + activity,
        "type_name": f"Network Activity: {name}",
        **common,
        "metadata": {**common["metadata"], "uid": _activity_uid(alert)},
        "severity_id": 1,
        "severity": SEVERITIES[1],
        "time": _ms(first),
        **_known(start_time=_ms(first), end_time=_ms(last), count=told.get("records")),
        **_ends(alert),
        **({"traffic": traffic} if traffic else {}),
    }


def _activity_uid(alert: Alert) -> str:
    """Return the name of the traffic behind a finding."""
    return f"{alert.id}/traffic"


def _ms(time: datetime | None) -> int:
    """Return milliseconds since 1970; an unknown time is the beginning of it, as OCSF needs one."""
    return 0 if time is None else round(time.timestamp() * 1000)


def _known(**values: Any) -> dict[str, Any]:
    """Return the values that are known."""
    return {name: value for name, value in values.items() if value is not None}


def _listed(name: str, values: list[Any]) -> dict[str, Any]:
    """Return a list under its name, nothing where it is empty."""
    return {name: values} if values else {}
