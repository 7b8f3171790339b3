"""The compiled check of addresses against the one in Python."""

from ipaddress import IPv6Address

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowlens_parsers.tokens import ADDRESS, DOUBTS, Tokens
from flowlens_parsers.values import canonical
from tests.examples import examples

GROUPS = st.lists(st.sampled_from([0, 0, 0, 1, 0x10, 0xFFFF, 0xDB8]), min_size=8, max_size=8)


def spelled(groups: list[int], begin: int, size: int, *, wide: bool, upper: bool) -> str:
    """Return an address with '::' in place of `size` groups from `begin` on, if these are zeros."""
    texts = [f"{group:{'04' if wide else ''}{'X' if upper else 'x'}}" for group in groups]
    if size and not any(groups[begin : begin + size]):
        return ":".join(texts[:begin]) + "::" + ":".join(texts[begin + size :])
    return ":".join(texts)


def said(text: str) -> bool:
    """Say whether a packer takes a new address as it stands."""
    state = np.zeros(8, np.int64)
    Tokens(lambda texts: np.zeros(len(texts), np.uint32), state).number(text, ADDRESS)
    return not state[DOUBTS]


@given(
    groups=GROUPS,
    begin=st.integers(0, 7),
    size=st.integers(0, 8),
    wide=st.booleans(),
    upper=st.booleans(),
)
@example(groups=[1, 0, 0, 1, 0, 0, 0, 1], begin=1, size=2, wide=False, upper=False)
@example(groups=[1, 0, 0, 1, 0, 0, 1, 1], begin=4, size=2, wide=False, upper=False)
@example(groups=[1, 0, 1, 1, 1, 1, 1, 1], begin=1, size=1, wide=False, upper=False)
@settings(max_examples=examples(300), deadline=None)  # compiled once
def test_what_is_taken_as_it_stands_is_canonical(
    groups: list[int], begin: int, size: int, *, wide: bool, upper: bool
) -> None:
    """No other spelling passes, and the short one of each address does, '::' in front aside."""
    text = spelled(groups, begin, size, wide=wide, upper=upper)
    assert not said(text) or canonical(text) == text
    short = IPv6Address(":".join(f"{group:x}" for group in groups)).compressed
    assert said(short) is not short.startswith("::")


@given(st.text("0123456789abcdfF:.", min_size=1, max_size=40))
@example("10.0.0.01")
@example("10.0.0.1.")
@example("1::2::3")
@example("1:2:3:4:5:6:7:8:9")
@example("1:2:3:4:5:6:7::")
@example("1::0:2")
@example("2001:db8::1:")
@example("2001:db8::")
@settings(max_examples=examples(300), deadline=None)  # compiled once
def test_what_is_no_address_never_passes(text: str) -> None:
    """Whatever else the token is made of, what passes is an address that is kept as it is."""
    assert not said(text) or canonical(text) == text
