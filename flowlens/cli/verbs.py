"""The verbs. Each resolves its options, asks the library and hands the result to `output`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flowlens.cli.options import Asking, File, Folder, Grounds, Reading, Src, Srcs, Writing

__all__ = ["VERBS"]

Level = Literal["info", "low", "medium", "high", "critical"]
FAILED = 10

#: Verb -> its function; none for the one that has verbs of its own.
VERBS: dict[str, Callable[..., Any] | None] = {"allowlist": None}


def verb(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function a verb of its name."""
    VERBS[function.__name__] = function
    return function


@verb
def demo(output: Folder = Path("flowlens-demo")) -> None:
    """Run the whole investigation on the bundled case."""
    from flowlens.cli.demo import demo as run

    run(output)


@verb
def report(src: Src, reading: Reading, grounds: Grounds, output: Folder) -> None:
    """Write a folder: report.html, pictures, edges.parquet, findings.json, coverage, rejects."""
    from flowlens.cli.pipeline import Job
    from flowlens.cli.report import write

    write(Job(src, reading, grounds), output)


@verb
def records(src: Src, reading: Reading, grounds: Grounds, writing: Writing) -> None:
    """Print typed flow-log records, whatever the delivery was."""
    from flowlens.cli.pipeline import Job, show

    # Every verb takes the common options, so that a command can be changed by its verb alone.
    job = Job(src, reading, grounds, writing)
    show(job, job.records(some=True), "records")


@verb
def conversations(src: Src, reading: Reading, grounds: Grounds, writing: Writing) -> None:
    """Print who talked to whom, each conversation counted once."""
    from flowlens.cli.pipeline import Job, show

    job = Job(src, reading, grounds, writing)
    show(job, job.kept(job.conversations(ordered=True)), "conversations")


@verb
def edges(src: Src, reading: Reading, grounds: Grounds, writing: Writing) -> None:
    """Print conversations with their owners, destinations, names and verdicts."""
    from flowlens.cli.pipeline import Job, show

    job = Job(src, reading, grounds, writing)
    show(job, job.kept(job.edges()), "edges")


@verb
def top(  # the dimension comes first, as in "top destinations of these logs"
    dimension: Annotated[str, typer.Argument(metavar="DIM", help="destinations, functions …")],
    src: Src,
    reading: Reading,
    grounds: Grounds,
    writing: Writing,
    by: Annotated[
        str, typer.Option(metavar="VALUE", help="bytes, records, connections …")
    ] = "bytes",
) -> None:
    """Rank destinations, functions, ports, names …, the heaviest first."""
    from flowlens.cli.pipeline import Job, emit
    from flowlens.top import top as rank

    job = Job(src, reading, grounds, writing)
    (frame,) = job.redacted(job.kept(job.edges()))
    emit(job, rank(frame, dimension, by), "top")
    job.close()


@verb
def findings(
    src: Src,
    reading: Reading,
    grounds: Grounds,
    writing: Writing,
    fail_on: Annotated[
        Level | None, typer.Option(help="Exit 10 if a finding is this severe or worse.")
    ] = None,
) -> int:
    """Print what an investigator must see, worst first, each with its evidence."""
    from flowlens.cli.findings import answer, severe
    from flowlens.cli.pipeline import Job

    job = Job(src, reading, grounds, writing, table="findings")
    found = answer(job)
    return FAILED if fail_on and severe(found, fail_on) else 0


@verb
def explain(
    reading: Reading,
    grounds: Grounds,
    writing: Writing,
    src: Srcs = None,
    flow: Annotated[
        list[str] | None,
        typer.Option(metavar="'A:port -> B:port/tcp'", help="A flow of no log; repeatable."),
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When, of --flow; else the latest capture.")
    ] = None,
) -> None:
    """Print why flows were accepted or refused: layer and rule, or why that cannot be told."""
    from flowlens.cli.explain import explain as run

    run(src or [], reading, grounds, writing, flows=flow or [], at=at)


@verb
def investigate(
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="address, eni-…, function, domain, finding …")
    ],
    src: Src,
    reading: Reading,
    grounds: Grounds,
    writing: Writing,
    findings: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Findings made before, as .json or .ndjson.")
    ] = None,
    new_since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Peers first met then or later are new.")
    ] = None,
) -> None:
    """Tell everything about an address, prefix, interface, function, group, domain or finding."""
    from flowlens.cli.investigate import run
    from flowlens.cli.pipeline import Job

    run(Job(src, reading, grounds, writing), subject, findings, new_since)


@verb
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="SRC, SRC@TIME/TIME, or a document.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same; @TIME/TIME is A's source.")],
    reading: Reading,
    grounds: Grounds,
    writing: Writing,
    ratio: Annotated[
        float, typer.Option(metavar="N", help="Grown: at least N times the bytes an hour.")
    ] = 2.0,
    every: Annotated[bool, typer.Option("--all", help="Also what stayed the same.")] = False,
) -> None:
    """Print what is new, gone, grown and shrunk between two sources, windows or documents."""
    from flowlens.cli.compare import compare

    compare((a, b), reading, grounds, writing, ratio=ratio, every=every)


@verb
def reach(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FROM] [TO] [SRC…]",
            show_default=False,
            help="A workload, group, interface, address or prefix; TO also an AWS service or "
            "prefix list. What exists as logs is SRC and asks for exposure.",
        ),
    ] = None,
    *,
    reading: Reading,
    grounds: Grounds,
    writing: Writing,
    asking: Asking,
) -> None:
    """Print what workloads may reach, by which rules; with logs, how much of it is ever used."""
    from flowlens.cli.reach import answer

    answer(words or [], reading, grounds, writing, asking)


@verb
def graph(
    src: Src,
    reading: Reading,
    grounds: Grounds,
    output: File,
    may: Annotated[
        bool, typer.Option("--may", help="Also what the configuration (-i) allows, faint.")
    ] = False,
) -> None:
    """Write the egress graph: .svg .png .pdf .graphml .gexf .dot .json .mmd."""
    from flowlens.cli.pipeline import Job
    from flowlens.cli.reach import overlay
    from flowlens.cli.report import artist

    job, draw = Job(src, reading, grounds), artist(output)
    if may:
        overlay(job, output)
    else:
        (frame,) = job.redacted(job.kept(job.edges()))
        draw(frame.collect(), output)
    job.close()


@verb
def ingest(
    src: Src,
    reading: Reading,
    store: Annotated[str, typer.Option(metavar="DIR|s3://…", help="Where the tables are kept.")],
    dns: Annotated[
        list[str] | None,
        typer.Option(metavar="SRC", help="Route 53 Resolver query logs to keep; repeatable."),
    ] = None,
) -> None:
    """Keep records and conversations in Delta tables, exactly once; run it again at any time."""
    from flowlens.cli.keep import keep

    keep(src, reading, store, dns)


@verb
def snapshot(
    output: File,
    profile: Annotated[str | None, typer.Option(help="As in the AWS CLI.")] = None,
    region: Annotated[str | None, typer.Option(help="As in the AWS CLI.")] = None,
    endpoint_url: Annotated[str | None, typer.Option(help="As in the AWS CLI.")] = None,
) -> None:
    """Capture an inventory with read-only calls."""
    from flowlens.cli.account import capture

    capture(output, profile, region, endpoint_url)


@verb
def doctor(
    policy: Annotated[bool, typer.Option("--policy", help="Print the least IAM policy.")] = False,
) -> None:
    """Print the least IAM policy that flowlens needs."""
    from flowlens.cli.account import document

    sys.stdout.write(document(policy=policy))
