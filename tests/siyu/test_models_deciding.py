"""The Kaplan–Meier median: published figures, hand-counted ones, and exact fractions."""

import subprocess
import sys
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from siyu.models.deciding import median_hours

HOURS = st.lists(st.integers(0, 12), max_size=14)


def test_the_published_leukaemia_trial_has_its_published_medians() -> None:
    # Freireich et al. 1963, weeks to relapse; textbooks give 23 with the drug and 8 without.
    relapsed, still_well = [6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    placebo = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]

    assert median_hours(relapsed, still_well) == 23
    assert median_hours(placebo, []) == 8


def test_those_who_have_not_bought_yet_move_the_median_later() -> None:
    bought = [1.0, 2.0, 3.0]

    assert median_hours(bought, []) == 2
    # 4/5 after one hour, 3/5 after two, 2/5 after three.
    assert median_hours(bought, [10, 10]) == 3


def test_it_is_unknown_while_fewer_than_half_have_bought() -> None:
    assert median_hours([], []) is None
    assert median_hours([], [5, 9]) is None
    assert median_hours([1, 2], [50, 60, 70]) is None


def test_exactly_half_is_enough_although_sevenths_are_not_exact() -> None:
    # 8/10 · 7/8 · 6/7 · 5/6, which comes out a little above a half.
    assert median_hours([1, 1, 3, 4, 5, 6], [5, 6, 6, 6]) == 5


def test_who_waits_until_the_hour_of_a_purchase_was_still_there() -> None:
    # At the second hour 3 of 4 are left; if all were still there, 2 of those 3 are left then: 3/4 · 2/3 = 1/2.
    assert median_hours([1, 2], [2, 9]) == 2
    # Had one left before the first hour, 2 of 3 were left after it and 1 of those 2 after the second.
    assert median_hours([1, 2], [0.5, 9]) == 2
    # A third purchase is needed where five were there: 4/5, 3/5, 2/5.
    assert median_hours([1, 2, 3], [3, 9]) == 3
    # And two are enough where one of the five was gone before the second: 4/5 · 2/3 is still more, 4/5 · 1/3 less.
    assert median_hours([1, 2, 3], [1, 9]) == 3


@given(bought=HOURS, waiting=HOURS)
def test_it_is_what_exact_fractions_say(bought: list[int], waiting: list[int]) -> None:
    share, exact = Fraction(1), None
    for hour in sorted(set(bought)):
        there = sum(other >= hour for other in [*bought, *waiting])
        share *= 1 - Fraction(bought.count(hour), there)
        if share <= Fraction(1, 2):
            exact = hour
            break

    assert median_hours(bought, waiting) == exact


def test_neither_it_nor_a_kept_fit_needs_the_extra() -> None:
    program = (
        "import sys; sys.modules['numpy'] = sys.modules['scipy'] = None\n"
        "from siyu import models; from siyu.models import deciding\n"
        "print(models.available(), deciding.median_hours([1, 2, 3], []))"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert said.split() == ["False", "2"]
