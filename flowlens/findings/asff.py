"""Findings in the AWS Security Finding Format, ready for Security Hub's BatchImportFindings.

https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format.html
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import polars as pl

from flowlens.errors import UsageError
from flowlens.findings.alert import Alert, alerts, version
from flowlens.output.flat import escape

__all__ = ["BATCH", "batches"]

#: Findings in one call of BatchImportFindings.
#: https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html
BATCH = 100

#: Longest texts, in characters.
#: https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsSecurityFinding.html
TITLE, DESCRIPTION, ADVICE, VALUE, OTHER = 256, 1024, 512, 2048, 1023
#: Longest name of a protocol.
PROTOCOL = 16
QUOTED = 5

LABELS = ("", "INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL")
#: Kinds of interface whose single owner is a resource that Security Hub knows, and its ARN.
OWNED = {"lambda": ("AwsLambdaFunction", "lambda", "function:")}


def batches(findings: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield requests of BatchImportFindings, each with up to a hundred findings.

    ``Id`` is the finding's own and times come from the records: a second run updates what is
    there, and never adds to it. Severity and types are in ``FindingProviderFields``, as AWS asks.

    Args:
        findings: a table of schema FINDINGS with `place`.

    Raises:
        UsageError: account or Region of a finding is not known; ASFF cannot say "unknown".
    """
    every = [_finding(alert) for alert in alerts(findings)]
    for at in range(0, max(1, len(every)), BATCH):
        yield {"Findings": every[at : at + BATCH]}


def _finding(alert: Alert) -> dict[str, Any]:
    """Return one finding."""
    account, region = _seat(alert)
    first, last = (_iso(time) for time in alert.times)
    partition = _partition(region)
    hub = f"arn:{partition}:securityhub:{region}:{account}:product/{account}/default"
    types = [f"{one}/{_classifier(alert)}" for one in alert.types]
    label = LABELS[alert.level]
    return {
        "SchemaVersion": "2018-10-08",
        "Id": f"{region}/{account}/{alert.id}",
        "ProductArn": hub,
        "ProductName": "flowlens",
        "CompanyName": "flowlens",
        "GeneratorId": f"flowlens/{alert.row['kind']}",
        "AwsAccountId": account,
        "Region": region,
        "FirstObservedAt": first,
        "LastObservedAt": last,
        "CreatedAt": first,
        "UpdatedAt": last,
        "FindingProviderFields": {
            "Severity": {"Label": label, "Original": alert.row["severity"]},
            "Types": types,
        },
        "Title": _cut(alert.title, TITLE),
        "Description": _cut(alert.row["text"], DESCRIPTION),
        "Remediation": {"Recommendation": {"Text": _cut(alert.kind.advice, ADVICE)}},
        "ProductFields": _fields(alert),
        "Network": _network(alert),
        "Action": _action(alert),
        "Resources": _resources(alert, account, region),
        "RecordState": "ACTIVE",
    }


def _seat(alert: Alert) -> tuple[str, str]:
    """Return account and Region, which ASFF insists on.

    Raises:
        UsageError: one of them is not known.
    """
    account, region = alert.place.get("account"), alert.place.get("region")
    if account and region:
        return account, region
    missing = " and ".join(
        name for name, known in (("account", account), ("Region", region)) if not known
    )
    msg = (
        f"{alert.id}: its {missing} is not known, and Security Hub takes no finding without; "
        "give the inventory (-i), or the logs under the names AWS delivered them with"
    )
    raise UsageError(msg)


def _partition(region: str) -> str:
    """Return the partition of a Region.

    >>> _partition("us-gov-east-1"), _partition("cn-north-1"), _partition("eu-west-1")
    ('aws-us-gov', 'aws-cn', 'aws')
    """
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")


def _classifier(alert: Alert) -> str:
    """Return the kind as the last part of a type, which has no slashes."""
    return f"flowlens-{alert.row['kind'].replace('/', '-').replace(' ', '-')}"


def _fields(alert: Alert) -> dict[str, str]:
    """Return numbers, evidence and candidates as texts; 50 of them at most."""
    told: dict[str, Any] = dict(alert.numbers)
    told["kind"], told["filter"] = alert.row["kind"], alert.filter
    told["technique"] = ", ".join(one.id for one in alert.techniques) or None
    told["owner_candidates"] = ", ".join(alert.candidates) or None
    for at, line in enumerate(alert.lines[:QUOTED], 1):
        told[f"line_{at}"] = f"{line['source']}:{line['line']} {line['text']}"
    known = {name: value for name, value in told.items() if value is not None}
    return {f"flowlens/{name}": _cut(str(value), VALUE) for name, value in [*known.items()][:50]}


def _network(alert: Alert) -> dict[str, Any]:
    """Return the connection as ASFF's Network object."""
    row = alert.row
    names = {4: "IpV4", 6: "IpV6"}
    ends = (("Source", row["client"]), ("Destination", row["server"]))
    addresses = {f"{end}{names[told]}": text for end, text in ends if (told := version(text))}
    domain = row["destination"]
    known = {
        "Direction": {True: "IN", False: "OUT"}.get(alert.inward),  # type: ignore[arg-type]
        "Protocol": (alert.protocol or "")[:PROTOCOL].upper() or None,
        "DestinationPort": row["server_port"],
        "DestinationDomain": _cut(domain, 128) if domain and not version(domain) else None,
    }
    return {**addresses, **{name: value for name, value in known.items() if value is not None}}


def _action(alert: Alert) -> dict[str, Any]:
    """Return the same as an action on the resource, which says whether it was blocked."""
    row, inward = alert.row, bool(alert.inward)
    far = row["client"] if inward else row["server"]
    port = {"Port": row["server_port"]} if row["server_port"] is not None else None
    told = {
        "ConnectionDirection": "INBOUND" if inward else "OUTBOUND",
        "Protocol": (alert.protocol or "")[:PROTOCOL].upper() or None,
        "Blocked": alert.refused,
        "RemoteIpDetails": {"IpAddressV4": far} if version(far) == 4 else None,
        "LocalPortDetails" if inward else "RemotePortDetails": port,
    }
    known = {name: value for name, value in told.items() if value is not None}
    return {"ActionType": "NETWORK_CONNECTION", "NetworkConnectionAction": known}


def _resources(alert: Alert, account: str, region: str) -> list[dict[str, Any]]:
    """Return the interface, and the owner where it is one only: candidates are no resources."""
    place, partition = alert.place, _partition(region)
    common = {"Partition": partition, "Region": region}
    found = []
    interface = place.get("interface")
    if interface and interface.startswith("eni-"):
        arn = f"arn:{partition}:ec2:{region}:{account}:network-interface/{interface}"
        found.append({"Type": "AwsEc2NetworkInterface", "Id": arn, **common, **_details(alert)})
    kind, one = place.get("kind") or "", alert.candidates
    if kind in OWNED and len(one) == 1:
        name, service, before = OWNED[kind]
        arn = f"arn:{partition}:{service}:{region}:{account}:{before}{one[0]}"
        found.append({"Type": name, "Id": arn, **common})
    if not found:
        near = alert.row["server" if alert.inward else "client"]
        found.append({"Type": "Other", "Id": near or "unknown", **common, **_details(alert)})
    return found


def _details(alert: Alert) -> dict[str, Any]:
    """Return who may have used the resource."""
    if not alert.candidates:
        return {}
    return {"Details": {"Other": {"owner candidates": _cut(", ".join(alert.candidates), OTHER)}}}


def _iso(time: datetime | None) -> str:
    """Return a time as ASFF writes it; it insists on one, so an unknown time is 1970."""
    if time is None:
        return "1970-01-01T00:00:00.000Z"
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z"


def _cut(text: str, most: int) -> str:
    """Return a text of at most so many characters, of which one is an ellipsis where it was longer.

    >>> _cut("a" * 10, 4)
    'aaa…'
    """
    plain = escape(text)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"
