"""How much a port looks like a service, when nothing better is known.

The weights are tenths of log-odds: the difference of two ports' weights says how much more
likely the one end is the server. Sources: the IANA service name and port number registry for
what is registered and common; RFC 6335 §6 for the dynamic range 49152-65535; Linux's
``ip_local_port_range`` 32768-60999; NAT gateways and Lambda use 1024-65535 as client ports.
"""

import polars as pl

__all__ = ["WELL_KNOWN", "weight"]

#: Registered and common service ports above 1023; below 1024 the range itself says enough.
WELL_KNOWN = (
    1025, 1080, 1194, 1352, 1433, 1434, 1521, 1522, 1645, 1646, 1701, 1723, 1812, 1813, 1883, 1935,
    2049, 2055, 2082, 2083, 2086, 2087, 2181, 2222, 2375, 2376, 2377, 2379, 2380, 2484, 3000, 3128,
    3260, 3268, 3269, 3306, 3333, 3389, 3478, 3690, 4000, 4040, 4222, 4369, 4443, 4444, 4500, 4505,
    4506, 4567, 4646, 4647, 4739, 4789, 5000, 5001, 5004, 5005, 5044, 5060, 5061, 5222, 5269, 5349,
    5353, 5355, 5432, 5439, 5555, 5601, 5671, 5672, 5722, 5900, 5901, 5938, 5984, 5985, 5986, 6000,
    6001, 6379, 6380, 6443, 6514, 6650, 6666, 6667, 6697, 6881, 7000, 7001, 7077, 7199, 7233, 7443,
    7474, 7687, 7777, 8000, 8001, 8008, 8009, 8025, 8080, 8081, 8086, 8087, 8088, 8089, 8091, 8111,
    8123, 8125, 8126, 8140, 8161, 8182, 8200, 8222, 8300, 8301, 8302, 8333, 8443, 8444, 8472, 8500,
    8501, 8529, 8600, 8686, 8765, 8880, 8883, 8888, 8983, 9000, 9001, 9042, 9050, 9090, 9091, 9092,
    9093, 9094, 9095, 9096, 9098, 9100, 9160, 9200, 9300, 9411, 9418, 9443, 9500, 9600, 9696, 9735,
    9870, 9990, 9995, 9996, 9998, 9999, 10000, 10050, 10051, 10250, 10255, 10514, 11211, 11434,
    14444, 15672, 16379, 17500, 18080, 19132, 22122, 24224, 25565, 26257, 27015, 27017,
    27018, 27019, 28015, 29092, 30303, 32400,
)  # fmt: skip
#: The same above the start of Linux's ephemeral range, where a client may hold the number too.
HIGH_SERVICES = (33060, 34962, 41641, 45700, 47001, 47808, 50000, 50051, 51820, 54321, 61613, 61616)

#: Registered for the side that opens: active FTP data (RFC 959), DHCP clients (RFC 2131, 8415).
CLIENTS = (20, 68, 546)

#: In tenths, so that sums are exact and do not depend on the order of rows.
PRIVILEGED, SERVICE, HIGH, PLAIN, EPHEMERAL, DYNAMIC, CLIENT = 50, 40, 15, 6, -6, -9, -25


def weight(port: pl.Expr) -> pl.Expr:
    """Return how much `port` looks like a service, from -25 (a client's) to 50 (privileged).

    Args:
        port: port numbers; 0 stands for "no ports" and weighs nothing.

    >>> frame = pl.DataFrame({"port": [0, 443, 5432, 20000, 40000, 60000, 68]})
    >>> frame.select(weight(pl.col("port"))).to_series().to_list()
    [0, 50, 40, 6, -6, -9, -25]
    """
    return (
        pl.when(port == 0)
        .then(pl.lit(0, pl.Int32))
        .when(port.is_in(CLIENTS))
        .then(CLIENT)
        .when(port < 1024)
        .then(PRIVILEGED)
        .when(port.is_in(WELL_KNOWN))
        .then(SERVICE)
        .when(port < 32_768)
        .then(PLAIN)
        .when(port.is_in(HIGH_SERVICES))
        .then(HIGH)
        .when(port < 49_152)
        .then(EPHEMERAL)
        .otherwise(DYNAMIC)
    )
