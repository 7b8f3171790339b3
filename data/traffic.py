"""The made-up traffic: sessions with a known client, packets per window, records per observer."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from itertools import groupby
from operator import or_
from random import Random

from data.account import FACE_OF, IPV6, address

BEGIN = int(datetime(2026, 11, 20, 18, tzinfo=UTC).timestamp())
END = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp())
HOUR = 3600
TCP, UDP = 6, 17

#: Outside names -> (addresses, the name that answers, seconds an answer may be used).
NAMES: dict[str, tuple[tuple[str, ...], str, int]] = {
    "api.paygw.example": (
        tuple(f"192.0.2.{n}" for n in range(20, 24)), "edge.paygw.example", 60,
    ),
    "smtp.mail.example": (("192.0.2.140", "192.0.2.141"), "smtp.mail.example", 300),
    "intake.metrics.example": (
        tuple(f"192.0.2.{n}" for n in range(64, 96)), "d1abc.cdn.example", 20,
    ),
    "packages.build.example": (("198.51.100.32",), "packages.build.example", 300),
    "time.example": (("198.51.100.123", "198.51.100.124"), "pool.time.example", 600),
    "images.cdn.example": (("2001:db8:feed::10", "2001:db8:feed::11"), "images.cdn.example", 60),
    "shop-exports.s3.us-east-1.amazonaws.com": (
        tuple(f"52.216.{n}.{4 * n + 1}" for n in range(10, 30)), "s3-w.us-east-1.amazonaws.com", 5,
    ),
    "cdn.update-check.example": (("203.0.113.66",), "cdn.update-check.example", 60),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Session:
    """One connection as it really was; `verdict` is what the server's side made of it."""

    who: str  # of `account.FACE_OF`
    server: str
    port: int
    begin: int
    length: int
    sent: tuple[int, int]  # packets, bytes
    got: tuple[int, int]
    client_port: int
    protocol: int = TCP
    way: str = "nat"  # nat, gateway, six, inside
    verdict: str = "ACCEPT"
    name: str = ""
    meant: bool = True  # by the owners

    @property
    def client(self) -> str:
        """The client's address, of the family of the server's."""
        return IPV6[FACE_OF[self.who]] if ":" in self.server else address(self.who)

    @property
    def face(self) -> str:
        """The client's interface."""
        return FACE_OF[self.who]


@dataclass(frozen=True, slots=True)
class Habit:
    """What a workload does over and over: sessions an hour in the day, and their sizes."""

    who: str
    to: str  # a name of `NAMES`, or one of `account.FACE_OF`
    port: int
    hourly: float
    length: tuple[int, int]
    sent: tuple[int, int]  # bytes
    got: tuple[int, int]
    way: str = "nat"
    protocol: int = TCP
    hours: tuple[int, int] = (0, 24)
    since: int = BEGIN
    until: int = END


HABITS = (
    Habit("orders", "queue", 443, 14, (1, 50), (900, 9_000), (2_000, 30_000), "inside"),
    Habit("orders", "secrets", 443, 2, (1, 3), (1_500, 2_500), (5_000, 7_000), "inside"),
    Habit("orders", "intake.metrics.example", 443, 8, (1, 20), (2_000, 20_000), (1_000, 4_000)),
    Habit(
        "orders", "shop-exports.s3.us-east-1.amazonaws.com", 443, 5, (1, 15), (5_000, 90_000),
        (1_000, 9_000), "gateway",
    ),
    Habit("payments", "api.paygw.example", 443, 12, (1, 6), (1_800, 4_000), (4_000, 9_000)),
    Habit("payments", "secrets", 443, 2, (1, 3), (1_500, 2_500), (5_000, 7_000), "inside"),
    Habit("mail", "smtp.mail.example", 587, 5, (2, 12), (3_000, 60_000), (900, 2_000)),
    Habit("mail", "queue", 443, 5, (1, 40), (900, 3_000), (2_000, 9_000), "inside"),
    Habit(
        "images", "images.cdn.example", 443, 7, (1, 30), (2_000, 9_000), (40_000, 900_000), "six",
    ),
    Habit(
        "images", "shop-exports.s3.us-east-1.amazonaws.com", 443, 4, (1, 9), (20_000, 400_000),
        (20_000, 200_000), "gateway",
    ),
    Habit("batch", "packages.build.example", 443, 3, (2, 60), (2_000, 9_000), (9_000, 5_000_000)),
    Habit("batch", "time.example", 123, 4, (0, 0), (76, 76), (76, 76), "nat", UDP),
    Habit("batch", "database", 5432, 3, (20, 600), (4_000, 90_000), (9_000, 400_000), "inside"),
    Habit(
        "old batch", "packages.build.example", 443, 2, (2, 30), (2_000, 9_000), (9_000, 900_000),
        until=BEGIN + 10 * HOUR,
    ),
    Habit(
        "nightly", "shop-exports.s3.us-east-1.amazonaws.com", 443, 6, (5, 90), (90_000, 2_000_000),
        (2_000, 9_000), "gateway", since=BEGIN + 15 * HOUR,
    ),
)  # fmt: skip


def sessions(rng: Random) -> list[Session]:
    """Return every session of the case, in the order of their begin."""
    made = [one for habit in HABITS for one in _repeated(rng, habit)]
    made += _pooled(rng)
    made += intruder(rng)
    return sorted(made, key=lambda one: (one.begin, one.who, one.server, one.client_port))


def _repeated(rng: Random, habit: Habit) -> Iterator[Session]:
    for hour in range(habit.since, habit.until, HOUR):
        day = 0.35 + 0.65 * math.sin(math.pi * ((hour // HOUR) % 24) / 24) ** 2
        for _ in range(round(habit.hourly * day + rng.random())):
            server, name = _server(rng, habit)
            port = 123 if habit.port == 123 else rng.randrange(1_024, 65_535)
            yield Session(
                habit.who, server, habit.port, hour + rng.randrange(HOUR - 60),
                rng.randint(*habit.length), _sized(rng, habit.sent), _sized(rng, habit.got),
                port, habit.protocol, habit.way, name=name,
            )  # fmt: skip


def _server(rng: Random, habit: Habit) -> tuple[str, str]:
    if habit.to in NAMES:
        return rng.choice(NAMES[habit.to][0]), habit.to
    return address(habit.to), ""


def _sized(rng: Random, size: tuple[int, int]) -> tuple[int, int]:
    amount = rng.randint(*size)
    return max(1, math.ceil(amount / 1_200) + (amount > 100) * rng.randint(2, 5)), amount


def _pooled(rng: Random) -> Iterator[Session]:
    """Database connections that stay open for hours; the first are older than the logs."""
    for begin in range(BEGIN - 2 * HOUR, END, 7 * HOUR):
        for _ in range(2):
            length = 7 * HOUR - rng.randint(60, 600)
            yield Session(
                "payments", address("database"), 5432, begin + rng.randint(0, 300), length,
                (length // 20, length * 90), (length // 18, length * 400),
                rng.randrange(32_768, 61_000), way="inside",
            )  # fmt: skip


def intruder(rng: Random) -> Iterator[Session]:
    """One of the functions behind the shared interface was taken over on the second day."""
    start = BEGIN + 8 * HOUR + 660  # 02:11

    def port() -> int:
        return rng.randrange(32_768, 61_000)

    yield Session(
        "orders", "203.0.113.66", 443, start, 9, (14, 2_310), (1_310, 1_842_113), port(),
        name="cdn.update-check.example", meant=False,
    )  # fmt: skip
    at = start + 240
    while at < END - 120:
        yield Session(
            "orders", "203.0.113.77", 8443, at, rng.randint(0, 2), (6, rng.randint(620, 660)),
            (5, rng.randint(480, 500)), port(), meant=False,
        )  # fmt: skip
        at += 300 + rng.randint(-25, 25)
    for number, target in enumerate((("database", 5432), ("batch", 22), ("secrets", 22))):
        for attempt in range(3):
            yield Session(
                "orders", address(target[0]), target[1], start + 3_000 + 40 * number + 7 * attempt,
                0, (1, 60), (0, 0), port(), way="inside", verdict="REJECT", meant=False,
            )  # fmt: skip
    for hour in range(3):
        amount = 14_000_000 + rng.randint(0, 900_000)
        yield Session(
            "orders", "198.51.100.200", 443, END - 4 * HOUR + hour * HOUR + 77, 1_500,
            (amount // 1_400, amount), (amount // 3_000, amount // 70), port(), meant=False,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """What one side of a session sent within one window."""

    session: Session
    out: bool
    start: int
    end: int
    packets: int
    bytes: int
    flags: int


def parts(session: Session, width: int = 60) -> Iterator[Part]:
    """Cut a session into windows of `width` seconds; what lies outside the logs is not seen."""
    fine = list(_minutes(session))
    if width == 60:
        yield from fine
        return
    for _, group in groupby(fine, key=lambda part: (part.out, part.start // width)):
        some = list(group)
        yield replace(
            some[0],
            end=some[-1].end,
            packets=sum(part.packets for part in some),
            bytes=sum(part.bytes for part in some),
            flags=reduce(or_, (part.flags for part in some)),
        )


def _minutes(session: Session) -> Iterator[Part]:
    last = session.begin + session.length
    minutes = range(session.begin // 60, last // 60 + 1)
    for out, totals in ((True, session.sent), (False, session.got)):
        count = min(len(minutes), totals[0])
        for number in range(count):
            packets, amount = (t * (number + 1) // count - t * number // count for t in totals)
            start = max(session.begin, minutes[number] * 60)
            flags = _flags(session, out=out, first=number == 0, last=number == count - 1)
            if BEGIN <= start < END:
                end = min(last, minutes[number] * 60 + 59)
                yield Part(session, out, start, end, packets, amount, flags)


def _flags(session: Session, *, out: bool, first: bool, last: bool) -> int:
    if session.protocol != TCP:
        return 0
    if session.verdict == "REJECT":
        return 2
    return (2 if out else 18) * first | 1 * last
