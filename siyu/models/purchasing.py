"""When buyers come back and when they have left for good: BG/NBD and MBG/NBD, in weeks.

Both say: while alive, a buyer orders at a steady rate of their own (gamma: r, alpha), and leaves after an order with a
probability of their own (beta: a, b). In BG/NBD nobody leaves after the first order; in MBG/NBD they may.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, expit, gammaln, hyp2f1

from siyu.models.buyers import Buyers, Real, Whole
from siyu.models.likelihood import SPREAD, most_likely
from siyu.models.parameters import Purchasing

# As logarithms: alpha from a day, which orders are, to sixty years; a up to 55, above which a single day's buyer
# would make the 2F1 below overflow within a year.
WEEKS = (-2.0, 8.0)
LEAVING = (-5.0, 4.0)

# The log-likelihoods, but for a term that both share, of having stayed and of having left after the last order.
Fates = tuple[Real, Real]
Tell = Callable[[Purchasing, "Histories"], Fates]


@dataclass(frozen=True, eq=False)
class Histories:
    """Different pasts, and how many buyers share each: of 20,000 buyers, most ordered once."""

    x: Whole
    t_x: Real
    known: Real
    buyers: Whole


def fit_bg_nbd(buyers: Buyers) -> Purchasing:
    """The most likely BG/NBD."""
    return _fit(_tell_bg, buyers)


def fit_mbg_nbd(buyers: Buyers) -> Purchasing:
    """The most likely MBG/NBD."""
    return _fit(_tell_mbg, buyers)


def alive_by_bg_nbd(buyers: Buyers, model: Purchasing) -> Real:
    """P(alive) as BG/NBD sees it: 1 for everybody who ordered once, so nobody is ever ranked by it."""
    return _alive(_tell_bg(model, _each(buyers)))


def alive_by_mbg_nbd(buyers: Buyers, model: Purchasing) -> Real:
    """P(alive) as MBG/NBD sees it."""
    return _alive(_tell_mbg(model, _each(buyers)))


def expected_purchases(buyers: Buyers, model: Purchasing, *, days: int) -> Real:
    """How many orders BG/NBD expects of each buyer in the next days.

    The published formula with Euler's transformation of its 2F1. As printed, a power that vanishes multiplies a 2F1
    that explodes, until neither is a float (CDNOW's model, nine months known, a year ahead: at 898 orders). Here the
    only parameter that grows with x is the third, which makes the 2F1 tamer.
    """
    x, weeks = buyers.repeats, days / 7
    leaving = _away_from_zero(model.a - 1)
    third = leaving + model.b + x
    share = weeks / (model.alpha + buyers.known_weeks + weeks)
    stayed = np.exp(leaving * np.log1p(-share)) * hyp2f1(leaving, leaving + model.b - model.r, third, share)
    return np.asarray(alive_by_bg_nbd(buyers, model) * third / leaving * (1 - stayed))


def _away_from_zero(value: float) -> float:
    """At a = 1 the formula is 0/0, though its limit is not: a millionth beside it, five digits are right and more."""
    return value if abs(value) > 1e-6 else 1e-6


def _fit(tell: Tell, buyers: Buyers) -> Purchasing:
    histories = _histories(buyers)
    orders, counts = np.unique(buyers.repeats, return_counts=True)

    def log_likelihood(values: Real) -> float:
        model = _model(values.tolist())
        # Products and sums: a matrix product of this length would wake every core of the house.
        shared = np.sum(counts * _shared(model, orders))
        return float(shared + np.sum(histories.buyers * np.logaddexp(*tell(model, histories))))

    # The rate everybody together has; one start with buyers far apart, one with buyers alike.
    rate = (buyers.repeats.sum() + 1) / (buyers.known_weeks.sum() + 1)
    starts = [(0.5, 0.5 / rate, 0.5, 2.0), (2.0, 2.0 / rate, 2.0, 2.0)]
    best = most_likely(log_likelihood, starts, within=[SPREAD, WEEKS, LEAVING, SPREAD], buyers=len(buyers))
    return _model(best.parameters, best.log_likelihood)


def _model(values: Sequence[float], log_likelihood: float = 0) -> Purchasing:
    r, alpha, a, b = values
    return Purchasing(r, alpha, a, b, log_likelihood)


def _shared(model: Purchasing, x: Whole) -> Real:
    ordering = gammaln(model.r + x) - gammaln(model.r) + model.r * np.log(model.alpha)
    staying = betaln(model.a, model.b + x) - betaln(model.a, model.b)
    return np.asarray(ordering + staying)


def _tell_bg(model: Purchasing, of: Histories) -> Fates:
    stayed, left = _silence(model, of)
    left += np.log(model.a) - np.log(model.b + np.maximum(of.x, 1) - 1)
    return stayed, np.where(of.x > 0, left, -np.inf)


def _tell_mbg(model: Purchasing, of: Histories) -> Fates:
    stayed, left = _silence(model, of)
    either = np.log(model.a + model.b + of.x)
    return stayed + np.log(model.b + of.x) - either, left + np.log(model.a) - either


def _silence(model: Purchasing, of: Histories) -> Fates:
    """No order up to the as-of day, or none looked for after the last."""
    shape = model.r + of.x
    return np.asarray(-shape * np.log(model.alpha + of.known)), np.asarray(-shape * np.log(model.alpha + of.t_x))


def _alive(fates: Fates) -> Real:
    stayed, left = fates
    return np.asarray(expit(stayed - left))


def _each(buyers: Buyers) -> Histories:
    return Histories(buyers.repeats, buyers.active_weeks, buyers.known_weeks, np.ones_like(buyers.repeats))


def _histories(buyers: Buyers) -> Histories:
    pasts = np.stack([buyers.repeats, buyers.active_days, buyers.known_days])
    (x, active, known), counts = np.unique(pasts, axis=1, return_counts=True)
    return Histories(x, active / 7, known / 7, counts)
