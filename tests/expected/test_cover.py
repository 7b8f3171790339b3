from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from itertools import product
from math import inf
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flowlens.errors import UsageError
from flowlens.expected import Cover, optimal_cover, shared_cover
from flowlens.expected.ground import Terms
from flowlens.expected.knapsack import compiled, eased, plain
from flowlens.expected.prefixes import keys
from flowlens.expected.trie import Forest, required

Costs = NDArray[np.float64]
Words = tuple[str, ...]

#: Universes of eight addresses: at both ends of the spaces, and half in each.
FOUR = tuple(f"0.0.0.{n}" for n in range(8))
SIX = tuple(f"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff{n:x}" for n in range(8, 16))
BOTH = (*(f"10.0.0.{n}" for n in range(4)), *(f"2001:db8::{n}" for n in range(4)))
SUBSETS = np.array(list(product((0, 1), repeat=8)), np.bool_)


def inside(universe: Words, text: str) -> NDArray[np.bool_]:
    """Which addresses of a universe an address or network holds."""
    network = ip_network(text)
    return np.array([ip_address(each) in network for each in universe])


@cache
def fewest(universe: Words) -> NDArray[np.int64]:
    """How many prefixes admit each subset of a universe, and nothing else, at least."""
    counts = []
    for subset in SUBSETS:
        chosen = [ip_network(each) for each, taken in zip(universe, subset, strict=True) if taken]
        four = [each for each in chosen if isinstance(each, IPv4Network)]
        six = [each for each in chosen if isinstance(each, IPv6Network)]
        counts.append(len([*collapse_addresses(four), *collapse_addresses(six)]))
    return np.array(counts)


def costs(
    universe: Words,
    given: Iterable[str],
    *,
    forbidden: Iterable[str] = (),
    weight: Mapping[str, float] | None = None,
    penalty: Mapping[str, float] | None = None,
) -> Costs:
    """What admitting each subset of a universe costs; infinite where it must not be."""
    weights = np.ones(8)
    for text in sorted(weight or {}, key=lambda text: ip_network(text).prefixlen):
        weights[inside(universe, text)] = (weight or {})[text]
    members = {text: inside(universe, text) for text in given}
    asked: NDArray[np.bool_] = np.any([np.zeros(8, bool), *members.values()], axis=0)
    total: Costs = SUBSETS.astype(np.float64) @ np.where(asked, 0.0, weights)
    for text, member in members.items():
        lost = ~SUBSETS[:, member].all(axis=1)
        total[lost] += (penalty or {}).get(text, inf)
    for text in forbidden:
        total[SUBSETS[:, inside(universe, text)].any(axis=1)] = inf
    return total


def least(universe: Words, total: Costs, budget: int) -> tuple[float, int]:
    """The least cost within a budget, and with how many prefixes it can be had."""
    allowed = fewest(universe) <= budget
    cost = total[allowed].min()
    return cost, int(fewest(universe)[total == cost].min())


def networks(rng: Random, universe: Words, count: int, shortest: int) -> list[str]:
    """Addresses of a universe and networks around some of them, as text."""
    found = []
    for address in rng.choices(universe, k=count):
        width = ip_address(address).max_prefixlen
        length = width - rng.choice((0, 0, 0, 1, shortest))
        network = str(ip_network(f"{address}/{length}", strict=False))
        found.append(address if length == width else network)
    return found


def instance(rng: Random, universe: Words) -> tuple[list[str], dict[str, Any]]:
    """Addresses, and some of the conditions there are."""
    given = networks(rng, universe, rng.randint(1, 7), shortest=1)
    amounts = (0, 1, 2, 3, 0.5, 0.25, 7)
    how: dict[str, Any] = {}
    if rng.random() < 0.5:
        how["weight"] = {n: rng.choice(amounts) for n in networks(rng, universe, 3, shortest=2)}
    if rng.random() < 0.5:
        how["forbidden"] = networks(rng, universe, rng.randint(1, 3), shortest=1)
    if rng.random() < 0.6:
        some = given if rng.random() < 0.7 else given[1:]
        how["penalty"] = {n: rng.choice(amounts) for n in some}
    return given, how


def check(universe: Words, given: Sequence[str], cover: Cover, total: Costs) -> None:
    """Hold what a cover says of itself to its prefixes."""
    nets = [ip_network(text) for text in cover.prefixes]
    assert nets == sorted(nets, key=lambda n: (n.version, n.network_address))
    taken = np.any([np.zeros(8, bool), *(inside(universe, p) for p in cover.prefixes)], axis=0)
    assert all(sum(inside(universe, p)) == ip_network(p).num_addresses for p in cover.prefixes)
    assert total[(taken == SUBSETS).all(axis=1)].item() == cover.extra + cover.price
    assert {ip_network(each) for each in cover.left} <= {ip_network(each) for each in given}


@pytest.mark.parametrize(("universe", "seed"), [(FOUR, 1), (SIX, 2), (BOTH, 3)])
def test_cover_equals_brute_force(universe: Words, seed: int) -> None:
    """Of all sets of addresses that so many prefixes can admit, none is better."""
    rng, refused = Random(seed), 0
    for _ in range(300):
        given, how = instance(rng, universe)
        total, budget = costs(universe, given, **how), rng.randint(0, 5)
        best, count = least(universe, total, budget)
        if best == inf:
            refused += 1
            with pytest.raises(UsageError):
                optimal_cover(given, budget, **how)
            continue
        cover = optimal_cover(given, budget, **how)
        assert (cover.cost, len(cover.prefixes)) == (best, count), (given, budget, how)
        check(universe, given, cover, total)
        again = rng.sample(given, len(given)) + given[:2]
        assert optimal_cover(iter(again), budget, **how) == cover
    assert 30 < refused < 200


def test_shared_cover_equals_brute_force() -> None:
    """No way to share a budget out between sets is better than the one found."""
    rng, refused = Random(4), 0
    for _ in range(200):
        universes = [rng.choice((FOUR, SIX, BOTH)) for _ in range(rng.randint(1, 3))]
        _, how = instance(rng, universes[0])
        given = [instance(rng, universe)[0] for universe in universes]
        sets = list(zip(universes, given, strict=True))
        totals = [costs(universe, members, **how) for universe, members in sets]
        budget = rng.randint(0, 8)
        shares = (s for s in product(range(budget + 1), repeat=len(sets)) if sum(s) == budget)
        ways = ((zip(universes, totals, share, strict=True)) for share in shares)
        best = min(sum(least(*each)[0] for each in way) for way in ways)
        if best == inf:
            refused += 1
            with pytest.raises(UsageError):
                shared_cover(given, budget, **how)
            continue
        covers = shared_cover(given, budget, **how)
        assert sum(cover.cost for cover in covers) == best
        assert sum(len(cover.prefixes) for cover in covers) <= budget
        for (universe, members), total, cover in zip(sets, totals, covers, strict=True):
            check(universe, members, cover, total)
        assert shared_cover(given[::-1], budget, **how) == covers[::-1]
        assert shared_cover(dict(enumerate(given)), budget, **how) == dict(enumerate(covers))
    assert 10 < refused < 150


def forest(rng: Random, span: int, how: dict[str, Any]) -> Forest:
    """A forest of two sets of addresses that lie within so many bits, and a few networks."""
    terms = Terms(**how)
    planted = Forest(1 << 400)
    for base in (0, 1 << 127):
        spots = [base + (rng.getrandbits(4) << span - 4) + rng.getrandbits(6) for _ in range(120)]
        nets = [f"{ip_address(spot | 1 << 100)}/128" for spot in spots]
        nets += [str(ip_network((spot >> 9 << 9, 119))) for spot in spots[:5]]
        ground = terms.grounds[6]
        planted.plant(required(keys(nets)[6], ground), ground)
    return planted


@pytest.mark.parametrize("span", [20, 61, 62, 63, 64, 90, 99, 127])
def test_compiled_code_agrees_with_python(span: int) -> None:
    """Compiled code shares budgets out as Python does, for numbers of one word and of several."""
    rng = Random(span)
    penalty = rng.choice((None, 2**span // 50, 3.5))
    how = {"forbidden": [str(ip_address(7 | 1 << 100))], "penalty": penalty}
    if penalty is None:
        how = {"weight": 0.3}
    planted = forest(rng, span, how)
    assert planted.root is not None
    ease = eased(planted)
    for budget in (1, 2, 7, 40):
        if ease.need[planted.root] > budget:
            continue
        most = [min(count, budget) for count in ease.counts]
        ours, theirs = compiled(planted, most, ease.bound), plain(planted, most)
        assert ours.size == theirs.size > 0
        for node in range(len(planted.left)):
            enough = range(max(1, ease.need[node]), most[node] + 1)
            assert [ours.share(node, n) for n in enough] == [theirs.share(node, n) for n in enough]


def test_cover_by_hand() -> None:
    """Four servers in two clumps and one apart, for every budget.

    10.0.0.0/29 holds 8 addresses of which .1, .2 and .6 are given: 5 foreign ones. 10.0.0.0/30
    with .6 alone admits .0 and .3. The clump in 10.0.1.0/31 is complete.
    """
    given = ["10.0.0.6", "10.0.1.1", "10.0.0.1", "10.0.0.2", "10.0.1.0", "10.0.0.1/32"]
    wanted = {
        1: (("10.0.0.0/23",), 512 - 5),
        2: (("10.0.0.0/29", "10.0.1.0/31"), 5),
        3: (("10.0.0.0/30", "10.0.0.6/32", "10.0.1.0/31"), 2),
        4: (("10.0.0.1/32", "10.0.0.2/32", "10.0.0.6/32", "10.0.1.0/31"), 0),
        9: (("10.0.0.1/32", "10.0.0.2/32", "10.0.0.6/32", "10.0.1.0/31"), 0),
    }
    for budget, (prefixes, extra) in wanted.items():
        assert optimal_cover(given, budget) == Cover(prefixes, extra)


def test_many_addresses_by_hand() -> None:
    """Of 1,500 distant pairs, each 254 addresses apart, as many are joined as the budget lacks."""
    pairs = [base + end for base in range(0, 1_500 << 12, 1 << 12) for end in (0, 255)]
    cover = optimal_cover([ip_address(number) for number in pairs], 3_000 - 100)
    assert cover.extra == 100 * 254
    lengths = Counter(prefix.split("/")[1] for prefix in cover.prefixes)
    assert lengths == {"24": 100, "32": 2_800}


def test_counts_of_ipv6_are_exact() -> None:
    """The first and the last address of all need the whole space, less the two of them."""
    ends = ["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
    assert optimal_cover(ends, 1) == Cover(("::/0",), 2**128 - 2)
    assert optimal_cover(ends, 1, weight=0.5).extra == 2**127 - 1
    assert optimal_cover([*ends, "::1"], 1, weight={"::/1": 0}) == Cover(("::/0",), 2**127 - 1)
    assert optimal_cover(["::/0", "0.0.0.0/0"], 2) == Cover(("0.0.0.0/0", "::/0"), 0)


def test_families_share_the_budget() -> None:
    """IPv4 and IPv6 need a prefix each; the third goes where it saves the most."""
    given = ["10.0.0.0", "10.0.0.7", "2001:db8::", "2001:db8::8"]
    assert optimal_cover(given, 3) == Cover(
        ("10.0.0.0/29", "2001:db8::/128", "2001:db8::8/128"), 8 - 2
    )
    with pytest.raises(UsageError, match=r"budget 1 is too small: .* at least 2 prefixes"):
        optimal_cover(given, 1)


def test_budget_goes_where_space_is_dear() -> None:
    """Foreign addresses of the own network are free, so it is opened before a stranger's."""
    given = ["10.0.0.0", "10.0.0.255", "34.1.1.0", "34.1.1.3"]
    assert optimal_cover(given, 3).prefixes == ("10.0.0.0/32", "10.0.0.255/32", "34.1.1.0/30")
    own = optimal_cover(given, 3, weight={"10.0.0.0/8": 0, "10.0.0.128/25": 1 / 128})
    assert own.prefixes == ("10.0.0.0/24", "34.1.1.0/32", "34.1.1.3/32")
    assert own.extra == 127 / 128


def test_forbidden_space_is_never_admitted() -> None:
    """A prefix that would hold a forbidden address is not to be had at any cost."""
    given = ["10.0.0.0", "10.0.0.3", "10.0.0.4", "10.0.0.6"]
    away = ["10.0.0.7", "2001:db8::/32"]
    assert optimal_cover(given, 2) == Cover(("10.0.0.0/29",), 4)
    around = Cover(("10.0.0.0/30", "10.0.0.4/32", "10.0.0.6/32"), 2)
    assert optimal_cover(given, 3, forbidden=away) == around
    with pytest.raises(UsageError, match=r"budget 2 is too small: .* at least 3 prefixes"):
        optimal_cover(given, 2, forbidden=away)


def test_given_and_forbidden() -> None:
    """What is both is an error that names both, or left out where that has a price."""
    given, away = ["10.0.0.0/30", "10.0.0.8"], ["10.0.0.3", "10.0.0.0/31"]
    with pytest.raises(UsageError, match=r"10\.0\.0\.0/30 must be .* forbidden is 10\.0\.0\.3;"):
        optimal_cover(given, 9, forbidden=away)
    soft = optimal_cover(given, 9, forbidden=away, penalty={"10.0.0.0/30": 40})
    assert soft == Cover(("10.0.0.8/32",), 0, ("10.0.0.0/30",), 40)
    assert soft.cost == 40


def test_rare_destinations_are_left_out() -> None:
    """A destination is left out where its traffic is worth less than the space it opens."""
    given = ["10.0.0.0", "10.0.0.1", "10.0.0.15", "10.9.0.0"]
    traffic = {"10.0.0.0": 900, "10.0.0.1/32": 900, "10.0.0.15": 14, "10.9.0.0": 13}
    whole = Cover(("10.0.0.0/28",), 13, ("10.9.0.0",), 13)
    assert optimal_cover(given, 1, penalty=traffic) == whole
    rare = Cover(("10.0.0.0/31",), 0, ("10.0.0.15", "10.9.0.0"), 12 + 13)
    assert optimal_cover(given, 1, penalty={**traffic, "10.0.0.15": 12}) == rare
    nothing = Cover((), 0, ("10.0.0.0", "10.0.0.1", "10.0.0.15", "10.9.0.0"), 1827)
    assert optimal_cover(given, 0, penalty=traffic) == nothing
    must = {"10.9.0.0": 13}
    assert optimal_cover(given, 1, penalty=must) == Cover(("10.0.0.0/28",), 13, ("10.9.0.0",), 13)
    assert optimal_cover(given, 4, penalty=1) == optimal_cover(given, 4)


def test_ties_are_settled_by_rule() -> None:
    """Of equal costs: fewest prefixes, then admitting, then fewest in the lower half."""
    assert optimal_cover(["10.0.0.0", "10.0.0.1"], 9) == Cover(("10.0.0.0/31",), 0)
    assert optimal_cover(["10.0.0.0", "10.0.0.2"], 1, penalty=2) == Cover(("10.0.0.0/30",), 2)
    apart = ["10.0.0.0", "10.0.0.3", "10.1.0.0", "10.1.0.3"]
    assert optimal_cover(apart, 3).prefixes == ("10.0.0.0/30", "10.1.0.0/32", "10.1.0.3/32")
    shared = shared_cover([apart[2:], apart[:2]], 3)
    assert [cover.prefixes for cover in shared] == [
        ("10.1.0.0/32", "10.1.0.3/32"),
        ("10.0.0.0/30",),
    ]


def test_nothing_given() -> None:
    """No addresses need no prefixes, not even a budget."""
    assert optimal_cover([], 0) == optimal_cover(iter(()), 60, penalty=3) == Cover((), 0)
    assert (shared_cover([], 0), shared_cover({}, 3)) == ([], {})
    assert shared_cover({"a": [], "b": ["10.0.0.1"]}, 1)["a"] == Cover((), 0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("10.0.0.256", "address '10.0.0.256' is none; expected an address or a prefix"),
        ("10.0.0.1/8", r"address '10.0.0.1/8' has host bits set; try 10.0.0.0/8"),
        ("010.0.0.1", "address '010.0.0.1' is none"),
        ("fe80::1%eth0", "address 'fe80::1%eth0' is none"),
        ("", "address '' is none"),
        (None, "address None is none"),
        (167772161, "address 167772161 is none"),
    ],
)
def test_what_is_no_address_is_named(value: object, message: str) -> None:
    """Text that is no address, and what is no text, is named with what to try."""
    with pytest.raises(UsageError, match=message):
        optimal_cover(["10.0.0.1", value], 1)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"budget": -1}, "budget -1; expected a number of prefixes from 0 on"),
        ({"budget": 2.0}, "budget 2.0"),
        ({"budget": 0}, "budget 0 is too small"),
        ({"addresses": "10.0.0.1"}, r"address '10.0.0.1' stands alone; .* try \['10.0.0.1'\]"),
        ({"forbidden": ["x"]}, "forbidden 'x' is none"),
        ({"weight": {"x": 1}}, "weight of 'x' is none"),
        ({"weight": {"10.0.0.0/8": -1}}, "weight -1 of 10.0.0.0/8; expected a finite number"),
        ({"weight": inf}, "weight inf of everything"),
        ({"penalty": {"10.0.0.1": "much"}}, "penalty 'much' of 10.0.0.1"),
        (
            {"penalty": {"10.0.0.1": 1, "10.0.0.1/32": 2}},
            "penalty of 10.0.0.1/32 is both 1 and 2; expected one",
        ),
    ],
)
def test_wrong_conditions_are_named(how: dict[str, Any], message: str) -> None:
    """Budgets, amounts and prefixes that cannot be are refused with their value."""
    with pytest.raises(UsageError, match=message):
        optimal_cover(**{"addresses": ["10.0.0.1"], "budget": 1, **how})
