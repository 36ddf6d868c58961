"""What buyers will probably do: numbers in, numbers out, no database.

Fitting and scoring need numpy and scipy, the extra `[clv]`, and import them when they are asked for; `deciding` and
what a fit is made of need nothing.
"""

from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING

from siyu.models.parameters import Fit, Purchasing, Spending

if TYPE_CHECKING:
    from siyu.models.buyers import Buyers, Real, Whole

__all__ = ["Fit", "Purchasing", "Scores", "Shortage", "Spending", "available", "fit", "score", "shortage"]

BUYERS_NEEDED = 500
DAYS_NEEDED = 90
# The most a fit learns from: one second, or three beside other work.
SAMPLE = 20_000
HORIZON_DAYS = 90


class Shortage(StrEnum):
    """Why there is not enough data yet."""

    BUYERS = "buyers"  # fewer than 500
    DAYS = "days"  # the first order is less than 90 days ago
    RETURNS = "returns"  # nobody has come back and paid


@dataclass(frozen=True, eq=False)
class Scores:
    """One row a buyer, in the order they were given."""

    fan_id: "Whole"
    p_alive: "Real"  # by MBG/NBD
    expected_purchases_90d: "Real"  # by BG/NBD
    expected_spend_90d: "Real"  # in minor units


def available() -> bool:
    """Whether the extra is installed."""
    return all(find_spec(name) is not None for name in ("numpy", "scipy"))


def shortage(buyers: "Buyers") -> Shortage | None:
    """What keeps the models off, if anything does."""
    if len(buyers) < BUYERS_NEEDED:
        return Shortage.BUYERS
    if buyers.known_days.max() < DAYS_NEEDED:
        return Shortage.DAYS
    if not (buyers.mean_spend > 0).any():
        return Shortage.RETURNS
    return None


def fit(buyers: "Buyers", *, seed: int) -> Fit | None:
    """All three models, from at most 20,000 buyers that the seed picks; None where `shortage` says why."""
    from siyu.models import purchasing, spending
    from siyu.models.buyers import sample

    if shortage(buyers):
        return None
    learners = sample(buyers, size=SAMPLE, seed=seed)
    return Fit(
        bg_nbd=purchasing.fit_bg_nbd(learners),
        mbg_nbd=purchasing.fit_mbg_nbd(learners),
        # Of those who came back a sample of its own: among everybody there may be few of them.
        gamma_gamma=spending.fit(sample(spending.paid_again(buyers), size=SAMPLE, seed=seed)),
        buyers=len(buyers),
        sampled=len(learners),
    )


def score(buyers: "Buyers", fit: Fit) -> Scores:
    """What a fit says of each buyer, whether or not it learnt from them."""
    from siyu.models import purchasing, spending

    orders = purchasing.expected_purchases(buyers, fit.bg_nbd, days=HORIZON_DAYS)
    return Scores(
        fan_id=buyers.fan_id,
        p_alive=purchasing.alive_by_mbg_nbd(buyers, fit.mbg_nbd),
        expected_purchases_90d=orders,
        expected_spend_90d=orders * spending.conditional_mean(buyers, fit.gamma_gamma),
    )
