"""What operators make their own of a dimension: thresholds, names, invitations, categories, a grid; checked first."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from siyu import audit
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid
from siyu.kit.globe import read_place
from siyu.kit.wording import phrase
from siyu.segments import definitions
from siyu.segments.classification import Thresholds
from siyu.segments.dimensions import Dimension, Own, Threshold
from siyu.segments.meaning import classification
from siyu.segments.shipped import DIMENSIONS, GRID_25, GRID_27
from siyu.segments.uses import must_stay_whole
from siyu.tables import DimensionRule

MOST_CATEGORIES = 50
LONGEST = 200  # characters of a name or an invitation
FARTHEST_KM = 20_000  # half way around
_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class Decided:
    """What operators decided about a dimension: its thresholds, all of them, and what else they made their own."""

    thresholds: Mapping[str, int]
    own: Mapping[str, Any]  # Any: names, categories, a grid

    @property
    def told(self) -> dict[str, Any]:
        """As the audit tells it: no threshold is called like anything else of these."""
        return {**self.thresholds, **self.own}


@dataclass(frozen=True)
class Planned:
    """A change that was checked: the decisions, and the definitions, before it and after."""

    key: str
    before: Decided
    after: Decided
    before_text: str
    after_text: str


async def thresholds_in_force(session: ReadSession) -> Thresholds:
    """What the next recompute goes by."""
    return (await definitions.classification_in_force(session)).thresholds


async def thresholds_of(session: ReadSession, key: str) -> Mapping[str, int]:
    """Those of one dimension. Raises NotFound."""
    whole = await definitions.classification_in_force(session)
    return whole.thresholds[whole.dimension(key).key]


async def own_of(session: ReadSession, key: str) -> dict[str, Any]:  # Any: names, categories, a grid
    """What operators made their own of a dimension, beside its thresholds."""
    found = await session.first(select(col(DimensionRule.own)).where(col(DimensionRule.dimension) == key))
    return dict(found or {})


async def own_of_all(session: ReadSession) -> Mapping[str, dict[str, Any]]:
    """The same by dimension."""
    rows = await session.rows(select(col(DimensionRule.dimension), col(DimensionRule.own)))
    return {key: dict(own) for key, own in rows}


async def adjusted(session: ReadSession) -> frozenset[str]:
    """Keys of the dimensions that are not as shipped."""
    columns = (col(DimensionRule.dimension), col(DimensionRule.thresholds), col(DimensionRule.own))
    rows = await session.rows(select(*columns))
    known = {dimension.key: dict(dimension.shipped()) for dimension in DIMENSIONS}
    return frozenset(key for key, numbers, own in rows if own or {**known.get(key, {}), **numbers} != known.get(key))


async def change_thresholds(
    session: WriteSession, actor: Actor, key: str, wanted: Mapping[str, object], *, now: datetime
) -> Mapping[str, int]:
    """Set some thresholds by name; the next recompute puts every fan where the new ones say.

    Raises Invalid with the place for an unknown name, a value that is no whole number, or a wrong order.
    """
    return (await change(session, actor, key, thresholds=wanted, own={}, now=now))[0]


async def change(
    session: WriteSession,
    actor: Actor,
    key: str,
    *,
    thresholds: Mapping[str, object],
    own: Mapping[str, object],
    now: datetime,
) -> tuple[Mapping[str, int], Mapping[str, Any]]:
    """Set some thresholds, and some of what else is the operators' own; what is not named stays."""
    planned = await plan(session, key, thresholds=thresholds, own=own)
    await _keep(session, actor, planned, now=now)
    return planned.after.thresholds, planned.after.own


async def restore(
    session: WriteSession, actor: Actor, key: str, decided: Mapping[str, object], *, now: datetime, **more: object
) -> None:
    """All of a dimension as it was once decided, by name as the audit tells it; what it does not name is as shipped."""
    dimension = (await definitions.classification_in_force(session)).dimension(key)
    names = dimension.shipped()
    thresholds = {**names, **{name: value for name, value in decided.items() if name in names}}
    own = {word: value for word, value in decided.items() if word in dimension.own}
    planned = await plan(session, key, thresholds=thresholds, own=own, anew=True)
    await _keep(session, actor, planned, now=now, **more)


async def plan(
    session: ReadSession, key: str, *, thresholds: Mapping[str, object], own: Mapping[str, object], anew: bool = False
) -> Planned:
    """The change checked, and what it would make of the definitions; nothing is kept.

    `anew`: what is not named is as shipped, else it stays.
    """
    text = await definitions.in_force(session)
    dimension = classification(text).dimension(key)
    before = Decided(await thresholds_of(session, key), await own_of(session, key))
    numbers = checked(dimension, before.thresholds, thresholds)
    parts = _checked_own(text, dimension, Decided(numbers, {} if anew else before.own), own)
    after = Decided(numbers, {word: part for word, part in parts.items() if part})
    changed = definitions.with_decisions(text, key, after.thresholds, after.own)
    await must_stay_whole(session, text, changed)
    return Planned(key, before, after, text, changed)


async def _keep(session: WriteSession, actor: Actor, planned: Planned, *, now: datetime, **more: object) -> None:
    if planned.after == planned.before:
        return
    key, after = planned.key, planned.after
    row = {"thresholds": after.thresholds, "own": after.own, "changed_at": now, "changed_by": actor.key}
    new = session.insert(DimensionRule).values(dimension=key, **row)
    await session.run(new.on_conflict_do_update(index_elements=["dimension"], set_=row))
    told = {"before": planned.before.told, "after": after.told}
    await audit.note(session, actor, "dimension.changed", "dimension", key, now=now, **told, **more)


def checked(dimension: Dimension, before: Mapping[str, int], wanted: Mapping[str, object]) -> Mapping[str, int]:
    """All thresholds, with these in the place of what stands. Raises Invalid with the place."""
    known = {threshold.name: threshold for threshold in dimension.thresholds}
    after = {**before, **{name: _number(known, name, value) for name, value in wanted.items()}}
    for threshold in dimension.thresholds:
        if threshold.above is not None and after[threshold.name] <= after[threshold.above]:
            raise Invalid(
                "%(name)s must be more than %(other)s",
                where=("thresholds", threshold.name), name=threshold.name, other=threshold.above,
            )  # fmt: skip
    return after


def _number(known: Mapping[str, Threshold], name: str, value: object) -> int:
    if name not in known:
        raise Invalid("%(name)s is not a threshold of this dimension", where=("thresholds", name), name=name)
    smallest, largest = known[name].at_least, known[name].at_most
    if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= largest:
        raise Invalid(
            "%(name)s must be a whole number from %(smallest)s to %(largest)s",
            where=("thresholds", name), name=name, smallest=smallest, largest=largest,
        )  # fmt: skip
    return value


def _checked_own(text: str, dimension: Dimension, stands: Decided, own: Mapping[str, object]) -> dict[str, Any]:
    """Texts last: they may be of levels that come with the same change."""
    found = dict(stands.own)
    for word, value in sorted(own.items(), key=lambda part: part[0] in _TEXTS):
        if word not in dimension.own:
            raise Invalid("%(word)s cannot be changed here", where=(word,), word=word)
        changed = definitions.with_decisions(text, dimension.key, stands.thresholds, found)
        found[word] = _CHECKS[Own(word)](classification(changed).dimension(dimension.key), value)
    return found


def _texts(word: Own) -> Any:  # Any: a check
    def check(dimension: Dimension, value: object) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise Invalid("texts by level are needed", where=(word,))
        keys = {level.key for level in dimension.levels}
        for key, text in value.items():
            if key not in keys:
                raise Invalid("there is no level %(level)s", where=(word, str(key)), level=key)
            if not isinstance(text, str) or len(text) > LONGEST:
                raise Invalid("a text of at most %(most)s characters is needed", where=(word, str(key)), most=LONGEST)
        return {key: text.strip() for key, text in value.items() if text.strip()}

    return check


def _categories(dimension: Dimension, value: object) -> list[dict[str, str]]:
    """More levels; their keys are new and well formed."""
    if not isinstance(value, list) or len(value) > MOST_CATEGORIES:
        raise Invalid("a list of at most %(most)s categories is needed", where=(Own.CATEGORIES,), most=MOST_CATEGORIES)
    taken = {level.key for level in shipped(dimension.key).levels}
    found: list[dict[str, str]] = []
    for n, one in enumerate(value):
        key, label = _category(one, n)
        if key in taken:
            raise Invalid("%(key)s is there already", where=(Own.CATEGORIES, n, "key"), key=key)
        taken.add(key)
        found.append({"key": key, "label": label})
    return found


def _category(one: object, n: int) -> tuple[str, str]:
    where = (Own.CATEGORIES, n)
    if not isinstance(one, Mapping) or set(one) != {"key", "label"}:
        raise Invalid("a category has a key and a name", where=where)
    key, label = one["key"], one["label"]
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise Invalid("a key starts with a letter and has up to 40 of a-z, 0-9 and _", where=(*where, "key"))
    if not isinstance(label, str) or not 1 <= len(label.strip()) <= LONGEST:
        raise Invalid("a name has 1 to %(most)s characters", where=(*where, "label"), most=LONGEST)
    return key, label.strip()


def _grid(dimension: Dimension, value: object) -> dict[str, str]:
    """Each cell once, and nothing but the cells; an empty one means as shipped."""
    if not isinstance(value, Mapping):
        raise Invalid("a level for each cell is needed", where=(Own.GRID,))
    given = {str(cell): level for cell, level in value.items()}
    wanted = cells_of(GRID_27 if any(len(cell) == 3 for cell in given) else GRID_25)
    if not given:
        return {}
    for cell in sorted(set(given) ^ set(wanted)):
        raise Invalid(_WRONG_CELL[cell in wanted], where=(Own.GRID, cell), cell=cell)
    levels = {level.key for level in dimension.levels} - {"none"}
    for cell, level in given.items():
        if not isinstance(level, str) or level not in levels:
            raise Invalid("there is no level %(level)s", where=(Own.GRID, cell), level=level)
    return {} if given == cells_of(GRID_25) else {cell: given[cell] for cell in wanted}


def cells_of(grid: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """The level of each cell, by cell."""
    return {
        str(cell): level for cell, level in sorted((cell, level) for level, cells in grid.items() for cell in cells)
    }


_WRONG_CELL = {
    True: phrase("cell %(cell)s has no level: a grid names each of its cells"),
    False: phrase("there is no cell %(cell)s: a grid has R and F from 1 to 5, or R, F and M from 1 to 3"),
}


def _home(_dimension: Dimension, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or set(value) - {"country", "region", "place", "km"}:
        raise Invalid("the country and the region of the community are needed", where=(Own.HOME,))
    for name, text in value.items():
        if not isinstance(text, str) or len(text) > LONGEST:
            raise Invalid("a text of at most %(most)s characters is needed", where=(Own.HOME, name), most=LONGEST)
    home = {name: text.strip() for name, text in value.items() if text.strip()}
    if "place" in home or "km" in home:
        _check_circle(home)
    return home


def _check_circle(home: Mapping[str, str]) -> None:
    """Around the home, for places that fans share; within it lies the region, which therefore has a name."""
    if "region" not in home:
        raise Invalid("name the region that lies around this place", where=(Own.HOME, "region"))
    try:
        read_place(home.get("place", ""))
    except Invalid as mistake:
        mistake.where = (Own.HOME, "place")
        raise
    km = home.get("km", "")
    if not (km.isascii() and km.isdecimal() and len(km) <= 5 and 1 <= int(km) <= FARTHEST_KM):
        raise Invalid("must lie between %(least)s and %(most)s", where=(Own.HOME, "km"), least=1, most=FARTHEST_KM)


def shipped(key: str) -> Dimension:
    """A dimension as it came."""
    return next(dimension for dimension in DIMENSIONS if dimension.key == key)


_TEXTS = frozenset({Own.NAMES, Own.INVITES})
_CHECKS: Mapping[Own, Any] = {  # Any: checks of a dimension and a value
    Own.NAMES: _texts(Own.NAMES), Own.INVITES: _texts(Own.INVITES), Own.CATEGORIES: _categories, Own.GRID: _grid,
    Own.HOME: _home,
}  # fmt: skip
