"""What `evaluate` takes and gives, and what `explain` does, once."""

import polars as pl

from flowlens.tables import TIME

__all__ = ["EXPLAINED", "FLOWS", "REACH"]

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
