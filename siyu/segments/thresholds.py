"""The thresholds in force: the shipped ones, or an operator's own, checked before they count."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlmodel import col

from siyu import audit
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid
from siyu.segments.dimensions import DIMENSIONS, Dimension, Threshold, get_dimension
from siyu.tables import AsOf, DimensionRule

Thresholds = Mapping[str, Mapping[str, int]]  # by dimension, by name

# More than any window holds, and small enough for every database's integer.
LARGEST = 100_000


async def thresholds_in_force(session: ReadSession) -> Thresholds:
    """What the next recompute goes by."""
    return in_force(await session.rows(CHANGED))


CHANGED = select(col(DimensionRule.dimension), col(DimensionRule.thresholds))


def in_force(changed: Iterable[Row[*tuple[Any, ...]]]) -> Thresholds:
    """The shipped ones, with those an operator changed in their place."""
    own: dict[str, dict[str, int]] = {dimension: thresholds for dimension, thresholds in changed}  # noqa: C416 - types
    return {dimension.key: {**dimension.shipped(), **own.get(dimension.key, {})} for dimension in DIMENSIONS}


def thresholds_applied(as_of: AsOf | None) -> Thresholds:
    """What the levels that stand were worked out with: what explains them until the next recompute."""
    return parse(as_of.rules if as_of else "{}")


async def thresholds_of(session: ReadSession, key: str) -> Mapping[str, int]:
    """Those of one dimension. Raises NotFound."""
    return (await thresholds_in_force(session))[get_dimension(key).key]


async def change_thresholds(
    session: WriteSession, actor: Actor, key: str, wanted: Mapping[str, object], *, now: datetime
) -> Mapping[str, int]:
    """Set some thresholds by name; the next recompute puts every fan where the new ones say.

    Raises Invalid with the place for an unknown name, a value that is no whole number, or a wrong order.
    """
    dimension = get_dimension(key)
    before = await thresholds_of(session, key)
    after = {**before, **_checked(dimension, wanted)}
    _must_be_in_order(dimension, after)
    if after != before:
        await _keep(session, actor, dimension, after, now=now)
        await audit.note(
            session, actor, "dimension.changed", "dimension", key, now=now, before=dict(before), after=after
        )
    return after


def fingerprint(thresholds: Thresholds) -> str:
    """Two sets of thresholds are the same if this is."""
    return json.dumps(thresholds, sort_keys=True)


def parse(fingerprint: str) -> Thresholds:
    """The thresholds a fingerprint stands for; of a dimension it does not know, the shipped ones."""
    known = json.loads(fingerprint)
    return {dimension.key: {**dimension.shipped(), **known.get(dimension.key, {})} for dimension in DIMENSIONS}


def changed_dimensions(before: str, after: str) -> frozenset[str]:
    """Dimensions whose thresholds differ between two fingerprints."""
    old, new = json.loads(before), json.loads(after)
    return frozenset(key for key in new if old.get(key) != new[key])


def _checked(dimension: Dimension, wanted: Mapping[str, object]) -> dict[str, int]:
    known = {threshold.name: threshold for threshold in dimension.thresholds}
    return {name: _number(known, name, value) for name, value in wanted.items()}


def _number(known: Mapping[str, Threshold], name: str, value: object) -> int:
    if name not in known:
        raise Invalid("%(name)s is not a threshold of this dimension", where=("thresholds", name), name=name)
    smallest = known[name].at_least
    if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= LARGEST:
        raise Invalid(
            "%(name)s must be a whole number from %(smallest)s to %(largest)s",
            where=("thresholds", name), name=name, smallest=smallest, largest=LARGEST,
        )  # fmt: skip
    return value


def _must_be_in_order(dimension: Dimension, values: Mapping[str, int]) -> None:
    for threshold in dimension.thresholds:
        if threshold.above is not None and values[threshold.name] <= values[threshold.above]:
            raise Invalid(
                "%(name)s must be more than %(other)s",
                where=("thresholds", threshold.name), name=threshold.name, other=threshold.above,
            )  # fmt: skip


async def _keep(
    session: WriteSession, actor: Actor, dimension: Dimension, values: Mapping[str, int], *, now: datetime
) -> None:
    row = {"thresholds": dict(values), "changed_at": now, "changed_by": actor.key}
    new = session.insert(DimensionRule).values(dimension=dimension.key, **row)
    await session.run(new.on_conflict_do_update(index_elements=["dimension"], set_=row))
