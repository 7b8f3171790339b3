"""Row groups of Parquet that cannot hold a wanted record, told from their statistics.

Writers may give for each column of a row group the least and the greatest value and the number of
nulls. Where one does not, its rows are read.
Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flowlens_parsers.batch import Clause, Wanted
from flowlens_parsers.values import LATEST, SECONDS

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

__all__ = ["glance"]

#: A column's name -> its least value, its greatest one, whether a value is missing.
Bounds = Mapping[str, tuple[Any, Any, bool]]


def glance(
    metadata: "FileMetaData", names: Mapping[str, str], wanted: Wanted
) -> tuple[list[int] | None, int]:
    """Return the row groups to read, None for all, and how many rows the others have.

    Args:
        metadata: The file's.
        names: A column as records have it -> as the file has it.
        wanted: Which records are asked for.
    """
    if not wanted.clauses and wanted.since is None and wanted.until is None:
        return None, 0
    kept, unread = [], 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        bounds = _bounds(group)
        if _early(bounds, names, wanted) or not all(
            _possible(bounds, names, clause) for clause in wanted.clauses
        ):
            unread += group.num_rows
        else:
            kept.append(number)
    return kept, unread


def _bounds(group: Any) -> Bounds:
    found = {}
    for place in range(group.num_columns):
        column = group.column(place)
        told = column.statistics if column.is_stats_set else None
        if told is not None and told.has_min_max:
            missing = not told.has_null_count or told.null_count > 0
            found[column.path_in_schema] = (told.min, told.max, missing)
    return found


def _possible(bounds: Bounds, names: Mapping[str, str], clause: Clause) -> bool:
    """Say whether a row may satisfy a clause; what is no column of the file is null."""
    if clause.points is None:
        return True
    return any(
        names[column] not in bounds or _holds(*bounds[names[column]][:2], value)
        for column, value in clause.points
        if column in names
    )


def _holds(least: Any, most: Any, value: str | int) -> bool:
    """Say whether `value`, or a text that begins with it, may lie between.

    >>> _holds(1, 9, 5), _holds("10.0.0.9", "10.0.9.1", "10.0.1."), _holds("a", "b", "c")
    (True, True, False)
    """
    if type(value) is int and type(least) is int and type(most) is int:
        return least <= value <= most
    if isinstance(value, str) and isinstance(least, str) and isinstance(most, str):
        # What begins with a blank, which readers take off, would sort elsewhere.
        plain = least[:1] > " " and most[:1] <= "~"
        return not plain or least[: len(value)] <= value <= most
    return True


def _early(bounds: Bounds, names: Mapping[str, str], wanted: Wanted) -> bool:
    """Say whether all rows are of another time; coverage lasts until its end."""
    start, end = (_span(bounds.get(names.get(name, ""))) for name in ("start", "end"))
    if start is None or end is None:
        return False
    last = max(start[1], end[1])
    before = wanted.since is not None and last < wanted.since.timestamp() * 1000
    return before or (wanted.until is not None and start[0] >= wanted.until.timestamp() * 1000)


def _span(bounds: tuple[Any, Any, bool] | None) -> tuple[float, float] | None:
    """Return the least and the greatest time in milliseconds, None where a row may have none."""
    if bounds is None or bounds[2]:
        return None
    ends = [_milliseconds(value) for value in bounds[:2]]
    if None in ends or (type(bounds[0]) is int and bounds[0] <= SECONDS < bounds[1]):
        return None  # seconds and milliseconds in one column
    return ends[0], ends[1]  # type: ignore[return-value]  # not None, see above


def _milliseconds(value: Any) -> float | None:
    """Return a time as `values.times` understands it, None where it is none."""
    if isinstance(value, datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
        return zoned.timestamp() * 1000
    if type(value) is not int or not 0 <= value <= LATEST:
        return None
    return value if value > SECONDS else value * 1000
