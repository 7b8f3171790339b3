"""Asking AWS: the only module of the inventory that meets boto3. It only ever reads."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from flowlens.errors import AccessError, UsageError
from flowlens.inventory.calls import CALLS, Call
from flowlens.sources.base import Aws
from flowlens.sources.session import client, code, explain, stranger

__all__ = ["answer", "said", "snapshot"]

_FAILURES = (BotoCoreError, ClientError, ResponseParserError)
_ENVELOPE = {"ResponseMetadata", "NextToken", "NextMarker", "Marker", "nextToken"}
_LIMIT = 300  # characters of an error message that are kept


def snapshot(
    captured_at: datetime,
    *,
    aws: Aws | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Capture an inventory: every call of `calls.CALLS`, all pages, answers as they came.

    Environment variables of functions and overrides of tasks are left out, they may hold secrets.
    A call that fails is recorded under ``errors`` and stops nothing.

    Args:
        captured_at: when this is, with a time zone; the library reads no clock.
        aws: profile, region and endpoint, as in the AWS CLI.
        progress: told the name of each call before it is made.

    Returns:
        What `flowlens.inventory.load` reads once written as JSON.

    Raises:
        UsageError: the time has no zone.
        AccessError: AWS does not know the caller, or not one call was answered.
    """
    if captured_at.tzinfo is None:
        msg = f"captured_at {captured_at} has no time zone; give one, such as UTC"
        raise UsageError(msg)
    asker = _Asker(aws or Aws())
    for call in CALLS:
        if progress:
            progress(call.name)
        asker.ask(call)
    return asker.capture(captured_at)


@dataclass
class _Asker:
    """Answers and errors so far, and a client per service."""

    aws: Aws
    calls: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    clients: dict[str, Any] = field(default_factory=dict)

    def ask(self, call: Call) -> None:
        """Make a call and keep its answer, or why there is none."""
        if call.after and call.after not in self.calls:
            self.errors[call.name] = f"NotAsked: it needs {call.after}, which is missing"
            return
        try:
            asked = self._client(call.service)
            if call.method not in asked.meta.method_to_api_mapping:
                self.errors[call.name] = "UnknownOperation: this botocore is too old for it"
            elif call.each is None:
                self.calls[call.name] = answer(asked, call, self._arguments(asked, call))
            else:
                self._items(asked, call, list(call.each(self.calls)))
        except _FAILURES as exc:
            self._record(exc, call, call.name)

    def _client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = client(service, self.aws)
        return self.clients[service]

    def _arguments(self, asked: Any, call: Call) -> dict[str, Any]:
        """Return the arguments that this botocore knows; note those that it does not."""
        if not call.arguments:
            return {}
        method = asked.meta.method_to_api_mapping[call.method]
        known = asked.meta.service_model.operation_model(method).input_shape.members
        for name in set(call.arguments) - set(known):
            self.errors[f"{call.name}:{name}"] = "UnknownArgument: this botocore is too old for it"
        return {name: value for name, value in call.arguments.items() if name in known}

    def _items(self, asked: Any, call: Call, plan: list[tuple[str, dict[str, Any]]]) -> None:
        """Make one request per planned item; requests of the same item are one answer."""
        found: dict[str, Any] = {}
        failed: dict[str, Exception] = {}
        for item, arguments in plan:
            try:
                part = answer(asked, call, arguments)
            except _FAILURES as exc:
                failed.setdefault(item, exc)
                continue
            if item in found:
                found[item][call.key] += part[str(call.key)]
            else:
                found[item] = part
        for item, failure in failed.items():
            found.pop(item, None)  # a part of its answer would look like the whole
            self._record(failure, call, f"{call.name}:{item}")
        if failed and not found:
            raise next(iter(failed.values()))
        self.calls[call.name] = found

    def _record(self, exc: Exception, call: Call, name: str) -> None:
        if stranger(exc):
            raise explain(exc, call.action, "this account") from exc
        self.errors[name] = said(exc)

    def capture(self, captured_at: datetime) -> dict[str, Any]:
        """Return what was learnt as a capture.

        Raises:
            AccessError: nothing was.
        """
        if not set(self.calls) - {"sts.get_caller_identity"}:
            first = next(iter(self.errors.values()), "nothing was asked")
            msg = f"no call was answered ({first}); check --profile, --region and permissions"
            raise AccessError(msg)
        asked = self.clients.get("ec2")
        return {
            "captured_at": captured_at.astimezone(UTC).isoformat(),
            "account_id": self.calls.get("sts.get_caller_identity", {}).get("Account"),
            "region": asked.meta.region_name if asked else self.aws.region,
            "calls": self.calls,
            "errors": self.errors,
        }


def answer(asked: Any, call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make one call and return its whole answer: pages merged, times as text.

    Args:
        asked: the boto3 client.
        call: what to ask.
        arguments: of this request.
    """
    if asked.can_paginate(call.method):
        pages = asked.get_paginator(call.method).paginate(**arguments)
    else:
        pages = [getattr(asked, call.method)(**arguments)]
    whole: dict[str, Any] = {}
    for page in pages:
        for name, value in page.items():
            if name in _ENVELOPE:
                continue
            if name == call.key and isinstance(value, list):
                whole.setdefault(name, []).extend(value)
            else:
                whole.setdefault(name, value)
    for part in whole.get(call.key or "", ()):
        for name in call.drop:
            part.pop(name, None)
    plain: dict[str, Any] = msgspec.to_builtins(whole)
    return plain


def said(exc: Exception) -> str:
    """Return ``Code: message`` in one line, without the encoded part that only AWS can read."""
    if isinstance(exc, ClientError):
        error = exc.response.get("Error", {})
        text = f"{code(exc)}: {error.get('Message', '')}"
    else:
        text = f"{type(exc).__name__}: {exc}"
    plain = re.sub(r"Encoded authorization failure message: \S+", "", " ".join(text.split()))
    return plain[:_LIMIT].strip()
