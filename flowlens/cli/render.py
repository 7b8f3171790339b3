"""The verb that writes the expected document as rules of others."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowlens.cli.options import Writing

if TYPE_CHECKING:
    from flowlens.expected.render import Plan, Unsaid

__all__ = ["render"]

_FEW = 10  # things told one by one
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="TARGET",
        help="terraform, cloudformation, sam, cdk, awscli, suricata, nfw-domains, dns-firewall, "
        "prefix-list or k8s; without it the rules are a table.",
    ),
]


def render(
    document: Annotated[Path, typer.Argument(metavar="FILE", help="The expected document.")],
    writing: Writing,
    to: To = None,
    inventory: Annotated[
        Path | None,
        typer.Option("--inventory", "-i", metavar="PATH", help="A snapshot, or a folder."),
    ] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="What to add to the rules that are there, and revoke.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop if anything cannot be said.")
    ] = False,
) -> None:
    """Write the expected document as rules: Terraform, CloudFormation, Suricata and others."""
    from flowlens import expected, output
    from flowlens.cli.given import present
    from flowlens.expected import render as rendering
    from flowlens.expected.render.changes import render as commands
    from flowlens.inventory import load

    _check(to, writing, diff=diff)
    read, known = expected.load(document), load(inventory) if inventory else None
    plan = rendering.plan(read, known, now=present())
    changed = rendering.changes(plan, known) if diff else None
    if to is not None:
        _located(plan, to, inventory)
        body = commands(changed, plan.source) if changed else rendering.TO[to](plan)
        made = rendering.written(body, plan.source)
        _say(document, made.unsaid, to, strict=strict)
        _put(made.text, writing.output)
        return
    unsaid = changed.unsaid if changed else tuple(plan.doubts)
    _say(document, unsaid, "rules", strict=strict)
    table = changed.table() if changed else plan.table()
    name = "changes" if changed else "rules"
    output.write(table, name, path=writing.output, form=writing.form, limit=writing.limit)


def _check(to: str | None, writing: Writing, *, diff: bool) -> None:
    """Refuse what does not go together, before anything is read."""
    from flowlens import output
    from flowlens.errors import UsageError
    from flowlens.expected.render import TO

    if to is None:
        output.choose(writing.output, writing.form)
        return
    if to not in TO:
        msg = f"--to {to!r} is nothing to render to; use one of {', '.join(TO)}"
        raise UsageError(msg)
    if writing.form or writing.limit is not None:
        msg = "--as and -n are for tables; leave them out, or --to"
        raise UsageError(msg)
    if diff and to != "awscli":
        msg = f"--diff is a table, or commands with --to awscli; {to} finds changes by itself"
        raise UsageError(msg)


def _located(plan: "Plan", to: str, inventory: Path | None) -> None:
    """Insist on an inventory where no group could get a rule without one."""
    from flowlens.errors import UsageError
    from flowlens.expected.render import GROUPED

    lost = [place for place in plan.places if not place.groups]
    if inventory is None and to in GROUPED and lost:
        who = ", ".join(lost[0].who)
        msg = f"from {who}: which security groups that has, the inventory says; try -i INVENTORY"
        raise UsageError(msg)


def _say(document: Path, unsaid: "tuple[Unsaid, ...]", to: str, *, strict: bool) -> None:
    """Say on standard error what a rendering does not say.

    Raises:
        InputError: Something is left out, and that must not be.
    """
    from flowlens import words
    from flowlens.cli import console
    from flowlens.errors import InputError

    left = [each for each in unsaid if each.left]
    for each in unsaid[:_FEW]:
        console.say(f"{'left out' if each.left else 'note'}: {document}:{each.line}: {each.text}")
    if len(unsaid) > _FEW:
        console.say(f"… and {f'{len(unsaid) - _FEW:,} more, all of them in the result'}")
    if left and strict:
        first = f"{document}:{left[0].line}: {left[0].text}"
        msg = (
            f"{words.noun(len(left), 'thing')} of {document} cannot be said in {to}; first {first}"
        )
        raise InputError(msg)
    if left:
        console.say(f"{document}: {words.noun(len(left), 'thing')} cannot be said in {to}")


def _put(text: str, path: Path | None) -> None:
    """Write a file, or to standard output."""
    import sys

    from flowlens import output

    if path is None or str(path) == "-":
        sys.stdout.write(text)
        return
    with output.place(path) as file:
        file.write(text.encode())
