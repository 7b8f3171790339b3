"""The inventory: captures in order of time, and the tables they make."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from flowlens.errors import InventoryError
from flowlens.inventory.capture import Capture
from flowlens.inventory.shape import shape
from flowlens.inventory.shapes import SHAPES

if TYPE_CHECKING:
    from flowlens.inventory.timeline import Timeline

__all__ = ["Inventory"]

_EFFECTS = {
    "ec2.describe_network_interfaces": "who held an address then is unknown",
    "ec2.describe_vpcs": "equal addresses in several VPCs may stay unknown",
    "ec2.describe_nat_gateways": "public addresses of NAT gateways may stay unknown",
    "lambda.list_functions": "which functions use an interface then is unknown",
}


@dataclass(frozen=True, eq=False)
class Inventory:
    """AWS configuration at one time or several; build it with `load` or `Inventory.of`.

    Every table has ``capture`` (the position in ``captures``), ``captured_at``, ``account_id`` and
    ``region`` first. A capture that lacks the answer adds no rows: `missing` tells whether the
    absence of a row means anything.
    """

    captures: tuple[Capture, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, captures: Sequence[Capture], notes: Sequence[str] = ()) -> "Inventory":
        """Return the inventory of these captures, whatever their order."""
        ordered = sorted(
            captures,
            key=lambda each: (
                each.captured_at,
                each.account_id or "",
                each.region or "",
                each.source,
            ),
        )
        said = [note for capture in ordered for note in capture.notes]
        return cls(tuple(ordered), (*notes, *said))

    def answered(self, call: str) -> tuple[int, ...]:
        """Return the positions of the captures that hold an answer of `call`."""
        return tuple(n for n, capture in enumerate(self.captures) if call in capture.calls)

    def missing(self, call: str) -> str | None:
        """Say why an answer is missing; None where every capture has it.

        Args:
            call: such as ``lambda.list_functions``.

        Returns:
            One reason per capture without the answer, such as
            ``2026-11-03T10:00:00+00:00: AccessDenied: …``; an answer that holds only some of its
            items is missing as well.
        """
        reasons = [
            f"{capture.captured_at.isoformat()}: {reason}"
            for capture in self.captures
            if (reason := _reason(capture, call))
        ]
        return f"{call} is missing; " + "; ".join(reasons) if reasons else None

    @property
    def gaps(self) -> tuple[str, ...]:
        """What cannot be said for want of an answer: a sentence per missing call that matters."""
        return tuple(
            f"{reason}: {effect}"
            for call, effect in _EFFECTS.items()
            if (reason := self.missing(call))
        )

    def need(self, call: str) -> None:
        """Insist on an answer.

        Raises:
            InventoryError: no capture has it; the text names a file and the reason.
        """
        if self.answered(call):
            return
        where = ", ".join(sorted({capture.source for capture in self.captures})) or "inventory"
        msg = f"{where}: {self.missing(call) or call + ' is missing: there is no capture'}"
        raise InventoryError(msg)

    def table(self, name: str) -> pl.DataFrame:
        """Return a table by its name in `shapes.SHAPES`; the properties below are the same."""
        return shape(self.captures, SHAPES[name])

    @cached_property
    def timeline(self) -> "Timeline":
        """Who held what when, as `own` asks it."""
        from flowlens.inventory.timeline import Timeline

        return Timeline.of(self)

    @cached_property
    def interfaces(self) -> pl.DataFrame:
        """Network interfaces with every address the inventory knows of them."""
        from flowlens.inventory.interfaces import interfaces

        return interfaces(self)

    @cached_property
    def owners(self) -> pl.DataFrame:
        """Interfaces with their kind and their candidate owners, see `owners.owners`."""
        from flowlens.inventory.owners import owners

        return owners(self)

    @cached_property
    def functions(self) -> pl.DataFrame:
        """Versions of Lambda functions with subnets and security groups."""
        return self.table("functions")

    @cached_property
    def instances(self) -> pl.DataFrame:
        """EC2 instances with their Name tag."""
        return self.table("instances")

    @cached_property
    def vpcs(self) -> pl.DataFrame:
        """VPCs with all their address blocks."""
        return self.table("vpcs")

    @cached_property
    def subnets(self) -> pl.DataFrame:
        """Subnets with their address blocks."""
        return self.table("subnets")

    @cached_property
    def rules(self) -> pl.DataFrame:
        """Security group rules, one per row."""
        return self.table("rules")

    @cached_property
    def nacls(self) -> pl.DataFrame:
        """Network ACL entries, one per row, with the subnets of their ACL."""
        return self.table("nacls")

    @cached_property
    def routes(self) -> pl.DataFrame:
        """Routes, one per row, with the subnets of their table and whether it is the main one."""
        return self.table("routes")

    @cached_property
    def nat_gateways(self) -> pl.DataFrame:
        """NAT gateways with their interfaces (none for a regional one) and addresses."""
        return self.table("nat_gateways")

    @cached_property
    def endpoints(self) -> pl.DataFrame:
        """VPC endpoints of every type with service, interfaces and policy."""
        return self.table("endpoints")

    @cached_property
    def peerings(self) -> pl.DataFrame:
        """VPC peering connections with the address blocks of both sides."""
        return self.table("peerings")

    @cached_property
    def prefix_lists(self) -> pl.DataFrame:
        """Managed prefix lists; ``cidrs`` is null where the entries were not readable."""
        entries = self.table("entries").select("capture", "prefix_list_id", "cidrs")
        return self.table("lists").join(
            entries, on=["capture", "prefix_list_id"], how="left", maintain_order="left"
        )


def _reason(capture: Capture, call: str) -> str | None:
    partly = sorted(name for name in capture.errors if name.startswith(f"{call}:"))
    if call in capture.calls and not partly:
        return None
    if partly:
        return f"{partly[0].removeprefix(call + ':')}: {capture.errors[partly[0]]}"
    return capture.errors.get(call, "never asked")
