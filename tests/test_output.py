import io
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from flowlens.errors import OutputError, UsageError
from flowlens.output import place, write
from flowlens.output.redact import KINDS, Redactor, kinds
from flowlens.tables import EDGES, FINDINGS

HOSTILE = "=cmd|' /C calc'\x1b[31m<script>"
SEEN = datetime(2026, 11, 21, 11, 4, tzinfo=UTC)
ROWS = pl.DataFrame(
    {
        "name": ["a", HOSTILE, "c\td\ne"],
        "owners": [["x", "y"], [], None],
        "bytes_out": [1, 2_900_000, None],
        "seen": [SEEN, SEEN.replace(microsecond=250_000), None],
        "numbers": [{"n": 1}, {"n": 2}, None],
        "domains": [[{"name": "d.example", "probability": 0.5}], [], None],
    },
    schema_overrides={"bytes_out": pl.UInt64, "seen": pl.Datetime("ms", "UTC")},
)


class Screen(io.TextIOWrapper):
    """A stream in memory that may claim to be a terminal."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="", write_through=True)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def text(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


def written(form: str | None = None, frame: pl.DataFrame = ROWS, name: str = "edges") -> str:
    screen = Screen()
    write(frame, name, form=form, stream=screen)
    return screen.text()


def test_tsv() -> None:
    """A pipe gets a header, raw numbers, ISO times, and one line a row whatever is in it."""
    assert written() == (
        "name\towners\tbytes_out\tseen\tnumbers.n\tdomains\n"
        "a\tx;y\t1\t2026-11-21T11:04:00Z\t1\td.example:0.5\n"
        "=cmd|' /C calc'\\x1b[31m<script>\t\t2900000\t2026-11-21T11:04:00.250Z\t2\t\n"
        "c\\td\\ne\t\t\t\t\t\n"
    )


def test_csv() -> None:
    """A cell that a spreadsheet would run gets an apostrophe; numbers stay numbers."""
    lines = written("csv").splitlines()
    assert lines[1] == "a,x;y,1,2026-11-21T11:04:00Z,1,d.example:0.5"
    assert lines[2].startswith("'=cmd|' /C calc'\\x1b[31m<script>,")
    signs = pl.DataFrame({"a": ["+1", "-1", "@b", "=1", "b=1"], "n": [-1, -2, -3, -4, -5]})
    cells = written("csv", signs).splitlines()[1:]
    assert cells == ["'+1,-1", "'-1,-2", "'@b,-3", "'=1,-4", "b=1,-5"]


def test_json() -> None:
    """JSON carries the version of its schema, and rows keep their nesting."""
    told = json.loads(written("json"))
    assert told["schema"] == "flowlens.edges/1"
    assert told["rows"][0] == {
        "name": "a",
        "owners": ["x", "y"],
        "bytes_out": 1,
        "seen": "2026-11-21T11:04:00Z",
        "numbers": {"n": 1},
        "domains": [{"name": "d.example", "probability": 0.5}],
    }
    assert told["rows"][1]["name"] == HOSTILE
    assert [json.loads(line) for line in written("ndjson").splitlines()] == told["rows"]


def test_markdown() -> None:
    """A Markdown table stays one table: pipes, tags and mentions are text."""
    told = written("md", pl.DataFrame({"a": ["x|y", "<b>", "@team", "[l](u)"]})).splitlines()
    assert told == [
        "| a |",
        "| --- |",
        "| x&#124;y |",
        "| &lt;b&gt; |",
        "| &#64;team |",
        "| \\[l\\](u) |",
    ]


def test_markdown_limit() -> None:
    """A long table fits into a comment and says how much is left out."""
    told = written("md", pl.DataFrame({"a": ["x" * 1000] * 100}))
    assert len(told) < 60_000
    assert "more rows are not shown here" in told.splitlines()[-1]
    shown = sum(line.startswith("| x") for line in told.splitlines())
    assert f"*{100 - shown} more rows" in told


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_binary(tmp_path: Path, suffix: str) -> None:
    """Parquet and Arrow files give back exactly the frame."""
    path = tmp_path / f"x.{suffix}"
    write(ROWS.lazy(), "edges", path=path)
    back = pl.read_parquet(path) if suffix == "parquet" else pl.read_ipc(path)
    assert back.equals(ROWS)
    assert back.schema == ROWS.schema


@pytest.mark.parametrize("form", ["csv", "tsv", "json", "ndjson", "md", "table"])
def test_no_rows(form: str) -> None:
    """A table without rows still has its header, and JSON its envelope."""
    told = written(form, ROWS.head(0))
    if form == "json":
        assert json.loads(told) == {"schema": "flowlens.edges/1", "rows": []}
    elif form == "ndjson":
        assert told == ""
    else:
        assert len(told.strip().splitlines()) == (2 if form == "md" else 1)


def test_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets human units, cut to its width, and no control character from data."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen(terminal=True)
    shown = write(ROWS, "edges", stream=screen)
    told = screen.text()
    assert "2.9 MB" in told
    assert "2026-11-21 11:04" in told
    assert "\\x1b[31m" in told
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) <= 80
    assert (shown.rows, shown.more) == (3, False)


def test_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets in data are text, never styles."""
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen(terminal=True)
    write(pl.DataFrame({"a": ["[red]x[/red]", ":smile:"]}), "edges", stream=screen)
    assert "[red]x[/red]" in screen.text()
    assert ":smile:" in screen.text()


def test_limits() -> None:
    """A limit holds in every format, and a table says that there is more."""
    rows = pl.DataFrame({"a": range(100)})
    screen = Screen()
    write(rows, "edges", form="csv", limit=3, stream=screen)
    assert screen.text().splitlines() == ["a", "0", "1", "2"]
    shown = write(rows, "edges", stream=Screen(terminal=True))
    assert (shown.rows, shown.more) == (50, True)
    shown = write(rows, "edges", limit=2, stream=Screen(terminal=True))
    assert (shown.rows, shown.more) == (2, True)


def test_streams() -> None:
    """Rows are written as they come: the first is out before the last is read."""
    screen = Screen()
    seen: list[int] = []

    def spy(batch: pl.DataFrame) -> pl.DataFrame:
        seen.append(len(screen.text()))
        return batch

    from polars.io.plugins import register_io_source

    source = register_io_source(
        lambda *_: (
            spy(pl.DataFrame({"a": range(at, at + 50_000)})) for at in range(0, 10**6, 50_000)
        ),
        schema={"a": pl.Int64},
    )
    write(source, "records", form="tsv", stream=screen)
    assert len(screen.text().splitlines()) == 10**6 + 1
    assert seen[-1] > 0


def test_wrong_formats(tmp_path: Path) -> None:
    """An unknown format or extension is an error that lists the known ones."""
    with pytest.raises(UsageError, match=r"'xlsx' is not a format; use one of arrow, csv"):
        write(ROWS, "edges", form="xlsx", stream=Screen())
    with pytest.raises(UsageError, match=r"'x.xlsx' does not say its format; end it with one of"):
        write(ROWS, "edges", path=tmp_path / "x.xlsx")
    with pytest.raises(UsageError, match="a terminal cannot show parquet"):
        write(ROWS, "edges", form="parquet", stream=Screen(terminal=True))


def test_unwritable(tmp_path: Path) -> None:
    """A file that cannot be written is one line with its name."""
    path = tmp_path / "no" / "x.csv"
    with pytest.raises(OutputError, match=r"x\.csv cannot be written: No such file"):
        write(ROWS, "edges", path=path)


def test_whole_or_not(tmp_path: Path) -> None:
    """A file that fails half-way leaves the old one, and nothing else."""
    path = tmp_path / "x.csv"
    path.write_text("old")

    def fail() -> None:
        with place(path) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["x.csv"]


def edges() -> pl.LazyFrame:
    row = {
        "client": "10.0.0.10",
        "server": "2001:db8::7",
        "client_owner": ["payments", "pay"],
        "destination": "api.stripe.com",
        "destination_kind": "domain",
        "domains": [{"name": "api.stripe.com", "probability": 0.9}],
        "why": "pay may reach 10.0.0.9:443 in 123456789012",
    }
    return pl.LazyFrame([{name: row.get(name) for name in EDGES}], schema=EDGES)


def test_redaction() -> None:
    """Accounts, addresses and names get one pseudonym each, in columns, lists and sentences."""
    text = "payments sent 3 kB to 2001:db8::7 at 10:00:00; 10.0.0.9 not 10.0.0.99, S3."
    found = pl.LazyFrame(
        [{"text": text, "owner": ["pay"]}], schema_overrides={"owner": pl.List(pl.String)}
    )
    redactor = Redactor(KINDS, [edges(), found])
    row = redactor.apply(edges()).collect().row(0, named=True)
    assert row["client"] == "ip-2"
    assert row["server"] == "ip-4"
    assert row["client_owner"] == ["name-3", "name-2"]
    assert row["destination"] == "name-1"
    assert row["domains"] == [{"name": "name-1", "probability": 0.9}]
    assert row["why"] == "name-2 may reach ip-1:443 in account-1"
    assert redactor.apply(found).collect()["text"].item() == (
        "name-3 sent 3 kB to ip-4 at 10:00:00; ip-1 not ip-3, S3."
    )


def test_redaction_of_some() -> None:
    """Only what was asked for is hidden, and nothing changes without a wish."""
    redactor = Redactor(["ips"], [edges()])
    row = redactor.apply(edges()).collect().row(0, named=True)
    assert row["client"] == "ip-2"
    assert row["client_owner"] == ["payments", "pay"]
    assert "123456789012" in row["why"]
    assert Redactor([], [edges()]).apply(edges()).collect().equals(edges().collect())


def test_redaction_kinds() -> None:
    """A kind that cannot be hidden is an error, so that nobody believes it was."""
    assert kinds("names, ips") == ("ips", "names")
    assert kinds(None) == ()
    with pytest.raises(UsageError, match="'arns' cannot be redacted"):
        kinds("arns")


def test_finding_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of findings opens with what one acts on, with a sign beside the colour."""
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    row = {"id": "a", "severity": "high", "owner": ["f", "g"], "numbers": {"bytes_out": 2_900_000}}
    rows = pl.DataFrame([{name: row.get(name) for name in FINDINGS}], schema=FINDINGS)
    screen = Screen(terminal=True)
    write(rows, "findings", stream=screen)
    head, line = screen.text().splitlines()[:2]
    assert head.split()[:3] == ["SEVERITY", "OWNER", "DESTINATION"]
    assert "◆ high" in line
    assert "f, g" in line
    assert "2.9 MB" in line
