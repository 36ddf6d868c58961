"""Any two dimensions against each other: how many fans stand in each pair of their levels."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Subquery, func, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from siyu import segments
from siyu.kit.database import ReadSession
from siyu.kit.errors import NotFound
from siyu.kit.wording import phrase
from siyu.segments import INTERESTS, Classification
from siyu.segments.classification import INTERESTS_LABEL
from siyu.segments.dimensions import IN, OUT
from siyu.tables import FanLevel, FanMetrics

OTHERS = phrase("All others")

Rule = dict[str, Any]  # Any: the contract's RULE


@dataclass(frozen=True)
class Mark:
    """One row or column: its name, a message id, and the rule that its people fit."""

    key: str
    label: str
    rule: Rule


@dataclass(frozen=True)
class Axis:
    """A dimension, a saved segment and all others, or interests, of which a fan may have several."""

    key: str
    label: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Cross:
    """How many fans stand in both; of interests a fan counts in each."""

    rows: Axis
    columns: Axis
    counts: Mapping[tuple[str, str], int]
    totals: Mapping[str, int]  # of each row

    def count(self, row: str, column: str) -> int:
        return self.counts.get((row, column), 0)

    def share(self, row: str, column: str) -> float:
        """Of the row's fans."""
        count = self.count(row, column)
        return count / self.totals[row] if count else 0.0

    @cached_property
    def highest(self) -> int:
        return max(self.counts.values(), default=0)

    def rule(self, row: Mark, column: Mark) -> Rule:
        """Whom a cell counts."""
        return {"all": [row.rule, column.rule]}


def choices(whole: Classification) -> list[tuple[str, str]]:
    """What can be crossed: key and label, a message id."""
    interests = [(INTERESTS, INTERESTS_LABEL)] if _interests(whole) else []
    saved = [(one.key, one.level(IN).label) for one in whole.sparse if one.key not in _interests(whole)]
    return [*((one.key, one.label) for one in whole.dimensions), *interests, *saved]


async def cross(session: ReadSession, rows: str, columns: str) -> Cross:
    """As the levels stand. Raises NotFound."""
    whole = await segments.whole(session)
    down, across = axis(whole, rows), axis(whole, columns)
    left, right = _standing(whole, rows), _standing(whole, columns)
    met = left.join(right, left.c.fan_id == right.c.fan_id)
    pairs = select(left.c.level, right.c.level, func.count()).select_from(met).group_by(left.c.level, right.c.level)
    counts = {(row, column): count for row, column, count in await session.rows(pairs)}
    totals = await _totals(session, whole, rows)
    # Of a saved segment only those who are in it are kept: the others are the rest of each row and column.
    if _is_saved(whole, columns):
        counts |= {(row, OUT): total - counts.get((row, IN), 0) for row, total in totals.items()}
    if _is_saved(whole, rows):
        sums = await _totals(session, whole, columns)
        counts |= {(OUT, column): total - counts.get((IN, column), 0) for column, total in sums.items()}
    return Cross(down, across, {pair: count for pair, count in counts.items() if count}, totals)


async def _totals(session: ReadSession, whole: Classification, key: str) -> dict[str, int]:
    stands = _standing(whole, key)
    found = await session.rows(select(stands.c.level, func.count()).group_by(stands.c.level))
    totals = {level: count for level, count in found}  # noqa: C416 - types
    if _is_saved(whole, key):
        everybody = await session.one(select(func.count()).select_from(FanMetrics))
        totals[OUT] = everybody - totals.get(IN, 0)
    return totals


def axis(whole: Classification, key: str) -> Axis:
    """What a dimension, a saved segment, or interests are divided into. Raises NotFound."""
    if key == INTERESTS and _interests(whole):
        return Axis(key, INTERESTS_LABEL, tuple(_interest(whole, one) for one in _interests(whole)))
    dimension = whole.by_key.get(key)
    if dimension is None:
        raise NotFound("there is no dimension %(key)s", key=key)
    if dimension.sparse:
        inside = {"segment": key}
        label = dimension.level(IN).label
        return Axis(key, label, (Mark(IN, label, inside), Mark(OUT, OTHERS, {"none": [inside]})))
    marks = tuple(Mark(one.key, one.label, {"dimension": key, "in": [one.key]}) for one in dimension.levels)
    return Axis(key, dimension.label, marks)


def _interests(whole: Classification) -> list[str]:
    return [one.key for one in whole.sparse if one.key.startswith(f"{INTERESTS}.")]


def _interest(whole: Classification, key: str) -> Mark:
    category = key.removeprefix(f"{INTERESTS}.")
    return Mark(key, whole.by_key[key].level(IN).label, {"dimension": INTERESTS, "in": [category]})


def _is_saved(whole: Classification, key: str) -> bool:
    return key != INTERESTS and whole.by_key[key].sparse


def _standing(whole: Classification, key: str) -> Subquery:
    """`fan_id, level` of everybody who is kept anywhere in it."""
    standing = aliased(FanLevel)
    fan_id, dimension = col(standing.fan_id), col(standing.dimension)
    if key == INTERESTS:
        return select(fan_id, dimension.label("level")).where(dimension.in_(_interests(whole))).subquery()
    return select(fan_id, col(standing.level).label("level")).where(dimension == key).subquery()
