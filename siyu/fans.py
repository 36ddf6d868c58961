"""Fans: who they are, whether they can be reached, and which of their days must be counted again."""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, literal, or_
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from siyu import tombstones
from siyu.kit.clock import find_zone, local_day
from siyu.kit.columns import Instant
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid, NotFound
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.tables import DirtyDay, Fan, FanAttribute, FanTag, Reach


@dataclass(frozen=True)
class Newcomer:
    """Somebody we saw: from chat (`talks`), or only in a file or a program's call."""

    telegram_id: int
    name: str = ""
    username: str | None = None
    language: str | None = None
    phone: str | None = None
    joined_at: datetime | None = None
    source: str = ""
    source_channel: str = "direct"
    talks: bool = True


class Admitted(dict[int, Fan]):
    """Fans by Telegram id, and which of them are new."""

    def __init__(self, fans: Mapping[int, Fan], newcomers: frozenset[int]) -> None:
        super().__init__(fans)
        self.newcomers = newcomers


async def admit(session: WriteSession, newcomers: Sequence[Newcomer], *, zone: ZoneInfo, now: datetime) -> Admitted:
    """Everybody named, as fans: new ones are written down, known ones brought up to date.

    Left out is whoever asked to be forgotten and only others speak of; whoever speaks for themselves is back.
    """
    latest = {newcomer.telegram_id: newcomer for newcomer in newcomers}
    known = await _known(session, latest)
    missing = [newcomer for telegram_id, newcomer in latest.items() if telegram_id not in known]
    missing = await _but_the_forgotten(session, missing)
    moved = [fan for number, fan in known.items() if _bring_up_to_date(fan, latest[number], zone=zone, now=now)]
    await mark_dirty(session, [(fan.id or 0, fan.joined_day, now) for fan in moved])
    new = await _welcome(session, missing, zone=zone, now=now)
    return Admitted(known | new, frozenset(new))


async def find_fan(session: ReadSession, telegram_id: int) -> Fan | None:
    return await session.first(select(Fan).where(Fan.telegram_id == telegram_id))


async def find_fan_by_referral_code(session: ReadSession, code: str) -> Fan | None:
    """Whose invitation link it is."""
    return await session.first(select(Fan).where(Fan.referral_code == code))


async def get_fan(session: ReadSession, telegram_id: int) -> Fan:
    fan = await find_fan(session, telegram_id)
    if fan is None:
        raise NotFound("there is no fan with Telegram id %(telegram_id)s", telegram_id=telegram_id)
    return fan


async def get_fan_by_id(session: ReadSession, fan_id: int) -> Fan:
    fan = await session.get(Fan, fan_id)
    if fan is None:
        raise NotFound("there is no such fan")
    return fan


async def list_fans(
    session: ReadSession, *, q: str = "", tag: str = "", cursor: str | None = None, limit: int = 50
) -> Page[Fan]:
    """The newest fans first, of those with this tag if one is named; `q` looks in names, usernames and Telegram ids.

    Whoever was forgotten is in no list.
    """
    statement = select(Fan).where(matches(q), col(Fan.telegram_id) > 0).order_by(col(Fan.id).desc()).limit(limit + 1)
    if tag:
        statement = statement.where(col(Fan.id).in_(who_has(tag)))
    if cursor:
        statement = statement.where(col(Fan.id) < key_of(cursor, length=1)[0])
    found = await session.all(statement)
    return Page(found[:limit], cursor_of((found[limit - 1].id or 0,)) if len(found) > limit else None)


def matches(q: str) -> ColumnElement[bool]:
    """Name or username contains it, or the Telegram id is it."""
    wanted = q.strip().removeprefix("@")
    by_name = or_(
        col(Fan.name).icontains(wanted, autoescape=True), col(Fan.username).icontains(wanted, autoescape=True)
    )
    # 15 digits: above every Telegram id, below what a database integer holds.
    return or_(by_name, col(Fan.telegram_id) == int(wanted)) if wanted.isdecimal() and len(wanted) <= 15 else by_name


def who_has(tag: str) -> SelectOfScalar[int]:
    """The ids of the fans with this tag."""
    return select(col(FanTag.fan_id)).where(col(FanTag.tag) == tag)


def can_be_reached() -> ColumnElement[bool]:
    """Talks to the bot, did not block it, did not opt out."""
    return and_(col(Fan.reach) == Reach.REACHABLE, col(Fan.muted_at).is_(None))


async def change_reach(session: WriteSession, telegram_id: int, reach: Reach, *, now: datetime) -> None:
    """Write down that a fan blocked, unblocked or left; unknown ids are nobody's business."""
    fan = await find_fan(session, telegram_id)
    if fan is not None and fan.reach is not reach:
        fan.reach, fan.reach_changed_at = reach, now
        session.add(fan)
        await _touch(session, fan, now)


async def mute(session: WriteSession, fan: Fan, *, now: datetime) -> None:
    """No more broadcasts for this fan; a second time changes nothing."""
    if fan.muted_at is None:
        fan.muted_at = now
        session.add(fan)
        await _touch(session, fan, now)


async def unmute(session: WriteSession, fan: Fan, *, now: datetime) -> None:
    if fan.muted_at is not None:
        fan.muted_at = None
        session.add(fan)
        await _touch(session, fan, now)


async def rest(session: WriteSession, fan: Fan, *, until: datetime, now: datetime) -> None:
    """Broadcasts wait so long; whoever had opted out hears from us again afterwards."""
    await unmute(session, fan, now=now)
    fan.rests_until = until
    session.add(fan)


async def end_rest(session: WriteSession, fan: Fan) -> None:
    fan.rests_until = None
    session.add(fan)


async def set_quiet_hours(session: WriteSession, fan: Fan, hours: tuple[int, int] | None) -> None:
    """From and to in minutes of the fan's own day, over midnight if need be; None: as the house has it."""
    fan.quiet_from, fan.quiet_to = hours or (None, None)
    session.add(fan)


async def set_zone(session: WriteSession, fan: Fan, name: str | None) -> None:
    """The fan's own time zone; None: the community's. Raises Invalid for one that does not exist."""
    if name is not None and find_zone(name) is None:
        raise Invalid("there is no time zone %(zone)s", where=("zone",), zone=name)
    fan.zone = name
    session.add(fan)


async def set_language(session: WriteSession, fan: Fan, language: str) -> None:
    """What the fan chose, which outweighs Telegram's hint."""
    fan.chosen_language = language
    session.add(fan)


async def mark_dirty(session: WriteSession, days: Iterable[tuple[int, date, datetime]]) -> None:
    """`(fan id, local day, moment of the fact)`: these days are counted again by the next recompute."""
    rows = [{"fan_id": fan_id, "day": day, "due": due} for fan_id, day, due in days]
    await session.run_many(session.insert(DirtyDay), rows)


async def look_again(session: WriteSession, fan_ids: SelectOfScalar[int] | Collection[int], *, now: datetime) -> None:
    """What segments may ask of these fans changed by now; however many, they are marked by the database."""
    if isinstance(fan_ids, Collection) and not fan_ids:
        return
    marked = select(col(Fan.id), col(Fan.joined_day), literal(now, Instant())).where(col(Fan.id).in_(fan_ids))
    await session.run(session.insert(DirtyDay).from_select(["fan_id", "day", "due"], marked))


async def attributes_of(session: ReadSession, fan_id: int) -> dict[str, str]:
    found = await session.all(select(FanAttribute).where(FanAttribute.fan_id == fan_id).order_by(FanAttribute.name))
    return {attribute.name: attribute.value for attribute in found}


async def tags_of(session: ReadSession, fan_id: int) -> list[str]:
    return list(await session.all(select(FanTag.tag).where(FanTag.fan_id == fan_id).order_by(FanTag.tag)))


async def _but_the_forgotten(session: WriteSession, missing: Sequence[Newcomer]) -> list[Newcomer]:
    gone = await tombstones.forgotten(session, [one.telegram_id for one in missing])
    back = [one.telegram_id for one in missing if one.talks and one.telegram_id in gone]
    if back:
        await tombstones.take_down(session, back)
    return [one for one in missing if one.talks or one.telegram_id not in gone]


async def _known(session: ReadSession, wanted: Iterable[int]) -> dict[int, Fan]:
    found = await session.all(select(Fan).where(col(Fan.telegram_id).in_(list(wanted))))
    return {fan.telegram_id: fan for fan in found}


async def _welcome(
    session: WriteSession, newcomers: Sequence[Newcomer], *, zone: ZoneInfo, now: datetime
) -> dict[int, Fan]:
    if not newcomers:
        return {}
    # One statement for all, in order: as objects SQLite would take them one by one, two trips to its thread each.
    await session.run_many(session.insert(Fan), [_row_of(newcomer, zone=zone, now=now) for newcomer in newcomers])
    fans = await _known(session, [newcomer.telegram_id for newcomer in newcomers])
    # A fan without a single fact has levels too.
    await mark_dirty(session, [(fan.id or 0, fan.joined_day, fan.joined_at) for fan in fans.values()])
    return fans


def _row_of(newcomer: Newcomer, *, zone: ZoneInfo, now: datetime) -> dict[str, object]:
    joined_at = newcomer.joined_at or now
    return {
        "telegram_id": newcomer.telegram_id,
        "name": newcomer.name or str(newcomer.telegram_id),
        "username": newcomer.username,
        "language": newcomer.language,
        "phone": newcomer.phone,
        "joined_at": joined_at,
        "joined_day": local_day(joined_at, zone),
        "source": newcomer.source,
        "source_channel": newcomer.source_channel,
        # 12 random symbols: a link that cannot be guessed from a neighbour's.
        "referral_code": secrets.token_urlsafe(9),
        "reach": Reach.REACHABLE if newcomer.talks else Reach.IMPORTED,
        "reach_changed_at": now,
    }


def _bring_up_to_date(fan: Fan, seen: Newcomer, *, zone: ZoneInfo, now: datetime) -> bool:
    """Whether what segments show of this fan changed."""
    told = {"name": seen.name, "username": seen.username, "language": seen.language, "phone": seen.phone}
    for field, value in told.items():
        if value and getattr(fan, field) != value:
            setattr(fan, field, value)
    back = seen.talks and fan.reach is not Reach.REACHABLE
    if back:
        fan.reach, fan.reach_changed_at = Reach.REACHABLE, now
    earlier = seen.joined_at is not None and seen.joined_at < fan.joined_at and fan.reach is Reach.IMPORTED
    if earlier and seen.joined_at:
        fan.joined_at, fan.joined_day = seen.joined_at, local_day(seen.joined_at, zone)
    return back or earlier


async def _touch(session: WriteSession, fan: Fan, now: datetime) -> None:
    """The fan's place is unchanged, but what is shown of the segment is not: let it be looked at again."""
    await mark_dirty(session, [(fan.id or 0, fan.joined_day, now)])
