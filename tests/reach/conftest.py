import importlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import polars as pl
import pytest

from flowlens.inventory.pick import Shape
from tests.reach.accounts import World

SHAPING = importlib.import_module("flowlens.inventory.shape")
#: Worlds of the tests differ in one answer; the tables of the others are made once.
MADE = cache(SHAPING._decoded)


def decoded(rows: Sequence[tuple[Any, ...]], table: Shape) -> pl.DataFrame:
    """The table that the inventory makes of these rows, perhaps before."""
    made: pl.DataFrame = MADE(tuple(rows), table)
    return made


@pytest.fixture(scope="module", autouse=True)
def _tables() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SHAPING, "_decoded", decoded)
        yield


@pytest.fixture
def world() -> World:
    """The plain account, to be changed."""
    return World()
