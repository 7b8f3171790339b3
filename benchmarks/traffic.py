"""Make traffic whose clients are known, and write it down as flow logs do.

Sessions are drawn per kind of traffic (web, DNS, databases, peer-to-peer, scans, ...), become
packets with times, and the packets become records: one per direction, interface and capture
window, with the flags of the window OR-ed together. The two interfaces of a session, windows
that start anywhere, connections older than the capture and formats without flags come with it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

START = 1_700_000_000  # seconds; the capture begins here
TCP, UDP, ICMP = 6, 17, 1


@dataclass(frozen=True, slots=True)
class Sessions:
    """Columns of equal length; times in seconds after `START`, negative before the capture."""

    client: np.ndarray
    server: np.ndarray
    client_port: np.ndarray
    server_port: np.ndarray
    protocol: np.ndarray
    begin: np.ndarray
    length: np.ndarray
    sent: np.ndarray  # packets client -> server
    got: np.ndarray  # packets server -> client, 0 where nobody answered
    rejected: np.ndarray


Kind = Callable[[np.random.Generator, int, float], Sessions]


def inside(index: np.ndarray) -> np.ndarray:
    """Return private addresses for numbers."""
    return np.char.add(
        np.char.add("10.0.", (index // 200).astype(str)),
        np.char.add(".", (index % 200 + 4).astype(str)),
    )


def outside(index: np.ndarray) -> np.ndarray:
    """Return public addresses for numbers, spread over the address space."""
    mixed = (index.astype(np.uint64) * np.uint64(2654435761)) % np.uint64(2**32)
    parts = [(mixed >> np.uint64(shift)) & np.uint64(255) for shift in (24, 16, 8, 0)]
    parts[0] = parts[0] % np.uint64(80) + np.uint64(20)
    parts[0] = np.where(parts[0] == 100, 101, parts[0])
    text = parts[0].astype(str)
    for part in parts[1:]:
        text = np.char.add(np.char.add(text, "."), part.astype(str))
    return text


def ephemeral(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw client ports as Linux, Windows and NAT gateways do."""
    style = rng.integers(0, 3, count)
    low = np.choose(style, [32_768, 49_152, 1_024])
    high = np.choose(style, [60_999, 65_535, 65_535])
    return rng.integers(low, high)


def _sessions(
    rng: np.random.Generator,
    seconds: float,
    ends: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    protocol: int,
    *,
    length: tuple[float, float] = (0.02, 20.0),
    sent: tuple[int, int] = (3, 20),
    got: tuple[int, int] = (3, 30),
    answered: float = 1.0,
    rejected: float = 0.0,
    early: float = 0.0,
) -> Sessions:
    client, server, client_port, server_port = ends
    count = len(client)
    begin = rng.uniform(0, seconds, count)
    begin = np.where(rng.random(count) < early, rng.uniform(-seconds, 0, count), begin)
    span = np.exp(rng.uniform(np.log(length[0]), np.log(length[1]), count))
    span = np.where(begin < 0, span - begin + rng.uniform(0, seconds, count), span)
    refused = rng.random(count) < rejected
    answer = (rng.random(count) < answered) & ~refused
    beats = (span / 60).astype(int)  # nothing stays open without a packet a minute
    return Sessions(
        client,
        server,
        client_port,
        server_port,
        np.full(count, protocol),
        begin,
        span,
        rng.integers(*sent, count, endpoint=True) + beats,
        np.where(answer, rng.integers(*got, count, endpoint=True) + beats, 0),
        refused,
    )


def web(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """Inside clients of outside web servers; one in ten connections older than the capture."""
    ends = (
        inside(rng.integers(0, 30, count)),
        outside(rng.zipf(1.3, count) % 2_000),
        ephemeral(rng, count),
        rng.choice([443, 443, 443, 80, 8443], count),
    )
    return _sessions(rng, seconds, ends, TCP, early=0.1, rejected=0.01)


def quic(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """HTTP/3 over UDP."""
    ends = (
        inside(rng.integers(0, 30, count)),
        outside(rng.zipf(1.4, count) % 500),
        ephemeral(rng, count),
        np.full(count, 443),
    )
    return _sessions(rng, seconds, ends, UDP, early=0.05)


def dns(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """Questions to resolvers, all within one second."""
    ends = (
        inside(rng.integers(0, 40, count)),
        np.where(rng.random(count) < 0.7, "10.0.9.53", outside(rng.integers(9_000, 9_004, count))),
        ephemeral(rng, count),
        np.full(count, 53),
    )
    return _sessions(
        rng, seconds, ends, UDP, length=(0.001, 0.3), sent=(1, 2), got=(1, 2), answered=0.96
    )


def ntp(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """Time: both ports 123, few servers for many clients."""
    ends = (
        inside(rng.integers(0, 40, count)),
        outside(rng.integers(7_000, 7_008, count)),
        np.full(count, 123),
        np.full(count, 123),
    )
    return _sessions(rng, seconds, ends, UDP, length=(0.01, 0.4), sent=(1, 1), got=(1, 1))


def ike(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """VPN tunnels: both ports 500 or both 4500, long and two-sided, one each between two ends."""
    port = rng.choice([500, 4500], count)
    other = rng.permutation(8 * count)[:count] + 6_000
    ends = (inside(rng.integers(0, 6, count)), outside(other), port, port)
    return _sessions(rng, seconds, ends, UDP, length=(5, 900), sent=(4, 30), got=(4, 30), early=0.3)


def data(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """Databases, caches, queues: long pooled connections, half older than the capture."""
    port = rng.choice([5432, 3306, 6379, 9092, 27017, 11211, 1521, 2049], count)
    server = inside(3_000 + port % 7)
    ends = (inside(rng.integers(0, 40, count)), server, ephemeral(rng, count), port)
    return _sessions(
        rng, seconds, ends, TCP, length=(10, 1_800), sent=(10, 60), got=(10, 60), early=0.5
    )


def odd(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """Services on ports nobody has heard of, some of them inside the ephemeral range."""
    which = rng.integers(0, 12, count)
    port = np.array(
        [
            30_080,
            31_443,
            49_664,
            49_670,
            7_946,
            18_630,
            50_123,
            37_777,
            2_999,
            12_345,
            61_000,
            45_001,
        ]
    )
    ends = (
        inside(rng.integers(0, 60, count)),
        inside(2_000 + which // 3),
        ephemeral(rng, count),
        port[which],
    )
    return _sessions(rng, seconds, ends, TCP, length=(0.05, 300), early=0.2)


def peers(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """UDP peer-to-peer: one fixed port a node, most contacts unanswered, both sides begin."""
    out = rng.random(count) < 0.75
    number = rng.integers(20_000, 20_000 + 8 * count, count)
    own, own_port = inside(np.full(count, 77)), np.full(count, 21_413)
    other, other_port = outside(number), (number * 7919) % 64_000 + 1_025
    ends = (
        np.where(out, own, other),
        np.where(out, other, own),
        np.where(out, own_port, other_port),
        np.where(out, other_port, own_port),
    )
    return _sessions(
        rng, seconds, ends, UDP, length=(0.02, 40), sent=(1, 6), got=(1, 5), answered=0.4
    )


def scan(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """One scanner, one source port, many ports of a few hosts; most refuse, many are silent."""
    ends = (
        np.full(count, "10.0.8.8"),
        inside(rng.integers(0, 5, count)),
        np.full(count, 45_678),
        rng.permutation(65_000)[:count] + 1,
    )
    return _sessions(
        rng,
        seconds,
        ends,
        TCP,
        length=(0.001, 0.1),
        sent=(1, 2),
        got=(1, 1),
        answered=0.6,
        rejected=0.2,
    )


def probes(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """The internet knocking on a public host: refused, or answered on 22, 80, 443."""
    port = rng.choice([22, 23, 80, 443, 445, 3389, 8080, 5060, 6379, 2375], count)
    ends = (
        outside(rng.integers(40_000, 60_000, count)),
        np.full(count, "10.0.7.7"),
        ephemeral(rng, count),
        port,
    )
    made = _sessions(rng, seconds, ends, TCP, length=(0.05, 20), sent=(1, 12), got=(1, 12))
    shut = ~np.isin(port, [22, 80, 443])
    return replace(made, got=np.where(shut, 0, made.got), rejected=shut)


def ping(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """ICMP echo: no ports, both sides send alike."""
    ends = (
        inside(rng.integers(0, 10, count)),
        outside(rng.integers(5_000, 5_050, count)),
        np.zeros(count, int),
        np.zeros(count, int),
    )
    return _sessions(
        rng, seconds, ends, ICMP, length=(0.5, 60), sent=(2, 9), got=(2, 9), answered=0.8
    )


def local(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """Announcements and syslog: one side only, often the same port on both."""
    which = rng.integers(0, 4, count)
    port = np.array([137, 138, 5353, 514])[which]
    target = np.array(["10.0.255.255", "10.0.255.255", "224.0.0.251", "10.0.9.14"])[which]
    ends = (
        inside(rng.integers(0, 40, count)),
        target,
        np.where(which == 3, ephemeral(rng, count), port),
        port,
    )
    return _sessions(rng, seconds, ends, UDP, length=(0.001, 3), sent=(1, 4), got=(0, 0))


def rpc(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """Windows domain: endpoint mapper, LDAP, SMB, and RPC on dynamic ports at both ends."""
    dynamic = 49_664 + rng.integers(0, 8, count)
    port = np.where(rng.random(count) < 0.6, dynamic, rng.choice([88, 135, 389, 445], count))
    ends = (
        inside(rng.integers(0, 40, count)),
        inside(4_000 + rng.integers(0, 3, count)),
        rng.integers(49_152, 65_535, count),
        port,
    )
    return _sessions(rng, seconds, ends, TCP, length=(0.05, 600), early=0.2)


def ftp(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """Control on 21, passive data to high ports, and active data that the server opens from 20."""
    style = rng.integers(0, 3, count)
    user, host = inside(rng.integers(0, 20, count)), outside(rng.integers(80, 90, count))
    active = style == 2
    ends = (
        np.where(active, host, user),
        np.where(active, user, host),
        np.where(active, 20, ephemeral(rng, count)),
        np.where(style == 0, 21, rng.integers(30_000, 65_535, count)),
    )
    return _sessions(rng, seconds, ends, TCP, length=(0.1, 120))


def dhcp(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """Leases renewed: port 68 asks port 67, over IPv4."""
    ends = (
        inside(rng.integers(0, 60, count)),
        np.full(count, "10.0.0.2"),
        np.full(count, 68),
        np.full(count, 67),
    )
    return _sessions(rng, seconds, ends, UDP, length=(0.01, 0.9), sent=(1, 2), got=(1, 2))


def voice(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """SIP between two ports 5060, and RTP between two even high ports; both sides send alike."""
    sip = rng.random(count) < 0.3
    high = rng.integers(8_000, 16_000, (2, count)) * 2
    ends = (
        inside(rng.integers(0, 30, count)),
        outside(rng.integers(300, 306, count)),
        np.where(sip, 5060, high[0]),
        np.where(sip, 5060, high[1]),
    )
    return _sessions(rng, seconds, ends, UDP, length=(5, 300), sent=(20, 60), got=(20, 60))


def game(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """Players at one server port that is nobody's registered one."""
    ends = (
        inside(rng.integers(0, 30, count)),
        outside(rng.integers(600, 612, count)),
        ephemeral(rng, count),
        rng.choice([27_021, 7_787, 50_312, 61_455], count),
    )
    return _sessions(rng, seconds, ends, UDP, length=(10, 900), sent=(20, 60), got=(20, 60))


def watch(rng: np.random.Generator, count: int, seconds: float) -> Sessions:
    """SNMP polls, and health checks of a balancer on ports of its targets."""
    poll = rng.random(count) < 0.5
    port = rng.choice([8_080, 31_337, 9_808], count)
    made = (
        np.where(poll, "10.0.9.20", "10.0.9.30"),
        inside(rng.integers(0, 50, count)),
        ephemeral(rng, count),
        np.where(poll, 161, port),
    )
    checks = _sessions(rng, seconds, made, TCP, length=(0.01, 1), sent=(3, 6), got=(3, 6))
    return replace(checks, protocol=np.where(poll, UDP, TCP))


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        *(web, quic, dns, ntp, ike, data, odd, peers, scan, probes, ping, local),
        *(rpc, ftp, dhcp, voice, game, watch),
    )
}


def join(parts: list[Sessions]) -> Sessions:
    """Put sessions one after another."""
    return Sessions(*(np.concatenate([getattr(p, n) for p in parts]) for n in Sessions.__slots__))


def packets(rng: np.random.Generator, sessions: Sessions) -> pl.DataFrame:
    """Return one row a packet: session, direction, time, bytes, flags."""
    return pl.concat(_direction(rng, sessions, out=out) for out in (True, False))


def _direction(rng: np.random.Generator, sessions: Sessions, *, out: bool) -> pl.DataFrame:
    count = sessions.sent if out else sessions.got
    session = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(session)) - np.repeat(np.cumsum(count) - count, count)
    begin, length = sessions.begin[session], sessions.length[session]
    trip = np.minimum(rng.exponential(0.06, len(count)), 1.5)[session] * (0 if out else 1)
    shift = np.where(place == 0, 0.0, rng.random(len(session))) * np.maximum(length - trip, 0)
    flags = np.zeros(len(session), int)
    tcp = sessions.protocol[session] == TCP
    flags[tcp & (place == 0)] = 2 if out else 18
    ending = tcp & (place == count[session] - 1) & (place > 0)
    shift = np.where(ending, np.maximum(length - trip, 0), shift)
    flags[ending] = np.where(rng.random(int(ending.sum())) < 0.85, 1, 4)
    size = rng.integers(60, 400 if out else 1_400, len(session))
    return pl.DataFrame(
        {
            "session": session,
            "out": np.full(len(session), out),
            "time": begin + trip + shift,
            "bytes": size,
            "flags": flags,
        }
    )


def records(
    rng: np.random.Generator, sessions: Sessions, *, seconds: float, window: int, flags: bool
) -> pl.DataFrame:
    """Write packets down as the interfaces at both ends would, with the true client beside it."""
    ends = (
        pl.DataFrame(
            {
                name: getattr(sessions, name)
                for name in (
                    "client",
                    "server",
                    "client_port",
                    "server_port",
                    "protocol",
                    "rejected",
                )
            }
        )
        .with_row_index("session")
        .with_columns(pl.col("session").cast(pl.Int64))
    )
    seen = packets(rng, sessions).filter(pl.col("time").is_between(0, seconds, closed="left"))
    joined = seen.join(ends, on="session")
    views = [
        joined.with_columns(holder=pl.col(end)).filter(pl.col(end).str.starts_with("10."))
        for end in ("client", "server")
    ]
    offset = pl.col("holder").hash(seed=1) % window
    out = pl.col("out")
    keys = {
        "interface_id": "eni-" + pl.col("holder").str.replace_all(r"\.", "").str.zfill(17),
        "srcaddr": pl.when(out).then("client").otherwise("server"),
        "dstaddr": pl.when(out).then("server").otherwise("client"),
        "srcport": pl.when(out).then("client_port").otherwise("server_port").cast(pl.UInt16),
        "dstport": pl.when(out).then("server_port").otherwise("client_port").cast(pl.UInt16),
        "protocol": pl.col("protocol").cast(pl.UInt8),
        "action": pl.when("rejected").then(pl.lit("REJECT")).otherwise(pl.lit("ACCEPT")),
        "client": pl.col("client"),
        "client_port": pl.col("client_port").cast(pl.UInt16),
    }
    slot = ((pl.col("time") + offset) // window).alias("slot")
    second = (pl.col("time").floor().cast(pl.Int64) + START) * 1000
    frame = (
        pl.concat(views)
        .group_by([slot, *(expr.alias(name) for name, expr in keys.items())])
        .agg(
            packets=pl.len().cast(pl.UInt64),
            bytes=pl.col("bytes").sum().cast(pl.UInt64),
            start=second.min().cast(pl.Datetime("ms", "UTC")),
            end=second.max().cast(pl.Datetime("ms", "UTC")),
            tcp_flags=pl.col("flags").bitwise_or().cast(pl.UInt8),
        )
        .drop("slot")
        .sort(pl.all())
    )
    return frame if flags else frame.drop("tcp_flags")


def cases(
    seed: int, *, count: int = 4_000, seconds: float = 3_600
) -> Iterator[tuple[str, Sessions]]:
    """Yield a name and sessions for each kind of traffic alone, and for mixtures of them."""
    rng = np.random.default_rng(seed)
    for name, kind in KINDS.items():
        yield name, kind(rng, count, seconds)
    for mix in range(4):
        chosen = rng.choice(list(KINDS), 6, replace=False)
        yield (
            f"mix {mix + 1}",
            join(
                [
                    KINDS[name](rng, int(rng.integers(count // 20, count)), seconds)
                    for name in chosen
                ]
            ),
        )
