import pytest

from tests.reach.accounts import World


@pytest.fixture
def world() -> World:
    """The plain account, to be changed."""
    return World()
