"""Columns of any type to records: Parquet, Athena, query results, Security Lake.

Writers differ: AWS types `protocol` INT32 and `account_id` text; pandas makes the account a number,
ports text or floats, and a missing value the word None. All become what `fields` says; a value
that cannot rejects its row.
"""

from collections.abc import Sequence

import polars as pl

from flowlens_parsers.batch import LINE, Batch
from flowlens_parsers.errors import NOT_ADDRESS, NOT_NUMBER, RANGE
from flowlens_parsers.fields import ADDRESSES, OBSERVERS, OWN, SCHEMA, TIME
from flowlens_parsers.lines import coverage, project, refused
from flowlens_parsers.values import addresses, times

__all__ = ["NOTHING", "VITAL", "plain", "typed", "value"]

#: What writers put where there is no value; AWS writes '-'.
NOTHING = ("", "-", "None", "none", "null", "NULL", "NaN", "nan", "<NA>")

#: How Athena writes a timestamp; without a zone it is UTC.
MOMENT = "%Y-%m-%d %H:%M:%S%.f"

#: Columns whose values can reject a row or make it coverage: read whatever is asked for.
VITAL: tuple[str, ...] = (
    "log_status",
    *OBSERVERS,
    *(name for name, dtype in SCHEMA.items() if dtype != pl.String() or name in ADDRESSES),
)


def typed(frame: pl.DataFrame, source: str, columns: Sequence[str] | None = None) -> Batch:
    """Turn rows into records, coverage and rejects.

    Args:
        frame: `line` and columns named after `fields` (or not: those stay text), of any dtype.
        source: The object they came from.
        columns: Columns wanted in the records; counts do not depend on it.

    Returns:
        A batch that accounts for every row.

    >>> rows = pl.DataFrame({"srcport": ["443", "None", "x"], "log_status": ["OK", "NODATA", "OK"]})
    >>> batch = typed(rows.with_row_index("line", 1), "x.csv")
    >>> batch.records.rows(), batch.coverage.height, batch.rejects["reason"].to_list()
    ([(443, 'OK', 1)], 1, ['not a number'])
    """
    shown = plain(frame.drop("line"))
    values = {name: value(name, column) for name, column in shown.items()}
    whole = pl.DataFrame([*values.values(), frame.get_column("line").cast(LINE)])
    quiet = _quiet(values.get("log_status"), frame.height)
    flaw = _flaws(shown, values, quiet)
    good = flaw.is_null()
    return Batch(
        records=project(whole.filter(good & ~quiet), list(shown), columns),
        coverage=coverage(whole.filter(good & quiet), source),
        rejects=_rejects(frame.with_columns(reason=flaw).filter(~good), source),
        lines=frame.height,
        unknown=tuple(name for name in shown if name not in SCHEMA and name not in OWN),
    )


def plain(frame: pl.DataFrame) -> dict[str, pl.Series]:
    """Return numbers and times as they are, all else as text without the words for nothing."""
    shown = pl.DataFrame([_shown(column) for column in frame.get_columns()])
    text = pl.col(pl.String).str.strip_chars()
    told = shown.with_columns(pl.when(~text.is_in(NOTHING)).then(text))
    return {column.name: column for column in told.get_columns()}


def _shown(column: pl.Series) -> pl.Series:
    """Return numbers and times as they are, all else as text."""
    if column.null_count() == len(column):
        return _nothing(column, pl.String())
    if column.dtype.is_float():
        return column.fill_nan(None)
    if column.dtype.is_integer() or isinstance(column.dtype, pl.Datetime):
        return column
    if column.dtype.is_nested():  # only columns that AWS does not have hold such
        nested = column.to_frame("value").to_struct(column.name).struct.json_encode()
        column = nested.str.strip_prefix('{"value":').str.strip_suffix("}")
    if column.dtype == pl.Binary:  # text of a writer that did not say so
        found = [None if raw is None else raw.decode(errors="replace") for raw in column]
        column = pl.Series(column.name, found, dtype=pl.String)
    return column.cast(pl.String, strict=False)


def value(name: str, column: pl.Series) -> pl.Series:
    """Return a column in the dtype of its field, null where the value cannot be."""
    dtype = SCHEMA.get(name) or OWN.get(name, pl.String())
    if column.null_count() == len(column):
        return _nothing(column, dtype)
    if dtype == TIME:
        return _time(column)
    if dtype != pl.String():
        return _number(column, dtype)
    if column.dtype.is_float():  # an id that pandas made a float; a null somewhere did that
        column = _number(column, pl.Int64())
    text = column.cast(pl.String)
    return addresses(text) if name in ADDRESSES else text


def _nothing(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    return pl.Series(column.name, [None], dtype=dtype).new_from_index(0, len(column))


def _number(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return whole numbers of `dtype`, null for what is none or does not fit."""
    if column.dtype == pl.String:
        # ports and counts that pandas made floats before it wrote text
        column = column.str.strip_suffix(".0").cast(pl.Int128, strict=False)
    elif column.dtype.is_float():
        whole = column.to_frame().select(pl.when(pl.first() == pl.first().floor()).then(pl.first()))
        column = whole.to_series().cast(pl.Int128, strict=False)
    return column.cast(dtype, strict=False)


def _time(column: pl.Series) -> pl.Series:
    """Return instants from seconds or milliseconds since 1970, or from a timestamp."""
    if isinstance(column.dtype, pl.Datetime):
        naive = column.dtype.time_zone is None
        zoned = column.dt.replace_time_zone("UTC") if naive else column.dt.convert_time_zone("UTC")
        return zoned.dt.cast_time_unit("ms")
    count = _number(column, pl.Int64())
    found = count.to_frame().select(times(pl.first())).to_series()
    if column.dtype != pl.String or not (column.is_not_null() & count.is_null()).any():
        return found
    words = column.str.replace(r"\s*(Z|UTC)$", "").str.replace("T", " ", literal=True)
    moment = words.str.to_datetime(MOMENT, strict=False, time_unit="ms", time_zone="UTC")
    return found.fill_null(moment)


def _quiet(status: pl.Series | None, height: int) -> pl.Series:
    """Say which rows are no flows: NODATA, SKIPDATA, and statuses nobody knows yet."""
    if status is None:
        return pl.Series([False], dtype=pl.Boolean).new_from_index(0, height)
    return (status != "OK").fill_null(value=False)


def _flaws(
    shown: dict[str, pl.Series], values: dict[str, pl.Series], quiet: pl.Series
) -> pl.Series:
    """Return the first reason why each row cannot be a record, null where it can.

    A row that is no flow needs only its times; people have met anything in the rest of it.
    """
    flaw = pl.Series("reason", [None] * len(quiet), dtype=pl.String)
    for name, column in shown.items():
        if values[name].null_count() == column.null_count():
            continue
        bad = values[name].is_null() & column.is_not_null() & flaw.is_null()
        bad = bad if name in ("start", "end") else bad & ~quiet
        if bad.any():
            flaw = flaw.zip_with(~bad, _why(name, column))
    return flaw


def _why(name: str, column: pl.Series) -> pl.Series:
    number = pl.first().cast(pl.String, strict=False).str.contains(r"^[+-]?\d+(\.0*)?$")
    wrong = pl.lit(NOT_ADDRESS if name in ADDRESSES else NOT_NUMBER)
    reason = pl.when(number & (name not in ADDRESSES)).then(pl.lit(RANGE)).otherwise(wrong)
    return column.to_frame().select(reason.alias("reason")).to_series()


def _rejects(rows: pl.DataFrame, source: str) -> pl.DataFrame:
    """Keep of a bad row its values, separated by blanks as in a log line."""
    values = plain(rows.drop("line", "reason")).values() if rows.height else ()
    texts = [column.cast(pl.String).fill_null("-") for column in values]
    text = pl.concat_str(texts, separator=" ") if texts else pl.lit("")
    return refused(rows.select("line", "reason", text.alias("text")), source)
