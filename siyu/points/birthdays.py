"""Birthdays: points on the day, from an attribute such as 1990-05-04 or 05-04."""

from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlmodel import col

from siyu.kit.clock import local_day
from siyu.kit.database import WriteSession
from siyu.points.ledger import Grant, grant
from siyu.points.terms import rule_in_force
from siyu.tables import FanAttribute, PointsKind

# A house that was closed for a week still congratulates.
LOOK_BACK = 7
CHUNK = 500


async def congratulate(session: WriteSession, *, zone: ZoneInfo, now: datetime) -> int:
    """Everybody whose birthday is today or was this week, once a year; how many got points."""
    rule = await rule_in_force(session, PointsKind.BIRTHDAY)
    if rule is None or not rule.attribute:
        return 0
    today, given = local_day(now, zone), 0
    for day in (today - timedelta(days=back) for back in range(LOOK_BACK)):
        queue = iter(await _born_on(session, rule.attribute, day))
        while chunk := list(islice(queue, CHUNK)):
            grants = [Grant(fan_id, f"{fan_id}:{day.year}", rule.amount, now) for fan_id in chunk]
            given += len(await grant(session, rule, grants))
    return given


async def _born_on(session: WriteSession, attribute: str, day: date) -> list[int]:
    """Who was born on February 29 has it on the 28th of other years."""
    days = {f"{day:%m-%d}"}
    if day.month == 2 and (day + timedelta(days=1)).month == 3:
        days.add("02-29")
    ends = or_(*(func.trim(col(FanAttribute.value)).endswith(one) for one in sorted(days)))
    mine = select(col(FanAttribute.fan_id)).where(col(FanAttribute.name) == attribute, ends)
    return list(await session.all(mine.order_by(col(FanAttribute.fan_id))))
