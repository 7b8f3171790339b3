"""Block Public Access: what keeps VPCs from the internet whatever their rules say.

Semantics: API reference of BlockPublicAccessStates and VpcBlockPublicAccessExclusion.
"""

import numpy as np

from flowlens.reach.account import Account, Row
from flowlens.reach.atlas import Ints
from flowlens.reach.bits import Bools
from flowlens.reach.keys import NOBODY, lookup
from flowlens.reach.notes import Notes

__all__ = ["Blocking"]

_OPTIONS = "ec2.describe_vpc_block_public_access_options"
_EXCLUSIONS = "ec2.describe_vpc_block_public_access_exclusions"
#: What only lets connections out (NAT and egress-only gateways) is spared by the second.
OFF, INGRESS, BOTH, UNKNOWN = 0, 1, 2, -2
_MODES = {"off": OFF, "block-ingress": INGRESS, "block-bidirectional": BOTH}


class Blocking:
    """The mode in which each subnet is kept from the internet.

    A subnet's own state counts, then the exclusions of subnet and VPC, then the VPC's state, then
    the option of account and Region. Where nobody ever asked, nothing is blocked: AWS's default.
    """

    def __init__(self, account: Account) -> None:
        view, networks = account.view, account.networks
        options = {_scope(row): row["mode"] for row in view.rows("blocking")}
        exclusions = {
            row["resource_id"]: row["mode"]
            for row in view.rows("exclusions")
            if "delete" not in (row["state"] or "") and "disable" not in (row["state"] or "")
        }
        self._why = view.lack(_OPTIONS)
        blind = not view.answered(_EXCLUSIONS)
        self._vpcs: dict[int, int] = {}
        self._subnets: dict[int, int] = {}
        for row in view.rows("vpcs"):
            mode = row["blocked"] or options.get(_scope(row))
            spared = exclusions.get(row["vpc_id"])
            known = row["blocked"] is not None
            if mode:
                number = _mode(mode, None if known else spared, blind=blind and not known)
                self._vpcs[networks.vpcs.add(row["vpc_id"])] = number
        for row in view.rows("subnets"):
            spared = exclusions.get(row["subnet_id"])
            mode = row["blocked"] or options.get(_scope(row))
            if mode and (row["blocked"] or spared):
                number = _mode(mode, None if row["blocked"] else spared, blind=False)
                self._subnets[networks.subnets.add(row["subnet_id"])] = number
        off = bool(options) and set(options.values()) == {"off"}
        self._rest = OFF if off or not view.asked(_OPTIONS) else UNKNOWN

    def mode(self, subnet: Ints, vpc: Ints, row: Ints, notes: Notes) -> Ints:
        """Return the mode for each subnet; negative where it is not known.

        Args:
            subnet: the subnets.
            vpc: their VPCs.
            row: numbers of the flows, for notes.
            notes: takes what is not known.
        """
        narrow, broad = lookup(self._subnets, subnet), lookup(self._vpcs, vpc)
        found = np.where(narrow != NOBODY, narrow, np.where(broad != NOBODY, broad, self._rest))
        found = np.where(found == UNKNOWN, NOBODY, found)
        notes.say(f"Block Public Access: its mode is not known; {self._why}", row, found < 0)
        return found

    def refuses(self, mode: Ints, *, narrow: Bools) -> Bools:
        """Say what is refused; `narrow` tells what only ever lets connections out."""
        found: Bools = (mode == BOTH) | ((mode == INGRESS) & ~narrow)
        return found


def _scope(row: Row) -> tuple[str | None, str | None]:
    return row["account_id"], row["region"]


def _mode(mode: str, spared: str | None, *, blind: bool) -> int:
    """Return the mode that is left after an exclusion; unknown without the list of them."""
    number = _MODES.get(mode, UNKNOWN)
    if spared == "allow-bidirectional":
        return OFF
    if spared == "allow-egress":
        return min(number, INGRESS)
    return UNKNOWN if blind and number != OFF else number
