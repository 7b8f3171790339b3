"""The options, once: each group is a dataclass that a command takes as one argument."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from typer import Argument, Option

from flowlens.cli.console import Closed

__all__ = ["Asking", "File", "Folder", "Grounds", "Reading", "Src", "Srcs", "Writing", "spread"]

_SRC = (
    "A file, folder, glob, '-', s3://BUCKET/PREFIX, cloudwatch:LOG-GROUP, a store, "
    "or athena:DATABASE.TABLE[?output=s3://…&workgroup=NAME]."
)
Src = Annotated[list[str], Argument(metavar="SRC…", show_default=False, help=_SRC)]
#: For verbs that can do without.
Srcs = Annotated[list[str] | None, Argument(metavar="[SRC…]", show_default=False, help=_SRC)]

Folder = Annotated[
    Path, Option("--output", "-o", metavar="DIR", help="The folder for the results.")
]
File = Annotated[Path, Option("--output", "-o", metavar="FILE", help="The file to write.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What is read, and how."""

    format: Annotated[
        str | None, Option(metavar="'${…} …'", help="Log format of lines without a header.")
    ] = None
    since: Annotated[
        str | None, Option(metavar="TIME", help="24h, yesterday, 'sat 11:00', 2026-11-21, A/B …")
    ] = None
    until: Annotated[str | None, Option(metavar="TIME", help="The end, which is not in.")] = None
    last: Annotated[str | None, Option(metavar="LENGTH", help="24h, 7d …: until now.")] = None
    where: Annotated[
        str | None, Option(metavar="FILTER", help="dst in 10.0.0.0/8 and port = https")
    ] = None
    profile: Annotated[str | None, Option(help="As in the AWS CLI.")] = None
    region: Annotated[str | None, Option(help="As in the AWS CLI.")] = None
    endpoint_url: Annotated[str | None, Option(metavar="URL", help="As in the AWS CLI.")] = None
    strict: Annotated[bool, Option("--strict", help="Stop at the first unreadable line.")] = False
    rejects: Annotated[
        Path | None, Option(metavar="FILE", help="Keep the unreadable lines in this file.")
    ] = None
    redact: Annotated[
        str | None, Option(metavar="KINDS", help="Pseudonyms for accounts,ips,names in results.")
    ] = None
    engine: Annotated[
        str | None, Option(metavar="dask://HOST:PORT", help="Read on the workers of a scheduler.")
    ] = None
    scratch: Annotated[
        str | None,
        Option(metavar="DIR|s3://…", help="What all workers of --engine reach; emptied again."),
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Grounds:
    """What traffic is explained and judged by."""

    inventory: Annotated[
        Path | None, Option("--inventory", "-i", metavar="PATH", help="A snapshot, or a folder.")
    ] = None
    expected: Annotated[
        Path | None, Option("--expected", "-e", metavar="FILE", help="The expected document.")
    ] = None
    dns: Annotated[
        list[str] | None, Option(metavar="SRC", help="Route 53 Resolver query logs; repeatable.")
    ] = None
    aws_ranges: Annotated[
        Path | None, Option(metavar="FILE", help="AWS's ip-ranges.json instead of fetching it.")
    ] = None
    asn: Annotated[
        Path | None, Option(metavar="FILE", help="Your own .mmdb of networks or countries.")
    ] = None
    learn_until: Annotated[
        str | None, Option(metavar="TIME", help="What was seen before is expected.")
    ] = None
    threats: Annotated[
        list[Path] | None,
        Option(metavar="FILE", help="Addresses that somebody listed, one a line; repeatable."),
    ] = None
    beacon: Annotated[
        Literal["own", "rita"], Option(help="How beacons are scored; rita: all pairs, as RITA 5.")
    ] = "own"


@dataclass(frozen=True, kw_only=True, slots=True)
class Writing:
    """Where results go."""

    output: Annotated[
        Path | None,
        Option(
            "--output", "-o", metavar="FILE", help=".parquet .arrow .csv .tsv .json .ndjson .md"
        ),
    ] = None
    form: Annotated[
        str | None, Option("--as", metavar="FORMAT", help="The same names, on standard output.")
    ] = None
    limit: Annotated[int | None, Option("--limit", "-n", min=0, help="Rows at most.")] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """What is asked of the configuration."""

    source: Annotated[
        str | None, Option("--from", metavar="FROM", help="The same as the first word.")
    ] = None
    target: Annotated[
        str | None, Option("--to", metavar="TO", help="The same as the second word.")
    ] = None
    at: Annotated[
        str | None, Option(metavar="TIME", help="As it was then; else as captured last.")
    ] = None
    ways: Annotated[bool, Option("--ways", help="A line for each workload: how far it may go.")] = (
        False
    )
    without: Annotated[
        list[str] | None,
        Option(
            metavar="ID", help="What changes without sgr-…, sg-…, acl-…/egress/100, rtb-…/BLOCK."
        ),
    ] = None
    rules: Annotated[
        list[Path] | None,
        Option(
            "--with", metavar="FILE", help="… and with these rules, as the AWS CLI prints them."
        ),
    ] = None


def spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command line see the fields of dataclasses instead of the dataclasses.

    Returns:
        A function with one keyword for each field, in the order of the dataclasses, that puts
        the dataclasses together again and calls `function`.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, tuple[type, list[str]]] = {}
    shown: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints[name]
        if isinstance(kind, type) and is_dataclass(kind):
            groups[name] = (kind, [field.name for field in fields(kind)])
            shown += _parameters(kind)
        else:
            shown.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))

    def command(**given: Any) -> Any:
        for name, (kind, parts) in groups.items():
            given[name] = kind(**{part: given.pop(part) for part in parts})
        try:
            return function(**given)
        except BrokenPipeError as problem:
            # Typer would end with 1; a reader that has enough is no failure.
            raise Closed from problem

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in shown}
    return command


def _parameters(kind: type) -> list[inspect.Parameter]:
    """Return the fields of a dataclass as keywords."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(kind)
    ]
