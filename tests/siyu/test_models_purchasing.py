"""BG/NBD and MBG/NBD: published figures, an integral, a simulation, and the far ends."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betaln

from siyu.models import Purchasing, purchasing
from siyu.models.buyers import Buyers
from tests.siyu.buying import CALIBRATION_END, alike, bg_nbd_community, cdnow, one

PUBLISHED = Purchasing(r=0.243, alpha=4.414, a=0.793, b=2.426, log_likelihood=-9582.4)


def cdnow_buyers() -> Buyers:
    return cdnow().read(as_of_day=CALIBRATION_END)


def by_integral(buyers: Buyers, model: Purchasing, *, days: int) -> float:
    """What a living buyer orders at a chance to leave, over what is known of that chance; no 2F1 in it."""
    x, weeks, shape = int(buyers.repeats[0]), days / 7, model.r + int(buyers.repeats[0])
    scale = model.alpha + float(buyers.known_weeks[0])
    weight = -betaln(model.a, model.b + x)

    def orders(chance: float) -> float:
        return -math.expm1(-shape * math.log1p(chance * weeks / scale)) / chance

    def density(log_chance: float) -> float:
        chance = math.exp(log_chance)
        return math.exp(weight + model.a * log_chance + (model.b + x - 1) * math.log1p(-chance)) * orders(chance)

    # Over the chance's logarithm, since it is near nothing for who has ordered 500 times.
    parts = [quad(density, low, high, limit=200)[0] for low, high in ((-60, -12), (-12, -3), (-3, -1e-12))]
    return sum(parts) * float(purchasing.alive_by_bg_nbd(buyers, model)[0])


def test_bg_nbd_of_cdnow_is_as_published() -> None:
    model = purchasing.fit_bg_nbd(cdnow_buyers())

    assert model.r == pytest.approx(0.243, abs=0.0005)
    assert model.alpha == pytest.approx(4.414, abs=0.0005)
    assert model.a == pytest.approx(0.793, abs=0.0005)
    assert model.b == pytest.approx(2.426, abs=0.0005)
    assert model.log_likelihood == pytest.approx(-9582.4, abs=0.05)


def test_mbg_nbd_of_cdnow_is_as_published() -> None:
    model = purchasing.fit_mbg_nbd(cdnow_buyers())

    assert model.r == pytest.approx(0.525, abs=0.0005)
    assert model.alpha == pytest.approx(6.183, abs=0.0005)
    assert model.a == pytest.approx(0.891, abs=0.0005)
    assert model.b == pytest.approx(1.614, abs=0.0005)


def test_the_first_customer_of_cdnow_is_expected_as_published() -> None:
    # Fader, Hardie & Lee 2005: x = 2, t_x = 30.43, T = 38.86, 39 weeks ahead.
    buyer = one(repeats=2, active=213, known=272)

    assert float(purchasing.expected_purchases(buyer, PUBLISHED, days=39 * 7)[0]) == pytest.approx(1.226, abs=0.0005)


def test_cdnow_then_ordered_about_what_had_been_expected() -> None:
    buyers = cdnow_buyers()
    ahead = 273

    expected = purchasing.expected_purchases(buyers, purchasing.fit_bg_nbd(buyers), days=ahead).sum()

    later = cdnow().read(as_of_day=CALIBRATION_END + ahead)
    ordered = int(later.repeats.sum() - buyers.repeats.sum())
    # Known to be low on these data: 5 % of all repeat orders up to week 78, 12 % of those in the half it did not see.
    assert expected == pytest.approx(ordered, rel=0.125)


def test_a_known_truth_is_found_and_foretells_what_happens() -> None:
    log = bg_nbd_community(8_000, days=540, r=0.9, alpha=12, a=0.8, b=3)
    past = log.read(as_of_day=450)

    model = purchasing.fit_bg_nbd(past)

    later = log.read(as_of_day=539)
    happened = later.repeats - past.repeats
    foretold = purchasing.expected_purchases(past, model, days=89)
    assert model.a / (model.a + model.b) == pytest.approx(0.8 / 3.8, rel=0.15)
    for group in (past.repeats == 0, (past.repeats > 0) & (past.repeats < 4), past.repeats >= 4):
        # Sums of a group's orders are off by about their root; four of those, with two for buyers' unlike rates.
        assert abs(foretold[group].sum() - happened[group].sum()) < 6 * math.sqrt(happened[group].sum())


@pytest.mark.parametrize("fit", [purchasing.fit_bg_nbd, purchasing.fit_mbg_nbd])
def test_buyers_in_another_order_are_the_same_buyers(fit: Callable[[Buyers], Purchasing]) -> None:
    buyers = cdnow_buyers()

    assert fit(buyers.only(np.arange(len(buyers))[::-1])) == fit(buyers)


@pytest.mark.parametrize("known", [0, 1, 30, 400, 4_000])
def test_bg_nbd_takes_everybody_who_ordered_once_for_alive(known: int) -> None:
    # In BG/NBD one leaves only after an order that was not the first. So of two who ordered once, yesterday or eleven
    # years ago, both live for certain: whoever ranks by it puts the long gone first.
    buyer = one(known=known)

    assert purchasing.alive_by_bg_nbd(buyer, PUBLISHED).tolist() == [1.0]
    assert float(purchasing.alive_by_mbg_nbd(buyer, PUBLISHED)[0]) < 0.8


def test_mbg_nbd_gives_up_who_stays_silent_and_sooner_who_came_often() -> None:
    model = purchasing.fit_mbg_nbd(cdnow_buyers())

    silent = [
        float(purchasing.alive_by_mbg_nbd(one(repeats=2, active=60, known=60 + n), model)[0]) for n in (0, 60, 600)
    ]
    often = float(purchasing.alive_by_mbg_nbd(one(repeats=20, active=60, known=120), model)[0])

    assert silent == sorted(silent, reverse=True)
    assert often < silent[1]


def test_p_alive_of_mbg_nbd_is_as_printed() -> None:
    # Batislam, Denizel & Filiztekin 2007: 1 / (1 + a / (b + x) · ((alpha + T) / (alpha + t_x)) ^ (r + x)).
    model = Purchasing(r=0.525, alpha=6.183, a=0.891, b=1.614, log_likelihood=0)
    odds = 0.891 / (1.614 + 3) * ((6.183 + 20) / (6.183 + 10)) ** (0.525 + 3)

    alive = purchasing.alive_by_mbg_nbd(one(repeats=3, active=70, known=140), model)

    assert float(alive[0]) == pytest.approx(1 / (1 + odds), rel=1e-12)


@pytest.mark.parametrize(
    ("repeats", "active", "known"), [(0, 0, 0), (0, 0, 700), (1, 3, 30), (9, 80, 90), (500, 690, 700)]
)
@pytest.mark.parametrize("a", [0.3, 0.793, 1.0, 1.0000001, 4.0, 50.0])
@pytest.mark.parametrize("days", [1, 90, 365])
def test_expected_purchases_are_the_integral(repeats: int, active: int, known: int, a: float, days: int) -> None:
    buyer = one(repeats=repeats, active=active, known=known)
    model = Purchasing(r=0.243, alpha=4.414, a=a, b=2.426, log_likelihood=0)

    expected = float(purchasing.expected_purchases(buyer, model, days=days)[0])

    assert expected == pytest.approx(by_integral(buyer, model, days=days), rel=1e-5)


@given(
    logs=st.tuples(st.floats(-5, 5), st.floats(-2, 8), st.floats(-5, 4), st.floats(-5, 5)),
    repeats=st.sampled_from([0, 1, 7, 60, 500, 5_000]),
    known=st.integers(0, 8_000),
    silent=st.integers(0, 8_000),
)
def test_no_buyer_and_no_model_within_reach_breaks_a_score(
    logs: tuple[float, float, float, float], repeats: int, known: int, silent: int
) -> None:
    r, alpha, a, b = (math.exp(log) for log in logs)
    model = Purchasing(r, alpha, a, b, log_likelihood=0)
    known = max(known, repeats)
    buyer = one(repeats=repeats, active=max(repeats, known - silent) if repeats else 0, known=known)

    alive = float(purchasing.alive_by_mbg_nbd(buyer, model)[0])
    expected = float(purchasing.expected_purchases(buyer, model, days=90)[0])

    assert 0 <= alive <= 1
    # Nobody orders more than somebody of their rate who never leaves.
    most = (r + repeats) / (alpha + known / 7) * 90 / 7
    assert 0 <= expected <= most * (1 + 1e-4) + 1e-9


def test_buyers_who_are_all_alike_still_have_a_model() -> None:
    weekly, once = alike(600, repeats=20, active=140, known=143), alike(600, known=143)

    for buyers, likely in ((weekly, 90 / 7), (once, 0)):
        for model in (purchasing.fit_bg_nbd(buyers), purchasing.fit_mbg_nbd(buyers)):
            expected = float(purchasing.expected_purchases(buyers, model, days=90)[0])
            assert expected == pytest.approx(likely, abs=0.7)
