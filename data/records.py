"""What the interfaces of the made-up account write down of its traffic."""

from collections.abc import Iterator
from random import Random
from typing import Any

from data.account import ACCOUNT, FACE_OF, FACES, INSTANCES, SUBNETS, VPC, address
from data.traffic import BEGIN, END, HOUR, TCP, Part, Session, parts

Record = dict[str, Any]

#: Fields of the flow log over the private subnets, in its own order.
CUSTOM = [
    *("version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport"),
    *("protocol", "packets", "bytes", "start", "end", "action", "log-status", "vpc-id"),
    *("subnet-id", "instance-id", "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr"),
    *("flow-direction", "traffic-path", "pkt-src-aws-service", "pkt-dst-aws-service"),
]
DEFAULT = CUSTOM[:14]

PATHS = {"nat": 1, "inside": 1, "gateway": 7, "six": 8}


def _service(server: str) -> str | None:
    return "S3" if server.startswith("52.216.") else None


def _base(face: str, part: Part) -> Record:
    subnet = FACES[face][0]
    return {
        "version": 5,
        "account-id": ACCOUNT,
        "interface-id": face,
        "protocol": part.session.protocol,
        "packets": part.packets,
        "bytes": part.bytes,
        "start": part.start,
        "end": part.end,
        "action": "ACCEPT",
        "log-status": "OK",
        "vpc-id": VPC,
        "subnet-id": SUBNETS[subnet][0],
        "instance-id": INSTANCES[face][0] if face in INSTANCES else None,
        "tcp-flags": part.flags,
        "type": "IPv6" if ":" in part.session.server else "IPv4",
    }


def _ends(part: Part, client_port: int | None = None) -> Record:
    """Return addresses, ports and services as the packet had them."""
    one = part.session
    near = (one.client, client_port or one.client_port, None)
    far = (one.server, one.port, _service(one.server))
    src, dst = (near, far) if part.out else (far, near)
    return {
        "srcaddr": src[0],
        "dstaddr": dst[0],
        "srcport": src[1],
        "dstport": dst[1],
        "pkt-srcaddr": src[0],
        "pkt-dstaddr": dst[0],
        "pkt-src-aws-service": src[2],
        "pkt-dst-aws-service": dst[2],
    }


def at_client(part: Part) -> Record:
    """What the client's interface writes."""
    way = {
        "flow-direction": "egress" if part.out else "ingress",
        "traffic-path": PATHS[part.session.way] if part.out else None,
    }
    return _base(part.session.face, part) | _ends(part) | way


def inside(at_address: str, at: int) -> str | None:
    """Return the interface that held an inside address at a time."""
    for name, (_, own, _) in FACES.items():
        gone = name == FACE_OF["old batch"] and at >= BEGIN + 12 * HOUR
        unborn = name == FACE_OF["nightly"] and at < BEGIN + 12 * HOUR
        if own == at_address and not gone and not unborn:
            return name
    return None


def at_server(part: Part) -> Record | None:
    """What the server's interface writes, where the server is inside."""
    face = inside(part.session.server, part.start) if part.session.way == "inside" else None
    if face is None:
        return None
    way = {
        "flow-direction": "ingress" if part.out else "egress",
        "traffic-path": None if part.out else 1,
        "action": part.session.verdict,
    }
    return _base(face, part) | _ends(part) | way


def at_nat(part: Part) -> Iterator[Record]:
    """What the NAT gateway's interface writes: the inner and the outer leg."""
    nat, one = address("nat"), part.session
    base = _base(FACE_OF["nat"], part)
    inner, outer = _ends(part), _ends(part, 1_024 + one.client_port * 7_919 % 64_000)
    if part.out:
        yield base | inner | {"dstaddr": nat, "flow-direction": "ingress", "traffic-path": None}
        own = {"srcaddr": nat, "pkt-srcaddr": nat}
        yield base | outer | own | {"flow-direction": "egress", "traffic-path": 8}
    else:
        own = {"dstaddr": nat, "pkt-dstaddr": nat}
        yield base | outer | own | {"flow-direction": "ingress", "traffic-path": None}
        yield base | inner | {"srcaddr": nat, "flow-direction": "egress", "traffic-path": 1}


def private(sessions: list[Session], rng: Random) -> list[Record]:
    """Return the records of the flow log over the private subnets: 60 s windows."""
    made = []
    for part in (part for session in sessions for part in parts(session)):
        made += [at_client(part), *filter(None, [at_server(part)])]
    return made + _late(sessions, rng)


def public(sessions: list[Session], rng: Random) -> list[Record]:
    """Return the records of the flow log over the public subnet: 600 s windows, NAT and probes."""
    through = [one for one in sessions if one.way == "nat"]
    made = [row for one in through for part in parts(one, 600) for row in at_nat(part)]
    return made + _probes(rng)


def overlapping(sessions: list[Session]) -> list[Record]:
    """Return the records of an old flow log on the payments interface: version 2, 600 s."""
    mine = [one for one in sessions if one.who == "payments"]
    return [at_client(part) | {"version": 2} for one in mine for part in parts(one, 600)]


def _late(sessions: list[Session], rng: Random) -> list[Record]:
    """Resets of servers that come after the connection was forgotten: refused, and no egress."""
    ended = [
        one
        for one in sessions
        if one.name == "api.paygw.example" and BEGIN <= one.begin < END - HOUR
    ]
    made = []
    for one in rng.sample(ended, 12):
        at = one.begin + one.length + 190
        part = Part(one, out=False, start=at, end=at, packets=1, bytes=40, flags=4)
        made.append(at_client(part) | {"action": "REJECT"})
    return made


def _probes(rng: Random) -> list[Record]:
    """The internet knocks on the gateway's public address."""
    made = []
    for _ in range(120):
        at = rng.randrange(BEGIN, END)
        knock = Session(
            "nat",
            "203.0.113.1",
            rng.choice([22, 23, 80, 445, 3389, 8080]),
            at,
            0,
            (1, 40),
            (0, 0),
            rng.randrange(1_024, 65_535),
        )
        part = Part(knock, out=True, start=at, end=at, packets=1, bytes=40, flags=2)
        scanner = f"203.0.113.{rng.randrange(128, 255)}"
        ends = {
            "srcaddr": scanner,
            "pkt-srcaddr": scanner,
            "srcport": knock.client_port,
            "dstaddr": address("nat"),
            "pkt-dstaddr": address("nat"),
            "dstport": knock.port,
            "pkt-src-aws-service": None,
            "pkt-dst-aws-service": None,
        }
        way = {"action": "REJECT", "flow-direction": "ingress", "traffic-path": None}
        made.append(_base(FACE_OF["nat"], part) | ends | way)
    return made


def silence(face: str, start: int, status: str) -> Record:
    """Return a record that says that nothing was seen, or that something was lost."""
    blank = dict.fromkeys(CUSTOM)
    named = {"version": 5, "account-id": ACCOUNT, "interface-id": face, "start": start}
    place = {"vpc-id": VPC, "subnet-id": SUBNETS[FACES[face][0]][0]}
    return blank | named | place | {"end": start + 58, "log-status": status}


__all__ = ["CUSTOM", "DEFAULT", "TCP", "overlapping", "private", "public", "silence"]
