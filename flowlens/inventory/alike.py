"""Interfaces that should behave alike, by what they share."""

from typing import TYPE_CHECKING

import polars as pl

from flowlens.inventory.owners import PASSING

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["DEGREES", "alike"]

#: What interfaces share that are alike, the closest degree first: the columns of the owners' table.
DEGREES = {
    "same owners": ["owner"],
    "same security groups": ["groups", "vpc_id"],
    "same kind in the same VPC": ["kind", "vpc_id"],
}


def alike(inventory: "Inventory") -> pl.DataFrame:
    """Return what each interface shares with those that are alike, by degree.

    Interfaces that only pass on what others send are like none.

    Args:
        inventory: AWS's configuration, once or several times.

    Returns:
        ``interface_id``, ``degree`` (of `DEGREES`) and ``shared`` (a text, the same for all that
        are alike), each once.
    """
    table = inventory.owners.filter(~pl.col("kind").is_in(PASSING)).with_columns(
        pl.col("owner", "groups").list.sort().list.join("\x1f")
    )
    parts = [
        table.filter(pl.col(keys[0]) != "").select(
            "interface_id",
            degree=pl.lit(degree),
            shared=pl.concat_str(keys, separator="\x1e", ignore_nulls=False),
        )
        for degree, keys in DEGREES.items()
    ]
    return pl.concat(parts).drop_nulls().unique(maintain_order=True)
