"""The choice of one view of each conversation, in the part of Python that Numba compiles.

Nothing imports this module but `flowlens_parsers.machine`, which keeps what becomes of it. It does
what `counting.counted` does with frames: both are held together by a property test.
"""

import numpy as np
from numba import types

from flowlens.conversations.seatkernel import PLACE, SEAT, SPAN
from flowlens.conversations.viewkernel import HOUR, IN, MARKS, OBSERVER, OUT, SEEN_RAWS, TIMES, VIEW
from flowlens.conversations.wordkernel import HALF, NULL, I, U, inlined

__all__ = ["KERNELS"]

#: As in `counting`.
MOST = U(2**28 - 1)
WINDOW, UNSURE, HOP = U(660), U(60), U(2)

STAYS, BACK, ON = 0, 1, 2  # the hour before, or the next one, holds a kept view's traffic


@inlined
def place(views, row):
    """Return where the observer of a view stands."""
    return (views[I(row) * VIEW + MARKS] >> PLACE) & U(3)


@inlined
def times(views, row):
    """Return first and last second of a view."""
    word = views[I(row) * VIEW + TIMES]
    return word & NULL, word >> HALF


@inlined
def rank(views, row, first, last, seats, sums, turns):
    """Return a number that is least for the best view of a conversation, and never the same."""
    seat = I(views[I(row) * VIEW + SEEN_RAWS] & NULL)
    span = seats[seat * SEAT + SPAN]
    missed = span & NULL > first + WINDOW or (span >> HALF) + WINDOW < last
    order = place(views, row) * U(2) + U(missed)
    return ((order << U(28)) + (MOST - min(sums[seat], MOST))) << HALF | U(turns[seat])


@inlined
def best(views, order, begin, end, seats, sums, turns):
    """Return the best of the views of one conversation."""
    first, last = NULL, U(0)
    for at in range(begin, end):
        start, stop = times(views, order[at])
        first, last = min(first, start), max(last, stop)
    chosen, least = order[begin], U(0xFFFFFFFFFFFFFFFF)
    for at in range(begin, end):
        now = rank(views, order[at], first, last, seats, sums, turns)
        if now < least:
            chosen, least = order[at], now
    return chosen


@inlined
def beside(views, row, other, hours):
    """Say whether another kept view is so many hours later, and of another observer."""
    at, to = I(row) * VIEW, I(other) * VIEW
    later = (views[to + HOUR] >> HALF) - (views[at + HOUR] >> HALF)
    return later == hours and views[at + OBSERVER] != views[to + OBSERVER]


@inlined
def held(views, bests, at, count):
    """Say whether a neighbouring hour's kept view holds the traffic of a kept view already."""
    row = bests[at]
    first, last = times(views, row)
    if at > 0 and beside(views, bests[at - 1], row, U(1)):
        before = bests[at - 1]
        if place(views, before) <= place(views, row) and last <= times(views, before)[1] + UNSURE:
            return BACK
    if at + 1 < count and beside(views, row, bests[at + 1], U(1)):
        after = bests[at + 1]
        if place(views, after) < place(views, row) and first + HOP >= times(views, after)[0]:
            return ON
    return STAYS


@inlined
def moves(steps, at):
    """Say whether a kept view gives way to a neighbour, which stays itself."""
    if steps[at] == BACK:
        return steps[at - 1] == STAYS
    return steps[at] == ON and steps[at + 1] == STAYS


@inlined
def gather(views, order, begin, end, members, start, size):
    """Add observers to a sorted set without copies or null; return its size."""
    for at in range(begin, end):
        code = np.uint32(views[I(order[at]) * VIEW + OBSERVER] >> HALF)
        known = U(code) == NULL
        for to in range(start, start + size):
            known = known or members[to] == code
        if known:
            continue
        members[start + size] = code
        to = start + size
        while to > start and members[to - 1] > members[to]:
            members[to - 1], members[to] = members[to], members[to - 1]
            to -= 1
        size += 1
    return size


@inlined
def observers(views, order, begins, steps, at, hours, members, start):
    """Put the observers of a kept view's traffic into a set; return its size."""
    size = gather(views, order, I(begins[at]), I(begins[at + 1]), members, start, I(0))
    if steps[at] == STAYS and at > 0 and steps[at - 1] == ON:
        size = gather(views, order, I(begins[at - 1]), I(begins[at]), members, start, size)
    if steps[at] == STAYS and at + 1 < hours and steps[at + 1] == BACK:
        size = gather(views, order, I(begins[at + 1]), I(begins[at + 2]), members, start, size)
    return size


@inlined
def summed(views, order, begin, count, numbers, sums):
    """Add the packets of a thread by seat; return where the next thread begins."""
    end = begin
    while end < count and numbers[order[end]] == numbers[order[begin]]:
        at = I(order[end]) * VIEW
        sums[I(views[at + SEEN_RAWS] & NULL)] += views[at + OUT + 1] + views[at + IN + 1]
        end += 1
    return end


@inlined
def hourly(views, order, begin, end, seats, sums, turns, bests, begins):
    """Choose the best view of each hour of a thread; return how many hours it has."""
    hours, at = I(0), begin
    while at < end:
        hour, begins[hours] = views[I(order[at]) * VIEW + HOUR], np.uint32(at)
        while at < end and views[I(order[at]) * VIEW + HOUR] == hour:
            at += 1
        bests[hours] = best(views, order, I(begins[hours]), at, seats, sums, turns)
        hours += 1
    begins[hours] = np.uint32(end)
    return hours


def choose(
    views, order, count, numbers, seats, sums, turns, bests, begins, steps, kept, sets, members,
    sizes,
):  # fmt: skip
    """Choose a view of each conversation, of threads with several observers; return how many.

    Args:
        views: placed; each has the number of its seat.
        order: numbers of views by thread and hour.
        count: how many these are.
        numbers: thread of each view.
        seats: as `seatkernel` has them.
        sums: a zero for each seat; they are zero again afterwards.
        turns: place of each seat in the order of their names.
        bests: room for as many numbers as views, and one more.
        begins: the same.
        steps: the same.
        kept: becomes the numbers of the views chosen.
        sets: becomes their observers: up to two codes, else null and where in `members` they are.
        members: room for as many codes as views, and three more.
        sizes: becomes how many observers each set has.
    """
    done, used, begin = I(0), I(0), I(0)
    while begin < count:
        end = summed(views, order, begin, count, numbers, sums)
        hours = hourly(views, order, begin, end, seats, sums, turns, bests, begins)
        for at in range(hours):
            steps[at] = held(views, bests, at, hours)
        for at in range(hours):
            if moves(steps, at):
                continue
            size = observers(views, order, begins, steps, at, hours, members, used)
            low = U(members[used]) if size else NULL
            high = U(members[used + 1]) if size > 1 else NULL
            if size > 2:
                low, high = NULL, U(used)
                used += size
            kept[done], sets[done], sizes[done] = bests[at], low | (high << HALF), np.uint32(size)
            done += 1
        for at in range(begin, end):
            sums[I(views[I(order[at]) * VIEW + SEEN_RAWS] & NULL)] = U(0)
        begin = end
    return done


i64, u64 = types.int64, types.uint64
p8, p32, p64 = (types.CPointer(of) for of in (types.uint8, types.uint32, u64))

KERNELS = {
    "choose": (
        choose,
        i64(p64, p32, i64, p32, p64, p64, p32, p32, p32, p8, p32, p64, p32, p32),
    ),
}
