"""The grammar of the single values of an expected document.

Each function returns the value in its one spelling or raises a ``ValueError`` whose text goes on
from "<key> <value> …".
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_interface, ip_network

__all__ = ["PROTOCOLS", "SUBJECT", "TARGET", "cidr", "port", "region", "spoken", "text"]

#: Protocol names that a document may use (IANA protocol numbers).
PROTOCOLS: Mapping[str, tuple[int, ...]] = {
    "tcp": (6,),
    "udp": (17,),
    "icmp": (1, 58),  # both families: people mean "ping"
    "icmpv6": (58,),
    "gre": (47,),
    "esp": (50,),
    "ah": (51,),
    "sctp": (132,),
}
_WITH_PORTS = ("tcp", "udp", "sctp")
_HINT = "tcp/443, udp/53, tcp/8000-8100, icmp or all"
_PORT = re.compile(r"(?P<protocol>[a-z0-9]+)(?:/(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?)?")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_DOMAIN = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)*{_LABEL}")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d|GLOBAL")
_SERVICE = re.compile(r"[A-Z0-9_]+")
_ALL_PORTS = (0, 65_535)


def text(node: object) -> str:
    """Return text that is not empty.

    >>> text(" card payments ")
    'card payments'
    """
    if not isinstance(node, str) or not node.strip():
        msg = "; expected text"
        raise ValueError(msg)
    return node.strip()


def cidr(node: object) -> str:
    """Return a prefix; a lone address is a prefix of its own.

    >>> cidr("2001:DB8::/32"), cidr("10.0.0.1")
    ('2001:db8::/32', '10.0.0.1/32')
    """
    try:
        return str(ip_network(text(node)))
    except ValueError as exc:
        try:
            network = ip_interface(text(node)).network
        except ValueError:
            msg = "is no address range; expected a prefix; try 10.0.0.0/8 or 2001:db8::/32"
            raise ValueError(msg) from exc
    msg = f"has host bits set; expected the first address of the range; try {network}"
    raise ValueError(msg)


def domain(node: object) -> str:
    """Return a domain name, exact or with one leading ``*.``.

    >>> domain("*.PayGW.example.")
    '*.paygw.example'
    """
    name = text(node).lower().removesuffix(".")
    if not _DOMAIN.fullmatch(name):
        msg = "is no domain; expected a name or *.name; try '*.example.com'"
        raise ValueError(msg)
    return name


def service(node: object) -> str:
    """Return the code of an AWS service as ip-ranges.json and flow logs write it.

    >>> service("s3")
    'S3'
    """
    code = text(node).upper().replace("-", "_")
    if not _SERVICE.fullmatch(code):
        msg = "is no service code; expected one as in ip-ranges.json; try S3 or DYNAMODB"
        raise ValueError(msg)
    return code


def region(node: object) -> str:
    """Return an AWS Region's code.

    >>> region("us-east-1")
    'us-east-1'
    """
    code = text(node)
    if not _REGION.fullmatch(code):
        msg = "is no Region; expected a code; try us-east-1"
        raise ValueError(msg)
    return code


def port(node: object) -> str:
    """Return a protocol with its ports.

    >>> port("TCP/443"), port("udp"), port("47")
    ('tcp/443', 'udp', '47')
    """
    if isinstance(node, int) and not isinstance(node, bool):
        msg = f"; expected {_HINT}; try tcp/{node}"
        raise ValueError(msg)
    said = text(node).lower().replace(" ", "")
    spoken(said)
    return said


def spoken(said: str) -> list[tuple[int | None, int, int]]:
    """Return the protocols and port ranges of a text like ``tcp/8000-8100``.

    >>> spoken("tcp/8000-8100"), spoken("all")
    ([(6, 8000, 8100)], [(None, 0, 65535)])
    """
    if said in ("all", "any", "*"):
        return [(None, *_ALL_PORTS)]
    found = _PORT.fullmatch(said)
    protocols = _protocols(found["protocol"]) if found else ()
    if found is None or not protocols:
        msg = f"; expected {_HINT}"
        raise ValueError(msg)
    if found["first"] is None:
        return [(p, *_ALL_PORTS) for p in protocols]
    first, last = int(found["first"]), int(found["last"] or found["first"])
    if found["protocol"] not in _WITH_PORTS or not first <= last <= _ALL_PORTS[1]:
        msg = f"; expected ports 0 to 65535 of tcp, udp or sctp, the lower first; try {_HINT}"
        raise ValueError(msg)
    return [(p, first, last) for p in protocols]


def _protocols(name: str) -> tuple[int, ...]:
    if name.isdecimal():
        return (int(name),) if int(name) <= 255 else ()
    return PROTOCOLS.get(name, ())


def _identity(prefix: str) -> Callable[[object], str]:
    """Return the reader of AWS ids that begin with `prefix`."""

    def read(node: object) -> str:
        value = text(node)
        if not re.fullmatch(rf"{prefix}-[0-9a-z]+", value):
            msg = f"; expected an id that begins with {prefix}-"
            raise ValueError(msg)
        return value

    return read


def _everything(node: object) -> str:
    if node is not True:
        msg = "; expected any: true"
        raise ValueError(msg)
    return "any"


SUBJECT: Mapping[str, Callable[[object], str]] = {
    "function": text,
    "security_group": _identity("sg"),
    "subnet": _identity("subnet"),
    "vpc": _identity("vpc"),
    "instance": text,
    "owner": text,
    "cidr": cidr,
    "any": _everything,
}

TARGET: Mapping[str, Callable[[object], str]] = {
    "cidr": cidr,
    "aws_service": service,
    "security_group": _identity("sg"),
    "prefix_list": _identity("pl"),
    "domain": domain,
    "endpoint": _identity("vpce"),
    "name": text,
    "owner": text,
    "any": _everything,
}
