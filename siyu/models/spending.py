"""What an order of each buyer is worth: Gamma-Gamma."""

import math

import numpy as np
from scipy.special import gammaln

from siyu.models.buyers import Buyers, Real, Whole
from siyu.models.likelihood import SPREAD, most_likely
from siyu.models.parameters import Spending

# Of gamma, in means, as a logarithm: wide enough for every p and q.
MEANS = (-10.0, 10.0)
# The mean over all buyers exists only for q above 1, and just above it is many times what anybody pays.
TOO_HEAVY = 1.1


def paid_again(buyers: Buyers) -> Buyers:
    """Those the model learns from: who came back and paid something."""
    return buyers.only(np.flatnonzero((buyers.repeats > 0) & (buyers.mean_spend > 0)))


def fit(buyers: Buyers) -> Spending:
    """The most likely Gamma-Gamma over those who came back and paid; needs one at least."""
    buyers = paid_again(buyers)
    # In units of its own mean, so that cents, dollars and yen climb the same hill.
    unit = float(buyers.mean_spend.mean())
    x, means = buyers.repeats, buyers.mean_spend / unit

    def log_likelihood(values: Real) -> float:
        p, q, gamma = values.tolist()
        return float(_density(p, q, gamma, x, means).sum())

    starts = [(1.0, 2.0, 1.0), (6.0, 4.0, 0.5)]
    best = most_likely(log_likelihood, starts, within=[SPREAD, SPREAD, MEANS], buyers=len(buyers))
    p, q, gamma = best.parameters
    return Spending(p, q, gamma * unit, best.log_likelihood - len(buyers) * math.log(unit), unit)


def conditional_mean(buyers: Buyers, model: Spending) -> Real:
    """What the next order of each buyer is expected to be worth: between their own mean and everybody's."""
    prior = max(model.q - 1, 0)
    everybody = model.p * model.gamma / prior if model.q > TOO_HEAVY else model.observed
    known = model.p * buyers.repeats
    own = np.divide(known, known + prior, out=np.zeros(len(known)), where=known > 0)
    return np.asarray(own * buyers.mean_spend + (1 - own) * everybody)


def _density(p: float, q: float, gamma: float, x: Whole, means: Real) -> Real:
    """The log-density of each mean."""
    shape, paid = p * x, x * means
    beta = gammaln(shape + q) - gammaln(shape) - gammaln(q)
    powers = q * np.log(gamma) + shape * np.log(paid) - (shape + q) * np.log(gamma + paid) - np.log(means)
    return np.asarray(beta + powers)
