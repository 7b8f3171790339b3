"""What ``flowlens --help`` says: the verbs by job, with an example each.

It is plain text, so that it is on the screen before any library is loaded.
"""

__all__ = ["JOBS", "example", "page"]

#: Job -> verb, what it answers, an example.
JOBS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Start here": (
        ("demo", "the whole thing on a bundled case", "flowlens demo -o tour"),
        (
            "report",
            "the main job: one folder with the report and its data",
            "flowlens report logs/ -i inventory/ -e expected.yaml -o report",
        ),
    ),
    "Look": (
        ("records", "typed flow-log records", "flowlens records logs/ --where 'reject' --last 24h"),
        (
            "conversations",
            "who talked to whom, counted once",
            "flowlens conversations s3://bucket/AWSLogs/ --since 7d -o talk.parquet",
        ),
        (
            "edges",
            "… owned, named and judged",
            "flowlens edges logs/ -i inventory/ --where 'fn = payments'",
        ),
        (
            "top",
            "the heaviest of a dimension",
            "flowlens top destinations logs/ -i inventory/ --by bytes_out",
        ),
    ),
    "Judge": (
        (
            "findings",
            "what went where it was not expected",
            "flowlens findings logs/ -i inventory/ -e expected.yaml --fail-on high",
        ),
        (
            "explain",
            "why it was accepted or refused: layer, rule, or why nobody can tell",
            "flowlens explain --flow '10.0.1.5 -> 10.0.2.9:5432/tcp' -i inventory/",
        ),
        (
            "investigate",
            "everything about an address, interface, function, domain or finding",
            "flowlens investigate 203.0.113.77 logs/ -i inventory/ -e expected.yaml",
        ),
        (
            "diff",
            "what is new, gone, grown or shrunk between two sources or windows",
            "flowlens diff logs@2026-11-20/2026-11-21 @2026-11-21/2026-11-22 -i inventory/",
        ),
        (
            "allowlist",
            "learn the expected document, check it, replay traffic, render it as rules",
            "flowlens allowlist learn logs/ -i inventory/ > expected.yaml",
        ),
    ),
    "Ask": (
        (
            "reach",
            "what may be reached, by which rule; with logs, which rules nothing uses",
            "flowlens reach payments -i inventory/",
        ),
    ),
    "Show": (
        ("graph", "a picture or a graph file", "flowlens graph logs/ -i inventory/ -o egress.svg"),
    ),
    "Keep": (
        (
            "ingest",
            "keep conversations in a store, exactly once",
            "flowlens ingest s3://bucket/AWSLogs/ --store s3://mine/flows",
        ),
    ),
    "Set up": (
        (
            "snapshot",
            "capture an inventory with read-only calls",
            "flowlens snapshot --region us-east-1 -o inventory/monday.json",
        ),
        ("doctor", "the least IAM policy", "flowlens doctor --policy"),
    ),
}

TOP = """\
Usage: flowlens VERB SRC… [options]

VPC flow logs in; an owned, named, judged egress graph out. SRC is a file, a folder, a glob, '-',
s3://BUCKET/PREFIX, cloudwatch:LOG-GROUP or a store written by ingest; the format is found from
the content.
"""

END = """\
Every verb: -o FILE (.parquet .arrow .csv .tsv .json .ndjson .md) or --as FORMAT; a table on a
terminal, TSV in a pipe. flowlens VERB --help has the options. --version, --install-completion.

Environment: NO_COLOR; FLOWLENS_OFFLINE=1 fetches no list of AWS's addresses; FLOWLENS_DEBUG=1
shows tracebacks; SOURCE_DATE_EPOCH is what "now" means; AWS_* as in the AWS CLI.

Exit: 0 done, 1 failure, 2 wrong use, 3 AWS credentials or permission, 4 input unreadable (or
incomplete under --strict), 10 findings at or above --fail-on, 130 interrupted.
"""


def page() -> str:
    """Return the page."""
    lines = [TOP]
    for job, verbs in JOBS.items():
        lines.append(f"{job}:")
        for verb, answers, shown in verbs:
            lines += [f"  {verb:<14} {answers}", f"  {'':<14} $ {shown}"]
        lines.append("")
    return "\n".join([*lines, END])


def example(verb: str) -> str:
    """Return the example of a verb.

    >>> example("doctor")
    'flowlens doctor --policy'
    """
    return next(shown for verbs in JOBS.values() for name, _, shown in verbs if name == verb)
