"""The gist in a sentence, and what the tables cannot show."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from flowlens import words
from flowlens.investigation.subject import Subject

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["caveats", "sentence"]

SHOWN = 3


def sentence(
    subject: Subject,
    seen: pl.DataFrame,
    peers: pl.DataFrame,
    findings: pl.DataFrame,
    owners: pl.DataFrame,
    since: datetime | None,
) -> str:
    """Return what a subject did, in one sentence with numbers."""
    if subject.finding is not None:
        return str(subject.finding["text"])
    name = f"{subject.said}{_held(subject, owners)}"
    if seen.is_empty():
        return f"{name} does not occur in these records."
    told = seen.select(
        pl.col("bytes_out", "bytes_in", "records").sum(),
        first=pl.col("first_seen").min(),
        last=pl.col("last_seen").max(),
        rejected=pl.col("records").filter(pl.col("action") == "REJECT").sum(),
        peers=pl.col("name").n_unique(),
    ).row(0, named=True)
    parts = [
        f"{name} sent {words.size(told['bytes_out'])} to and got {words.size(told['bytes_in'])} "
        f"from {words.noun(told['peers'], 'peer')} in {words.noun(told['records'], 'record')} "
        f"{words.span(told['first'], told['last'])}",
        f"{words.count(told['rejected'])} of them rejected"
        if told["rejected"]
        else "none rejected",
    ]
    if since is not None:
        new = peers.filter(pl.col("new"))["name"].n_unique()
        parts.append(f"{words.noun(new, 'peer')} new since {words.moment(since)}")
    if not findings.is_empty():
        parts.append(words.noun(findings.height, "finding"))
    return "; ".join([", ".join(parts[:2]), *parts[2:]]) + "."


def _held(subject: Subject, owners: pl.DataFrame) -> str:
    """Say who a subject is, where its name does not."""
    if owners.is_empty() or subject.kind in {"function", "owner", "prefix", "group"}:
        return ""
    sets = owners["owner"].drop_nulls().unique(maintain_order=True).to_list()
    if len(sets) == 1:
        return f" ({words.who(sets[0], subject.said)})"
    return f" ({words.noun(len(sets), 'holder')} over time)" if sets else ""


def caveats(
    subject: Subject,
    seen: pl.DataFrame,
    *,
    doubtful: pl.DataFrame,
    inventory: "Inventory | None",
    dns: bool,
    judged: bool,
    skipped: pl.DataFrame | None,
) -> tuple[str, ...]:
    """Return what the tables cannot show: a sentence each.

    Args:
        subject: what is investigated.
        seen: its traffic.
        doubtful: edges of its addresses when it is not known who held them.
        inventory: AWS's configuration.
        dns: whether there is a resolver log.
        judged: whether there is a document or a baseline.
        skipped: windows in which AWS lost records.
    """
    found = [
        *_holders(doubtful),
        *_lost(seen, skipped),
        *_roles(seen),
        *_passed(seen),
        *_missing(inventory, dns=dns, judged=judged),
        *_gaps(inventory, seen),
        "DNS through the VPC's resolver and instance metadata are never in flow logs",
    ]
    return tuple(dict.fromkeys(found))


def _holders(doubtful: pl.DataFrame) -> Iterator[str]:
    """Say what is left out because its holder is not known."""
    if not doubtful.is_empty():
        sent = doubtful.select(pl.col("bytes_out").sum() + pl.col("bytes_in").sum()).item()
        span = words.span(doubtful["first_seen"].min(), doubtful["last_seen"].max())  # type: ignore[arg-type]
        count = words.noun(doubtful.height, "conversation")
        yield (
            f"left out: {words.size(sent)} in {count} {span}, when captures do not tell who held "
            "the address"
        )


def _lost(seen: pl.DataFrame, skipped: pl.DataFrame | None) -> Iterator[str]:
    """Say when AWS lost records of the interfaces that saw it."""
    if skipped is None or skipped.is_empty() or seen.is_empty():
        return
    lost = skipped.filter(pl.col("status") == "SKIPDATA")
    faces = seen["interface"].drop_nulls().unique().to_list()
    own = lost.filter(pl.col("observer").is_in(faces))
    if not own.is_empty():
        span = words.span(own["start"].min(), own["end"].max())  # type: ignore[arg-type]
        yield f"AWS lost records of its interface in {words.noun(own.height, 'window')} {span}"
    others = lost.height - own.height
    if others:
        yield f"AWS lost records of other interfaces in {words.noun(others, 'window')}"


def _roles(seen: pl.DataFrame) -> Iterator[str]:
    """Say how often it is a guess who opened a conversation, and whether actions are known."""
    guessed = seen.filter(orientation="guess").height
    if guessed:
        part = words.share(guessed, seen.height)
        yield f"who opened it is a guess in {part} of the conversations"
    unsaid = seen["action"].null_count()
    if unsaid:
        yield f"the log does not say for {words.noun(unsaid, 'conversation')} if it was accepted"
    said = seen["action"].drop_nulls().unique().to_list()
    if said == ["REJECT"]:
        yield "all of it was rejected; a flow log of rejected traffic only would look the same"


def _passed(seen: pl.DataFrame) -> Iterator[str]:
    """Say what may be in the figures twice."""
    legs = seen.filter(pl.col("leg").is_not_null())
    if not legs.is_empty():
        sent = words.size(legs.select(pl.col("bytes_out").sum() + pl.col("bytes_in").sum()).item())
        yield (
            f"{sent} are one side of a NAT gateway whose other side could not be linked; "
            "a workload may have sent the same bytes"
        )


def _missing(inventory: "Inventory | None", *, dns: bool, judged: bool) -> Iterator[str]:
    """Say what was not given."""
    if inventory is None:
        yield "without an inventory (-i) owners, similar workloads and rules are unknown"
    if not dns:
        yield "without a resolver log (--dns) no names are known"
    if not judged:
        yield "without an expected document (-e) or --learn-until nothing is unexpected"


def _gaps(inventory: "Inventory | None", seen: pl.DataFrame) -> Iterator[str]:
    """Say what the captures do not cover."""
    if inventory is None or seen.is_empty():
        return
    times = sorted(one.captured_at for one in inventory.captures)
    first, last = seen["first_seen"].min(), seen["last_seen"].max()
    if first is not None and times and first < times[0]:  # type: ignore[operator]
        yield f"owners before {words.moment(times[0])} are those of that capture, the first"
    if last is not None and times and last > times[-1]:  # type: ignore[operator]
        yield f"owners after {words.moment(times[-1])} are those of that capture, the last"
    yield from inventory.gaps[:SHOWN]
