"""What a report says about its own making, out of a run's options."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from flowlens.cli.options import Grounds, Reading
from flowlens.cli.pipeline import Job
from flowlens.report import Facts

__all__ = ["changed", "gather", "texts", "words"]

#: Options of reading that a report's command does not repeat.
ELSEWHERE = frozenset({"where", "redact", "rejects", "engine", "scratch"})


def gather(job: Job) -> Facts:
    """Say where the numbers of a run come from."""
    captures = job.inventory.captures if job.inventory else ()
    _, arguments = words(job)
    return Facts(
        sources=tuple(job.src),
        accounts=tuple(sorted({one.account_id for one in captures if one.account_id})),
        regions=tuple(sorted({one.region for one in captures if one.region})),
        since=job.window.start,
        until=job.window.end,
        command=f"flowlens report {arguments} -o DIR",
        arguments=arguments,
        document=str(job.grounds.expected) if job.grounds.expected else None,
        learn_until=job.learn_until,
        dns=", ".join(job.grounds.dns) if job.grounds.dns else None,
        ranges=str(job.ranges) if job.ranges else None,
        captures=tuple(one.captured_at for one in captures),
        missing=_missing(job),
        notes=(*job.ledger.notes(), *job.queries.notes()),
        version=_version(),
    )


def words(job: Job) -> tuple[str, str]:
    """Return the sources with how they are read, and the same with what judges them, as typed."""
    src = [*(shlex.quote(one) for one in job.src), *_options(job.reading)]
    return " ".join(src), " ".join([*src, *_options(job.grounds)])


def texts(facts: Facts) -> Iterator[str]:
    """Yield every text in the facts."""
    for field in fields(facts):
        value = getattr(facts, field.name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, str):
                yield one


def changed(facts: Facts, change: Callable[[str], str]) -> Facts:
    """Return the facts with every text changed."""

    def one(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(one, value))
        return change(value) if isinstance(value, str) else value

    return Facts(**{field.name: one(getattr(facts, field.name)) for field in fields(facts)})


def _options(group: Reading | Grounds) -> Iterator[str]:
    """Write the options that were given, as one types them; the filter belongs to its verb.

    Where the work was done changes no result.
    """
    for field in fields(group):
        value = getattr(group, field.name)
        if value == field.default or field.name in ELSEWHERE:
            continue
        flag = f"--{field.name.replace('_', '-')}"
        if value is True:
            yield flag
            continue
        for one in value if isinstance(value, list) else [value]:
            yield f"{flag} {shlex.quote(str(one))}"


def _missing(job: Job) -> tuple[str, ...]:
    """Say which calls of the inventory have no answer, and why."""
    if job.inventory is None:
        return ()
    from flowlens.inventory.calls import CALLS

    reasons = (job.inventory.missing(call.name) for call in CALLS)
    return tuple(reason for reason in reasons if reason)


def _version() -> str:
    """Return the version of what is installed."""
    try:
        return version("vpc-flowlens")
    except PackageNotFoundError:
        return ""
