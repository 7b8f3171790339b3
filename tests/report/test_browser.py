import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowlens.findings import findings
from flowlens.report import render

Network = Callable[[int], dict[str, Any]]
Made = Callable[[int], str]

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--no-first-run", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=8000", "--enable-logging=stderr",
)  # fmt: skip

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")


def opened(text: str, folder: Path, *options: str) -> tuple[str, str]:
    """Open a page in a browser; return its document afterwards and what the console said."""
    page = folder / "report.html"
    page.write_text(text, "utf-8")
    done = subprocess.run(
        [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout, "\n".join(re.findall(r".*CONSOLE.*", done.stderr))


def test_runs(network: Network, page: Made, tmp_path: Path) -> None:
    """In a browser the tables are live, the packed rows are there and nothing is refused."""
    case = network(1000)
    document, console = opened(page(1000), tmp_path, "--dump-dom")
    total = case["edges"]["destination"].n_unique()
    assert console == ""
    assert f"{total} of {total} rows" in document
    assert 'class="tools" hidden' not in document
    assert "<button hidden" not in document


def test_hostile(network: Network, tmp_path: Path) -> None:
    """Hostile names do nothing, in the page and in the packed rows."""
    case = network(1000)
    bad = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    edges = case["edges"].with_columns(
        destination=pl.format(f"{bad}{{}}", "destination"),
        client_owner=pl.concat_list(pl.lit(bad)),
        why=pl.lit(bad),
    )
    case |= {"edges": edges, "findings": findings(edges)}
    text = render(case["edges"], case["findings"], case["coverage"], case["facts"])
    document, console = opened(text, tmp_path, "--dump-dom")
    assert console == ""
    assert "<title>owned" not in document
    assert "<img" not in document


def test_prints(page: Made, tmp_path: Path) -> None:
    """On paper it is a handful of pages in landscape."""
    opened(page(100), tmp_path, f"--print-to-pdf={tmp_path / 'out.pdf'}")
    data = (tmp_path / "out.pdf").read_bytes()
    pages = re.search(rb"/Type\s*/Pages.*?/Count\s+(\d+)", data, re.S)
    counts = [int(each) for each in re.findall(rb"/Count\s+(\d+)", data)]
    assert data.startswith(b"%PDF")
    assert pages or counts
    assert max(counts) <= 12


def test_refuses(page: Made, tmp_path: Path) -> None:
    """If an escape were ever forgotten, the policy would still stop the script."""
    text = page(10).replace("</main>", "<script>document.title='owned'</script></main>")
    document, console = opened(text, tmp_path, "--dump-dom")
    assert "<title>owned" not in document
    assert "Content Security Policy" in console
