"""VPC flow logs in; an owned, named, judged egress graph out.

Every verb of the command line is a function on frames::

    import flowlens

    records = flowlens.scan_records("logs/")
    inventory = flowlens.load_inventory("inventory/")
    document = flowlens.load_expected("expected.yaml")
    talk = flowlens.conversations(records, inventory)
    edges = flowlens.edges(talk, inventory, document)
    flowlens.where(edges, "fn = payments and class = unexpected").collect()

Names are imported when they are first used, so that ``import flowlens`` costs nothing.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowlens.answers import scan_answers
    from flowlens.conversations import conversations
    from flowlens.diff import diff
    from flowlens.edges import edges
    from flowlens.expected import load as load_expected
    from flowlens.filters import where
    from flowlens.findings import findings
    from flowlens.inventory import load as load_inventory
    from flowlens.investigation import investigate
    from flowlens.ledger import Ledger
    from flowlens.output import write
    from flowlens.reach import explain
    from flowlens.records import scan_records
    from flowlens.top import top

__all__ = [
    "Ledger",
    "conversations",
    "diff",
    "edges",
    "explain",
    "findings",
    "investigate",
    "load_expected",
    "load_inventory",
    "scan_answers",
    "scan_records",
    "top",
    "where",
    "write",
]

#: Public name -> where it lives.
_HOMES = {
    "Ledger": ("flowlens.ledger", "Ledger"),
    "conversations": ("flowlens.conversations", "conversations"),
    "diff": ("flowlens.diff", "diff"),
    "edges": ("flowlens.edges", "edges"),
    "explain": ("flowlens.reach", "explain"),
    "findings": ("flowlens.findings", "findings"),
    "investigate": ("flowlens.investigation", "investigate"),
    "load_expected": ("flowlens.expected", "load"),
    "load_inventory": ("flowlens.inventory", "load"),
    "scan_answers": ("flowlens.answers", "scan_answers"),
    "scan_records": ("flowlens.records", "scan_records"),
    "top": ("flowlens.top", "top"),
    "where": ("flowlens.filters", "where"),
    "write": ("flowlens.output", "write"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        msg = f"module 'flowlens' has no attribute {name!r}"
        raise AttributeError(msg)
    home, attribute = _HOMES[name]
    return getattr(import_module(home), attribute)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__


class _Package(ModuleType):
    """This package: ``flowlens.edges`` is the function, though a module has that name too.

    Importing a submodule sets it as an attribute of its package; for a verb, the function of the
    same name goes there instead. The module stays reachable by ``from flowlens.edges import …``.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and _HOMES.get(name) == (value.__name__, name):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
