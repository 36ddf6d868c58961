"""The RFM matrix: how many buyers meet in each cell of recency and frequency, what they spent, and by money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from siyu.kit.database import ReadSession
from siyu.metrics.affected import is_buyer
from siyu.metrics.measures import SCORES, score_of
from siyu.segments import definitions
from siyu.segments.classification import Classification
from siyu.segments.compiler import fan_metrics
from siyu.segments.dimensions import Dimension, Level
from siyu.segments.preview import given_for
from siyu.segments.rules import OnGrid


@dataclass(frozen=True)
class Cell:
    """Where R and F meet; by M, from the lowest score to the highest: how many, and in which level."""

    r: int
    f: int
    fans: int
    spend_minor: int
    by_money: Sequence[int]
    levels: Sequence[Level]  # of each M where money names the cells, else one


@dataclass(frozen=True)
class Matrix:
    """Rows from the most recent to the longest ago, cells from the least often to the most."""

    parts: int
    rows: Sequence[Sequence[Cell]]
    fans: int
    spend_minor: int

    @property
    def most(self) -> int:
        return max((cell.fans for row in self.rows for cell in row), default=0)


async def matrix(session: ReadSession) -> Matrix:
    """As of the last run, on the grid it went by; all empty before the first."""
    whole = await definitions.classification_applied(session)
    dimension = whole.dimension("rfm")
    names = cells_named(dimension)
    parts = 3 if any(cell > 100 for cell in names) else 5
    counts = await _counts(session, whole, parts)
    scores = range(1, parts + 1)
    rows = [[_cell(r, f, parts, counts, names, dimension) for f in scores] for r in reversed(scores)]
    return Matrix(parts, rows, sum(fans for fans, _ in counts.values()), sum(spend for _, spend in counts.values()))


def cells_named(dimension: Dimension) -> Mapping[int, str]:
    """The level of each cell that a rule names; the rest is the last level's."""
    return {
        cell: level.key
        for level in dimension.levels
        if isinstance(level.rule, OnGrid)
        for cell in level.rule.cells
    }  # fmt: skip


Counts = Mapping[tuple[int, int, int], tuple[int, int]]  # fans and what they spent, by R, F and M


async def _counts(session: ReadSession, whole: Classification, parts: int) -> Counts:
    given = await given_for(session, whole)
    if not given:
        return {}
    scores = [score_of(column, parts, fan_metrics).label(name) for name, column in SCORES.items()]
    each = select(*scores, fan_metrics.c.spend_total).where(is_buyer()).subquery()
    places = [each.c[name] for name in SCORES]
    summed = select(*places, func.count(), func.sum(each.c.spend_total)).group_by(*places)
    return {(r, f, m): (fans, int(spend)) for r, f, m, fans, spend in await session.rows(summed, given)}


def _cell(r: int, f: int, parts: int, counts: Counts, names: Mapping[int, str], dimension: Dimension) -> Cell:
    here = [counts.get((r, f, m), (0, 0)) for m in range(1, parts + 1)]
    codes = [10 * r + f] if parts == 5 else [100 * r + 10 * f + m for m in range(1, parts + 1)]
    levels = [dimension.level(names.get(code, dimension.order[-1])) for code in codes]
    return Cell(r, f, sum(fans for fans, _ in here), sum(spend for _, spend in here), [n for n, _ in here], levels)
