"""Queries of Athena: started once for the same objects, waited for, and stopped with us.

Source of the calls: the Amazon Athena API reference, StartQueryExecution and GetQueryExecution;
of the files that a query leaves: the Athena user guide, "UNLOAD" and "Identify query output files".
"""

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from flowlens import words
from flowlens.errors import AccessError, FlowlensError, InputError, UsageError
from flowlens.sources.base import Object, Window
from flowlens.sources.pushdown import unload
from flowlens.sources.s3 import list_s3
from flowlens.sources.session import code, guarded

__all__ = ["PRIMARY", "Request", "output", "run"]

#: The workgroup of a caller who names none.
PRIMARY = "primary"

#: Seconds between two looks at a query: the first wait and the longest.
SOON, SELDOM = 0.1, 4.0

#: A query submitted longer ago than this was asked for by an earlier run, not by a retried call.
EARLIER = timedelta(minutes=1)

#: Places tried for one result: one may hold what a failed query left behind.
PLACES = 5

DONE = ("SUCCEEDED", "FAILED", "CANCELLED")

#: What Athena says where a permission of the caller is missing inside a query.
DENIED = re.compile(r"access denied|accessdenied|insufficient .*permission|not authori[sz]ed", re.I)

#: What it says where files lie at the place already.
TAKEN = re.compile(r"PATH_ALREADY_EXISTS|already exists", re.I)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """A query to run.

    Args:
        query: A SELECT.
        output: `s3://BUCKET/FOLDER/` below which its answer gets a folder of its own.
        database: The database it speaks of.
        workgroup: The workgroup that runs it.
        seen: Digest of the objects that it may read; None where that is unknown, so that no
            earlier answer can stand for it.
    """

    query: str
    output: str
    database: str
    workgroup: str
    seen: str | None

    def token(self, turn: int) -> str:
        """Return what makes two requests one: the same query over the same objects.

        >>> one = Request("SELECT 1", "s3://b/", "logs", "primary", "0a")
        >>> one.token(0) == one.token(0), one.token(0) == one.token(1), len(one.token(0))
        (True, False, 64)
        """
        seen = secrets.token_hex() if self.seen is None else self.seen
        parts = (self.query, self.output, self.database, self.workgroup, seen, str(turn))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def output(athena: Any, workgroup: str, given: str | None) -> str:
    """Return where results go: where the caller says, else where the workgroup does.

    Raises:
        AccessError: Credentials or `athena:GetWorkGroup` are missing.
        UsageError: Neither says it.
    """
    if given is not None:
        return given.rstrip("/") + "/"
    with guarded("athena:GetWorkGroup", f"workgroup {workgroup}"):
        found = athena.get_work_group(WorkGroup=workgroup).get("WorkGroup", {})
    place = found.get("Configuration", {}).get("ResultConfiguration", {}).get("OutputLocation")
    if not place:
        msg = (
            f"workgroup {workgroup!r} does not say where results go; "
            "write 'athena:DATABASE.TABLE?output=s3://BUCKET/FOLDER/'"
        )
        raise UsageError(msg)
    return str(place).rstrip("/") + "/"


def run(athena: Any, s3: Any, request: Request, say: Say) -> Iterator[Object]:
    """Run a query, or find its answer from before, and yield the Parquet objects of the answer.

    Args:
        athena: Athena client.
        s3: S3 client.
        request: What to run.
        say: Told at once what was scanned.

    Raises:
        AccessError: Credentials or a permission is missing.
        InputError: The query failed, was cancelled, or its answer is gone.
    """
    for turn in range(PLACES):
        token = request.token(turn)
        place = f"{request.output}flowlens-{token[:24]}/"
        before, end = _executed(athena, request, token, place)
        name, status = end["QueryExecutionId"], end["Status"]
        said = " ".join(str(status.get("StateChangeReason") or "no reason given").split())
        if status["State"] != "SUCCEEDED":
            if before or TAKEN.search(said):
                continue  # an old failure, or what one left behind
            raise _failure(name, status["State"], said)
        found = _answer(s3, place, end)
        if found is not None:
            say(_bill(end, name, before=before))
            yield from found
            return
        if not before:
            break  # what wrote them has only just ended: another query would fare no better
    msg = f"Athena's answer is not complete below {request.output}; empty its flowlens-… folders"
    raise InputError(msg)


def _executed(athena: Any, request: Request, token: str, place: str) -> tuple[bool, dict[str, Any]]:
    """Start a query and wait for its end; say whether it is one of an earlier run."""
    with guarded("athena:StartQueryExecution", f"workgroup {request.workgroup}"):
        started = athena.start_query_execution(
            QueryString=unload(request.query, place),
            ClientRequestToken=token,
            QueryExecutionContext={"Database": request.database},
            ResultConfiguration={"OutputLocation": request.output},
            WorkGroup=request.workgroup,
        )
    name, wait = started["QueryExecutionId"], SOON
    try:
        while (end := _look(athena, name))["Status"]["State"] not in DONE:
            time.sleep(wait)
            wait = min(wait * 2, SELDOM)
    except BaseException:
        # Whoever stops waiting, by Ctrl-C too, should not pay for the rest.
        with suppress(FlowlensError), guarded("athena:StopQueryExecution", f"query {name}"):
            athena.stop_query_execution(QueryExecutionId=name)
        raise
    return _earlier(started, end), end


def _earlier(started: Mapping[str, Any], end: Mapping[str, Any]) -> bool:
    """Say whether a query was submitted well before we asked for it, by Athena's own clock."""
    date = started.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    submitted = end["Status"].get("SubmissionDateTime")
    if date is None or submitted is None:
        return False
    return bool(parsedate_to_datetime(date) - submitted > EARLIER)


def _look(athena: Any, name: str) -> dict[str, Any]:
    with guarded("athena:GetQueryExecution", f"query {name}"):
        return dict(athena.get_query_execution(QueryExecutionId=name)["QueryExecution"])


def _failure(name: str, state: str, said: str) -> Exception:
    msg = f"Athena: query {name} {state.lower()}: {said}"
    if DENIED.search(said):
        return AccessError(f"{msg}; see docs/athena.md for the permissions")
    return InputError(msg)


def _answer(s3: Any, place: str, end: Mapping[str, Any]) -> list[Object] | None:
    """Return the objects that a query wrote; None where some of them are gone."""
    try:
        written = _manifest(s3, end)
    except InputError as error:
        if code(error.__cause__) != "NoSuchKey":
            raise
        return None
    try:
        lying = list(list_s3(s3, place, Window(), "vpcflowlogs", lambda _: None))
    except InputError:  # no record gives no file
        lying = []
    if written is None:
        return lying
    found = [one for one in lying if one.uri in written]
    return found if len(found) == len(written) else None


def _manifest(s3: Any, end: Mapping[str, Any]) -> set[str] | None:
    """Return what the list of the files of a query names; None where it has no list."""
    place = end.get("Statistics", {}).get("DataManifestLocation")
    if not place:
        return None
    bucket, _, key = str(place).removeprefix("s3://").partition("/")
    with guarded("s3:GetObject", str(place)):
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    return {line.strip().strip('"') for line in text.splitlines() if line.strip()}


def _bill(end: Mapping[str, Any], name: str, *, before: bool) -> str:
    if before:
        return f"Athena ran this query over the same objects before ({name}): nothing to pay"
    scanned = end.get("Statistics", {}).get("DataScannedInBytes", 0)
    return f"Athena scanned {words.size(scanned)} (query {name})"
