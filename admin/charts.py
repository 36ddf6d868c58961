"""Where the marks of a chart lie: numbers in, SVG coordinates out; drawing is the templates' work."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One bar: its box in the drawing, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    value: float
    label: str


@dataclass(frozen=True)
class Step:
    """One step of a funnel: how many, which share of the first step, and which of the one it is held against."""

    label: str
    value: int
    of_first: float
    share: float
    against: str


def line(values: Sequence[float], *, width: int, height: int, pad: int = 2) -> str:
    """The points of a polyline from the lowest to the highest value; a flat series runs through the middle."""
    low, high = min(values, default=0), max(values, default=0)
    if low == high:
        low, high = low - 1, high + 1
    across = (width - 2 * pad) / max(len(values) - 1, 1)
    up = (height - 2 * pad) / (high - low)
    points = [(pad + index * across, height - pad - (value - low) * up) for index, value in enumerate(values)]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def columns(values: Sequence[float], labels: Sequence[str], *, width: int, height: int) -> tuple[Column, ...]:
    """Bars from zero; the smallest that is not zero still shows one unit."""
    highest = max(values, default=0)
    slot = width / max(len(values), 1)
    gap = min(slot * 0.25, 6)
    return tuple(
        _column(index * slot + gap / 2, slot - gap, height, value, highest, label)
        for index, (value, label) in enumerate(zip(values, labels, strict=True))
    )


def funnel(steps: Sequence[tuple[str, int]], *, fork: int | None = None) -> tuple[Step, ...]:
    """Each step beside the first and the one before it; behind a fork, beside that: who buys need not have clicked."""
    against = [max(0, position - 1 if fork is None else min(position - 1, fork)) for position in range(len(steps))]
    return tuple(
        Step(label, value, _share(value, steps[0][1]), _share(value, steps[other][1]), steps[other][0])
        for (label, value), other in zip(steps, against, strict=True)
    )


def heat(value: float, highest: float, *, shades: int = 5) -> int:
    """Which of the shades a cell takes: 0 for nothing, then evenly up to `shades`."""
    return 0 if value <= 0 or highest <= 0 else max(1, min(shades, round(value / highest * shades)))


def _column(x: float, width: float, height: int, value: float, highest: float, label: str) -> Column:
    tall = max(value / highest * height, 1.0) if value > 0 and highest > 0 else 0.0
    return Column(round(x, 1), round(height - tall, 1), round(width, 1), round(tall, 1), value, label)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
