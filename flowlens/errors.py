"""Everything flowlens raises on purpose.

::

    FlowlensError                 one line for the user; carries the exit code
    ├── UsageError                wrong option, filter, time or name              exit 2
    ├── AccessError               AWS credentials or a permission is missing      exit 3
    ├── InputError                something cannot be read                        exit 4
    │   ├── StrictError           the first reject under ``--strict``
    │   ├── InventoryError        an inventory file that is not one
    │   └── DocumentError         the expected document, with its line
    └── OutputError               a result cannot be written                      exit 1

A message says the value, where it is, what was expected, and what to try.
"""

__all__ = [
    "AccessError",
    "DocumentError",
    "FlowlensError",
    "InputError",
    "InventoryError",
    "OutputError",
    "StrictError",
    "UsageError",
]


class FlowlensError(Exception):
    """An expected failure: its text is one line that a user can act on."""

    exit_code = 1


class UsageError(FlowlensError, ValueError):
    """An option, filter, time or name is wrong."""

    exit_code = 2


class AccessError(FlowlensError, PermissionError):
    """AWS credentials or a permission is missing."""

    exit_code = 3


class InputError(FlowlensError, ValueError):
    """An input cannot be read."""

    exit_code = 4


class StrictError(InputError):
    """A line was rejected and the caller asked not to go on."""


class InventoryError(InputError):
    """A file given as inventory is not one."""


class DocumentError(InputError):
    """The expected document breaks its schema; the text names the line."""


class OutputError(FlowlensError, OSError):
    """A result cannot be written."""
