"""Preferences: how this house likes things done, where it is not as shipped."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from siyu import audit
from siyu.audit import Actor
from siyu.kit.clock import find_zone
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid
from siyu.kit.wording import phrase
from siyu.tables import Preference

MINUTES_A_DAY = 24 * 60
# The least and the most of each.
LIMITS = {
    "undo_seconds": (0, 300),
    "approve_above": (0, 10_000_000),
    "weekly_cap": (1, 1000),
    "quiet_from": (0, 24 * 60 - 1),
    "quiet_to": (0, 24 * 60 - 1),
    "late_after_hours": (1, 24 * 7),
    "control_percent": (0, 50),
    "attribution_days": (1, 90),
    "rating_after_hours": (0, 24 * 30),
    "rating_every_days": (1, 365),
    "rating_nps": (0, 1),
    "followup_hours": (1, 24 * 30),
}
_BEYOND = phrase("a whole number from %(least)d to %(most)d")


@dataclass(frozen=True)
class Preferences:
    """What is asked for when broadcasts are made and ratings asked for; the defaults are what we ship."""

    undo_seconds: int = 15  # between the click and the first message
    approve_above: int | None = None  # recipients: above, a second person approves
    weekly_cap: int | None = None  # messages a fan gets in 7 days
    quiet_from: int | None = None  # minutes of the fan's day; the fan's own hours override
    quiet_to: int | None = None
    late_after_hours: int = 2  # a broadcast that is later than this asks before it is sent
    control_percent: int = 0  # of all fans, who get no broadcast at all, to compare with
    attribution_days: int = 7  # a purchase within these counts as the broadcast's
    rating_after_hours: int = 24  # between a purchase and the question how it was; 0: nobody is asked
    rating_every_days: int = 30  # nobody is asked more often than once in these
    rating_nps: int = 0  # 1: from 0 to 10, else in stars
    followup_hours: int = 24  # in which somebody should have followed up a bad rating


async def read(session: ReadSession) -> Preferences:
    known = {one.name for one in fields(Preferences)}
    rows = await session.rows(select(col(Preference.key), col(Preference.value)).where(col(Preference.key).in_(known)))
    return replace(Preferences(), **dict(rows))


class Sleeper(Protocol):
    """Whoever has a clock and perhaps hours of their own: a fan, or a row with these columns."""

    zone: str | None
    quiet_from: int | None
    quiet_to: int | None


def is_quiet_for(fan: Sleeper, likes: Preferences, *, house: ZoneInfo, now: datetime) -> bool:
    """Whether it is the fan's night: by their own hours, else the house's; by their own clock where it is known."""
    beginning = likes.quiet_from if fan.quiet_from is None else fan.quiet_from
    end = likes.quiet_to if fan.quiet_to is None else fan.quiet_to
    if beginning is None or end is None:
        return False
    local = now.astimezone(find_zone(fan.zone) or house)
    minute = local.hour * 60 + local.minute
    return (minute - beginning) % MINUTES_A_DAY < (end - beginning) % MINUTES_A_DAY


def quiet_until(fan: Sleeper, likes: Preferences, *, house: ZoneInfo, now: datetime) -> datetime | None:
    """When the fan's night is over; None where it is day."""
    end = likes.quiet_to if fan.quiet_to is None else fan.quiet_to
    if end is None or not is_quiet_for(fan, likes, house=house, now=now):
        return None
    local = now.astimezone(find_zone(fan.zone) or house).replace(second=0, microsecond=0)
    left = (end - local.hour * 60 - local.minute) % MINUTES_A_DAY
    # By the clock on the wall, also in the night in which it is changed.
    return (local + timedelta(minutes=left)).astimezone(UTC)


async def change(session: WriteSession, actor: Actor, *, now: datetime, **values: int | None) -> Preferences:
    """The preferences with these values. Raises Invalid at the first that cannot be."""
    before = await read(session)
    wrong = mistakes(before, values)
    if wrong:
        raise wrong[0]
    after = replace(before, **values)  # type: ignore[arg-type]  # the line above
    changed = {key: value for key, value in asdict(after).items() if asdict(before)[key] != value}
    for key, value in changed.items():
        await _keep(session, actor, key, value, now=now)
    if changed:
        await audit.note(session, actor, "preferences.changed", "preferences", "house", now=now, **changed)
    return after


def mistakes(before: Preferences, values: Mapping[str, int | None]) -> list[Invalid]:
    """Everything wrong with these values, each at its field."""
    wrong = [mistake for key, value in values.items() if (mistake := _mistake(key, value))]
    if not wrong and (hours := _hours_mistake(replace(before, **values))):  # type: ignore[arg-type]  # checked above
        wrong.append(hours)
    return wrong


def _mistake(key: str, value: object) -> Invalid | None:
    if key not in LIMITS:
        return Invalid("there is no preference %(key)s", where=(key,), key=key)
    if value is None and getattr(Preferences(), key) is None:
        return None
    least, most = LIMITS[key]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        return Invalid(_BEYOND, where=(key,), least=least, most=most)
    return None


def _hours_mistake(after: Preferences) -> Invalid | None:
    if (after.quiet_from is None) != (after.quiet_to is None):
        missing = "quiet_from" if after.quiet_from is None else "quiet_to"
        return Invalid("quiet hours need a beginning and an end", where=(missing,))
    if after.quiet_from is not None and after.quiet_from == after.quiet_to:
        return Invalid("quiet hours cannot begin when they end", where=("quiet_to",))
    return None


async def _keep(session: WriteSession, actor: Actor, key: str, value: object, *, now: datetime) -> None:
    kept = {"value": value, "changed_at": now, "changed_by": actor.key}
    insert = session.insert(Preference).values(key=key, **kept)
    await session.run(insert.on_conflict_do_update(index_elements=["key"], set_=kept))
