"""How long a group takes to decide: the Kaplan–Meier median from first contact to first purchase."""

from collections import Counter
from collections.abc import Iterable, Mapping

# One by one, or how many there are of each.
Hours = Iterable[float] | Mapping[float, int]


def median_hours(bought: Hours, waiting: Hours) -> float | None:
    """The hours by which half have bought: those of each who did, and so far of each who has not.

    The earliest such moment, as survival analysis has it; None while fewer than half are known to have bought by any.
    Who has not bought counts as far as they were seen: at the moment of a purchase they were still there.
    """
    purchases, seen_out = Counter(bought), Counter(waiting)
    undecided, share = purchases.total() + seen_out.total(), 1.0
    for hour in sorted(purchases.keys() | seen_out.keys()):
        share *= 1 - purchases[hour] / undecided
        # 8/10 · 7/8 · 6/7 · 5/6 is a half, and 0.5000000000000001 when computed: a step loses less than 1e-15.
        if share <= 0.5 + 1e-9:
            return hour
        undecided -= purchases[hour] + seen_out[hour]
    return None
