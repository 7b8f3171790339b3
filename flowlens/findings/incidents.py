"""One incident, one finding: what several detections say of the same thing becomes one row."""

from collections.abc import Sequence

import polars as pl

from flowlens.destinations.paths import private
from flowlens.findings.severity import LEVELS
from flowlens.tables import FINDINGS

__all__ = ["KINDS", "merged"]

#: Every kind of finding, the most telling first, with what it says of another finding.
KINDS: dict[str, str] = {
    "threat": "the address is on a list",
    "brute-force": "log-ins were tried over and over",
    "port-scan": "its ports were tried",
    "host-sweep": "hosts were tried",
    "slow-scan": "it was tried slowly",
    "exfiltration": "far more left than came",
    "flood": "it was flooded",
    "mining": "it looks like mining",
    "dns-tunnel": "it has the shape of a DNS tunnel",
    "beacon": "it is called on a beat",
    "probed": "it answered outsiders who had probed before",
    "exposed": "it answers the outside",
    "hoarding": "much was gathered",
    "lateral": "it is a step between inside hosts",
    "let-in": "it was refused before it was let in",
    "spam": "it spoke to many mail servers",
    "volume": "the amount is unusual",
    "long-connection": "one connection lasted for hours",
    "cleartext": "it speaks in the clear",
    "foreign-dns": "it asks a foreign resolver",
    "bypass": "a VPC endpoint is there and was not used",
    "protocol": "the protocol is unusual",
    "off-schedule": "it spoke outside its hours",
    "region": "it is in a Region that was not used before",
    "new-door": "it never answered the outside there before",
    "new-port": "the workload never used that port before",
    "breakage": "it worked before and is refused now",
    "unexpected": "nothing declares it",
}

#: What is about a service of ours, whoever of the outside called it.
EXPLOIT, GUESSED = "T1190", "brute-force"

SAME = ["who", "destination", "server_port", "protocol"]


def merged(found: pl.DataFrame) -> pl.DataFrame:
    """Merge findings about the same owners (or client), destination, port and protocol.

    Those of a service of ours that outsiders call are about it, whichever outsider came first.

    The most telling kind gives the row, with its id, numbers and evidence; what it leaves open in
    its numbers the others fill. The text says what the others saw, and the severity is the
    worst of all.

    Args:
        found: rows of FINDINGS.

    Returns:
        Rows of FINDINGS. Findings that are not about one service stay.
    """
    rank = {kind: place for place, kind in enumerate(KINDS)}
    order = pl.col("kind").replace_strict(rank, default=len(rank), return_dtype=pl.UInt8)
    guessed = (pl.col("kind") == GUESSED) & private(pl.col("server"))
    inward = (pl.col("technique") == EXPLOIT) | guessed
    outer = inward & pl.col("owner").is_null() & ~private(pl.col("client"))
    anybody = pl.when(outer).then(pl.lit("\x1foutside"))
    who = pl.coalesce(pl.col("owner").list.join("\x1f"), anybody, "client")
    marked = found.with_columns(who=who, order=order)
    vague = pl.any_horizontal(pl.col(name).is_null() for name in ("who", "server_port", "protocol"))
    alone = vague | (pl.len().over(SAME) == 1)
    rest = marked.filter(~alone)
    if rest.is_empty():
        return found
    one = rest.sort(*SAME, "order", "id").group_by(SAME, maintain_order=True).agg(_one())
    return pl.concat([marked.filter(alone).select(list(FINDINGS)), one.select(list(FINDINGS))])


def _one() -> Sequence[pl.Expr]:
    """Return each column of the merged row; the rows are in the order of their kinds."""
    level = pl.col("severity").cast(pl.Enum(LEVELS))
    numbers = FINDINGS["numbers"]
    assert isinstance(numbers, pl.Struct)
    filled = [
        pl.col("numbers").struct.field(field.name).drop_nulls().first().alias(field.name)
        for field in numbers.fields
    ]
    body = pl.col("text").first().str.replace(r"; [^;]*$", "")
    reason = pl.col("text").sort_by(level, descending=True, maintain_order=True).first()
    also = pl.col("kind").slice(1).unique(maintain_order=True).replace_strict(KINDS, default=None)
    text = pl.concat_str(
        body,
        pl.lit(" (also: "),
        also.drop_nulls().str.join(", "),
        pl.lit("); "),
        reason.str.extract(r"; ([^;]*)$"),
    )
    plain = [name for name in FINDINGS if name not in {*SAME, "severity", "numbers", "text"}]
    return (
        *(pl.col(name).first() for name in plain),
        level.max().cast(pl.String).alias("severity"),
        pl.struct(filled).alias("numbers"),
        text.alias("text"),
    )
