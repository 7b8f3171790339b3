"""Filter text -> words with their places, and errors that point at a place."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from flowlens.errors import UsageError

__all__ = ["Word", "near", "split", "wrong"]

# Operators first, longest first; everything that is not one of them, blank or quoted is a word,
# so addresses, CIDRs, ISO times and globs need no quotes.
PIECE = re.compile(
    r"""\s*(?:
        (?P<text>"[^"]*"|'[^']*')
      | (?P<mark>==|!=|<>|<=|>=|!~|&&|\|\||[=<>~!(),])
      | (?P<word>[^\s()=<>!~,"'&|]+)
      | (?P<bad>\S)
    )""",
    re.VERBOSE,
)
SAME = {"==": "=", "<>": "!=", "&&": "and", "||": "or", "!": "not"}


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of a filter: what it says, where it starts, and what sort of piece it is."""

    said: str
    place: int
    sort: str  # text (was quoted), mark, word, end

    @property
    def low(self) -> str:
        """The piece as the grammar compares it; a quoted text is never a keyword."""
        return "" if self.sort == "text" else self.said.lower()


def split(source: str) -> list[Word]:
    """Cut a filter into words, ending with an empty one.

    >>> [word.said for word in split("dst in 10.0.0.0/8 && bytes>10MB")]
    ['dst', 'in', '10.0.0.0/8', 'and', 'bytes', '>', '10MB', '']

    Raises:
        UsageError: a quote is not closed, or a single ``&`` or ``|`` stands alone.
    """
    words = []
    for piece in PIECE.finditer(source):
        sort = str(piece.lastgroup)
        said, place = piece[sort], piece.start(sort)
        if sort == "bad":
            why = "this quote is not closed" if said in "\"'" else f"{said!r} means nothing here"
            hint = "" if said in "\"'" else "Write 'and' or 'or'."
            raise wrong(source, place, why, hint)
        if sort == "text":
            said = said[1:-1]
        words.append(Word(SAME.get(said, said) if sort == "mark" else said, place, sort))
    words.append(Word("", len(source.rstrip()), "end"))
    return words


def wrong(source: str, place: int, why: str, hint: str = "") -> UsageError:
    """Make the error that shows the filter, a caret under the place, and what to try."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in source)
    lines = [why, f"  {shown}", f"  {' ' * place}^", f"  {hint}" if hint else ""]
    return UsageError("\n".join(lines).rstrip())


def near(said: str, known: Iterable[str], *, every: Sequence[str] = ()) -> str:
    """Say the known word that `said` looks like, else list `every`.

    >>> near("postgress", ["postgres", "https"])
    "Did you mean 'postgres'?"
    """
    found = get_close_matches(said.lower(), list(known), n=1, cutoff=0.6)
    if found:
        return f"Did you mean '{found[0]}'?"
    return f"Known here: {', '.join(every)}." if every else ""
