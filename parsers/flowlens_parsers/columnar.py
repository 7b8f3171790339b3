"""Columns to packed records, the same that `packing` makes of text.

Parquet keeps a text once and then its number. So the texts of a column are judged and coded, by
the packer's dictionary, and what is done for each row is arithmetic on numbers. Rows that could
not be records, or are none, are left to `columns.typed`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowlens_parsers.arrays import Bits, Plan, Text, spelled, text, whole
from flowlens_parsers.batch import Packed
from flowlens_parsers.columns import NOTHING
from flowlens_parsers.fields import OWN, SCHEMA
from flowlens_parsers.machine import load
from flowlens_parsers.silent import fits, quiet
from flowlens_parsers.slots import MISSING, MOST, OTHER, SLOTS, WIDTH, blank, kind
from flowlens_parsers.tokens import ADDRESS, BAD, NULL, NUMERAL, WORD, Tokens, Words, address

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

__all__ = ["Columnar", "texts"]


def texts(file: "ParquetFile", names: Mapping[str, str]) -> list[str] | None:
    """Return the columns of text, or None where a column is not of the type AWS gives it.

    Args:
        file: Parquet.
        names: the columns that are read -> their fields.
    """
    import pyarrow.types as of

    found, schema = [], file.schema_arrow
    for column, field in names.items():
        type = schema.field(column).type
        type = type.value_type if of.is_dictionary(type) else type
        text = of.is_string(type) or of.is_large_string(type)
        number = SCHEMA.get(field, pl.String()) != pl.String()
        if field in OWN or not (of.is_integer(type) if number else text):
            return None
        found += [column] if text else []
    return found


class Columnar:
    """Packs batches of columns.

    Args:
        tokens: the packer's dictionary: it knows the texts of the batches and objects before.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._kernel = load("flowlens_parsers.arrowkernel")
        self._columns: dict[tuple[str, ...], Words] = {}  # of each layout
        self._rows: Words = np.empty(0, np.uint64)
        self._seen: dict[str, tuple[Text, NDArray[np.uint32]]] = {}  # by column

    def pack(self, batch: "pa.RecordBatch") -> tuple[Packed, Bits, Bits]:
        """Pack the records of a batch.

        Args:
            batch: columns named after `fields`: whole numbers, and texts as dictionaries.

        Returns:
            The records, which rows are no flows, and which the tolerant parser must judge.
        """
        height, silent = batch.num_rows, quiet(batch)
        plan, good = self._planned(batch), (~silent).astype(np.uint8)
        if self._rows.size < height * WIDTH:
            self._rows = np.empty(height * WIDTH, np.uint64)
        names, told = tuple(batch.schema.names), plan.array()
        columns = self._columns.get(names)
        if columns is None:  # what a layout has not is nothing in all of its rows
            columns = self._columns[names] = blank()
        done = self._kernel["rows"](
            *(address(told), len(told), height, address(columns)),
            *(address(good), address(self._rows)),
        )
        rows = self._rows[: done * WIDTH].reshape(-1, WIDTH)
        timed = silent & fits(batch, "start") & fits(batch, "end")
        return Packed(rows, self._tokens.codes), timed, ~(good.astype(np.bool_) | timed)

    def _planned(self, batch: "pa.RecordBatch") -> Plan:
        plan = Plan()
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            of, place = kind(name), SLOTS.index(name) if name in SLOTS else OTHER
            if not hasattr(column, "dictionary"):
                at = OTHER if of == NUMERAL else place
                most = MOST.get(SCHEMA[name], 2**63 - 1)
                plan.numbers(column, at, MISSING.get(of, 0), most)
                if of == NUMERAL:  # its text tells two flow logs of one interface apart
                    texts, turns = spelled(column)
                    plan.coded(column, turns, self._codes(name, texts, of), place)
            elif of in (WORD, ADDRESS, NUMERAL):
                codes = self._codes(name, text(column.dictionary), of)
                plan.coded(column.indices, whole(column.indices), codes, place)
        return plan

    def _codes(self, name: str, found: Text, of: int) -> NDArray[np.uint32]:
        """Return the codes of a column's dictionary, `BAD` for texts that others must judge.

        Each batch of a row group brings the same one again, and the packet's addresses are mostly
        the record's.
        """
        for like in (name, name.removeprefix("pkt_")):
            if like in self._seen and self._seen[like][0].same(found):
                return self._seen[like][1]
        tokens, where = self._tokens, found.arguments
        codes = np.empty(len(found), np.uint32)
        tokens.learn(len(found))
        if of == ADDRESS:
            keys = np.empty(len(found), np.uint64)
            room = (address(keys), address(codes))
            odd = self._kernel["hosts"](*where, *room, *tokens.hosts)
        else:
            odd = self._kernel["texts"](*where, of, address(codes), *tokens.words)
        if odd:
            for place in np.flatnonzero(codes == BAD).tolist():
                codes[place] = self._code(found.word(place), of)
        tokens.learn(0)
        codes = codes if tokens.spotless else self._proven(codes)
        self._seen[name] = found, codes
        return codes

    def _code(self, text: str, of: int) -> int:
        """Return the code of a text that the kernel does not judge."""
        word = text.strip()
        return NULL if word in NOTHING else self._tokens.number(word, of)

    def _proven(self, codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return codes, `BAD` for those of texts that are not what their field wants."""
        known = np.append(self._tokens.codes, np.uint32(0))
        bad = known[np.minimum(codes, self._tokens.room)] == BAD
        return np.where(bad, np.uint32(BAD), codes)
