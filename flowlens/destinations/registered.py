"""The registered domain of a name: what somebody owns, one label below a public suffix."""

from functools import cache
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

__all__ = ["registered"]


def registered(names: pl.Series) -> pl.Series:
    """Return the registered domain of each name, null where it has none.

    A *public suffix* is what anybody may register a name below: ``co.uk``, but also ``github.io``
    or ``s3.us-east-1.amazonaws.com``, below which each name is somebody else's
    (https://publicsuffix.org; the list comes with the package and is not fetched). Below a top
    level that the list does not know, as of a private zone, the last two labels count.

    Args:
        names: Domain names, in Unicode or Punycode.

    Returns:
        As many texts, named as `names`.

    >>> names = ["cdn.api.example.co.uk", "me.github.io", "bucket.s3.amazonaws.com", "localhost"]
    >>> registered(pl.Series(names)).to_list()
    ['example.co.uk', 'me.github.io', 'bucket.s3.amazonaws.com', None]
    """
    distinct = names.drop_nulls().unique()
    found = [_suffixes().privatesuffix(name.lower()) for name in distinct]
    owned = pl.Series(found, dtype=pl.String)
    return names.replace_strict(distinct, owned, default=None, return_dtype=pl.String)


@cache
def _suffixes() -> "PublicSuffixList":
    """Return the list, once: to read its ten thousand lines takes a fifth of a second."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()
