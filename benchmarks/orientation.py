"""Measure who is taken for the client, against made traffic whose clients are known.

Every case of `traffic` (each kind of traffic alone, then mixtures) is written down with windows
of 60 and 600 seconds, with tcp-flags and without. A set is a case over all of them and over the
seeds. The baselines are computed on the same records: flags of the 5-tuple and then nfdump's
rule for swapping a biflow (``nfdump -B``), and "the lower port is the server".

    python -m benchmarks.orientation [SEEDS] [--fit]

``--fit`` fits the weights of the witnesses by logistic regression on the 5-tuples that flags
do not settle, and prints them beside `flowlens.conversations.roles.WEIGHTS`.
"""

import sys
from collections.abc import Iterator

import numpy as np
import polars as pl

from benchmarks.traffic import cases, records
from flowlens.conversations.codes import END, code
from flowlens.conversations.flows import flows
from flowlens.conversations.roles import WEIGHTS, decided, roles, tuples
from flowlens.conversations.witnesses import signs, witnesses

SECONDS = 3_600
SURE = ("guess", "likely", "certain")
PULL = 1.0  # strength of the pull towards 0 (ridge), in 5-tuples


def sets(seeds: int, count: int) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the name of each case and its records with the true client beside them."""
    for seed in range(1, seeds + 1):
        for flags in (True, False):
            for window in (60, 600):
                for name, sessions in cases(seed, count=count, seconds=SECONDS):
                    rng = np.random.default_rng([seed, window])
                    yield (
                        name,
                        records(rng, sessions, seconds=SECONDS, window=window, flags=flags),
                    )


def coded(made: pl.DataFrame, words: pl.Categorical) -> pl.LazyFrame:
    """Add the packed ends as `flows` has them, and ``true_lo``: lo is the client."""

    def end(name: str) -> pl.Expr:
        port = pl.col(f"{name}port").cast(pl.UInt64) * 256 + pl.col("protocol")
        return code(pl.col(f"{name}addr"), words) * END + port

    sent = (pl.col("srcaddr") == pl.col("client")) & (pl.col("srcport") == pl.col("client_port"))
    ends = made.lazy().with_columns(src=end("src"), dst=end("dst"), sent=sent)
    forward = pl.col("src") <= pl.col("dst")
    return ends.with_columns(
        lo=pl.min_horizontal("src", "dst"),
        hi=pl.max_horizontal("src", "dst"),
        true_lo=pl.col("sent") == forward,
        port_lo=pl.when(forward).then("srcport").otherwise("dstport"),
        port_hi=pl.when(forward).then("dstport").otherwise("srcport"),
        first=pl.when(forward).then(1).otherwise(-1),
    )


def judged(made: pl.DataFrame) -> pl.DataFrame:
    """Return each record's ``sure`` and whether flowlens and the two baselines are right."""
    words = pl.Categorical(pl.Categories.random("orientation"))
    seen = coded(made, words)  # before flows: both fill the same dictionary
    held = flows(made.lazy(), words).collect().lazy()
    verdicts = decided(tuples(held)).select("lo", "hi", "verdict")
    lo, hi = pl.col("port_lo"), pl.col("port_hi")
    swap = nfdump(lo, hi) - nfdump(hi, lo)
    kept = pl.when(swap == 0).then("first").otherwise(-swap)
    flagged = pl.when(pl.col("verdict") != 0).then("verdict").otherwise(kept)
    lower = pl.when(lo == hi).then("first").when(lo > hi).then(1).otherwise(-1)
    true = pl.col("true_lo")
    return (
        seen.join(roles(held, words), on=["lo", "hi"])
        .join(verdicts, on=["lo", "hi"])
        .select(
            "sure",
            right=pl.col("client_lo") == true,
            nfdump=(flagged > 0) == true,
            lower=(lower > 0) == true,
        )
        .collect()
    )


def nfdump(source: pl.Expr, target: pl.Expr) -> pl.Expr:
    """Return 1 where ``nfdump -B`` takes the source for the server, else 0."""
    swap = (source < 1024) & (target >= 1024)
    for edge in (32_768, 49_152):
        swap |= (source < edge) & (target >= edge)
    return swap.cast(pl.Int8)


def table(seeds: int, count: int) -> pl.DataFrame:
    """Return one row a set: records, right, the baselines, and share and right of each word."""
    parts: dict[str, list[pl.DataFrame]] = {}
    for name, made in sets(seeds, count):
        parts.setdefault(name, []).append(judged(made))
    rows = [(name, pl.concat(part)) for name, part in parts.items()]
    return pl.concat(summary(name, frame) for name, frame in rows)


def summary(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row of shares (0..1) for the records of a set."""
    words = {}
    for number, word in reversed(list(enumerate(SURE))):
        mine = pl.col("sure") == number
        words[word] = mine.mean()
        words[f"{word} right"] = pl.col("right").filter(mine).mean()
    return frame.select(
        pl.lit(name).alias("set"),
        pl.len().alias("records"),
        pl.mean("right"),
        pl.mean("nfdump", "lower"),
        **words,
    )


def total(rows: pl.DataFrame) -> pl.DataFrame:
    """Return two rows: over all records, and the mean over sets."""
    shares = [name for name in rows.columns if name not in ("set", "records")]
    weight = pl.col("records")

    def micro(name: str) -> pl.Expr:
        share = pl.col(name.removesuffix(" right")) if name.endswith(" right") else pl.lit(1)
        amount = weight * share
        return (pl.col(name).fill_null(0) * amount).sum() / amount.sum()

    records = pl.sum("records")
    return pl.concat(
        [
            rows.select(pl.lit("records").alias("set"), records, *(micro(n) for n in shares)),
            rows.select(pl.lit("sets").alias("set"), records, pl.mean(*shares)),
        ]
    )


def samples(made: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the witnesses, truths and weights of the 5-tuples that flags do not settle."""
    words = pl.Categorical(pl.Categories.random("orientation"))
    seen = coded(made, words).group_by("lo", "hi").agg(pl.mean("true_lo"), number=pl.len())
    signed = signs(decided(tuples(flows(made.lazy(), words).collect().lazy()))).collect().lazy()
    open_ = signed.filter(pl.col("verdict") == 0)
    rows = witnesses(open_, signed, words).join(seen, on=["lo", "hi"]).collect()
    weight = rows["number"].to_numpy().astype(float)
    return (
        rows.select(list(WEIGHTS)).to_numpy().astype(float),
        rows["true_lo"].to_numpy(),
        weight * 1_000 / max(weight.sum(), 1.0),  # every set counts alike
    )


def fit(seeds: int, count: int) -> np.ndarray:
    """Return the log-odds of each witness: logistic regression by Newton's method."""
    parts = [samples(made) for _, made in sets(seeds, count)]
    x, y, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    odds = np.zeros(x.shape[1])
    for _ in range(30):
        belief = 1 / (1 + np.exp(-np.clip(x @ odds, -30, 30)))
        slope = x.T @ (weight * (y - belief)) - PULL * odds
        curve = (x * (weight * belief * (1 - belief))[:, None]).T @ x + PULL * np.eye(len(odds))
        odds += np.linalg.solve(curve, slope)
    return odds


if __name__ == "__main__":
    chosen = int(next((word for word in sys.argv[1:] if word.isdigit()), "2"))
    if "--fit" in sys.argv[1:]:
        fitted = fit(chosen, 1_500)
        shown = pl.DataFrame({"witness": list(WEIGHTS), "fit": fitted, "used": WEIGHTS.values()})
    else:
        measured = table(chosen, 3_000)
        shown = pl.concat([measured, total(measured)])
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_width_chars=160, float_precision=4,
        tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True,
    ):  # fmt: skip
        print(shown)
