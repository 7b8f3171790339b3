"""The names that AWS gives to delivered objects and to the folders they lie in.

Source: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html. With `P` any
prefix, the four layouts are::

    P/AWSLogs/ACCOUNT/vpcflowlogs/REGION/YYYY/MM/DD/[HH/]
    P/AWSLogs/aws-account-id=ACCOUNT/aws-service=vpcflowlogs/aws-region=REGION/
        year=YYYY/month=MM/day=DD/[hour=HH/]

and a file is `ACCOUNT_vpcflowlogs_REGION_fl-ID_YYYYMMDDTHHmmZ_HASH.log.gz` or `.log.parquet`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flowlens.sources.base import Window

__all__ = ["LOGS", "Name", "Place", "foreign", "ignored", "parse", "place", "tables"]

#: The folder that makes the one around it a Delta table, whose files may hold what was replaced.
#: https://github.com/delta-io/delta/blob/master/PROTOCOL.md#file-types
LOGS = "_delta_log"

#: Objects that AWS puts beside logs and that are no logs (CreateExportTask's permission test).
IGNORED = frozenset({"aws-logs-write-test"})

FILE = re.compile(
    r"[^_]+_(?P<service>[a-z0-9-]+)_[^_]+_(?:(?P<flow_log>fl-[0-9a-z]+)_)?"
    r"(?P<slot>\d{8}T\d{4}Z)_"
)
REGION = re.compile(
    r"(?P<base>(?:.*/)?AWSLogs/"
    r"(?:(?P<hive>aws-account-id=)[^/]+/aws-service=[^/]+/aws-region=[^/]+|[^/=]+/[^/=]+/[^/=]+)/)"
)
SERVICE = re.compile(r"(?:.*/)?AWSLogs/[^/]+/(?:aws-service=)?(?P<service>[^/]+)/$")


@dataclass(frozen=True, slots=True)
class Name:
    """What the name of a file tells.

    Args:
        flow_log: Id of the flow log that wrote it; None if the name has none.
        slot: Start of the five minutes in which its records end, UTC; None if the name has none.
    """

    flow_log: str | None = None
    slot: datetime | None = None


def parse(path: str) -> Name:
    """Return what the last part of `path` tells about the file.

    >>> name = parse("a/1_vpcflowlogs_us-east-1_fl-0a1b_20180620T1620Z_fe12.log.gz")
    >>> name.flow_log, str(name.slot)
    ('fl-0a1b', '2018-06-20 16:20:00+00:00')
    >>> parse("flows.log")
    Name(flow_log=None, slot=None)
    """
    found = FILE.match(path.rsplit("/", 1)[-1])
    if found is None:
        return Name()
    try:
        slot = datetime.strptime(found["slot"], "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    except ValueError:  # sixty digits of nonsense are a name, not a time
        slot = None
    return Name(found["flow_log"], slot)


def ignored(path: str) -> bool:
    """Say whether an object is known to be no log: a folder marker or AWS's own permission test.

    >>> ignored("logs/"), ignored("exports/aws-logs-write-test"), ignored("a.log.gz")
    (True, True, False)
    """
    return path.endswith("/") or path.rsplit("/", 1)[-1] in IGNORED


def foreign(folder: str, service: str) -> bool:
    """Say whether `folder` is where another AWS service delivers, beside the one asked for.

    >>> foreign("AWSLogs/1/CloudTrail/", "vpcflowlogs"), foreign("AWSLogs/1/", "vpcflowlogs")
    (True, False)
    """
    found = SERVICE.match(folder)
    return found is not None and found["service"] != service


def tables(folder: str) -> str:
    """Say that the Delta tables of a folder are not read as logs, the same of each."""
    return f"{folder}: Delta tables left out, their files are no logs; a store is given by itself"


@dataclass(frozen=True, slots=True)
class Place:
    """A region's folder: below it, and only there, names sort by day.

    Args:
        base: Key of the folder, with its slash.
        hive: Whether days are spelled `year=YYYY/month=MM/day=DD/`.
    """

    base: str
    hive: bool

    def day(self, moment: datetime) -> str:
        """Return the key of the folder of a day.

        >>> Place("r/", hive=True).day(datetime(2026, 7, 4))
        'r/year=2026/month=07/day=04/'
        """
        style = "year=%Y/month=%m/day=%d/" if self.hive else "%Y/%m/%d/"
        return self.base + moment.strftime(style)

    def span(self, window: Window) -> tuple[str, str | None]:
        """Return the key after which, and the key before which, a time's objects lie.

        >>> from datetime import UTC
        >>> Place("r/", hive=False).span(Window(until=datetime(2026, 7, 4, tzinfo=UTC)))
        ('', 'r/2026/07/06/')
        """
        first, last = window.days()
        after = "" if first is None else self.day(first)
        before = None if last is None else self.day(last + timedelta(days=1))
        return after, before


def place(prefix: str) -> Place | None:
    """Return the region's folder that `prefix` is in or is; None above it or elsewhere.

    >>> place("x/AWSLogs/1/vpcflowlogs/us-east-1/2026/0")
    Place(base='x/AWSLogs/1/vpcflowlogs/us-east-1/', hive=False)
    >>> place("x/AWSLogs/1/vpcflowlogs/") is None
    True
    """
    found = REGION.match(prefix)
    return None if found is None else Place(found["base"], found["hive"] is not None)
