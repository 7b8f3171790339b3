from flowlens.conversations import kernel as merging
from flowlens.conversations import oriented, shelf, viewkernel
from flowlens_parsers import kernel, packing


def test_kernels_and_callers_mean_the_same_places() -> None:
    """Kept machine code knows numbers, so both sides of a call must name them alike."""
    kinds = ("NUMBER", "WORD", "ADDRESS", "FLAGS", "STATUS", "NUMERAL")
    counters = ("AT", "ROWS", "ODDS", "TOKENS", "LINES")
    for name in (*kinds, *counters, "WIDTH", "ENTRY", "MEMO"):
        assert getattr(kernel, name) == getattr(packing, name)
    columns = {
        "SRC": "srcaddr", "DPORT": "dstport", "BYTES": "bytes", "END": "end",
        "INTERFACE": "interface_id", "TGW": "tgw_attachment_id", "TCP": "tcp_flags",
        "DIRECTION": "flow_direction", "KIND": "interface_type", "VERSION": "version",
    }  # fmt: skip
    for name, column in columns.items():
        assert packing.SLOTS[getattr(kernel, name)] == column
    assert (merging.PACKED, merging.FLOW) == (packing.WIDTH, shelf.FLOW)
    assert (merging.SERVICE + 1, merging.RAW) == (shelf.WIDE, shelf.NARROW)
    for name in ("TUPLE", "VIEW", "ROLE"):
        assert getattr(viewkernel, name) == getattr(oriented, name)
