"""Inventory files: one capture, a folder of captures, or a folder of answers of the AWS CLI."""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from flowlens.errors import InventoryError
from flowlens.inventory.calls import CALLS, Call
from flowlens.inventory.capture import Capture, convert, moment, verify
from flowlens.inventory.model import Inventory

__all__ = ["load"]

_METHODS = {known.method: known for known in CALLS}
# describe-vpcs, ec2.describe_vpcs, aws-ec2-describe-vpcs, get-managed-prefix-list-entries.pl-0a1b
_STEM = re.compile(
    r"(?:aws[._-])?(?:[a-z0-9]+[._-])??(?P<method>(?:describe|list|get)[_-][a-z_-]+?)"
    r"(?:[._-](?P<item>pl-[0-9a-f]+))?",
)
_FIRST = "ec2.describe_network_interfaces"


def load(path: str | os.PathLike[str]) -> Inventory:
    """Read an inventory: what AWS answered, once or several times.

    A folder is a history: every capture below it, in the order of their times. Files that hold
    the output of ``aws … --output json`` and are named after the call (``describe-vpcs.json``,
    ``ec2.describe_vpcs.json``, ``get-managed-prefix-list-entries.pl-0a1b.json``) make one capture
    per folder; its time is a ``captured_at`` key in one of them, else the time at which the file
    of network interfaces (or the oldest file) was last written, which a note says.

    Args:
        path: a file or a folder.

    Raises:
        InventoryError: there is nothing there, a file is not JSON, or not of the shape it claims.
    """
    root = Path(path)
    if root.is_file():
        return Inventory.of(_file(root))
    if not root.is_dir():
        msg = f"{root}: no such inventory; give a file of `flowlens snapshot` or a folder of them"
        raise InventoryError(msg)
    captures: list[Capture] = []
    notes: list[str] = []
    folders = sorted({file.parent for file in root.rglob("*.json")})
    for folder in folders:
        captures.extend(_folder(folder, notes))
    if not captures:
        hint = notes[0] if notes else "it holds no .json file"
        msg = f"{root}: no inventory capture in this folder; {hint}"
        raise InventoryError(msg)
    return Inventory.of(captures, notes)


def _file(path: Path) -> list[Capture]:
    known = _named(path)
    document = _decode(path)
    if known and not _captured(document):
        return [_answers(path.parent, {path: document})]
    return [convert(document, str(path))]


def _folder(folder: Path, notes: list[str]) -> Iterator[Capture]:
    answers: dict[Path, Any] = {}
    for path in sorted(folder.glob("*.json")):
        empty = path.stat().st_size == 0
        document = None if empty and _named(path) else _decode(path)
        if _captured(document):
            yield convert(document, str(path))
        elif _named(path):
            answers[path] = document
        else:
            notes.append(f"{path}: skipped, neither a capture nor named after a call")
    if answers:
        yield _answers(folder, answers)


def _captured(document: object) -> bool:
    return isinstance(document, dict) and "calls" in document


def _decode(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        msg = f"{path}: not JSON: {exc}"
        raise InventoryError(msg) from None
    except OSError as exc:
        msg = f"{path}: cannot be read: {exc.strerror}"
        raise InventoryError(msg) from None


def _named(path: Path) -> tuple[Call, str | None] | None:
    """Return the call that a file is named after and the item, None for any other name."""
    match = _STEM.fullmatch(path.stem.lower())
    known = _METHODS.get(match["method"].replace("-", "_")) if match else None
    return (known, match["item"]) if match and known else None


def _answers(folder: Path, documents: Mapping[Path, Any]) -> Capture:
    """Make one capture of the CLI's answers in a folder."""
    calls: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for path, document in documents.items():
        named = _named(path)
        assert named is not None
        known, item = named
        if document is None:  # `aws … > file` leaves an empty file when the call fails
            errors[known.name] = f"NoAnswer: {path.name} is empty"
            continue
        verify(document, known, str(path))
        _place(calls, known, item, document, path)
    time, note = _time(documents)
    notes = [note] if note else []
    functions = calls.get("lambda.list_functions", {}).get("Functions", [])
    if functions and all(each.get("Version") == "$LATEST" for each in functions):
        notes.append("list-functions holds $LATEST only; ask with --function-version ALL")
    return Capture(
        captured_at=time,
        account_id=calls.get("sts.get_caller_identity", {}).get("Account"),
        region=None,
        calls=calls,
        errors=errors,
        source=str(folder),
        notes=tuple(f"{folder}: {each}" for each in notes),
    )


def _place(calls: dict[str, Any], known: Call, item: str | None, document: Any, path: Path) -> None:
    if item:
        document = {item: document}
    elif known.name == "ec2.get_managed_prefix_list_entries" and known.key in document:
        msg = f"{path}: entries of which list? Name the file {path.stem}.pl-….json"
        raise InventoryError(msg)
    if item and known.each:
        document = {**calls.get(known.name, {}), **document}
    elif known.name in calls:
        msg = f"{path}: a second file that answers {known.name}; one capture is one folder"
        raise InventoryError(msg)
    calls[known.name] = document


def _time(documents: Mapping[Path, Any]) -> tuple[datetime, str | None]:
    for path, document in documents.items():
        stated = document.get("captured_at") if isinstance(document, dict) else None
        if isinstance(stated, str):
            return moment(stated, str(path)), None
    first = [path for path in documents if _is(path, _FIRST)]
    seconds = min(path.stat().st_mtime for path in first or documents)
    time = datetime.fromtimestamp(seconds, UTC)
    note = (
        f"captured_at is the time at which the files were last written, {time:%Y-%m-%d %H:%M:%SZ}; "
        'a "captured_at" key in one of them says it better'
    )
    return time, note


def _is(path: Path, name: str) -> bool:
    named = _named(path)
    return named is not None and named[0].name == name
