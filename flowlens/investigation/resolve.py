"""A word of the user's, turned into what is investigated."""

import re
from difflib import get_close_matches
from ipaddress import ip_network
from typing import TYPE_CHECKING, NoReturn

import polars as pl

from flowlens.errors import UsageError
from flowlens.investigation.kin import similar
from flowlens.investigation.subject import KINDS, Subject, single

if TYPE_CHECKING:
    from flowlens.inventory import Inventory

__all__ = ["reads", "resolve"]

SPELLED = {
    **{"fn": "function", "eni": "interface", "sg": "group", "security_group": "group"},
    **{"ip": "address", "cidr": "prefix", "name": "domain", "security-group": "group"},
    "network-interface": "interface",
}
#: What ids look like; a finding's is its kind and sixteen hexadecimal digits.
SHAPES = {
    "interface": re.compile(r"eni-[0-9a-z]+"),
    "instance": re.compile(r"i-[0-9a-f]{8,17}"),
    "group": re.compile(r"sg-[0-9a-z]+"),
    "finding": re.compile(r".+-[0-9a-f]{16}"),
}
ARN = re.compile(r"arn:[\w-]+:(?:lambda|ec2):[^:]*:\d*:([\w-]+)[:/]([^:/]+)(?::.*)?")
#: Kinds of interface that an owner's kind stands for.
OWNERS = {"function": ("lambda", "lambda_managed_instance"), "instance": ("ec2", "trunk")}
SHOWN = 3


def reads(text: str) -> tuple[str, str | None]:
    """Return a subject's name and kind as far as the word itself tells; null where it does not.

    >>> reads("10.0.0.1"), reads("function:api"), reads("10.0.0.0/8"), reads("api.example")
    (('10.0.0.1', 'address'), ('api', 'function'), ('10.0.0.0/8', 'prefix'), ('api.example', None))
    >>> reads("arn:aws:lambda:us-east-1:123456789012:function:api:live")
    ('api', 'function')
    """
    said = text.strip()
    arn = ARN.fullmatch(said)
    if arn:
        return arn[2], SPELLED.get(arn[1], arn[1])
    try:
        net = ip_network(said, strict=False)
    except ValueError:
        pass
    else:
        block = net.prefixlen < net.max_prefixlen
        return (str(net), "prefix") if block else (str(net.network_address), "address")
    kind, colon, name = said.partition(":")
    kind = SPELLED.get(kind.lower(), kind.lower())
    if colon and name and kind in KINDS:
        return name, kind
    return said, next((one for one, shape in SHAPES.items() if shape.fullmatch(said)), None)


def resolve(
    text: str,
    inventory: "Inventory | None" = None,
    *,
    findings: pl.DataFrame | None = None,
    names: pl.DataFrame | None = None,
) -> Subject:
    """Find out what a word means.

    Args:
        text: an address, a prefix, an id (``eni-…``, ``i-…``, ``sg-…``, a finding's), an ARN, the
            name of a function or another owner, or a domain; ``function:payments`` where a word
            may mean several things.
        inventory: AWS's configuration; owners' names and groups mean nothing without.
        findings: a table of schema FINDINGS, for the ids of findings.
        names: a frame of `flowlens.destinations.dns.NAMES`, for domains.

    Raises:
        UsageError: nothing is known under that name, or several things are.
    """
    said, kind = reads(text)
    if kind in {"address", "prefix"}:
        return _with_kin(Subject(said, kind, single([said])), inventory)
    if kind == "finding":
        return _finding(said, findings, inventory)
    if kind == "domain":
        return _domain(said, names)
    held = _faces(said, kind, inventory)
    if held is None and kind is None and "." in said and names is not None:
        return _domain(said, names)
    if held is None and kind in {"interface", "instance"}:
        return Subject(said, kind)  # the records name interfaces and instances themselves
    return _with_kin(held, inventory) if held else _unknown(said, kind, inventory, names)


def _faces(said: str, kind: str | None, inventory: "Inventory | None") -> Subject | None:
    """Return what holds interfaces under that name, at any time; null where nothing does.

    Raises:
        UsageError: things of several kinds do.
    """
    if inventory is None:
        return None
    table = inventory.owners
    owned = pl.col("owner").list.contains(said).fill_null(value=False)
    tests = {
        "interface": pl.col("interface_id") == said,
        "instance": (pl.col("instance_id") == said)
        | (owned & pl.col("kind").is_in(OWNERS["instance"])),
        "group": pl.col("groups").list.contains(said),
        "function": owned & pl.col("kind").is_in(OWNERS["function"]),
        "owner": owned,
    }
    if kind is not None:
        return _of(said, kind, table.filter(tests[kind]))
    kinds = sorted(table.filter(owned)["kind"].drop_nulls().unique())
    meant = {next((k for k, of in OWNERS.items() if one in of), "owner") for one in kinds}
    if len(meant) > 1:
        choice = " or ".join(f"{one}:{said}" for one in sorted(meant))
        msg = f"{said!r} names things of several kinds ({', '.join(kinds)}); say {choice}"
        raise UsageError(msg)
    return _of(said, meant.pop(), table.filter(owned)) if meant else None


def _of(said: str, kind: str, faces: pl.DataFrame) -> Subject | None:
    """Return the subject that some rows of the table of owners describe."""
    if faces.is_empty():
        return None
    addresses = [
        one
        for name in ("addresses", "public_addresses", "prefixes")
        for one in faces[name].explode().drop_nulls().unique()
    ]
    return Subject(said, kind, single(addresses), tuple(faces["interface_id"].unique().sort()))


def _finding(said: str, findings: pl.DataFrame | None, inventory: "Inventory | None") -> Subject:
    """Return the subject of a finding: the end it is about, and both for what it is about.

    Raises:
        UsageError: there is no such finding.
    """
    rows = None if findings is None else findings.filter(id=said)
    if rows is None or rows.is_empty():
        known = [] if findings is None else findings["id"].to_list()
        near = get_close_matches(said, known, SHOWN, 0.6)
        hint = (
            f"the nearest of {len(known)} are {', '.join(near)}"
            if near
            else (f"there are {len(known)} others" if known else "there is none")
        )
        msg = (
            f"no finding {said!r} in these logs; {hint}. Judge them as when it was found "
            "(-i, -e, --learn-until), or give its file with --findings"
        )
        raise UsageError(msg)
    row = rows.row(0, named=True)
    addresses = single([row["client"] or row["server"]])
    return _with_kin(Subject(said, "finding", addresses, finding=row), inventory)


def _domain(said: str, names: pl.DataFrame | None) -> Subject:
    """Return the addresses that were answered for a domain and the names below it.

    Raises:
        UsageError: there is no resolver log, or it has no such name.
    """
    if names is None:
        msg = f"{said!r}: flow logs have no names; give the resolver's query logs (--dns SRC)"
        raise UsageError(msg)
    domain = said.lower().removeprefix("*.").rstrip(".")
    below = (pl.col("name") == domain) | pl.col("name").str.ends_with(f".{domain}")
    found = names.filter(below)["address"].unique()
    if found.is_empty():
        known = names["name"].unique().sort().to_list()
        msg = f"nobody was answered for {said!r} in the resolver's log{_near(domain, known)}"
        raise UsageError(msg)
    return Subject(domain, "domain", single(found))


def _with_kin(subject: Subject, inventory: "Inventory | None") -> Subject:
    """Add similar workloads, whose behaviour is held against the subject's."""
    if inventory is None:
        return subject
    kin, addresses = similar(subject, inventory)
    return Subject(
        subject.said,
        subject.kind,
        subject.addresses,
        subject.interfaces,
        kin,
        single(addresses),
        subject.finding,
    )


def _unknown(
    said: str, kind: str | None, inventory: "Inventory | None", names: pl.DataFrame | None
) -> NoReturn:
    """Say that nothing has that name, and what has a similar one.

    Raises:
        UsageError: always.
    """
    what = kind or "function, instance or other owner"
    if inventory is None:
        also = "" if kind or names is not None else ", or --dns if it is a domain"
        msg = (
            f"{said!r} is no address and no id that logs have; if it is a {what}, "
            f"give the inventory (-i){also}"
        )
        raise UsageError(msg)
    table = inventory.owners
    column = "groups" if kind == "group" else "owner"
    known = {*table[column].explode().drop_nulls()}
    if names is not None and kind is None:
        known |= {*names["name"]}
    times = [each.captured_at for each in inventory.captures]
    span = f"{min(times):%Y-%m-%d %H:%M} to {max(times):%Y-%m-%d %H:%M} UTC"
    found = f"{len(times)} captures of {span}" if len(times) > 1 else f"the capture of {span[:20]}"
    msg = f"no {what} {said!r} in {found}{_near(said, sorted(known))}"
    raise UsageError(msg)


def _near(said: str, known: list[str]) -> str:
    """Say which names are similar."""
    near = get_close_matches(said, known, SHOWN, 0.5)
    return f"; similar: {', '.join(near)}" if near else ""
