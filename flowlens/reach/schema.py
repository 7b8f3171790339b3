"""The tables of the configuration: what is asked of it, and what it says, once."""

import polars as pl

from flowlens.tables import TIME

__all__ = ["CHANGES", "EXPLAINED", "EXPOSURE", "FLOWS", "MAY", "OUTLOOK", "REACH", "WAYS"]

#: A flow as an interface meets it: one packet of a connection, the opening one or an answer.
FLOWS: dict[str, pl.DataType] = {
    "interface_id": pl.String(),  # null: who holds the near address
    "direction": pl.String(),  # egress, ingress: as seen at that interface
    "src": pl.String(),
    "dst": pl.String(),
    "protocol": pl.UInt8(),  # IANA number
    "src_port": pl.UInt16(),  # null: any that a client may use
    "dst_port": pl.UInt16(),
    "icmp_type": pl.UInt8(),
    "icmp_code": pl.UInt8(),
    "role": pl.String(),  # initiate, reply: an answer to what came the other way; null: initiate
    "at": TIME,  # null: not known, every capture speaks
}

REACH: dict[str, pl.DataType] = {
    "verdict": pl.String(),  # allow, deny, partial, unknown: everything at the interface's own end
    "end_to_end": pl.String(),  # … and beyond it, as far as the inventory shows
    "forward": pl.String(),  # the interface's log of this packet: ACCEPT, REJECT, UNLOGGED, UNKNOWN
    "reply": pl.String(),  # … and of the packet the other way; UNLOGGED: nobody answers
    "groups": pl.List(pl.String),  # of the interface; empty: it has none; null: not known
    "sg": pl.String(),
    "sg_rules": pl.List(pl.String),  # all that let it through, the narrowest first
    "nacl": pl.String(),  # of the interface's subnet; null: not known
    "nacl_out": pl.String(),
    "nacl_out_rule": pl.Int32(),  # 32767 and 32768 stand for "*"; null: none, or several
    "nacl_in": pl.String(),
    "nacl_in_rule": pl.Int32(),
    "route": pl.String(),  # block or prefix list of the route to the other end
    "route_target": pl.String(),
    "route_usable": pl.Boolean(),  # null: not known, or for a part of the packets only
    "blocked_by": pl.List(pl.String),  # every layer that refuses, the own end's if it does
    "tracked": pl.Boolean(),  # null: not known, or not let through
    "notes": pl.List(pl.String),
}

#: Flows as one interface met them, explained; what differs in the client's port only is one row.
EXPLAINED: dict[str, pl.DataType] = {
    "interface_id": pl.String(),  # or nat-…, tgw-attach-…
    "direction": pl.String(),  # egress, ingress; null: not known
    "role": pl.String(),  # initiate: packets of whoever opened it; reply: those that answer
    "client": pl.String(),
    "client_port": pl.UInt16(),  # null: several, or not given
    "server": pl.String(),
    "server_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "action": pl.String(),  # in the log; null where none says it
    "reject_reason": pl.String(),
    "records": pl.UInt64(),
    "bytes": pl.UInt64(),  # of the records: overlapping flow logs write the same bytes twice
    "connections": pl.UInt64(),  # distinct client ports
    "first_seen": TIME,
    "last_seen": TIME,
    "orientation": pl.String(),  # how sure the role is: certain, likely, guess; null: it was given
    # agrees, drift, ambiguous, unknown: the configuration held against the log;
    # allowed, refused, partly, unknown: what it says where no log does
    "explanation": pl.String(),
    "layers": pl.List(pl.String),  # sg, nacl_in, nacl_out, bpa, ec, …: what let through or refused
    "rules": pl.List(pl.String),  # sgr-…; ACL:NUMBER; the groups where no rule of theirs fits
    "changed_after": TIME,  # the two captures between which the configuration changed
    "changed_before": TIME,
    "text": pl.String(),
    "notes": pl.List(pl.String),
}

#: By which way something may leave, the narrowest first; names as in `flowlens.tables.PATHS`.
WAYS = (
    "none",
    "hypervisor",  # DNS, metadata, time …: outside groups, ACLs and flow logs
    "local",
    "interface endpoint",
    "gateway endpoint",
    "peering",
    "inter-region peering",
    "transit gateway",
    "virtual private gateway",
    "local gateway",
    "carrier gateway",
    "cloud wan",
    "appliance",
    "gateway load balancer",
    "nat",
    "internet gateway",
)

#: What connections workloads may open: a range of addresses times a range of ports each row.
MAY: dict[str, pl.DataType] = {
    "source": pl.List(pl.String),  # candidates for the owner, sorted; null: not known
    "kind": pl.String(),  # of its interfaces, as in `inventory.owners`
    "interfaces": pl.List(pl.String),  # which of them the row is about
    "addresses": pl.List(pl.String),  # … and which of their addresses
    "target": pl.String(),  # the addresses in words; what AWS provides among them is not excepted
    "protocol": pl.String(),  # tcp, udp, icmp, icmpv6, a number; all; other: none named beside it
    "first_port": pl.UInt16(),  # of ICMP the type; null: all there are
    "last_port": pl.UInt16(),
    "way": pl.String(),  # one of WAYS; null: not known
    "verdict": pl.String(),  # allow, partial, unknown; deny in a row that says that nothing may
    "end_to_end": pl.String(),  # … and beyond the interface's own end; null: not asked, see `may`
    "rules": pl.List(pl.String),  # all rules of groups that let it through, the narrowest first
    "nacl_out_rules": pl.List(pl.Int32),  # entries of network ACLs that decide, as in REACH
    "nacl_in_rules": pl.List(pl.Int32),
    "route": pl.String(),
    "route_target": pl.String(),
    "blocked_by": pl.List(pl.String),  # layers that refuse it, or a part of it beyond
    "blocks": pl.List(pl.String),  # the addresses as prefixes
    "notes": pl.List(pl.String),
}

#: How far each workload may go.
OUTLOOK: dict[str, pl.DataType] = {
    "source": pl.List(pl.String),
    "kind": pl.String(),
    "interfaces": pl.UInt32(),
    "reach": pl.String(),  # none, VPC only, endpoints, private networks, nat, unbounded, unknown
    "ways": pl.List(pl.String),
    "addresses4": pl.Float64(),  # that it may reach over the internet, of 2^32
    "addresses6": pl.Float64(),  # … of 2^128
    "ports": pl.String(),  # on which
    "rules": pl.List(pl.String),
    "notes": pl.List(pl.String),
}

#: What a change of the configuration changes.
CHANGES: dict[str, pl.DataType] = {
    "change": pl.String(),  # gained, lost, unsure: known on one side only
    "source": pl.List(pl.String),
    "kind": pl.String(),
    "interfaces": pl.List(pl.String),
    "addresses": pl.List(pl.String),
    "target": pl.String(),
    "protocol": pl.String(),
    "first_port": pl.UInt16(),
    "last_port": pl.UInt16(),
    "way": pl.String(),
    "before": pl.String(),  # verdict
    "after": pl.String(),
    "rules_before": pl.List(pl.String),
    "rules_after": pl.List(pl.String),
    "blocks": pl.List(pl.String),
    "notes": pl.List(pl.String),
}

#: May − did: what each egress rule lets through, and how much of it was ever used.
EXPOSURE: dict[str, pl.DataType] = {
    "rule": pl.String(),
    "group": pl.String(),
    "target": pl.String(),  # block, prefix list or group that the rule names
    "protocol": pl.String(),
    "first_port": pl.UInt16(),
    "last_port": pl.UInt16(),
    "workloads": pl.List(pl.String),  # that carry the group
    "used": pl.String(),  # yes; no: never, inside coverage; unknown
    "conversations": pl.UInt64(),
    "only": pl.UInt64(),  # of these no other rule let through
    "bytes": pl.UInt64(),  # both ways
    "last_seen": TIME,
    "seen": pl.UInt64(),  # distinct addresses × ports
    "space": pl.Float64(),  # addresses × ports that it admits; null: not known
    "share": pl.Float64(),  # seen of space
    "covered_by": pl.List(pl.String),  # rules each of which makes it redundant
    "instead": pl.List(pl.String),  # what would let through all that was seen
    "why": pl.String(),
}
