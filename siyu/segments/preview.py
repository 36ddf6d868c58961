"""A rule that nobody saved: how many it fits, what each condition takes away, and how segments overlap. Exact."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Table, and_, false, func, select, true
from sqlmodel import col

from siyu.kit.database import ReadSession
from siyu.kit.staging import Params
from siyu.segments import definitions
from siyu.segments.classification import Classification
from siyu.segments.compiler import Scope, fan_metrics, holds, parameters
from siyu.segments.compiler import standing as fan_level
from siyu.segments.dimensions import Dimension, Level
from siyu.segments.places import as_they_stand
from siyu.segments.rules import All, Rule
from siyu.tables import AsOf, Fan

SAMPLE = 10


@dataclass(frozen=True)
class Sampled:
    """One of those whom the rule fits."""

    telegram_id: int
    name: str
    username: str | None


@dataclass(frozen=True)
class Preview:
    """How many a rule fits now, how many of them can be reached, and a few of them."""

    count: int
    reachable: int
    sample: Sequence[Sampled]


@dataclass(frozen=True)
class Step:
    """How many are left after so many of the conditions, and how many this one alone fits."""

    left: int
    alone: int


async def preview(session: ReadSession, rule: Rule) -> Preview:
    """Everybody it fits as of the last run; nothing is stored."""
    asked = await _question(session, rule)
    if asked is None:
        return Preview(0, 0, ())
    count, reachable = (await session.rows(_counted(asked.fits), asked.given))[0]
    return Preview(count, reachable, await _sample(session, rule, asked) if count else ())


async def everybody(session: ReadSession) -> int:
    """How many fans the last run counted."""
    return await session.one(select(func.count()).select_from(fan_metrics))


async def fans_fitting(session: ReadSession, rule: Rule) -> Select[int]:
    """The ids of those whom a rule fits as of the last run, as a SELECT to count, join or insert from."""
    asked = await _question(session, rule)
    if asked is None:
        return select(fan_metrics.c.fan_id).where(false())
    return select(fan_metrics.c.fan_id).where(asked.fits).params(**asked.given)


async def funnel(session: ReadSession, rule: Rule) -> list[Step]:
    """Condition by condition: only for a rule that needs all of several, else one step."""
    parts = rule.of if isinstance(rule, All) else (rule,)
    asked = await _question(session, rule)
    if asked is None:
        return [Step(0, 0) for _ in parts]
    each = [holds(part, asked.scope) for part in parts]
    sums = [
        func.count().filter(condition)
        for n in range(len(each))
        for condition in (and_(true(), *each[: n + 1]), each[n])
    ]
    counts = (await session.rows(select(*sums).select_from(fan_metrics), asked.given))[0]
    return [Step(counts[2 * n], counts[2 * n + 1]) for n in range(len(each))]


async def overlap(session: ReadSession, keys: Sequence[str], rule: Rule | None = None) -> Mapping[frozenset[str], int]:
    """How many are in exactly these of two or three segments, for each choice of them; `rule` under the name "".

    Every choice is counted from its smallest segment, by looks into an index, and then taken apart: grouping everybody
    by three flags sorted 100,000 rows (390 ms against 90).
    """
    whole = definitions.applied(await session.get(AsOf, 1))
    places = {key: whole.place(key) for key in keys}
    sizes = {
        key: await session.one(select(func.count()).where(*_at(fan_level, place))) for key, place in places.items()
    }
    by_size = sorted(keys, key=sizes.__getitem__)
    names = by_size if rule is None else ["", *by_size]
    asked = await _question(session, rule) if rule is not None else None
    together: dict[frozenset[str], int] = {}
    for n, name in enumerate(names):
        others = {key: places[key] for key in names[n + 1 :]}
        if name:
            counting = _beside(fan_level, _at(fan_level, places[name]), others)
        else:
            counting = _beside(fan_metrics, (asked.fits if asked else false(),), others).params(
                **asked.given if asked else {}
            )
        counts = (await session.rows(counting))[0]
        together |= {frozenset((name, *some)): count for some, count in zip(_choices(others), counts, strict=True)}
    return _taken_apart(together)


async def given_for(session: ReadSession, whole: Classification, rule: Rule | None = None) -> Params:
    """Values for whatever a compiled rule names, as of the last run; empty before it."""
    as_of = await session.get(AsOf, 1)
    return {} if as_of is None else parameters(whole, rule, as_of, await definitions.cuts_known(session))


@dataclass(frozen=True)
class _Question:
    """A rule as a condition, and its values."""

    fits: ColumnElement[bool]
    given: Params
    scope: Scope


async def _question(session: ReadSession, rule: Rule) -> _Question | None:
    """None before the first run."""
    as_of = await session.get(AsOf, 1)
    if as_of is None:
        return None
    whole = definitions.applied(as_of)
    given = parameters(whole, rule, as_of, await definitions.cuts_known(session))
    scope = as_they_stand(as_of.rules, as_of.slots, fan_metrics)
    return _Question(holds(rule, scope), given, scope)


Place = tuple[Dimension, Level]


def _choices(keys: Iterable[str]) -> list[tuple[str, ...]]:
    """Of any of them, the empty one first."""
    keys = list(keys)
    return [some for n in range(len(keys) + 1) for some in combinations(keys, n)]


def _beside(rows: Table, among: Iterable[ColumnElement[bool]], others: Mapping[str, Place]) -> Select[*tuple[int, ...]]:
    """Of some fans, how many there are, and how many are in each choice of other segments too."""
    joined: FromClause = rows
    found: dict[str, ColumnElement[int]] = {}
    for key, place in others.items():
        other = fan_level.alias()
        joined = joined.outerjoin(other, and_(other.c.fan_id == rows.c.fan_id, *_at(other, place)))
        found[key] = other.c.fan_id
    # A sum with nothing in it is nothing, and is not counted.
    counts = (func.count(reduce(add, (found[key] for key in some), rows.c.fan_id)) for some in _choices(others))
    return select(*counts).select_from(joined).where(*among)


def _taken_apart(together: Mapping[frozenset[str], int]) -> Mapping[frozenset[str], int]:
    """From how many are in all of a choice, how many are in these and no other; the largest choice first."""
    exactly: dict[frozenset[str], int] = {}
    for choice in sorted(together, key=len, reverse=True):
        exactly[choice] = together[choice] - sum(count for larger, count in exactly.items() if larger > choice)
    return exactly


def _at(rows: FromClause, place: Place) -> tuple[ColumnElement[bool], ...]:
    dimension, level = place
    return rows.c.dimension == dimension.key, rows.c.level == level.key


def _counted(fits: ColumnElement[bool]) -> Any:  # Any: a SELECT of two numbers
    reachable = func.count().filter(fan_metrics.c.reachable)
    return select(func.count(), reachable).select_from(fan_metrics).where(fits)


async def _sample(session: ReadSession, rule: Rule, asked: _Question) -> list[Sampled]:
    """The newest fans among them, asked one by one until there are enough."""
    fits = holds(rule, replace(asked.scope, everybody=False))
    shown = (
        select(col(Fan.telegram_id), col(Fan.name), col(Fan.username))
        .join_from(fan_metrics, Fan, col(Fan.id) == fan_metrics.c.fan_id)
        .where(fits)
        .order_by(fan_metrics.c.fan_id.desc())
        .limit(SAMPLE)
    )
    return [Sampled(*row) for row in await session.rows(shown, asked.given)]
