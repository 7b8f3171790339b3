import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"


def _said(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the text of every output, without the addresses of objects in memory."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs]
    return [re.sub(r"0x[0-9a-f]+", "0x", text) for text in texts]


@pytest.mark.filterwarnings("default")  # of the kernel's own libraries
@pytest.mark.parametrize("name", ["incident.ipynb"])
def test_the_notebook_says_what_it_shows(name: str) -> None:
    """Run anew, the notebook gives the outputs that are kept in it."""
    kept, fresh = (
        nbformat.read(FOLDER / name, as_version=4)  # type: ignore[no-untyped-call]
        for _ in range(2)
    )
    NotebookClient(fresh, timeout=120, resources={"metadata": {"path": str(FOLDER)}}).execute()
    assert _said(fresh) == _said(kept)
    pictures = [
        o for c in kept.cells for o in c.get("outputs", []) if "image/svg+xml" in o.get("data", {})
    ]
    assert len(pictures) == 2
