import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The files of the wheel, built as a release would be."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_the_wheel_holds_our_three_packages_and_nothing_else(names: list[str]) -> None:
    """A wheel that installed `parsers` or `graphs` would break other people's projects."""
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"flowlens", "flowlens_graphs", "flowlens_parsers"}


@pytest.mark.parametrize(
    "name",
    [
        "flowlens/py.typed",
        "flowlens_graphs/py.typed",
        "flowlens_parsers/py.typed",
        "flowlens/report/page.html.j2",
        "flowlens/case/expected.yaml",
    ],
)
def test_the_wheel_holds_what_the_packages_read(names: list[str], name: str) -> None:
    """Types, the page and the bundled case are installed with the code."""
    assert name in names
