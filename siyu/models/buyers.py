"""What the models read of each buyer: how often they came back, for how long, and what they paid then."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Real = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Buyers:
    """One row a buyer, columns side by side; the literature's letter for each is behind it.

    An order is a local day with a purchase, however many there were. Whoever ordered once has zeros in
    `repeats`, `active_days` and `mean_spend`.
    """

    fan_id: Whole
    repeats: Whole  # x: orders after the first
    active_days: Whole  # t_x: from the first order to the last
    known_days: Whole  # T: from the first order to the as-of day
    mean_spend: Real  # of an order after the first, in minor units of one currency

    def __len__(self) -> int:
        return len(self.fan_id)

    @property
    def active_weeks(self) -> Real:
        return self.active_days / 7

    @property
    def known_weeks(self) -> Real:
        return self.known_days / 7

    def only(self, rows: Whole) -> "Buyers":
        """Those at these positions, in that order."""
        return Buyers(
            self.fan_id[rows],
            self.repeats[rows],
            self.active_days[rows],
            self.known_days[rows],
            self.mean_spend[rows],
        )


def read(
    fan_ids: Sequence[int] | Whole, days: Sequence[int] | Whole, spend: Sequence[int] | Whole, *, as_of_day: int
) -> Buyers:
    """Buyers, by fan, from rows of orders or of purchases: several rows on a day are one order.

    Days are counted from any fixed one; what lies after the as-of day does not exist. Rows come in any order.
    """
    rows = np.stack([np.asarray(column, dtype=np.int64) for column in (fan_ids, days, spend)])
    rows = rows[:, rows[1] <= as_of_day]
    fan, day, paid = rows[:, np.lexsort((rows[1], rows[0]))]
    opens_fan = _differs_from_before(fan)
    opens_order = opens_fan | _differs_from_before(day)
    starts = np.flatnonzero(opens_fan)
    length = np.diff(starts, append=len(day))
    first, last = day[starts], day[starts + length - 1]
    later = day > np.repeat(first, length)
    repeats = np.add.reduceat(opens_order & later, starts, dtype=np.int64)
    paid_later = np.add.reduceat(paid * later, starts)
    return Buyers(fan[starts], repeats, last - first, as_of_day - first, paid_later / np.maximum(repeats, 1))


def sample(buyers: Buyers, *, size: int, seed: int) -> Buyers:
    """Every n-th of at most `size`, from a place the seed decides, along a line that only behaviour decides.

    So neither the order of rows nor the numbers of fans change who is taken, and frequent buyers, who are few,
    come in their share. It is always along that line: sums of fractions depend on their order.
    """
    line = np.lexsort((buyers.mean_spend, buyers.known_days, buyers.active_days, buyers.repeats))
    if len(line) <= size:
        return buyers.only(line)
    places = (np.arange(size) * len(line) + Random(seed).randrange(len(line))) // size
    return buyers.only(line[places])


def _differs_from_before(column: Whole) -> NDArray[np.bool_]:
    return np.concatenate([np.ones(min(1, len(column)), dtype=np.bool_), column[1:] != column[:-1]])
