from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlens.store import order
from flowlens.store.order import inorder, laid, ordered
from tests.examples import examples

TEXT = st.one_of(st.none(), st.sampled_from(["", "10.0.0.10", "10.0.0.9", "é", "z"]))
NUMBER = st.one_of(st.none(), st.integers(-2, 2), st.sampled_from([-(2**63), 2**62, 2**63 - 1]))


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.tuples(TEXT, NUMBER, TEXT), max_size=30))
def test_texts_by_their_places_give_the_order_of_the_texts(
    values: list[tuple[str | None, int | None, str | None]],
) -> None:
    """Rows come as if their texts themselves were compared, and equal ones stay in their order."""
    schema = {"a": pl.String(), "n": pl.Int64(), "b": pl.String()}
    rows = pl.DataFrame(values, schema=schema, orient="row").with_row_index("at")
    wanted = rows.sort("a", "n", "b", maintain_order=True)
    assert ordered(rows, [rows["a"], rows["n"], rows["b"]]).equals(wanted)


@settings(max_examples=examples(30), deadline=None)
@given(
    frames=st.lists(st.lists(st.tuples(TEXT, TEXT, NUMBER), max_size=9), max_size=6),
    size=st.integers(1, 12),
    step=st.integers(1, 3),
)
def test_stretches_follow_one_another(
    frames: list[list[tuple[str | None, str | None, int | None]]],
    size: int,
    step: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """However few rows may be in memory, they come in the order of all of them, each once."""
    schema = {"a": pl.String(), "b": pl.String(), "n": pl.Int64()}
    given = [pl.DataFrame(rows, schema=schema, orient="row") for rows in frames]
    folder = tmp_path_factory.mktemp("parts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "ROWS", size)
        patch.setattr(order, "STEP", step)
        parts = laid(given, folder)
        found = list(inorder(parts, ["a", "b", "n"], folder / "sorted"))
    every = pl.concat([pl.DataFrame(schema=schema), *given])
    assert pl.concat([every.clear(), *found]).equals(every.sort("a", "b", "n"))


def test_no_stretch_is_much_larger_than_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows lie in memory a stretch at a time, and each is about as large as it should be."""
    monkeypatch.setattr(order, "ROWS", 1_000)
    monkeypatch.setattr(order, "STEP", 10)
    frames = [
        pl.DataFrame({"a": [f"{n * 7_919 % 10_007:05}" for n in some], "b": "x", "n": some})
        for some in (range(at, at + 500) for at in range(0, 10_000, 500))
    ]
    parts = laid(frames, tmp_path)
    assert [part.collect().height for part in parts] == [1_000] * 10
    sizes = [rows.height for rows in inorder(parts, ["a", "b", "n"], tmp_path / "sorted")]
    assert sum(sizes) == 10_000
    assert max(sizes) <= 1_500
