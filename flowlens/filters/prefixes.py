"""Is an address in a network: exact arithmetic on text columns, no loop over rows."""

from ipaddress import IPv4Network, IPv6Network

import polars as pl

__all__ = ["inside", "sortable4", "sortable6"]


def inside(column: pl.Expr, network: IPv4Network | IPv6Network) -> pl.Expr:
    """Test whether canonical addresses lie in `network`; null where the text is no address.

    An address of the other family is not inside, so ``0.0.0.0/0`` holds no IPv6 address.
    """
    low, high = network.network_address, network.broadcast_address
    six = column.str.contains(":", literal=True)
    if isinstance(network, IPv4Network):
        found = sortable4(column).is_between(int(low), int(high))
        return pl.when(six).then(statement=False).otherwise(found)
    text = sortable6(column)
    found = text.is_between(pl.lit(f"{int(low):032x}"), pl.lit(f"{int(high):032x}"))
    return pl.when(six).then(found).otherwise(statement=False)


def sortable4(column: pl.Expr) -> pl.Expr:
    """Turn dotted text into its number; null where it is not four bytes."""
    parts = column.str.split_exact(".", 3)
    numbers = [
        parts.struct.field(f"field_{at}").cast(pl.UInt8, strict=False).cast(pl.UInt32)
        for at in range(4)
    ]
    return numbers[0] * 2**24 + numbers[1] * 2**16 + numbers[2] * 2**8 + numbers[3]


def sortable6(column: pl.Expr) -> pl.Expr:
    """Turn RFC 5952 text into 32 hexadecimal digits, which sort as the addresses do."""
    # "::" stands for the groups that are missing from eight; a colon at an end is no separator.
    groups = pl.lit("0:").repeat_by(8 - _groups(column)).list.join("")
    filled = pl.concat_str(
        column.str.replace("::", ":|", literal=True).str.replace(r"^:\|", "|"),
    )
    whole = pl.concat_str(
        filled.str.split_exact("|", 1).struct.field("field_0"),
        pl.when(column.str.contains("::", literal=True)).then(groups).otherwise(pl.lit("")),
        filled.str.split_exact("|", 1).struct.field("field_1").fill_null(""),
    ).str.strip_suffix(":")
    parts = whole.str.split_exact(":", 7)
    return pl.concat_str(
        *(parts.struct.field(f"field_{at}").str.pad_start(4, "0") for at in range(8))
    )


def _groups(column: pl.Expr) -> pl.Expr:
    """Count the groups that are written out."""
    return column.str.count_matches(r"[0-9a-f]+")
