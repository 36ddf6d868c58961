"""Check-ins: a hello a day, by the community's calendar, and a bonus for days in a row."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlmodel import col

from siyu import interactions
from siyu.interactions import Interacted
from siyu.kit.clock import local_day
from siyu.kit.database import ReadSession, WriteSession
from siyu.points.ledger import earn
from siyu.points.terms import Rule, rule_in_force
from siyu.tables import Checkin, PointsKind


@dataclass(frozen=True)
class CheckedIn:
    """The day's check-in: on which day in a row, for how many points, and whether it was made just now."""

    streak: int
    points: int
    is_new: bool
    bonus: int = 0  # waits at the end of the streak; 0 where none does
    days_left: int = 0  # until then


async def check_in(session: WriteSession, fan_id: int, *, zone: ZoneInfo, now: datetime) -> CheckedIn:
    """Once per local day; a second time tells of the first."""
    day = local_day(now, zone)
    rule = await rule_in_force(session, PointsKind.CHECKIN)
    streak = await _streak(session, fan_id, day - timedelta(days=1)) + 1
    row = session.insert(Checkin).values(fan_id=fan_id, day=day, streak=streak, points=0)
    if not await session.returning(row.on_conflict_do_nothing().returning(col(Checkin.day))):
        known = await session.get(Checkin, (fan_id, day))
        assert known is not None, "it stood in the way"
        return _told(known.streak, known.points, rule, is_new=False)
    points = await earn(
        session, fan_id, PointsKind.CHECKIN, f"{fan_id}:{day}", now=now, amount=_worth(rule, streak) if rule else 0
    )
    mine = col(Checkin.fan_id) == fan_id, col(Checkin.day) == day
    await session.run(update(Checkin).where(*mine).values(points=points))
    await interactions.record(session, [Interacted("checkin", f"{fan_id}:{day}", fan_id, now, "checkin")], zone=zone)
    return _told(streak, points, rule, is_new=True)


async def checked_in_today(session: ReadSession, fan_id: int, *, zone: ZoneInfo, now: datetime) -> bool:
    return await _streak(session, fan_id, local_day(now, zone)) > 0


async def _streak(session: ReadSession, fan_id: int, day: date) -> int:
    """How many days in a row ended on this one; 0 without a check-in on it."""
    mine = col(Checkin.fan_id) == fan_id, col(Checkin.day) == day
    return await session.first(select(col(Checkin.streak)).where(*mine)) or 0


def _worth(rule: Rule, streak: int) -> int:
    return rule.amount + (rule.streak_bonus if streak % rule.streak_days == 0 else 0)


def _told(streak: int, points: int, rule: Rule | None, *, is_new: bool) -> CheckedIn:
    if rule is None or not rule.streak_bonus:
        return CheckedIn(streak, points, is_new)
    return CheckedIn(streak, points, is_new, rule.streak_bonus, rule.streak_days - streak % rule.streak_days)
