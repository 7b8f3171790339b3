"""Every threshold of every detection, once, with its unit and where it comes from."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds of the detections; docs/detections.md has the same table in words.

    They were fixed before anything was scored. Sources: *Zeek* `misc/scan`, *Slips* 1.1 (its
    configuration and documentation), *RITA* 5 (`default_config.hjson`), *AWS* the VPC user guide;
    *own* is this project's choice, with the reason.
    """

    # Severity: bytes sent.
    little: int = 10_000  # little more than a greeting (own)
    much: int = 1_000_000  # a document store's worth of secrets (own)
    huge: int = 100_000_000  # exfiltration by volume alone, in an hour to one place (Slips)
    several: int = 20  # destinations of one workload and port beyond which they are one finding
    few: int = 2  # workloads that reach a destination up to which it is rare (own)

    # Scans.
    scan_ports: int = 15  # ports of one server without a word said, in an hour (Zeek: 5 minutes)
    sweep_outside: int = 25  # outside servers on one port, in an hour (Zeek: 5 minutes)
    sweep_inside: int = 10  # inside servers on one port, in an hour (own: ours answer or do not)
    slow_servers: int = 8  # servers on one port in a day; p < slow_chance against one every 2 days
    slow_chance: float = 1e-6  # chance of as many under the background of the port (SiLK rwscan)
    slow_tries: float = 3.0  # tries of one server from which it is a client that retries (own)
    probe_lead: int = 4  # services that did not answer beyond those that did: TRW's 4^4 > 99
    probe_days: int = 7  # days from a try that failed to the answer that follows (own)
    public: int = 20  # outside networks that never failed, from which a service is public (own)
    header: int = 64  # bytes of an IPv4 packet that says nothing: 20 IP, 20 TCP, 24 options
    header_six: int = 84  # the same of IPv6, whose header has 40

    # Beacons.
    beats: int = 12  # starts from which a beat can be told from chance (own)
    beacon_score: float = 0.6  # regularity x sameness x cover, each 0..1 (own)
    beacon_suspicion: float = 0.3  # the score x rarity x expectation x owner (own)
    beacon_fastest: float = 5.0  # seconds: starts are whole seconds, faster beats are artefacts
    rita_score: float = 0.7  # the score from which RITA calls a beacon (RITA issue 545)
    strobe: int = 86_400  # connections of a pair in a day (RITA)
    retry_growth: int = 4  # times that an interval must grow in a row: backoff, not chance (own)

    # Exfiltration and volume.
    exfil_hour: int = 100_000_000  # bytes to one destination in an hour (Slips)
    exfil_slow: int = 100_000_000  # bytes to one destination over all hours, if they are many
    exfil_hours: int = 12  # hours from which a transfer is a slow one (own)
    producer: float = 0.5  # (out - in) / (out + in), the producer/consumer ratio
    volume_z: float = 6.0  # robust z of the logarithm of hourly bytes
    volume_bytes: int = 50_000_000  # bytes of an hour below which no volume is unusual
    peers: int = 3  # similar workloads from which they are compared with (own)
    history: int = 24  # hours of history without which nothing is unusual
    hoard_bytes: int = 100_000_000  # bytes that came from inside in an hour

    # Connections.
    long_hours: int = 4  # hours of one connection; worse from 8 and 12 on (RITA)
    idle: int = 350  # seconds after which NAT forgets a connection (AWS)

    # Brute force.
    logins: int = 20  # connections to a login port of one server (own, from AWS's SSHBruteForce)
    login_rate: float = 2.0  # a minute, while it lasts: 20 in 10 minutes
    login_bytes: int = 6_000  # bytes a client sends in a failed log-in at most
    login_packets: tuple[int, int] = (4, 60)  # packets of one (Hellemons et al. 2012: 11 to 51)
    success_bytes: int = 4_290  # bytes both ways beyond which an SSH log-in succeeded (Slips)

    # What was refused.
    broken: int = 5  # refused records of what was accepted before
    soon: int = 24  # hours between a refusal and the acceptance that follows
    chain: int = 24  # hours between what came in and what went on

    # Services.
    dns_packet: float = 150.0  # bytes of a query on average: names in 512 bytes are short
    dns_packets: int = 100  # queries an hour
    mail_servers: int = 10  # mail servers in an hour
    mining_hours: int = 6  # hours in a row
    mining_packet: float = 600.0  # bytes of a packet on average: stratum speaks short lines
    mining_change: float = 0.5  # MAD over median of hourly bytes
    mining_bytes: int = 5_000_000  # bytes of an hour at most
    flood_rate: float = 1_000.0  # packets a second that nobody answers
    flood_packets: int = 60_000  # of them in the hour: a minute's worth

    # Schedules of functions.
    schedule_days: int = 7  # days on which a function spoke that make a schedule (own)
    schedule_hours: int = 6  # hours of the day that a schedule has at most (own)
    schedule_share: float = 0.8  # of the days on which it spoke in each of them (own)
    schedule_apart: int = 2  # hours from all of them: one is what clocks and delays shift
    schedule_slips: int = 2  # runs of hours outside it, beyond which there is none (own)

    # Silence.
    silent_hours: int = 3  # hours without a record, at the end, of what had one in each before
    regular_hours: int = 6  # hours in a row that make a rule
