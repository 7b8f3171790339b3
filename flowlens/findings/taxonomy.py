"""Kinds of findings in the words of others: ATT&CK, Security Hub's types, OCSF's analytics.

A kind that is not listed is described by its technique alone, so that a new detection needs no
line here to be exported.
"""

import re
from dataclasses import dataclass

__all__ = ["KINDS", "TACTICS", "TECHNIQUES", "Kind", "Tactic", "Technique", "kind", "techniques"]

UNUSUAL = "Unusual Behaviors/Network Flow"


@dataclass(frozen=True, slots=True)
class Tactic:
    """A tactic of ATT&CK, and the category of Security Hub that stands for it."""

    id: str
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique of ATT&CK, or a sub-technique (``T1048.003``), with its tactic if it is known."""

    id: str
    name: str | None
    tactic: Tactic | None

    @property
    def url(self) -> str:
        """The page that describes it."""
        return f"https://attack.mitre.org/techniques/{self.id.replace('.', '/')}/"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of finding is called, and how it is found out.

    Args:
        title: for people, at the beginning of a ticket.
        analytic: 1 a rule, 2 behaviour, 3 statistics (OCSF ``analytic.type_id``).
        advice: what to do first.
    """

    title: str
    analytic: int = 2
    advice: str = "Read the raw lines, then ask the owner whether the traffic is meant to be."


# https://attack.mitre.org/tactics/enterprise/ and
# https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format-type-taxonomy.html
TACTICS = {
    one.id: one
    for one in (
        Tactic("TA0043", "Reconnaissance", "TTPs/Discovery"),
        Tactic("TA0001", "Initial Access", "TTPs/Initial Access"),
        Tactic("TA0002", "Execution", "TTPs/Execution"),
        Tactic("TA0005", "Defense Evasion", "TTPs/Defense Evasion"),
        Tactic("TA0006", "Credential Access", "TTPs/Credential Access"),
        Tactic("TA0007", "Discovery", "TTPs/Discovery"),
        Tactic("TA0008", "Lateral Movement", "TTPs/Lateral Movement"),
        Tactic("TA0009", "Collection", "TTPs/Collection"),
        Tactic("TA0011", "Command and Control", "TTPs/Command and Control"),
        Tactic("TA0010", "Exfiltration", "Effects/Data Exfiltration"),
        Tactic("TA0040", "Impact", "Effects/Resource Consumption"),
    )
}

#: Technique -> its name and tactic: https://attack.mitre.org/techniques/enterprise/
TECHNIQUES: dict[str, tuple[str, str]] = {
    "T1018": ("Remote System Discovery", "TA0007"),
    "T1021": ("Remote Services", "TA0008"),
    "T1029": ("Scheduled Transfer", "TA0010"),
    "T1030": ("Data Transfer Size Limits", "TA0010"),
    "T1039": ("Data from Network Shared Drive", "TA0009"),
    "T1040": ("Network Sniffing", "TA0006"),
    "T1041": ("Exfiltration Over C2 Channel", "TA0010"),
    "T1046": ("Network Service Discovery", "TA0007"),
    "T1048": ("Exfiltration Over Alternative Protocol", "TA0010"),
    "T1048.003": ("Exfiltration Over Unencrypted Non-C2 Protocol", "TA0010"),
    "T1071": ("Application Layer Protocol", "TA0011"),
    "T1071.003": ("Mail Protocols", "TA0011"),
    "T1071.004": ("DNS", "TA0011"),
    "T1074": ("Data Staged", "TA0009"),
    "T1090": ("Proxy", "TA0011"),
    "T1090.003": ("Multi-hop Proxy", "TA0011"),
    "T1095": ("Non-Application Layer Protocol", "TA0011"),
    "T1110": ("Brute Force", "TA0006"),
    "T1190": ("Exploit Public-Facing Application", "TA0001"),
    "T1210": ("Exploitation of Remote Services", "TA0008"),
    "T1496": ("Resource Hijacking", "TA0040"),
    "T1498": ("Network Denial of Service", "TA0040"),
    "T1535": ("Unused/Unsupported Cloud Regions", "TA0005"),
    "T1537": ("Transfer Data to Cloud Account", "TA0010"),
    "T1552": ("Unsecured Credentials", "TA0006"),
    "T1552.005": ("Cloud Instance Metadata API", "TA0006"),
    "T1560": ("Archive Collected Data", "TA0009"),
    "T1562": ("Impair Defenses", "TA0005"),
    "T1562.007": ("Disable or Modify Cloud Firewall", "TA0005"),
    "T1562.008": ("Disable or Modify Cloud Logs", "TA0005"),
    "T1566": ("Phishing", "TA0001"),
    "T1567": ("Exfiltration Over Web Service", "TA0010"),
    "T1568": ("Dynamic Resolution", "TA0011"),
    "T1568.002": ("Domain Generation Algorithms", "TA0011"),
    "T1570": ("Lateral Tool Transfer", "TA0008"),
    "T1571": ("Non-Standard Port", "TA0011"),
    "T1572": ("Protocol Tunneling", "TA0011"),
    "T1573": ("Encrypted Channel", "TA0011"),
    "T1595": ("Active Scanning", "TA0043"),
    "T1648": ("Serverless Execution", "TA0002"),
}

#: Kind of finding -> its words. Blanks, hyphens and underscores are the same in a kind's name.
KINDS = {
    "unexpected": Kind(
        "Traffic to an unexpected destination",
        1,
        "Ask the owner whether the destination is meant to be. If it is, add it to the expected "
        "document; if not, keep the raw lines, isolate the workload and close the way.",
    ),
    "beacon": Kind("Regular calls to one destination", 3),
    "brute force": Kind("Many short sessions to a login service"),
    "exfiltration": Kind("Much more data sent than received", 3),
    "host sweep": Kind("One port tried on many hosts"),
    "lateral movement": Kind("A new way between two internal hosts"),
    "long connection": Kind("A connection that stayed open for long", 1),
    "new door": Kind("A service that answers the outside for the first time", 1),
    "off schedule": Kind(
        "A function that spoke outside its hours",
        2,
        "Look in the log of each candidate function for an invocation at that time, and in "
        "CloudTrail for who invoked it.",
    ),
    "port scan": Kind("Many ports tried on one host"),
    "probed": Kind(
        "A service that answered outsiders who had probed before",
        3,
        "Read what the service said to them, and its own log of that time; if it need not answer "
        "the outside, close its port to all but its callers.",
    ),
    "region": Kind(
        "AWS in a Region that was not used before",
        1,
        "Ask the owner whether the Region is meant to be used; if nobody knows, look for what "
        "runs there and in CloudTrail for who began it, and deny the Region by policy.",
    ),
    "threat list": Kind("Traffic with an address on a threat list", 1),
}


def kind(name: str) -> Kind:
    """Return the words of a kind; of one that is not known, its name.

    >>> kind("port_scan").title, kind("odd_port").title
    ('Many ports tried on one host', 'Odd port')
    """
    plain = " ".join(re.split(r"[\s_-]+", name.strip().lower()))
    return KINDS.get(plain) or Kind(plain.capitalize() or "Finding")


def techniques(text: str | None) -> tuple[Technique, ...]:
    """Read techniques out of a text; a sub-technique that is not known has its parent's tactic.

    >>> [(one.id, one.name, one.tactic.name) for one in techniques("T1048.003, T1071.999")]
    [('T1048.003', 'Exfiltration Over Unencrypted Non-C2 Protocol', 'Exfiltration'),
     ('T1071.999', None, 'Command and Control')]
    """
    found = dict.fromkeys(re.findall(r"T\d{4}(?:\.\d{3})?", text or ""))
    return tuple(_technique(one) for one in found)


def _technique(uid: str) -> Technique:
    """Return what is known of a technique."""
    parent = TECHNIQUES.get(uid.partition(".")[0])
    name, tactic = TECHNIQUES.get(uid, (None, parent[1] if parent else None))
    return Technique(uid, name, TACTICS.get(tactic or ""))
