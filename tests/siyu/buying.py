"""Buyers for the models: the published ones of CDNOW, and invented ones whose truth is known."""

from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from siyu.models import buyers
from siyu.models.buyers import Buyers, Real, Whole

CALIBRATION_END = date(1997, 9, 30).toordinal()


@dataclass(frozen=True, eq=False)
class Orders:
    """A log of orders, column by column."""

    fans: Whole
    days: Whole
    spend: Whole

    def read(self, *, as_of_day: int) -> Buyers:
        return buyers.read(self.fans, self.days, self.spend, as_of_day=as_of_day)


@cache
def cdnow() -> Orders:
    """The tenth of CDNOW's customers that the literature calibrates on, in cents; the package's code stays unread."""
    log = Path(str(distribution("lifetimes").locate_file("lifetimes/datasets/CDNOW_sample.txt"))).read_text()
    rows = [line.split() for line in log.splitlines() if line.strip()]
    return Orders(
        fans=np.array([int(customer) for _, customer, *_ in rows]),
        days=np.array([date.fromisoformat(day).toordinal() for _, _, day, *_ in rows]),
        spend=np.array([round(float(dollars) * 100) for *_, dollars in rows]),
    )


def bg_nbd_community(size: int, *, days: int, r: float, alpha: float, a: float, b: float, seed: int = 7) -> Orders:
    """Fans who all ordered in the first 30 days, come back at their own rate and leave after a later order."""
    dice = np.random.default_rng(seed)
    rates, leaves = dice.gamma(r, 1 / (alpha * 7), size), dice.beta(a, b, size)
    worth: Real = dice.gamma(4, 500, size)
    moments = dice.uniform(0, 30, size)
    still, rows = np.arange(size), []
    while len(still):
        rows.append((still, moments[still].astype(np.int64), dice.gamma(6, worth[still] / 6).astype(np.int64) + 1))
        if len(rows) > 1:
            still = still[dice.random(len(still)) >= leaves[still]]
        moments[still] += dice.exponential(1 / np.maximum(rates[still], 1e-9))
        still = still[moments[still] < days]
    return Orders(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def one(*, repeats: int = 0, active: int = 0, known: int = 0, mean: float = 0.0) -> Buyers:
    """A single buyer."""
    return alike(1, repeats=repeats, active=active, known=known, mean=mean)


def alike(size: int, *, repeats: int = 0, active: int = 0, known: int = 0, mean: float = 0.0) -> Buyers:
    """Buyers with one and the same past."""
    return Buyers(
        fan_id=np.arange(size),
        repeats=np.full(size, repeats),
        active_days=np.full(size, active),
        known_days=np.full(size, known),
        mean_spend=np.full(size, float(mean)),
    )
