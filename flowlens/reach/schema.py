"""What `evaluate` takes and gives, once."""

import polars as pl

from flowlens.tables import TIME

__all__ = ["FLOWS", "REACH"]

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
    "sg": pl.String(),
    "sg_rules": pl.List(pl.String),  # all that let it through, the narrowest first
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
