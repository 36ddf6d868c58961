"""Orders become buyers: days with purchases, in whatever order the rows come."""

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from siyu.models import buyers
from siyu.models.buyers import Buyers
from tests.siyu.buying import CALIBRATION_END, cdnow

ROWS = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 20), st.integers(0, 5_000)), max_size=40)
Row = tuple[int, int, int, int, float]


def rows_of(read: Buyers) -> list[Row]:
    columns = (read.fan_id, read.repeats, read.active_days, read.known_days, read.mean_spend)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def counted(rows: list[tuple[int, int, int]], *, as_of_day: int) -> list[Row]:
    """The same by hand, fan by fan."""
    orders: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for fan, day, spend in rows:
        if day <= as_of_day:
            orders[fan][day] += spend
    found = []
    for fan, paid in sorted(orders.items()):
        first, *later = sorted(paid)
        mean = sum(paid[day] for day in later) / len(later) if later else 0.0
        found.append((fan, len(later), max(paid) - first, as_of_day - first, mean))
    return found


def test_purchases_of_one_day_are_one_order() -> None:
    read = buyers.read([7, 7, 7, 7], [10, 10, 24, 24], [500, 500, 300, 100], as_of_day=31)

    assert rows_of(read) == [(7, 1, 14, 21, 400.0)]


def test_the_first_order_counts_for_no_mean() -> None:
    read = buyers.read([7, 8, 8], [10, 10, 17], [9_900, 9_900, 100], as_of_day=31)

    assert read.mean_spend.tolist() == [0, 100]
    assert read.active_weeks.tolist() == [0, 1]
    assert read.known_weeks.tolist() == [3, 3]


def test_nobody_is_read_from_nothing() -> None:
    assert len(buyers.read([], [], [], as_of_day=31)) == 0


@given(rows=ROWS, as_of_day=st.integers(0, 20))
def test_they_are_read_as_one_would_count_by_hand(rows: list[tuple[int, int, int]], as_of_day: int) -> None:
    fans, days, spend = ([row[n] for row in rows] for n in range(3))

    read = buyers.read(fans, days, spend, as_of_day=as_of_day)

    assert rows_of(read) == counted(rows, as_of_day=as_of_day)


def test_cdnow_is_read_as_published() -> None:
    read = cdnow().read(as_of_day=CALIBRATION_END)

    assert len(read) == 2357
    assert np.count_nonzero(read.repeats) == 946
    assert read.repeats[0] == 2
    assert round(read.active_weeks[0], 2) == 30.43
    assert round(read.known_weeks[0], 2) == 38.86
    assert round(read.mean_spend[0] / 100, 3) == 22.345


def test_a_sample_has_its_size_everybody_once_and_frequent_buyers_in_their_share() -> None:
    everybody = cdnow().read(as_of_day=CALIBRATION_END)

    some = buyers.sample(everybody, size=500, seed=1)

    assert len(some) == len(set(some.fan_id.tolist())) == 500
    for least in (1, 3, 6):
        share = np.mean(everybody.repeats >= least)
        assert abs(np.count_nonzero(some.repeats >= least) - 500 * share) <= 1


def test_another_seed_samples_others() -> None:
    everybody = cdnow().read(as_of_day=CALIBRATION_END)

    one, other = (buyers.sample(everybody, size=500, seed=seed) for seed in (1, 2))

    assert set(one.fan_id.tolist()) != set(other.fan_id.tolist())


def test_a_sample_knows_neither_the_order_of_rows_nor_the_numbers_of_fans() -> None:
    everybody = cdnow().read(as_of_day=CALIBRATION_END)
    mixed = everybody.only(np.random.default_rng(3).permutation(len(everybody)))
    renumbered = Buyers(9_999 - mixed.fan_id, mixed.repeats, mixed.active_days, mixed.known_days, mixed.mean_spend)

    some, same = (buyers.sample(each, size=500, seed=1) for each in (everybody, renumbered))

    assert [row[1:] for row in rows_of(some)] == [row[1:] for row in rows_of(same)]
