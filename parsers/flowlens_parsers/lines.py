"""The tolerant parser: any line becomes a record, coverage or a reject with its reason."""

from collections.abc import Sequence

import polars as pl

from flowlens_parsers.batch import COVERAGE, LINE, REJECTS, TEXT, Batch
from flowlens_parsers.errors import MESSAGE, VALUES
from flowlens_parsers.fields import OBSERVERS, SCHEMA, TIME
from flowlens_parsers.headers import BLANKS
from flowlens_parsers.values import check, convert

__all__ = ["coverage", "flows", "merge", "parse_lines", "project", "refused"]


def parse_lines(
    lines: pl.DataFrame,
    names: Sequence[str],
    source: str,
    columns: Sequence[str] | None = None,
) -> Batch:
    """Parse lines whose values stand in the order of `names`.

    A line is rejected whole, with the reason of its first value that is wrong; then its
    log-status decides between records and coverage.

    Args:
        lines: `line` (UInt64) and `text` (String); null text is "no message".
        names: Column names, as `headers.names` returns them.
        source: Name of the object, for rejects and coverage.
        columns: Columns wanted in `records`; all without it. The counts do not depend on it.

    >>> lines = pl.DataFrame({"line": [5], "text": ["80 x"]}, schema_overrides={"line": LINE})
    >>> batch = parse_lines(lines, ["srcport", "colour"], "a.log")
    >>> batch.records.rows(), batch.unknown
    ([(80, 'x', 5)], ('colour',))
    """
    split = lines.with_columns(values=pl.col("text").str.extract_all(f"[^{BLANKS}]+"))
    fits = (split["values"].list.len() == len(names)).fill_null(value=False)
    wrong = pl.when(pl.col("text").is_null()).then(pl.lit(MESSAGE)).otherwise(pl.lit(VALUES))
    miscounted = split.filter(~fits).with_columns(reason=wrong)
    typed = _type(split.filter(fits), names)
    good = typed.filter(pl.col("reason").is_null())
    bad = pl.concat(
        part.select("line", "reason", "text")
        for part in (miscounted, typed.filter(pl.col("reason").is_not_null()))
    )
    flow = flows(good)
    return Batch(
        records=project(good.filter(flow), names, columns),
        coverage=coverage(good.filter(~flow), source),
        rejects=refused(bad.sort("line"), source),
        lines=lines.height,
        unknown=tuple(name for name in names if name not in SCHEMA),
    )


def _type(split: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return line, text, reason and a typed column for each of `names`."""
    value = pl.col("values").list
    raw = split.select(
        pl.col("line").alias(".line"),
        pl.col("text").alias(".text"),
        *(_nulled(value.get(i)).alias(name) for i, name in enumerate(names)),
    )
    typed = raw.with_columns(convert(name).alias(f".{name}") for name in names)
    reasons = [check(name, pl.col(f".{name}")) for name in names]
    return typed.select(
        pl.col(".line").alias("line"),
        pl.col(".text").alias("text"),
        pl.coalesce(pl.lit(None, pl.String), *(r for r in reasons if r is not None)).alias(
            "reason"
        ),
        *(pl.col(f".{name}").alias(name) for name in names),
    )


def _nulled(value: pl.Expr) -> pl.Expr:
    return pl.when(value != "-").then(value)


def project(
    good: pl.DataFrame, names: Sequence[str], columns: Sequence[str] | None
) -> pl.DataFrame:
    """Keep the wanted columns, in the order of the object, and `line` last."""
    wanted = names if columns is None else [name for name in names if name in columns]
    return good.select(*wanted, pl.col("line").cast(LINE))


def flows(rows: pl.DataFrame) -> pl.Series:
    """Say which rows are flows: log-status OK, '-', or no such field at all."""
    if "log_status" not in rows.columns:
        return pl.repeat(True, rows.height, dtype=pl.Boolean, eager=True)  # noqa: FBT003
    return (rows["log_status"] == "OK").fill_null(value=True)


def coverage(rows: pl.DataFrame, source: str) -> pl.DataFrame:
    """Turn rows that are not flows (NODATA, SKIPDATA) into `COVERAGE`."""
    seen = [pl.col(name) for name in OBSERVERS if name in rows.columns]

    def pick(name: str, dtype: pl.DataType) -> pl.Expr:
        return pl.col(name) if name in rows.columns else pl.lit(None, dtype).alias(name)

    return rows.with_columns(  # not select: literals alone would make a row of nothing
        pl.coalesce(pl.lit(None, pl.String), *seen).alias("observer"),
        pick("log_status", pl.String()).alias("status"),
        pick("start", TIME),
        pick("end", TIME),
        pl.lit(source).alias("source"),
    ).select(*COVERAGE)


def refused(rows: pl.DataFrame, source: str) -> pl.DataFrame:
    """Turn rows of line, reason, text into `REJECTS`."""
    return rows.select(
        pl.lit(source).alias("source"),
        pl.col("line").cast(LINE),
        "reason",
        pl.col("text").fill_null("").str.slice(0, TEXT),
    ).cast(pl.Schema(REJECTS))


def merge(batches: Sequence[Batch]) -> list[Batch]:
    """Join neighbours of equal columns, so that small pieces do not make small frames."""
    groups: list[list[Batch]] = []
    for batch in batches:
        if groups and groups[-1][-1].records.schema == batch.records.schema:
            groups[-1].append(batch)
        else:
            groups.append([batch])
    return [group[0] if len(group) == 1 else _join(group) for group in groups]


def _join(group: Sequence[Batch]) -> Batch:
    return Batch(
        records=pl.concat([batch.records for batch in group], rechunk=True),
        coverage=pl.concat([batch.coverage for batch in group]),
        rejects=pl.concat([batch.rejects for batch in group]).sort("line"),
        lines=sum(batch.lines for batch in group),
        headers=sum(batch.headers for batch in group),
        unread=sum(batch.unread for batch in group),
        packed=tuple(some for batch in group for some in batch.packed),
        unknown=tuple(dict.fromkeys(name for batch in group for name in batch.unknown)),
    )
