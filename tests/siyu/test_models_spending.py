"""Gamma-Gamma: published figures, units of money, and shops where all pay alike or hardly anybody does."""

import math
from dataclasses import replace

import numpy as np
import pytest

from siyu.models import Spending, spending
from siyu.models.buyers import Buyers
from tests.siyu.buying import CALIBRATION_END, alike, cdnow, one

PUBLISHED = Spending(p=6.25, q=3.74, gamma=1544, log_likelihood=0, observed=3508)  # in cents


def cdnow_buyers() -> Buyers:
    return cdnow().read(as_of_day=CALIBRATION_END)


def test_gamma_gamma_of_cdnow_is_as_published() -> None:
    model = spending.fit(cdnow_buyers())

    assert model.p == pytest.approx(6.25, abs=0.005)
    assert model.q == pytest.approx(3.74, abs=0.005)
    assert model.gamma / 100 == pytest.approx(15.44, abs=0.005)


@pytest.mark.parametrize(("repeats", "mean", "published"), [(2, 2235, 24.66), (1, 1177, 18.91), (0, 0, 35.17)])
def test_customers_of_cdnow_are_expected_to_pay_as_published(repeats: int, mean: float, published: float) -> None:
    model = spending.fit(cdnow_buyers())

    expected = spending.conditional_mean(one(repeats=repeats, mean=mean), model)

    assert float(expected[0]) / 100 == pytest.approx(published, abs=0.02)


def test_who_ordered_once_is_expected_to_pay_what_everybody_does() -> None:
    everybody = 6.25 * 1544 / (3.74 - 1)

    assert spending.conditional_mean(one(), PUBLISHED).tolist() == [pytest.approx(everybody)]


def test_the_more_often_one_pays_the_more_ones_own_mean_says() -> None:
    means = [float(spending.conditional_mean(one(repeats=n, mean=9_000), PUBLISHED)[0]) for n in (0, 1, 5, 500)]

    assert means == sorted(means)
    assert means[-1] == pytest.approx(9_000, rel=0.01)


def test_only_who_came_back_and_paid_teaches() -> None:
    buyers = cdnow_buyers()
    free = replace(buyers, mean_spend=np.where(buyers.fan_id % 2, buyers.mean_spend, 0))

    learners = spending.paid_again(free)

    assert learners.repeats.min() == 1
    assert learners.mean_spend.min() > 0
    assert set((learners.fan_id % 2).tolist()) == {1}


@pytest.mark.parametrize("scale", [0.01, 7, 10_000])
def test_the_unit_of_money_changes_no_shape(scale: float) -> None:
    buyers = cdnow_buyers()

    model, scaled = spending.fit(buyers), spending.fit(replace(buyers, mean_spend=buyers.mean_spend * scale))

    assert scaled.p == pytest.approx(model.p, rel=1e-6)
    assert scaled.q == pytest.approx(model.q, rel=1e-6)
    assert scaled.gamma == pytest.approx(model.gamma * scale, rel=1e-6)
    # Densities are per unit of money.
    assert scaled.log_likelihood == pytest.approx(model.log_likelihood - 946 * math.log(scale), rel=1e-9)


def test_where_all_pay_the_same_everybody_is_expected_to() -> None:
    model = spending.fit(alike(600, repeats=3, active=70, known=100, mean=990))

    for repeats, mean in ((0, 0), (1, 990), (400, 990)):
        assert float(spending.conditional_mean(one(repeats=repeats, mean=mean), model)[0]) == pytest.approx(
            990, rel=0.01
        )


def test_a_single_buyer_is_enough_to_say_something_finite() -> None:
    model = spending.fit(one(repeats=1, active=7, known=30, mean=1_200))

    assert float(spending.conditional_mean(one(), model)[0]) == pytest.approx(1_200, rel=0.05)


def test_without_a_mean_over_everybody_the_observed_one_stands_in() -> None:
    heavy = Spending(p=2, q=0.9, gamma=1_000, log_likelihood=0, observed=5_000)

    assert spending.conditional_mean(one(), heavy).tolist() == [5_000]
    assert spending.conditional_mean(one(repeats=3, mean=800), heavy).tolist() == [800]
