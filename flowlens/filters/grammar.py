"""The grammar of filters: recursive descent from words to one test of rows.

::

    either    = both ("or" both)*
    both      = single ("and" single)*
    single    = "not" single | "(" either ")" | sign | packet | compare
    sign      = "tcp" | "udp" | … | "accept" | "reject" | "unexpected" | "ipv4" | "ipv6"
    packet    = ["src" | "dst"] ["host" | "net" | "port" | "portrange"] values        (as in BPF)
    compare   = field ("=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~") value
              | field ["not"] "in" values | field "is" ["not"] "null"
    values    = value | "(" value ("," value)* ")"
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce
from operator import and_
from typing import NoReturn

import polars as pl

from flowlens.errors import UsageError
from flowlens.filters import compare, fields, words
from flowlens.filters.fields import Field
from flowlens.filters.needed import Test, clause, either
from flowlens.filters.values import Value, Wrong
from flowlens.filters.words import Word

__all__ = ["Grammar"]

DEPTH = 50
COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">=", "~", "!~"})
#: Words that are a whole test, as (field, operator, value).
SIGNS = {
    **{name: ("protocol", "=", name) for name in ("tcp", "udp", "icmp", "icmp6", "icmpv6", "esp")},
    "accept": ("action", "=", "ACCEPT"),
    "accepted": ("action", "=", "ACCEPT"),
    "reject": ("action", "=", "REJECT"),
    "rejected": ("action", "=", "REJECT"),
    "unexpected": ("expected", "=", "no"),
    "ipv4": ("addr", "~", "."),
    "ipv6": ("addr", "~", ":"),
}
#: What a class may be beside the kinds of destination.
VERDICTS = {"unexpected": "no", "expected": "yes"}
PACKET = {"host": "addr", "net": "addr", "": "addr", "port": "port", "portrange": "port"}


class Grammar:
    """One filter being read against one table."""

    def __init__(
        self, source: str, schema: Mapping[str, pl.DataType], now: datetime | None = None
    ) -> None:
        self.source, self.schema, self.now = source, schema, now
        self.words = words.split(source)
        self.at = 0

    def read(self) -> Test:
        """Read the whole filter."""
        if self.word.sort == "end":
            msg = "the filter is empty; write for example: dst in 10.0.0.0/8 and port = https"
            raise UsageError(msg)
        found = self.either(0)
        if self.word.sort != "end":
            self.wrong(f"expected 'and' or 'or' before {self.word.said!r}")
        return found

    @property
    def word(self) -> Word:
        """The word to read next."""
        return self.words[self.at]

    def take(self, *wanted: str) -> Word | None:
        """Read the next word if it is one of `wanted`."""
        word = self.word
        if word.sort == "end" or word.low not in wanted:
            return None
        self.at += 1
        return word

    def wrong(self, why: str, hint: str = "", word: Word | None = None) -> NoReturn:
        """Raise the error that points at a word, the next one unless told."""
        raise words.wrong(self.source, (word or self.word).place, why, hint)

    def either(self, depth: int) -> Test:
        """Read tests joined by ``or``."""
        if depth > DEPTH:
            self.wrong(f"more than {DEPTH} parentheses inside each other")
        sides = [self.both(depth)]
        while self.take("or"):
            sides.append(self.both(depth))
        return sides[0] if len(sides) == 1 else either(sides)

    def both(self, depth: int) -> Test:
        """Read tests joined by ``and``."""
        sides = [self.single(depth)]
        while self.take("and"):
            sides.append(self.single(depth))
        return reduce(and_, sides)

    def single(self, depth: int) -> Test:
        """Read one test, perhaps negated or in parentheses."""
        if self.take("not"):
            return ~self.single(depth + 1) if depth < DEPTH else self.either(depth + 1)
        if self.take("("):
            found = self.either(depth + 1)
            if not self.take(")"):
                self.wrong("a closing parenthesis is missing")
            return found
        return self.test()

    def test(self) -> Test:
        """Read a sign, a BPF test or a comparison."""
        word = self.word
        if word.sort != "word" or word.low in {"and", "or", "in"}:
            said = "the filter ends here" if word.sort == "end" else f"{word.said!r} stands here"
            self.wrong(f"a field was expected, but {said}", "Write: FIELD = VALUE.")
        follows = self.words[self.at + 1]
        if follows.low in COMPARISONS | {"in", "is"} or self._not_in(follows):
            return self.comparison()
        if word.low in {"src", "dst", *PACKET}:
            return self.packet()
        if word.low in SIGNS:
            self.at += 1
            field, sign, said = SIGNS[word.low]
            return self.build(self.field(word, field), sign, [Word(said, word.place, "word")])
        return self.comparison()

    def _not_in(self, follows: Word) -> bool:
        """Say whether ``not in`` comes after the next word."""
        return follows.low == "not" and self.words[self.at + 2].low == "in"

    def packet(self) -> Test:
        """Read ``[src|dst] [host|net|port|portrange] VALUE``."""
        side = self.take("src", "dst")
        sort = self.take("host", "net", "port", "portrange")
        name = PACKET[sort.low if sort else ""]
        if side:
            name = side.low if name == "addr" else f"{side.low[0]}port"
        first = side or sort
        return self.build(self.field(first or self.word, name), "=", self.values())

    def comparison(self) -> Test:
        """Read ``FIELD OPERATOR VALUE``."""
        word = self.word
        found = self.field(word, word.said)
        self.at += 1
        sign = self.take(*COMPARISONS)
        if sign:
            return self.build(found, sign.said, [self.value()])
        if self.take("is"):
            negated, null = self.take("not"), self.take("null")
            if not null:
                self.wrong("expected 'null' after 'is'")
            return Test(compare.unknown(found, negated=bool(negated)))
        negated = self.take("not")
        if not self.take("in"):
            self.wrong(
                f"expected a comparison after {word.said!r}", "Write = != < > ~ or in.", self.word
            )
        return self.build(found, "!=" if negated else "=", self.values())

    def field(self, word: Word, name: str) -> tuple[Field, ...]:
        """Find a field, or say which one may have been meant."""
        found = fields.find(name, self.schema)
        if not found:
            known = fields.names(self.schema)
            elsewhere = name.lower() in fields.ALIASES or name in fields.CHOICES
            why = "this table has no {!r}" if elsewhere else "{!r} is not a field of this table"
            self.wrong(why.format(name), words.near(name, known, every=known), word)
        return found

    def values(self) -> list[Word]:
        """Read one value, or several in parentheses."""
        if not self.take("("):
            return [self.value()]
        found = [self.value()]
        while self.take(","):
            found.append(self.value())
        if not self.take(")"):
            self.wrong("expected ',' or ')' in this list")
        return found

    def value(self) -> Word:
        """Read one value."""
        word = self.word
        if word.sort not in {"word", "text"}:
            said = "the filter ends here" if word.sort == "end" else f"{word.said!r} stands here"
            self.wrong(f"a value was expected, but {said}")
        self.at += 1
        return word

    def build(self, found: Sequence[Field], sign: str, said: Sequence[Word]) -> Test:
        """Compile one test; ``class = unexpected`` is a test of another column."""
        sides = []
        verdicts = [word for word in said if word.low in VERDICTS]
        if found[0].name == "destination_kind" and verdicts:
            said = [word for word in said if word.low not in VERDICTS]
            judged = [Word(VERDICTS[word.low], word.place, "word") for word in verdicts]
            sides.append(self.some(self.field(verdicts[0], "expected"), sign, judged))
        if said:
            sides.append(self.some(found, sign, said))
        any_of = either(sides)
        return ~any_of if sign in {"!=", "!~"} else any_of

    def some(self, found: Sequence[Field], sign: str, said: Sequence[Word]) -> Test:
        """Compile the positive test; a wrong value is shown at its place."""
        known = [[self.meaning(field, sign, word) for word in said] for field in found]
        pairs = zip(found, known, strict=True)
        rows = pl.any_horizontal(compare.test(field, sign, values) for field, values in pairs)
        return Test(rows, clause(found, known) if sign == "=" else ())

    def meaning(self, field: Field, sign: str, word: Word) -> Value:
        """Read a word as a value of a field."""
        try:
            return compare.meaning(field, sign, word, self.now)
        except Wrong as problem:
            self.wrong(str(problem), problem.hint, word)
