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

from typing import TYPE_CHECKING

from flowlens.deferred import defer

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

defer(
    __name__,
    {
        **{name: (name,) for name in ("conversations", "diff", "edges", "findings", "top")},
        "answers": ("scan_answers",),
        "filters": ("where",),
        "investigation": ("investigate",),
        "ledger": ("Ledger",),
        "output": ("write",),
        "reach": ("explain",),
        "records": ("scan_records",),
    },
    renamed={"load_expected": ("expected", "load"), "load_inventory": ("inventory", "load")},
)
