"""Recommending: the net promoter score, and how certain it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

_Z = 1.959964  # 95 % of a normal distribution lie within so many deviations


@dataclass(frozen=True)
class Nps:
    """Percent of 9–10 less percent of 0–6, and between which values it lies with 95 % certainty."""

    n: int
    score: float
    low: float
    high: float


def nps_of(marks: Mapping[int, int]) -> Nps | None:
    """Of how often each mark from 0 to 10 was given; None where nobody answered."""
    happy = sum(times for mark, times in marks.items() if mark >= 9)
    unhappy = sum(times for mark, times in marks.items() if mark <= 6)
    return nps(happy, unhappy, sum(marks.values()))


def nps(happy: int, unhappy: int, n: int) -> Nps | None:
    """In percent points.

    The interval is Bonett and Price's for a difference of two shares of one sample (one more is counted on each side):
    the plain one is no wider than nothing when three fans of three are happy.
    """
    if n == 0:
        return None
    p, q = (happy + 1) / (n + 2), (unhappy + 1) / (n + 2)
    half = _Z * sqrt((p + q - (p - q) ** 2) / (n + 2))
    low, high = max(p - q - half, -1.0), min(p - q + half, 1.0)
    return Nps(n, 100 * (happy - unhappy) / n, 100 * low, 100 * high)
