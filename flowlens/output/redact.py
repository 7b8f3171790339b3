"""Pseudonyms for output that leaves the house: ``ip-1``, ``account-1``, ``name-1``.

A pseudonym is the place of a value in the sorted list of all such values in the output, so it
says nothing about the value, is the same wherever the value appears, and the same input gives the
same output. Two runs over different input number differently; there is no key to lose.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from ipaddress import ip_address

import polars as pl

from flowlens.errors import UsageError

__all__ = ["KINDS", "Redactor", "kinds"]

KINDS = ("accounts", "ips", "names")
ADDRESS = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)|(?<![\w:])[0-9a-fA-F:]*:[0-9a-fA-F:]+(?![\w:])"
)
ACCOUNT = re.compile(r"(?<![0-9A-Za-z])\d{12}(?![0-9A-Za-z])")
#: Columns whose values are names of the user's own things or of who they talk to.
NAMED = frozenset(
    {
        *("client_owner", "server_owner", "owner", "domains", "function", "name", "instance_id"),
        *("source", "workloads"),
    }
)
#: Destinations of these kinds carry such a name; "S3 us-east-1" is no secret.
KINDS_NAMED = ("inside", "endpoint", "named", "domain")


def kinds(text: str | None) -> tuple[str, ...]:
    """Read the option: kinds, separated by commas.

    >>> kinds("ips,accounts")
    ('accounts', 'ips')

    Raises:
        UsageError: a kind is not known.
    """
    wanted = {part.strip().lower() for part in (text or "").split(",") if part.strip()}
    if wanted - set(KINDS):
        msg = f"{min(wanted - set(KINDS))!r} cannot be redacted; --redact takes {','.join(KINDS)}"
        raise UsageError(msg)
    return tuple(sorted(wanted))


class Redactor:
    """Consistent pseudonyms over several tables.

    Args:
        wanted: which of `KINDS`.
        frames: every table that will be written; each is read once for its values.
        texts: what else will be written.
    """

    def __init__(
        self, wanted: Iterable[str], frames: Iterable[pl.LazyFrame], texts: Iterable[str] = ()
    ) -> None:
        self.wanted = frozenset(wanted)
        self.texts: set[str] = set(texts) if self.wanted else set()
        self.names: set[str] = set()
        for frame in frames if self.wanted else ():
            self.add(frame)

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Replace what is to be hidden in every text of a frame, however nested."""
        if not self.wanted or not self.changes:
            return frame
        schema = frame.collect_schema()
        return frame.with_columns(
            _mapped(pl.col(name), dtype, self.changes).alias(name)
            for name, dtype in schema.items()
            if _holds_text(dtype)
        )

    def text(self, text: str) -> str:
        """Replace what is to be hidden in a text."""
        return self.changes.get(text, text)

    @cached_property
    def changes(self) -> dict[str, str]:
        """Every text that changes, and what it becomes."""
        cleaned = {text: self._clean(text) for text in self.texts}
        return {text: clean for text, clean in sorted(cleaned.items()) if clean != text}

    @cached_property
    def _pseudonyms(self) -> dict[str, str]:
        """Every value to hide and its pseudonym."""
        found: dict[str, str] = {}
        if "names" in self.wanted:
            found |= _numbered("name", sorted(self.names))
        if "accounts" in self.wanted:
            numbers = {one for text in self.texts for one in ACCOUNT.findall(text)}
            found |= _numbered("account", sorted(numbers))
        if "ips" in self.wanted:
            read = {one: _address(one) for text in self.texts for one in ADDRESS.findall(text)}
            known = sorted((place, one) for one, place in read.items() if place)
            found |= _numbered("ip", [one for _, one in known])
        return found

    @cached_property
    def _named(self) -> re.Pattern[str] | None:
        """Find any of the names, longest first so that none hides inside another."""
        if "names" not in self.wanted or not self.names:
            return None
        parts = "|".join(re.escape(name) for name in sorted(self.names, key=lambda n: (-len(n), n)))
        return re.compile(rf"(?<![\w.-])(?:{parts})(?![\w-])")

    def _clean(self, text: str) -> str:
        """Replace every value in a text."""
        for pattern in (self._named, ACCOUNT, ADDRESS):
            if pattern is not None:
                text = pattern.sub(lambda m: self._pseudonyms.get(m[0], m[0]), text)
        return text

    def add(self, frame: pl.LazyFrame) -> None:
        """Collect the distinct texts and names of a frame, batch by batch, before any change."""
        schema = frame.collect_schema()
        texts = {name: dtype for name, dtype in schema.items() if _holds_text(dtype)}
        kind = ["destination_kind"] if "destination_kind" in schema else []
        for batch in frame.select(*texts, *(set(kind) - set(texts))).collect_batches():
            for name in texts:
                values = set(_texts(batch[name]))
                self.texts |= values
                self.names |= values if name in NAMED else set()
            if kind and "destination" in texts:
                own = batch.filter(pl.col("destination_kind").is_in(KINDS_NAMED))
                self.names |= {name for name in own["destination"] if name and not _address(name)}
        self.names.discard("")


def _numbered(prefix: str, values: Iterable[str]) -> dict[str, str]:
    """Number values in their order."""
    return {value: f"{prefix}-{at}" for at, value in enumerate(values, 1)}


def _address(text: str) -> tuple[int, int] | None:
    """Return what an address sorts by; None for what is none."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.version, int(found)


def _holds_text(dtype: object) -> bool:
    """Say whether a type is text or has text in it."""
    if isinstance(dtype, pl.List):
        return _holds_text(dtype.inner)
    if isinstance(dtype, pl.Struct):
        return any(_holds_text(part.dtype) for part in dtype.fields)
    return dtype == pl.String


def _texts(column: pl.Series) -> Iterator[str]:
    """Yield the distinct texts of a column, however nested."""
    if isinstance(column.dtype, pl.List):
        yield from _texts(column.explode())
    elif isinstance(column.dtype, pl.Struct):
        for part in column.struct.fields:
            yield from _texts(column.struct.field(part))
    elif column.dtype == pl.String:
        yield from column.drop_nulls().unique()


def _mapped(column: pl.Expr, dtype: object, changes: dict[str, str]) -> pl.Expr:
    """Replace the texts of a column, however nested."""
    if isinstance(dtype, pl.List):
        return column.list.eval(_mapped(pl.element(), dtype.inner, changes))
    if isinstance(dtype, pl.Struct):
        parts = [
            _mapped(pl.field(part.name), part.dtype, changes).alias(part.name)
            for part in dtype.fields
            if _holds_text(part.dtype)
        ]
        return column.struct.with_fields(parts)
    return column.replace(changes)
