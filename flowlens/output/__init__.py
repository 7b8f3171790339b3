"""Results out: a file by its extension, a table on a terminal, text in a pipe."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NoReturn, TextIO

import polars as pl

from flowlens.errors import OutputError, UsageError
from flowlens.output import text
from flowlens.output.table import Shown, show

__all__ = ["FORMATS", "OWN", "Shown", "choose", "place", "put", "write"]

#: Rows of a row group: more of them make smaller files, at less cost.
ROWS = 1 << 18

Writer = Callable[[pl.LazyFrame, BinaryIO, str], int]


def _parquet(frame: pl.LazyFrame, stream: BinaryIO, _: str) -> int:
    """Write Parquet, streaming."""
    frame.sink_parquet(stream, compression_level=1, row_group_size=ROWS)
    return 0


def _arrow(frame: pl.LazyFrame, stream: BinaryIO, _: str) -> int:
    """Write an Arrow IPC file, streaming."""
    frame.sink_ipc(stream)
    return 0


#: Name of a format, which is also its file extension -> its writer.
FORMATS: dict[str, Writer] = {
    "arrow": _arrow,
    "csv": text.csv,
    "json": text.rows,
    "md": text.markdown,
    "ndjson": text.ndjson,
    "parquet": _parquet,
    "tsv": text.tsv,
}
BINARY = frozenset({"arrow", "parquet"})


def _alerts(form: str) -> Writer:
    """Return a writer of findings in a form of others, which is loaded when it is used."""

    def write(frame: pl.LazyFrame, stream: BinaryIO, table: str) -> int:
        from flowlens.output import alerts

        return alerts.WRITERS[form](frame, stream, table)

    return write


#: Table -> formats that it alone has, or has its own way.
OWN: dict[str, dict[str, Writer]] = {
    "findings": {form: _alerts(form) for form in ("asff", "md", "ocsf")},
}


def write(
    frame: pl.LazyFrame | pl.DataFrame,
    table: str,
    *,
    path: Path | None = None,
    form: str | None = None,
    limit: int | None = None,
    stream: TextIO | None = None,
) -> Shown:
    """Write a table to a file, or to a stream in the form that suits it.

    Args:
        frame: the rows.
        table: its name, for JSON's schema (``flowlens.edges/1``) and the choice of columns.
        path: the file; its extension decides unless `form` does. None or ``-`` is the stream.
        form: one of `FORMATS`, one of the table's `OWN`, or ``table``.
        limit: rows at most.
        stream: standard output unless given.

    Raises:
        UsageError: the form or the extension is not known.
        OutputError: the file cannot be written.
    """
    stream = stream or sys.stdout
    form = choose(path, form, stream, table)
    writer = OWN.get(table, {}).get(form) or FORMATS.get(form)
    lazy = frame.lazy()
    to_stream = path is None or str(path) == "-"
    if form == "table" or writer is None:
        return show(lazy, stream, table, limit)
    lazy = lazy if limit is None else lazy.head(limit)
    if path is not None and not to_stream:
        with place(path) as file:
            return Shown(writer(lazy, file, table))
    return Shown(writer(lazy, stream.buffer, table))


def put(text: str, path: Path | None = None, stream: TextIO | None = None) -> None:
    """Write a whole text to a file, or to a stream where none is given.

    Raises:
        OutputError: the file cannot be written.
    """
    if path is None or str(path) == "-":
        (stream or sys.stdout).write(text)
        return
    with place(path) as file:
        file.write(text.encode())


def choose(
    path: Path | None, form: str | None, stream: TextIO | None = None, table: str = ""
) -> str:
    """Choose the form of a result; a command asks before it reads anything.

    Args:
        path: the file, or None.
        form: what was asked for, or None.
        stream: standard output unless given.
        table: the result's name; some have formats of their own (`OWN`).

    Raises:
        UsageError: the form or the extension is not known, or does not suit the place.
    """
    stream = stream or sys.stdout
    to_stream = path is None or str(path) == "-"
    chosen = form or (_by_place(stream) if path is None or to_stream else _by_name(path))
    if chosen == "table" and to_stream:
        return chosen
    own = OWN.get(table, {})
    if chosen not in FORMATS and chosen not in own:
        _refuse(chosen, own)
    if chosen in BINARY and to_stream and stream.isatty():
        msg = f"a terminal cannot show {chosen}; use -o FILE or a pipe"
        raise UsageError(msg)
    return chosen


def _refuse(chosen: str, own: Iterable[str]) -> NoReturn:
    """Say which formats there are.

    Raises:
        UsageError: always.
    """
    known = ", ".join(sorted({*FORMATS, *own}))
    others = [table for table, forms in OWN.items() if chosen in forms]
    where = f" of {others[0]} only" if others else ""
    msg = f"{chosen!r} is {'' if others else 'not '}a format{where}; use one of {known}"
    raise UsageError(msg)


@contextmanager
def place(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name only when it is whole.

    Raises:
        OutputError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as problem:
        msg = f"{path} cannot be written: {problem.strerror or problem}"
        raise OutputError(msg) from problem
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _by_place(stream: TextIO) -> str:
    """Choose for a terminal or a pipe."""
    return "table" if stream.isatty() else "tsv"


def _by_name(path: Path) -> str:
    """Choose by a file's extension."""
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        known = " ".join(f".{name}" for name in FORMATS)
        msg = f"{path.name!r} does not say its format; end it with one of {known}, or use --as"
        raise UsageError(msg)
    return form
