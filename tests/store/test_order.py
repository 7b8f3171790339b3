import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlens.store.order import ordered
from tests.examples import examples

TEXT = st.one_of(st.none(), st.sampled_from(["", "10.0.0.10", "10.0.0.9", "é", "z"]))
NUMBER = st.one_of(st.none(), st.integers(-2, 2))


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
