from flowlens.conversations import kernel as merging
from flowlens.conversations import pairs as pairing
from flowlens.conversations import rowkernel as folding
from flowlens.conversations import rows, shelf, stamps, viewkernel, work
from flowlens_parsers import (
    arrays,
    arrowkernel,
    bytekernel,
    kernel,
    linekernel,
    packing,
    rowkernel,
    slots,
    splitkernel,
    tokenkernel,
    tokens,
)


def test_kernels_and_callers_mean_the_same_places() -> None:
    """Kept machine code knows numbers, so both sides of a call must name them alike."""
    pairs = (
        (linekernel, slots, ("NUMBER", "FLAGS", "STATUS", "SPAN", "HEIGHT")),
        (linekernel, tokens, ("WORD", "NUMERAL")),
        (tokenkernel, tokens, ("ADDRESS", "ENTRY", "NULL", "TOKENS", "DOUBTS", "LONGEST")),
        (arrowkernel, arrays, ("SHORT", "LONG", "CODED")),
        (arrowkernel, tokens, ("BAD",)),
        (kernel, packing, ("AT", "ROWS", "ODDS", "LINES")),
        (rowkernel, slots, ("WIDTH",)),
        (splitkernel, packing, ("STOPS",)),
    )
    for inner, outer, names in pairs:
        for name in names:
            assert getattr(inner, name) == getattr(outer, name)
    assert tokens.MEMO == tokenkernel.LINE * (2**tokenkernel.PLACES + 1)
    assert slots.MARGIN >= bytekernel.STEP
    columns = {
        "SRC": "srcaddr", "DPORT": "dstport", "BYTES": "bytes", "END": "end",
        "INTERFACE": "interface_id", "TGW": "tgw_attachment_id", "TCP": "tcp_flags",
        "DIRECTION": "flow_direction", "KIND": "interface_type", "VERSION": "version",
    }  # fmt: skip
    for name, column in columns.items():
        assert slots.SLOTS[getattr(rowkernel, name)] == column
    assert (folding.PACKED, merging.FLOW) == (slots.WIDTH, shelf.FLOW)
    assert (folding.SERVICE + 1, folding.RAW) == (shelf.WIDE, shelf.NARROW)
    assert shelf.FOLDED == {shelf.WIDE: folding.RAWS + 1, shelf.NARROW: folding.RAWS}
    for name in ("SIGN", "READ", "DONE", "PLACES", "SIGNS"):
        assert getattr(folding, name) == getattr(stamps, name)
    for name, caller in (("TUPLE", work), ("VIEW", rows), ("ROLE", pairing)):
        assert getattr(viewkernel, name) == getattr(caller, name)
