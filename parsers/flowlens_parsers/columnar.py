"""Columns to packed records, the same that `packing` makes of text.

Parquet keeps a text once and then its number. So the texts of a column are judged and coded, by
the rules of `columns`, and what is done for each row is arithmetic on numbers. Rows that could
not be records, or are none, are left to `columns.typed`.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from flowlens_parsers.arrays import Bits, Columns, Numbers, Texts
from flowlens_parsers.columns import plain, value
from flowlens_parsers.fields import ADDRESSES, OWN, SCHEMA
from flowlens_parsers.packing import BAD, NULL, Code, Words

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

__all__ = ["Columnar", "texts"]

MANY = 1 << 16  # texts of a column that are remembered


def texts(file: "ParquetFile", names: Mapping[str, str]) -> list[str] | None:
    """Return the columns of text, or None where a column is not of the type AWS gives it.

    Args:
        file: Parquet.
        names: the columns that are read -> their fields.
    """
    import pyarrow.types as of

    found, schema = [], file.schema_arrow
    for column, field in names.items():
        kind = schema.field(column).type
        kind = kind.value_type if of.is_dictionary(kind) else kind
        text = of.is_string(kind) or of.is_large_string(kind)
        number = SCHEMA.get(field, pl.String()) != pl.String()
        if field in OWN or not (of.is_integer(kind) if number else text):
            return None
        found += [column] if text else []
    return found


class Columnar:
    """Packs batches of columns; what it knows of their texts serves the next batch and object.

    Args:
        code: codes texts.
    """

    def __init__(self, code: Code) -> None:
        self._code = code
        self._codes: dict[str, dict[str | None, int]] = {}

    def pack(self, batch: "pa.RecordBatch", source: str) -> tuple[Words, pl.DataFrame, Bits]:
        """Pack the records of a batch.

        Args:
            batch: columns named after `fields`: whole numbers, and texts as dictionaries.
            source: the object.

        Returns:
            The records, what rows that are no flows say, and which rows the tolerant parser must
            judge.
        """
        columns = Columns(batch, self._texts(batch))
        quiet = columns.quiet()
        good = columns.good() & ~quiet
        silent = quiet & columns.timed()
        packed = columns.packed(self._versions)[good]
        return packed, columns.coverage(silent, source), ~(good | silent)

    def _texts(self, batch: "pa.RecordBatch") -> "dict[str, Texts]":
        """Return what the texts of each column are."""
        texts = {
            name: column.dictionary.to_pylist()
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
            if hasattr(column, "dictionary")
        }
        found: dict[str, Texts] = {}
        for like in ("srcaddr", "action"):  # the columns of addresses have the same, mostly
            mine = {name for name in texts if (name in ADDRESSES) == (like in ADDRESSES)}
            codes = self._known(like, chain.from_iterable(texts[name] for name in sorted(mine)))
            found |= {name: Texts.of(texts[name], codes) for name in mine}
        return found

    def _known(self, like: str, texts: Iterable[str | None]) -> dict[str | None, int]:
        """Return the codes of texts: `NULL` for those that stand for nothing, `BAD` for wrong ones.

        Args:
            like: a field whose texts are as these.
            texts: some, also several times.
        """
        codes = self._codes.setdefault(like, {})
        if len(codes) > MANY:
            codes.clear()
        new = [text for text in dict.fromkeys(texts) if text not in codes]
        if new:
            shown = plain(pl.DataFrame({like: new}, schema={like: pl.String}))[like]
            found = value(like, shown)
            told = self._code(found.fill_null(""))
            told[found.is_null().to_numpy()] = BAD
            told[shown.is_null().to_numpy()] = NULL
            codes |= zip(new, told.tolist(), strict=True)
        return codes

    def _versions(self, numbers: Numbers) -> Words:
        """Return the codes of numbers as texts; negative ones are none."""
        distinct, places = np.unique(numbers, return_inverse=True)
        names = [str(number) if number >= 0 else None for number in distinct.tolist()]
        codes = self._known("action", names)
        return np.array([codes[name] for name in names], np.uint64)[places]
