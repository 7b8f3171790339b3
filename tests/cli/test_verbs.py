import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from flowlens.tables import CONVERSATIONS, EDGES, FINDINGS

Run = Callable[..., tuple[int, str, str]]


def rows(text: str) -> list[dict[str, object]]:
    found = json.loads(text)["rows"]
    assert isinstance(found, list)
    return found


def test_records(run: Run, logs: str) -> None:
    """Records come out typed, and lines that cannot be read are counted by reason."""
    code, out, err = run("records", logs, "--as", "json")
    assert code == 0
    assert len(rows(out)) == 5
    assert rows(out)[0]["dstport"] == 443
    assert err.splitlines() == [
        "2 lines could not be read (1 not a number, 1 wrong number of values); "
        "--rejects FILE keeps them"
    ]


def test_pipe(run: Run, logs: str) -> None:
    """Without a terminal, records are TSV with a header and raw numbers."""
    code, out, _ = run("records", logs)
    header, *lines = out.splitlines()
    assert code == 0
    assert header.split("\t")[:4] == ["version", "account_id", "interface_id", "srcaddr"]
    assert "2900000" in lines[2].split("\t")
    assert "2026-11-21T11:00:00Z" in lines[2].split("\t")


def test_rejects(run: Run, logs: str, tmp_path: Path) -> None:
    """The unreadable lines are kept with object, line, reason and text."""
    code, _, err = run("records", logs, "--rejects", str(tmp_path / "bad.ndjson"))
    kept = [json.loads(line) for line in (tmp_path / "bad.ndjson").read_text().splitlines()]
    assert code == 0
    assert [(row["line"], row["reason"]) for row in kept] == [
        (8, "wrong number of values"),
        (9, "not a number"),
    ]
    assert kept[0]["source"] == logs
    assert kept[0]["text"] == "not a record"
    assert "bad.ndjson" in err


def test_strict(run: Run, logs: str) -> None:
    """Under --strict the first unreadable line ends the run with exit code 4, named."""
    code, _, err = run("records", logs, "--strict", "--as", "csv")
    assert code == 4
    assert err.splitlines() == [f"flowlens: {logs}:8: wrong number of values: not a record"]


def test_where(run: Run, logs: str) -> None:
    """A filter keeps the rows it describes, on any verb's own table."""
    _, out, _ = run("records", logs, "--as", "json", "--where", "dst net 176.206/16")
    assert [row["bytes"] for row in rows(out)] == [2_900_000]
    _, out, _ = run("conversations", logs, "--as", "json", "--where", "reject and port = ssh")
    assert [row["server"] for row in rows(out)] == ["10.0.9.9"]


def test_wrong_filter(run: Run, logs: str) -> None:
    """A wrong filter is shown with a caret and ends with exit code 2, without a traceback."""
    code, out, err = run("records", logs, "--where", "dport = postgress")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "flowlens: 'postgress' is not a port number or a known service name",
        "  dport = postgress",
        "          ^",
        "  Did you mean 'postgres' (5432)?",
    ]


def test_window(run: Run, logs: str) -> None:
    """The time asked for is echoed in UTC, half-open, and records outside are left out."""
    code, out, err = run("records", logs, "--as", "json", "--since", "sat 11:00")
    assert code == 0
    assert len(rows(out)) == 3
    assert err.splitlines()[0] == "time 2026-11-21T11:00:00Z/.."
    _, out, err = run("records", logs, "--as", "json", "--until", "2026-11-21T11:00Z")
    assert len(rows(out)) == 2
    assert err.splitlines()[0] == "time ../2026-11-21T11:00:00Z"
    _, _, err = run("records", logs, "--last", "24h")
    assert err.splitlines()[0] == "time 2026-11-22T09:00:00Z/2026-11-23T09:00:00Z"


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["--since", "tomorow"], "'tomorow' is not a time"),
        (["--last", "24h", "--since", "7d"], "same thing twice"),
        (["--redact", "arns"], "'arns' cannot be redacted"),
        (["--as", "xlsx"], "'xlsx' is not a format"),
        (["-o", "x.xlsx"], "does not say its format"),
    ],
)
def test_wrong_options(run: Run, logs: str, args: list[str], why: str) -> None:
    """A wrong value is one line and exit code 2."""
    code, out, err = run("records", logs, *args)
    assert (code, out) == (2, "")
    assert why in err.splitlines()[-1]


def test_missing(run: Run, tmp_path: Path) -> None:
    """A source that does not exist is one line and exit code 4."""
    code, out, err = run("records", str(tmp_path / "nothing.log"))
    assert (code, out) == (4, "")
    assert len(err.splitlines()) == 1
    assert "nothing.log" in err


def test_formats_agree(run: Run, logs: str, tmp_path: Path) -> None:
    """A result is the same in a file of either kind and on standard output."""
    for suffix in ("parquet", "arrow", "ndjson"):
        code, out, _ = run("conversations", logs, "-o", str(tmp_path / f"x.{suffix}"))
        assert (code, out) == (0, "")
    parquet = pl.read_parquet(tmp_path / "x.parquet")
    assert dict(parquet.schema) == CONVERSATIONS
    assert parquet.equals(pl.read_ipc(tmp_path / "x.arrow"))
    _, out, _ = run("conversations", logs, "--as", "ndjson")
    assert out == (tmp_path / "x.ndjson").read_text()


def test_conversations(run: Run, logs: str) -> None:
    """Both directions of a connection are one conversation with the client's bytes out."""
    _, out, _ = run("conversations", logs, "--as", "json")
    found = {row["server"]: (row["bytes_out"], row["bytes_in"]) for row in rows(out)}
    assert found == {
        "34.110.5.8": (900, 4800),
        "176.206.173.108": (2_900_000, 700),
        "10.0.9.9": (40, 0),
    }


def test_edges(run: Run, logs: str, expected: str) -> None:
    """The expected document judges each edge; without one, nothing is unexpected."""
    _, out, _ = run("edges", logs, "-e", expected, "--as", "json")
    assert set(rows(out)[0]) == set(EDGES)
    judged = {row["server"]: row["expected"] for row in rows(out)}
    assert judged == {"34.110.5.8": "yes", "176.206.173.108": "no", "10.0.9.9": "yes"}
    _, out, _ = run("edges", logs, "--as", "json")
    assert {row["expected"] for row in rows(out)} == {"unknown"}


def test_top(run: Run, logs: str, expected: str) -> None:
    """The heaviest come first, with their share of all."""
    _, out, _ = run("top", "servers", logs, "--by", "bytes_out", "--as", "json")
    found = rows(out)
    assert [row["server"] for row in found] == ["176.206.173.108", "34.110.5.8", "10.0.9.9"]
    assert [row["bytes_out"] for row in found] == [2_900_000, 900, 40]
    assert found[0]["share"] == 0.9997
    _, out, _ = run("top", "destinations", logs, "-e", expected, "-n", "1", "--as", "json")
    assert len(rows(out)) == 1


@pytest.mark.parametrize(
    "dimension",
    ["classes", "clients", "functions", "hours", "names", "observers", "owners", "paths", "ports",
     "regions", "services"],
)  # fmt: skip
def test_dimensions(run: Run, logs: str, dimension: str) -> None:
    """Every dimension can be ranked, also where nothing is known of it."""
    code, out, _ = run("top", dimension, logs, "--by", "connections", "--as", "json")
    assert code == 0
    assert isinstance(rows(out), list)


def test_wrong_dimension(run: Run, logs: str) -> None:
    """A dimension or value that is none is one line that lists them."""
    code, _, err = run("top", "colours", logs)
    assert code == 2
    assert "'colours' is not a dimension; use one of classes, clients" in err
    code, _, err = run("top", "ports", logs, "--by", "weight")
    assert code == 2
    assert "'weight' is not a value; use one of bytes" in err


def test_findings(run: Run, logs: str, expected: str) -> None:
    """An unexpected destination is a finding with the raw lines behind it."""
    code, out, _ = run("findings", logs, "-e", expected, "--as", "json")
    found, lost = rows(out)
    assert (lost["kind"], lost["severity"]) == ("skipped", "info")
    assert code == 0
    assert set(found) == set(FINDINGS)
    assert (found["server"], found["server_port"]) == ("176.206.173.108", 8333)
    evidence = found["evidence"]
    assert isinstance(evidence, dict)
    assert [line["line"] for line in evidence["lines"]] == [3, 4]
    _, out, _ = run("records", logs, "--as", "json", "--where", evidence["filter"])
    assert sum(int(str(row["bytes"])) for row in rows(out)) == 2_900_700


def test_fail_on(run: Run, logs: str, expected: str) -> None:
    """Findings end with 0 unless they were asked to fail, and then with 10."""
    assert run("findings", logs, "-e", expected)[0] == 0
    assert run("findings", logs, "-e", expected, "--fail-on", "info")[0] == 10
    assert run("findings", logs, "--fail-on", "low")[0] == 0


def test_learn(run: Run, logs: str) -> None:
    """Without a document, what was seen before a time is the baseline."""
    _, out, err = run("findings", logs, "--learn-until", "2026-11-21T11:00Z", "--as", "json")
    assert {row["server"] for row in rows(out)} == {"176.206.173.108", "10.0.9.9", None}
    assert "time" not in err


def test_threats(run: Run, logs: str, tmp_path: Path) -> None:
    """A list of addresses makes findings without a document; its garbage is said with its line."""
    path = tmp_path / "bad.txt"
    path.write_text("# 2026-11-20\n176.206.173.0/24 ; c2\nrubbish\n")
    _, out, err = run("findings", logs, "--threats", str(path), "--as", "json")
    assert [row["kind"] for row in rows(out)] == ["threat", "skipped"]
    assert "note: bad.txt: 1 line held no address and match nothing (line 3: 'rubbish')" in err
    assert "note: no tcp-flags: who opened a connection, and when, is told by ports and gaps" in err
    code, _, err = run("findings", logs, "--threats", str(tmp_path / "none.txt"))
    assert (code, err.count("\n")) == (4, 1)


def test_learning_time_without_data(run: Run, logs: str) -> None:
    """A learning time before all logs teaches nothing, and that is said."""
    _, out, err = run("findings", logs, "--learn-until", "2026-11-01", "--as", "json")
    assert [row["kind"] for row in rows(out)] == ["skipped"]
    assert (
        "the logs hold nothing from before 2026-11-01 00:00 UTC: nothing can be called new" in err
    )


def test_redact(run: Run, logs: str, expected: str) -> None:
    """What was asked to be hidden is nowhere in the result."""
    _, out, _ = run("findings", logs, "-e", expected, "--redact", "ips,accounts", "--as", "json")
    found, _ = rows(out)
    assert "176.206.173.108" not in out
    assert "10.0.1.5" not in out
    assert str(found["server"]).startswith("ip-")
    _, out, _ = run("records", logs, "--redact", "accounts")
    assert "123456789010" not in out
    assert "account-1" in out


@pytest.mark.parametrize("suffix", ["svg", "png", "graphml", "gexf", "dot", "json", "mmd"])
def test_graph(run: Run, logs: str, expected: str, tmp_path: Path, suffix: str) -> None:
    """The suffix decides whether a picture or a graph is written, and the bytes are the same."""
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    for path in (first, second):
        code, out, _ = run("graph", logs, "-e", expected, "-o", str(path))
        assert (code, out) == (0, "")
    assert first.stat().st_size > 100
    assert first.read_bytes() == second.read_bytes()


def test_wrong_graph(run: Run, logs: str, tmp_path: Path) -> None:
    """A suffix that is neither a picture nor a graph is one line."""
    code, _, err = run("graph", logs, "-o", str(tmp_path / "x.bmp"))
    assert code == 2
    assert "'x.bmp' does not say what to draw" in err


def test_report(run: Run, logs: str, expected: str, tmp_path: Path) -> None:
    """A report is a folder that holds the page, the pictures and the data, the same each time."""
    names = {
        "report.html", "map.svg", "map.png", "timeline.svg", "edges.parquet", "findings.json",
        "coverage.json", "rejects.ndjson",
    }  # fmt: skip
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        code, out, err = run("report", logs, "-e", expected, "-o", str(folder))
        assert (code, out) == (0, "")
        assert str(folder / "report.html") in err
    assert names <= {path.name for path in folders[0].iterdir()}
    for path in folders[0].iterdir():
        assert path.read_bytes() == (folders[1] / path.name).read_bytes(), path.name
    page = (folders[0] / "report.html").read_text()
    assert "176.206.173.108" in page
    assert "flowlens report" in page


def test_report_redacted(run: Run, logs: str, expected: str, tmp_path: Path) -> None:
    """No file of a redacted report holds what was hidden."""
    options = ["-e", expected, "--redact", "ips,accounts,names", "-o", str(tmp_path / "r")]
    assert run("report", logs, *options)[0] == 0
    for path in (tmp_path / "r").iterdir():
        content = path.read_bytes()
        for secret in (b"176.206.173.108", b"10.0.1.5", b"123456789010"):
            assert secret not in content, path.name


def test_unwritable(run: Run, logs: str, tmp_path: Path) -> None:
    """A place that cannot be written is one line and exit code 1."""
    (tmp_path / "file").write_text("")
    code, _, err = run("records", logs, "-o", str(tmp_path / "file" / "x.csv"))
    assert code == 1
    assert err.startswith("flowlens: ")
    assert "cannot be written" in err


def test_policy(run: Run) -> None:
    """The policy is JSON that allows reading and nothing else."""
    code, out, _ = run("doctor", "--policy")
    assert code == 0
    statements = json.loads(out)["Statement"]
    actions = [action for one in statements for action in one["Action"]]
    verbs = ("Describe", "Get", "List", "Filter")
    assert all(action.split(":")[1].startswith(verbs) for action in actions)


def test_wrong_document(run: Run, logs: str, tmp_path: Path) -> None:
    """A mistake in the expected document names its line, before any log is read."""
    path = tmp_path / "bad.yaml"
    path.write_text("version: 1\negress:\n  - from: {cidr: 10.0.0.0/33}\n    to: []\n")
    code, _, err = run("findings", logs, "-e", str(path))
    assert code == 4
    assert f"{path}:3" in err


def test_table(run: Run, logs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a table is shown, and what had no room is named on standard error."""
    monkeypatch.setenv("COLUMNS", "90")
    code, out, err = run("conversations", logs, "--as", "table", "-n", "2")
    assert code == 0
    assert out.splitlines()[0].split()[:2] == ["HOUR", "CLIENT"]
    assert len(out.splitlines()) == 3
    assert "only the first 2 rows" in err
    assert "no room for: " in err


def test_top_is_what_conversations_say(run: Run, logs: str) -> None:
    """The sums of a ranking are the sums of the conversations."""
    _, out, _ = run("conversations", logs, "--as", "json")
    total = sum(int(str(row["bytes_out"])) + int(str(row["bytes_in"])) for row in rows(out))
    _, out, _ = run("top", "clients", logs, "--as", "json")
    assert sum(int(str(row["bytes"])) for row in rows(out)) == total


def test_replay(run: Run, logs: str, expected: str) -> None:
    """What a document would have blocked is told with its rows and bytes; one must be given."""
    code, out, err = run("allowlist", "replay", logs, "-e", expected, "--as", "json")
    assert code == 0
    (blocked,) = rows(out)
    shown = ("verdict", "workload", "destination", "server_port", "records", "bytes_out")
    assert [blocked[name] for name in shown] == [
        "blocked", "10.0.1.5", "176.206.173.108", 8333, 2, 2_900_000,
    ]  # fmt: skip
    assert "blocked: 1 of 3 conversations (33 %)" in err.replace("33.3 %", "33 %")
    code, _, err = run("allowlist", "replay", logs)
    told = "flowlens: replay needs an expected document; try -e expected.yaml, or --holdout 0.7\n"
    assert (code, err) == (2, told)
    with Path(expected).open("a") as file:
        file.write("      - {cidr: 192.0.2.0/24}\n")
    _, out, _ = run("allowlist", "replay", logs, "-e", expected, "--redact", "ips", "--as", "json")
    assert [row["verdict"] for row in rows(out)] == ["blocked", "unused"]
    assert not any(text in out for text in ("176.206.173.108", "192.0.2"))
