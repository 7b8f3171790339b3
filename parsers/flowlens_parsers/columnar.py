"""Columns to packed records, the same that `packing` makes of text.

Parquet keeps a text once and then its number. So the texts of a column are judged and coded, by
the rules of `columns`, and what is done for each row is arithmetic on numbers. Rows that could
not be records, or are none, are left to `columns.typed`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

from flowlens_parsers.arrays import Bits, Columns, Numbers, Texts
from flowlens_parsers.columns import plain, value
from flowlens_parsers.fields import ADDRESSES, OWN, SCHEMA
from flowlens_parsers.tokens import BAD, NULL, Code, Words

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


class _Known:
    """The texts met in columns of one kind, and their codes; new ones are judged, each once.

    Args:
        like: a field whose texts are as these.
        code: codes texts.
    """

    def __init__(self, like: str, code: Code) -> None:
        self._like, self._code = like, code
        self._words = pl.Categorical(pl.Categories.random())  # numbers texts as they come
        # Polars forgets the numbers with the last column that has them.
        self._held = pl.Series([], dtype=pl.String).cast(self._words)
        self._codes = np.empty(0, np.uint64)

    @property
    def many(self) -> bool:
        """Whether there are so many that it is better to begin anew."""
        return len(self._codes) > MANY

    def codes(self, texts: pl.Series) -> Words:
        """Return codes: `NULL` for what stands for nothing, `BAD` for what is none."""
        numbers = texts.cast(self._words).to_physical()
        new = texts.filter(numbers >= len(self._codes)).unique(maintain_order=True)
        if len(new):
            self._learn(new)
        codes: Words = np.append(self._codes, np.uint64(NULL))
        found: Words = codes[numbers.fill_null(len(self._codes)).to_numpy()]
        return found

    def _learn(self, new: pl.Series) -> None:
        shown = plain(pl.DataFrame({self._like: new}))[self._like]
        found = value(self._like, shown)
        told = self._code(found.fill_null(""))
        told[found.is_null().to_numpy()] = BAD
        told[shown.is_null().to_numpy()] = NULL
        self._codes = np.append(self._codes, told.astype(np.uint64))


class Columnar:
    """Packs batches of columns; what it knows of their texts serves the next batch and object.

    Args:
        code: codes texts.
    """

    def __init__(self, code: Code) -> None:
        self._code = code
        self._kinds: dict[str, _Known] = {}

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
        found: dict[str, Texts] = {}
        for like in ("srcaddr", "action"):  # the columns of addresses have the same, mostly
            mine = {
                name: cast(pl.Series, pl.from_arrow(column.dictionary)).cast(pl.String)
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
                if hasattr(column, "dictionary") and (name in ADDRESSES) == (like in ADDRESSES)
            }
            at = 0
            codes = self._known(like, pl.concat(mine.values())) if mine else np.empty(0, np.uint64)
            for name, texts in mine.items():
                found[name] = Texts(texts, np.append(codes[at : at + len(texts)], np.uint64(NULL)))
                at += len(texts)
        return found

    def _known(self, like: str, texts: pl.Series) -> Words:
        """Return the codes of texts that are as those of a field."""
        if like not in self._kinds or self._kinds[like].many:
            self._kinds[like] = _Known(like, self._code)
        return self._kinds[like].codes(texts)

    def _versions(self, numbers: Numbers) -> Words:
        """Return the codes of numbers as texts; negative ones are none."""
        distinct, places = np.unique(numbers, return_inverse=True)
        names = [str(number) if number >= 0 else None for number in distinct.tolist()]
        return self._known("action", pl.Series(names, dtype=pl.String))[places]
