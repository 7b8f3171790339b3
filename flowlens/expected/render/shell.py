"""Commands of the AWS CLI: what they are asked is JSON, ids they make go into variables."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FIRST", "Command", "var"]

#: What a script begins with: it stops at the first failure.
FIRST = ("#!/bin/sh", "set -eu")

_MARK = re.compile("\x00([A-Za-z0-9_]+)\x00")


def var(name: str) -> str:
    """Return what stands in a request for the value of a variable."""
    return f"\x00{name}\x00"


@dataclass(frozen=True, slots=True)
class Command:
    """One call of AWS.

    Attributes:
        service: As the CLI spells it.
        verb: The operation as the CLI spells it.
        request: What is asked, in the names of the API; `var` stands for variables.
        into: The variable that takes a part of the answer.
        query: That part.
    """

    service: str
    verb: str
    request: Mapping[str, Any]
    into: str | None = None
    query: str | None = None

    def __str__(self) -> str:
        r"""Return the command line.

        >>> print(Command("ec2", "x", {"GroupId": "sg-1", "Why": "it's"}))
        aws ec2 x --cli-input-json '{"GroupId":"sg-1","Why":"it'"'"'s"}'
        >>> print(Command("ec2", "x", {"Id": var("list")}, "made", "List.Id"))
        made=$(aws ec2 x --cli-input-json '{"Id":"'"$list"'"}' --query List.Id --output text)
        """
        # Escaped, the marks of variables would be lost in the JSON.
        asked = json.dumps(self.request, separators=(",", ":")).replace("\\u0000", "\x00")
        given = _MARK.sub(lambda mark: f"'\"${mark[1]}\"'", shlex.quote(asked))
        line = f"aws {self.service} {self.verb} --cli-input-json {given}"
        if self.into:
            return f"{self.into}=$({line} --query {self.query} --output text)"
        return line
