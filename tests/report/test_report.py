import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from zlib import decompress

import polars as pl
import pytest

from flowlens.coverage import summary
from flowlens.errors import OutputError
from flowlens.findings import findings
from flowlens.report import Facts, render, write
from flowlens.report.page import PACKED, ROWS, lean
from flowlens.report.picture import Styles, inline
from flowlens.report.shape import crowd, shape
from flowlens.report.strip import numbers
from flowlens.tables import COVERAGE, EDGES, FINDINGS, empty
from flowlens.words import size
from tests.report.conftest import Case, made

Network = Callable[[int], Case]
Made = Callable[[int], str]
VOID = {"meta", "input", "br", "hr", "img", "link"}
REJECTS = {"source": pl.String(), "line": pl.UInt64(), "reason": pl.String(), "text": pl.String()}


class Page(HTMLParser):
    """A page taken apart: tags in order, what is still open, text by tag."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        self.text.setdefault(self.open[-1] if self.open else "", []).append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def shown(text: str) -> str:
    """What a reader sees, without markup."""
    body = re.sub(r"<(title|style|script)\b.*?</\1>", " ", text, flags=re.S)
    return re.sub(r"\s+", " ", "".join(Page(body).words))


@pytest.mark.parametrize("total", [10, 100, 1000])
def test_well_formed(page: Made, total: int) -> None:
    """Every element is closed in order and every id is there once."""
    parts = Page(page(total))
    assert parts.open == []
    ids = [attributes["id"] for _, attributes in parts.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {a["href"] for a in parts.named("a")} | {a["href"] for a in parts.named("use")}
    assert {target[1:] for target in targets if target} <= set(ids)


@pytest.mark.parametrize(("total", "limit"), [(10, 120_000), (100, 350_000), (1000, 500_000)])
def test_size(page: Made, total: int, limit: int) -> None:
    """The file stays small enough for a mail."""
    assert len(page(total).encode()) <= limit


def test_loads_nothing(page: Made) -> None:
    """No element, attribute, style or script of the page names a place to load from."""
    text = page(100)
    loading = {"src", "srcset", "data", "action", "formaction", "poster", "background", "style"}
    for tag, attributes in Page(text).tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert not loading & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    assert "fetch(" not in text
    assert "XMLHttpRequest" not in text


def test_policy(page: Made) -> None:
    """The policy allows nothing but the page's own style and script, by hash."""
    text = page(10)
    policy = next(a["content"] for a in Page(text).named("meta") if "http-equiv" in a)
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    script = re.search(r"<script>(.*?)</script>", text, re.S)
    assert style
    assert script
    hashes = [b64encode(sha256(m[1].encode()).digest()).decode() for m in (style, script)]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert text.index("Content-Security-Policy") < text.index("<style>")


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert('x')",
    "</script><script>alert(2)</script>",
    "{{ 7 * 7 }}",
    "=HYPERLINK(1)",
    "\u202egnp.exe",
]


def test_hostile(network: Network) -> None:
    """Names out of logs, tags and documents stay text, whatever they hold."""
    case = network(10)
    name = pl.Series([HOSTILE[n % len(HOSTILE)] for n in range(case["edges"].height)])
    edges = case["edges"].with_columns(
        destination=name, why=name, path=name, client_kind=name, client_owner=pl.concat_list(name),
        expected=pl.lit("no"),
    )  # fmt: skip
    facts = Facts(
        sources=tuple(HOSTILE), accounts=tuple(HOSTILE), command=HOSTILE[0], arguments=HOSTILE[1],
        document=HOSTILE[0], missing=tuple(HOSTILE), unknown=tuple(HOSTILE), notes=tuple(HOSTILE),
        dns=HOSTILE[0], ranges=HOSTILE[1],
    )  # fmt: skip
    rejects = pl.DataFrame([(bad, 1, bad, bad) for bad in HOSTILE], schema=REJECTS, orient="row")
    told = summary(case["windows"].with_columns(observer=pl.lit(HOSTILE[0])), rejects, {}, edges)
    text = made(case, edges=edges, findings=findings(edges), facts=facts, coverage=told)
    page = Page(text)
    assert page.open == []
    assert "img" not in {tag for tag, _ in page.tags}
    assert len(page.named("script")) == 1
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text
    assert "{{ 7 * 7 }}" in text
    assert all((a["href"] or "").startswith("#") for a in page.named("a"))


def test_hostile_pack(network: Network) -> None:
    """Rows packed for the script come back as they were and cannot end their element."""
    case = network(1000)
    edges = case["edges"].with_columns(destination=pl.format("</script>{}", "destination"))
    text = made(case, edges=edges)
    packed = re.findall(r'<script type="text/plain">(.*?)</script>', text)
    rows = [json.loads(decompress(b64decode(each))) for each in packed]
    assert all(re.fullmatch(r"[A-Za-z0-9+/=]+", each) for each in packed)
    total = edges.select(pl.col("destination").n_unique()).item()
    assert len(rows[0]) == total - ROWS
    assert any(row[0].startswith("</script>") for row in rows[0])


def test_totals(network: Network, page: Made) -> None:
    """The bytes of each table add up to those of the edges, and none is lost in packing."""
    case = network(1000)
    text = page(1000)
    sent = case["edges"]["bytes_out"].sum()
    for name, place in (("destinations", 6), ("workloads", 6), ("edges", 6)):
        box = text.split(f'<section id="{name}"')[1].split("</section>")[0]
        rows = re.findall(r"<tr.*?</tr>", box.split("</thead>")[1], re.S)
        first = sum(int(m[0]) for row in rows if (m := re.findall(r'data-v="(\d+)"', row)))
        packed = re.search(r'text/plain">(.*?)</script>', box)
        rest = json.loads(decompress(b64decode(packed[1]))) if packed else []
        assert first + sum(row[place] for row in rest) == sent, name
        assert len(rows) <= ROWS


def test_same_bytes(network: Network, page: Made) -> None:
    """The same input in any order is the same page."""
    case = network(100)
    again = case["edges"].sample(fraction=1, shuffle=True, seed=5)
    assert made(case, edges=again) == page(100)


def test_headline(network: Network, page: Made) -> None:
    """The first screen says how many, who, how much and how sure."""
    case = network(10)
    text = shown(page(10))
    assert "3 unexpected destinations, reached by 3 workloads." in text
    refused = case["edges"].filter(expected="no", action="REJECT")["bytes_out"].sum()
    words = f"went where egress.yaml allows nothing; {size(refused)} of it was rejected. The worst:"
    assert words in text
    assert "How sure:" in text
    assert "123456789012 · us-east-1 · s3://acme-flow-logs/AWSLogs/ · 2026-11-16" in text


def test_one(network: Network) -> None:
    """The strip counts one workload and one destination in the singular."""
    case = network(10)
    found = numbers(shape(case["edges"].head(1)), empty(FINDINGS), case["coverage"])
    counts = [("0", "findings"), ("1", "workload"), ("1", "destination")]
    assert [(each.value, each.label) for each in found[:3]] == counts


def test_unknown(network: Network) -> None:
    """Without a document and a baseline nothing is called unexpected, nor expected."""
    case = network(10)
    edges = case["edges"].with_columns(expected=pl.lit("unknown"), why=pl.lit(None, pl.String))
    text = shown(made(case, edges=edges, findings=empty(FINDINGS), facts=Facts()))
    assert "Expected or not: unknown." in text
    assert "No expected document and no baseline was given" in text
    assert "nothing to judge by" in text
    assert "0 findings" not in text
    assert "account unknown" in text


def test_clean(network: Network) -> None:
    """When everything was expected the page says so, and by what."""
    case = network(10)
    edges = case["edges"].with_columns(expected=pl.lit("yes"))
    text = shown(made(case, edges=edges, findings=empty(FINDINGS)))
    assert "Nothing unexpected: " in text
    assert "that egress.yaml declares." in text


def test_empty() -> None:
    """No record at all is a page that says so."""
    none = empty(EDGES)
    told = summary(empty(COVERAGE), empty(REJECTS), {})
    text = shown(render(none, empty(FINDINGS), told))
    assert "Nothing to judge: no flow record was read." in text
    assert "completeness unknown" in text


def test_method(page: Made) -> None:
    """The page counts what is missing and lists what no flow log shows."""
    text = shown(page(100))
    for words in (
        "2 lines: not a number", "1 line: truncated", "eni-0003: 3 windows, 180 min",
        "instance metadata (169.254.169.254)", "Missing, so unknown: iam.list_roles: AccessDenied",
        "b.gz: 3 of 20 lines", "written down by several interfaces", "Certain rests on TCP flags",
        "Judged by the document egress.yaml",
    ):  # fmt: skip
        assert words in text


def test_one_sided(network: Network) -> None:
    """A log of one action alone says what it cannot show."""
    case = network(10)
    for action, words in (
        ("REJECT", "what was accepted cannot be seen"),
        ("ACCEPT", "set to leave rejected traffic out"),
        (None, "does not carry an action"),
    ):
        edges = case["edges"].with_columns(action=pl.lit(action, pl.String))
        told = summary(case["windows"], case["rejects"], {}, edges)
        assert words in shown(made(case, edges=edges, coverage=told))


def test_halves(network: Network) -> None:
    """Unlinked halves of NAT traffic are said to be in the sums twice."""
    case = network(10)
    edges = case["edges"].with_columns(leg=pl.lit("nat outer"))
    assert "this traffic may be in the sums twice" in shown(made(case, edges=edges))


def test_evidence(network: Network, page: Made) -> None:
    """A finding shows its command, quoted for a shell, and its first raw records."""
    case = network(10)
    text = page(10)
    row = case["findings"].row(0, named=True)
    command = f"flowlens records s3://acme-flow-logs/AWSLogs/ --where '{row['evidence']['filter']}'"
    assert command in Page(text).text["pre"]
    line = row["evidence"]["lines"][0]
    assert f"{line['source']}:{line['line']}" in Page(text).text["td"]
    assert line["text"] in Page(text).text["td"]


def test_script() -> None:
    """The page's own script is small and builds no markup out of text."""
    script = lean("page.js")
    assert len(script.encode()) < 6000
    assert "innerHTML" not in script
    assert "eval" not in script


def test_cap(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what a page can hold it says how many rows are elsewhere."""
    monkeypatch.setattr("flowlens.report.page.PACKED", 500)
    text = made(network(1000))
    assert "The heaviest 500 of" in text
    assert PACKED > 500


def test_labels() -> None:
    """Candidates are named while few and counted beyond; text and frame agree."""
    lists = [["b", "a"], list("edcba"), ["x"], None, []]
    frame = pl.DataFrame(
        {"client_owner": lists, "client": ["10.0.0.1"] * 5}, schema_overrides={"client": pl.String}
    )
    full = pl.concat([empty(EDGES), frame], how="diagonal_relaxed")
    by_key = dict(shape(full).select("key", "who").iter_rows())
    expected = [crowd(sorted(owners or []), "10.0.0.1") for owners in lists]
    assert sorted(by_key.values()) == sorted(set(expected))
    assert expected == ["a or b", "a, b, c or 2 more", "x", "10.0.0.1", "10.0.0.1"]


def test_workloads_are_ours() -> None:
    """Whoever knocks from outside is no workload; a client of ours nobody owns is one."""
    frame = pl.DataFrame(
        {
            "client": ["10.0.0.1", "203.0.113.9", "2001:db8::1", "203.0.113.8", None],
            "client_owner": [None, None, None, ["edge"], None],
            "vantage": ["server", "server", "client", "middle", None],
        }
    )
    full = pl.concat([empty(EDGES), frame], how="diagonal_relaxed")
    ours = dict(shape(full).select("key", "ours").iter_rows())
    assert ours.pop("203.0.113.9") is False
    assert set(ours.values()) == {True}


def test_picture() -> None:
    """A picture keeps shapes and text, and nothing that acts or loads."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="9pt" viewBox="0 0 9 9">'
        "<metadata>x</metadata>"
        "<style>*{}</style><image href='data:x'/><a href='javascript:1'><text>y</text></a>"
        '<use href="http://x/#a"/><use href="#b"/><foreignObject><p>p</p></foreignObject>'
        '<text style="fill: red; x: y}" onclick="z">&lt;b&gt;</text>'
        '<rect style="fill: url(http://x)"/></svg>'
    )
    styles = Styles()
    assert inline(svg, styles) == (
        '<svg viewBox="0 0 9 9"><use/><use href="#b"/><text class="g0">&lt;b&gt;</text>'
        '<rect class="g1"/></svg>'
    )
    assert styles.css == ".g0{fill:red;x:y}.g1{}"


def test_write(network: Network, tmp_path: Path) -> None:
    """A folder gets the page, the pictures and the data, twice the same bytes."""
    case = network(10)
    folders = [tmp_path / "a" / "b", tmp_path / "c"]
    for folder in folders:
        page = write(
            folder, case["edges"], case["findings"], case["coverage"], case["rejects"],
            windows=case["windows"], facts=case["facts"],
        )  # fmt: skip
        assert page == folder / "report.html"
    names = [
        "coverage.json", "edges.parquet", "findings.json", "map.png", "map.svg", "rejects.ndjson",
        "report.html", "timeline.png", "timeline.svg",
    ]  # fmt: skip
    assert sorted(path.name for path in folders[0].iterdir()) == names
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    told = json.loads((folders[0] / "findings.json").read_text())
    assert told["schema"] == "flowlens.findings/1"
    assert [row["id"] for row in told["findings"]] == case["findings"]["id"].to_list()
    assert pl.read_parquet(folders[0] / "edges.parquet").schema == case["edges"].schema


def test_write_fails(network: Network, tmp_path: Path) -> None:
    """A folder that cannot be made is one line that names it."""
    case = network(10)
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"cannot write the report to .*file"):
        write(tmp_path / "file", case["edges"], case["findings"], case["coverage"], case["rejects"])
