from pathlib import Path

import pytest

PUBLISHED = Path(__file__).parent.parent.parent / "shared" / "fixtures"


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of flow-log records that other people published; the test skips without it."""
    if not PUBLISHED.is_dir():
        pytest.skip("the folder of published records is not there")
    return PUBLISHED
