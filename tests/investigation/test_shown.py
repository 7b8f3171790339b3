import io
import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.cells import cell_len

from flowlens.cli import main
from flowlens.cli.investigate import load
from flowlens.investigation import Investigation, Subject, context, lines, sections
from flowlens.output import write
from flowlens.output.investigation import sections as parted
from flowlens.output.sections import markdown, terminal
from flowlens.tables import FINDINGS

START = datetime(2026, 3, 1, 1, tzinfo=UTC)
HOSTILE = "[red]\x1b[2J|<b>`@all`[x](javascript:y)\n| a |"
Run = Callable[..., tuple[int, str, str]]
LOG = """\
2 123456789010 eni-0a 10.0.1.5 34.110.5.8 49152 443 6 10 900 1795255200 1795255260 ACCEPT OK
2 123456789010 eni-0a 34.110.5.8 10.0.1.5 443 49152 6 12 4800 1795255200 1795255260 ACCEPT OK
2 123456789010 eni-0b 10.0.9.9 34.110.5.8 49152 443 6 10 900 1795258800 1795258860 ACCEPT OK
2 123456789010 eni-0a - - - - - - - 1795258800 1795258860 - NODATA
2 123456789010 eni-0a - - - - - - - 1795262400 1795262460 - SKIPDATA
"""


def made(name: str = "api.example") -> Investigation:
    """An investigation with hostile text wherever a log may have put it."""
    rows: dict[str, list[dict[str, Any]]] = {
        "owners": [
            {"address": "10.0.0.1", "interface": "eni-0a", "owner": [name, "b"], "since": START}
            | {"until": START, "kind": "lambda", "groups": ["sg-1"]}
        ],
        "timeline": [
            {"hour": START, "bytes_out": 10, "bytes_in": 5, "new_peers": 1},
            {"hour": START + timedelta(hours=3), "bytes_out": 40, "bytes_in": 0, "new_peers": 2},
        ],
        "peers": [
            {"role": "client", "name": name, "peer": "192.0.2.1", "addresses": 1, "protocol": 6}
            | {"server_port": 443, "bytes_out": 1200, "bytes_in": 3, "rejected": 2, "new": True}
            | {"first_seen": START, "last_seen": START, "expected": "no"}
        ],
        "lines": [{"peer": "192.0.2.1", "source": "a`b.log", "line": 3, "text": f"2 {name} ````"}],
    }
    schemas = {"timeline": sections.TIMELINE, "peers": sections.PEERS, "findings": FINDINGS}
    schemas |= {"owners": context.OWNERS, "names": context.NAMES, "kin": context.KIN}
    schemas |= {"may": context.MAY, "rejects": sections.REJECTS, "lines": lines.LINES}
    tables = {
        table: pl.DataFrame(rows.get(table, []), schema=schema) for table, schema in schemas.items()
    }
    return Investigation(
        subject=Subject("10.0.0.1", "address"),
        text=f"{name} sent 50 B.",
        pivot=START + timedelta(hours=1),
        caveats=("nothing of it",),
        **tables,
    )


def shown(found: Investigation, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    terminal("address 10.0.0.1", found.text, parted(found, "", ["flowlens records x"]), stream)
    return stream.getvalue()


def test_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours without a record are dots; from the pivot on new peers are counted below."""
    text = shown(made(), 80, monkeypatch)
    assert "sent  ▂··█  most 40 B at 2026-03-01 04:00\n" in text
    assert "got   █··   most 5 B at 2026-03-01 01:00\n" in text
    assert "new      2  peers never met before\n" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables stay in the width; figures are never cut, and columns without room are named."""
    text = shown(made("a-very-long-name-of-a-peer." * 6), width, monkeypatch)
    table = text[text.index("PEERS") : text.index("RAW LINES")]
    assert all(cell_len(line) <= width for line in table.splitlines())
    assert "1.2 kB" in table
    assert ("no room for: " in table) == (width < 120)


def test_hostile_text_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a log says steers the terminal or is taken for markup."""
    text = shown(made(HOSTILE), 120, monkeypatch)
    assert "\x1b" not in text
    assert "[red]\\x1b[2J|<b>" in text


def test_hostile_text_in_markdown() -> None:
    """Nothing that a log says leaves its cell or its block of code."""
    text = markdown("address 10.0.0.1", made(HOSTILE).text, parted(made(HOSTILE)))
    plain = "".join(part for part in text.split("`````")[::2])
    assert not {"<", "`", "@", "\x1b"} & set(plain.replace("```\nsent", "").replace("```\n", ""))
    assert "\\[red\\]\\\\x1b\\[2J&#124;&lt;b&gt;" in text
    assert "\n| a |" not in text
    assert "`````\n# a`b.log\n3: 2 [red]" in text


@pytest.fixture
def logs(tmp_path: Path) -> str:
    path = tmp_path / "flow.log"
    path.write_text(LOG)
    return str(path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("FLOWLENS_OFFLINE", "1")
    monkeypatch.delenv("FLOWLENS_DEBUG", raising=False)

    def command(*args: str) -> tuple[int, str, str]:
        code = main(args)
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


def test_json(run: Run, logs: str) -> None:
    """JSON has every table, how much was read, and that records were lost."""
    code, out, _ = run("investigate", "10.0.1.5", logs, "--as", "json")
    told = json.loads(out)
    assert (code, told["schema"]) == (0, "flowlens.investigation/1")
    assert told["subject"]["kind"] == "address"
    assert told["timeline"][0]["hour"] == "2026-11-21T10:00:00Z"
    assert [row["line"] for row in told["lines"]] == [1]
    assert told["read"] == {"objects": 1, "bytes": 416, "lines": 3, "unread": 2, "records": 2}
    assert "AWS lost records of other interfaces in 1 window" in told["caveats"]
    assert told["next"][0] == f"flowlens records {logs} --where 'addr = 10.0.1.5'"


def test_other_forms_have_the_timeline(run: Run, logs: str) -> None:
    """A pipe gets the timeline as a table."""
    code, out, _ = run("investigate", "10.0.1.5", logs)
    assert code == 0
    assert out.splitlines()[0].split("\t")[:3] == ["hour", "bytes_out", "bytes_in"]
    assert out.splitlines()[1].split("\t")[:3] == ["2026-11-21T10:00:00Z", "900", "4800"]


def test_redacted(run: Run, logs: str) -> None:
    """Pseudonyms stand wherever an address stood."""
    _, out, _ = run("investigate", "10.0.1.5", logs, "--as", "md", "--redact", "ips,accounts")
    assert "## address ip-1\n" in out
    assert "10.0.1.5" not in out
    assert "34.110.5.8" not in out
    assert "123456789010" not in out


def test_what_is_not_there(run: Run, logs: str) -> None:
    """A subject that does not occur: what was searched, when, and what is near."""
    code, out, err = run("investigate", "10.0.1.6", logs)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == (
        "flowlens: address '10.0.1.6' does not occur in 1 object between 2026-11-21 10:00 and "
        "11:00 UTC; near it: 10.0.1.5; looked for 10.0.1.6. Try another time or place, or "
        "`flowlens top clients SRC`"
    )
    _, _, err = run("investigate", "i-0123456789abcdef0", logs)
    assert err.splitlines()[-1].endswith("give an inventory (-i) that has it")


def test_a_hop_is_no_end(run: Run, tmp_path: Path) -> None:
    """An address that only stands between others is called that, not absent and near itself."""
    log = tmp_path / "nat.log"
    names = "version interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "
    names += "action log-status pkt-srcaddr pkt-dstaddr"
    ends = "10.0.1.5 10.0.0.9 40000 443 6 1 40 1795348800 1795348860 ACCEPT OK 10.0.1.5 8.8.4.4"
    log.write_text(f"{names}\n5 eni-0b {ends}\n")
    code, out, err = run("investigate", "10.0.0.9", str(log))
    assert (code, out) == (2, "")
    assert "'10.0.0.9' is no end of any traffic; 1 record has it as a hop" in err
    assert f"`flowlens records {log} --where 'addr = 10.0.0.9'`" in err


def test_a_part_is_asked_elsewhere(run: Run, logs: str) -> None:
    """With a filter there is no investigation, but the command that answers it."""
    code, out, err = run("investigate", "10.0.1.5", logs, "--where", "dport = 443")
    assert (code, out) == (2, "")
    told = shlex.split(err.partition("ask `flowlens ")[2].partition("`")[0])
    assert told == ["edges", logs, "--where", "addr = 10.0.1.5 and (dport = 443)"]
    assert run(*told)[0] == 0


def test_findings_from_a_file(run: Run, logs: str, tmp_path: Path) -> None:
    """A finding is looked up in what `findings` wrote; anything else is refused."""
    learn = ("--learn-until", "2026-11-21T10:30Z")
    made = tmp_path / "found.ndjson"
    assert run("findings", logs, *learn, "-o", str(made))[0] == 0
    whole = tmp_path / "found.json"
    write(load(made), "findings", path=whole)
    assert load(whole).equals(load(made))
    name = load(made)["id"][0]
    code, out, _ = run("investigate", name, logs, "--findings", str(made), "--as", "json")
    assert (code, json.loads(out)["subject"]["addresses"]) == (0, ["10.0.9.9"])
    code, _, err = run("investigate", name, logs, "--findings", logs)
    assert code == 4
    assert "no findings in it; expected what `flowlens findings -o flow.log` writes" in err
