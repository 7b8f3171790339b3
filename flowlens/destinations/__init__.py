"""Who a server is: owner, endpoint, AWS service, named range, domain, network, address."""

from flowlens.destinations.aws import Ranges, fetch_ranges, locate, ranges
from flowlens.destinations.dns import attribute, names
from flowlens.destinations.known import Known, gather
from flowlens.destinations.paths import path
from flowlens.destinations.prefixes import covering, longest
from flowlens.destinations.recognise import recognise

__all__ = [
    "Known",
    "Ranges",
    "attribute",
    "covering",
    "fetch_ranges",
    "gather",
    "locate",
    "longest",
    "names",
    "path",
    "ranges",
    "recognise",
]
