"""Ports that mean something to a detection, by the IANA registry and the habit of services."""

import polars as pl

__all__ = ["CLEAR", "CONTROL", "DNS", "LOGINS", "MAIL", "MINING", "PLAIN", "named"]

#: Ports at which somebody logs in: SSH, telnet, RDP, WinRM, VNC.
LOGINS = {22: "SSH", 23: "telnet", 3389: "RDP", 5900: "VNC", 5985: "WinRM", 5986: "WinRM"}

#: Ports that give control of a host or hold its data.
CONTROL = {
    **LOGINS, 135: "RPC", 139: "NetBIOS", 445: "SMB", 1433: "SQL Server", 1521: "Oracle",
    2375: "Docker", 2379: "etcd", 3306: "MySQL", 5432: "PostgreSQL", 6379: "Redis",
    6443: "Kubernetes", 8088: "YARN", 9042: "Cassandra", 9200: "Elasticsearch", 10250: "kubelet",
    11211: "memcached", 27017: "MongoDB", 47001: "WinRM", 50070: "HDFS",
}  # fmt: skip

#: Services that speak in the clear (after Sigma, net_firewall_cleartext_protocols).
CLEAR = {
    20: "FTP", 21: "FTP", 23: "telnet", 69: "TFTP", 80: "HTTP", 110: "POP3", 143: "IMAP",
    389: "LDAP", 512: "rexec", 513: "rlogin", 514: "rsh", 1433: "SQL Server", 3306: "MySQL",
    5432: "PostgreSQL", 6379: "Redis", 11211: "memcached", 27017: "MongoDB",
}  # fmt: skip

#: Mail that is handed in or on.
MAIL = (25, 465, 587)

#: DNS in the clear and over TLS.
DNS = (53, 853)

#: Ports of mining pools by habit. A weak sign: each is also somebody else's.
MINING = (3333, 3334, 4444, 5555, 7777, 8333, 9999, 14433, 14444, 45560, 45700)

#: Ports on which a beat is as common as the services behind them.
PLAIN = (80, 443)


def named(ports: dict[int, str] | tuple[int, ...]) -> pl.Expr:
    """Return whether the server's port is one of these."""
    return pl.col("server_port").is_in(list(ports)).fill_null(value=False)
