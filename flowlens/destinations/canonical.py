"""One spelling for each address."""

from ipaddress import ip_address

import polars as pl

from flowlens.destinations.prefixes import IPV4

__all__ = ["canonical"]


def canonical(address: pl.Expr) -> pl.Expr:
    """Return addresses in their one spelling (RFC 5952); null where the text is no address.

    Dotted quads have one spelling already; each distinct other text is converted once.

    >>> frame = pl.DataFrame({"a": ["2001:DB8:0::1", "10.0.0.1", "db.example"]})
    >>> frame.select(canonical(pl.col("a"))).to_series().to_list()
    ['2001:db8::1', '10.0.0.1', None]
    """
    return address.map_batches(_spell, return_dtype=pl.String, is_elementwise=True)


def _spell(texts: pl.Series) -> pl.Series:
    distinct = texts.unique().drop_nulls().to_frame("text")
    four = pl.col("text").str.contains(IPV4)
    others = distinct.filter(~four)["text"].to_list()
    spelt = {text: _address(text) for text in others}
    return texts.replace(list(spelt), list(spelt.values()))


def _address(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None
