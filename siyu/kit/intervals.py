"""How sure a rate is that was counted: Wilson's interval, which holds for small numbers and at both ends too."""

from math import sqrt

CONFIDENT = 1.959963984540054  # a normal number lies this many deviations around its mean in 95 of 100 draws


def wilson(count: int, number: int) -> tuple[float, float]:
    """The 95 % interval of a rate, `count` of `number`, within 0 and 1; `number` is not 0."""
    rate, square = count / number, CONFIDENT**2
    middle = rate + square / (2 * number)
    spread = CONFIDENT * sqrt(rate * (1 - rate) / number + square / (4 * number**2))
    scale = 1 + square / number
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
