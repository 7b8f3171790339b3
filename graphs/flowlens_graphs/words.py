"""Small texts: bytes in SI units, registered domains, names made safe to show."""

import re
import unicodedata

__all__ = ["counted", "printable", "registered", "si"]

#: Second-level names under which registries sell, so that three labels name the owner. A short
#: list of the common ones and not the Public Suffix List: enough to group, too little to decide.
SECOND = re.compile(
    r"(ac|co|gov|org)\.uk|(com|net|org|gov)\.au|(ac|co|ne|or)\.jp"
    r"|co\.(id|il|in|kr|nz|th|za)|com\.(br|cn|hk|mx|sg|tr|tw)"
)


def registered(name: str) -> str:
    """Return the registered domain of a host name: who owns the name.

    The last two labels, or the last three under one of the common second-level suffixes. This is
    a rule for grouping rows of a picture, not a security boundary.

    >>> registered("http-intake.logs.datadoghq.com"), registered("www.shop.example.co.uk")
    ('datadoghq.com', 'example.co.uk')
    >>> registered("localhost")
    'localhost'
    """
    labels = name.rstrip(".").split(".")
    keep = 3 if SECOND.fullmatch(".".join(labels[-2:])) else 2
    return ".".join(labels[-keep:])


def si(count: int) -> str:
    """Return a number of bytes in SI units (1 kB = 1,000 B) with two or three digits.

    >>> [si(n) for n in (0, 999, 1000, 62_240_000, 179_000_000, 999_960_000)]
    ['0 B', '999 B', '1.0 kB', '62.2 MB', '179 MB', '1.0 GB']
    """
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        value /= 1000
        if value < 99.95:
            return f"{value:.1f} {unit}"
        if value < 999.5:
            return f"{value:.0f} {unit}"
    return f"{value / 1000:.1f} EB"


def counted(count: int, word: str, plural: str | None = None) -> str:
    """Return a count with its word.

    >>> counted(1, "address", "addresses"), counted(1200, "workload")
    ('1 address', '1,200 workloads')
    """
    return f"{count:,} {word if count == 1 else plural or word + 's'}"


def printable(text: str) -> str:
    r"""Return a text in which nothing acts on a screen: control characters are spelled out.

    Control, direction-changing, private and unassigned characters become their escapes; of a run
    of combining marks, two are kept, so that a name cannot be drawn over its neighbours.

    >>> printable("a\x1b[31m\nb\u202e")
    'a\\x1b[31m\\nb\\u202e'
    """
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= 2:
            out.append(char if char.isprintable() else char.encode("unicode_escape").decode())
    return "".join(out)
