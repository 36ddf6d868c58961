"""The values of fans: written where they fit, and every change looked at again by segments."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete
from sqlmodel import col, select

from siyu import audit, fans
from siyu.attributes.definitions import binding
from siyu.attributes.values import fit
from siyu.audit import Actor
from siyu.kit.database import WriteSession
from siyu.tables import Fan, FanAttribute

Given = Sequence[tuple[Fan, Mapping[str, str]]]


async def set_values(
    session: WriteSession, actor: Actor, fan: Fan, values: Mapping[str, str], *, now: datetime
) -> None:
    """Write these values, and clear those given as empty; others stay, and so does what is the same.

    Raises Invalid with the name of the first that does not fit, and nothing was changed.
    """
    fitted = fit(await binding(session), {name: value.strip() for name, value in values.items()})
    before = await fans.attributes_of(session, fan.id or 0)
    cleared = [name for name in values if name not in fitted and name in before]
    await keep(session, [(fan, fitted)], now=now)
    if cleared:
        theirs = col(FanAttribute.fan_id) == fan.id, col(FanAttribute.name).in_(cleared)
        await session.run(delete(FanAttribute).where(*theirs))
        await fans.look_again(session, [fan.id or 0], now=now)
    for name in values:
        told = {"attribute": name, "old": before.get(name), "new": fitted.get(name)}
        if told["old"] != told["new"]:
            await audit.note(session, actor, "fan.attribute_changed", "fan", fan.telegram_id, now=now, **told)


async def keep(session: WriteSession, given: Given, *, now: datetime) -> frozenset[int]:
    """Write fitted values of these fans, each named once; others stay. Whose changed, by fan id."""
    told = [(fan, name, value) for fan, values in given for name, value in values.items()]
    ids = {fan.id for fan, _, _ in told}
    if not ids:
        return frozenset()
    known = select(FanAttribute.fan_id, FanAttribute.name, FanAttribute.value)
    found = await session.rows(known.where(col(FanAttribute.fan_id).in_(ids)))
    before = {(fan_id, name): value for fan_id, name, value in found}
    fresh = [(fan, name, value) for fan, name, value in told if before.get((fan.id or 0, name)) != value]
    insert = session.insert(FanAttribute)
    statement = insert.on_conflict_do_update(index_elements=["fan_id", "name"], set_={"value": insert.excluded.value})
    await session.run_many(statement, [{"fan_id": fan.id, "name": name, "value": value} for fan, name, value in fresh])
    changed = frozenset(fan.id or 0 for fan, _, _ in fresh)
    await fans.look_again(session, changed, now=now)
    return changed
