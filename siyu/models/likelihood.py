"""The parameters that make what was seen most likely."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from siyu.models.buyers import Real

Range = tuple[float, float]

# How alike people are, as the logarithm of a parameter. Where they are all alike (one product, one order a month) the
# hill climbs for ever towards "no spread at all"; at e^5 = 148 the spread is 8 %, and further out lies only rounding.
SPREAD: Range = (-5.0, 5.0)


@dataclass(frozen=True)
class Likeliest:
    parameters: tuple[float, ...]
    log_likelihood: float


def most_likely(
    log_likelihood: Callable[[Real], float],
    starts: Sequence[Sequence[float]],
    *,
    within: Sequence[Range],
    buyers: int,
) -> Likeliest:
    """The highest of the tops climbed to from several starts, of parameters whose logarithms are within ranges."""

    def depth(logs: Real) -> float:
        return -log_likelihood(np.exp(logs)) / buyers

    best = min((_climb(depth, np.log(start), within) for start in starts), key=depth)
    return Likeliest(tuple(np.exp(best).tolist()), -depth(best) * buyers)


def _climb(depth: Callable[[Real], float], start: Real, within: Sequence[Range]) -> Real:
    # Slopes from both sides are good to eleven digits, so that the top is found to about seven.
    lowest, highest = np.transpose(within)
    top = minimize(
        depth,
        np.clip(start, lowest, highest),
        jac="3-point",
        method="L-BFGS-B",
        bounds=list(within),
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1_000, "maxfun": 50_000},
    )
    return np.asarray(top.x, dtype=np.float64)
