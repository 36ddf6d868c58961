"""The funnel: exactly who would get a broadcast at a moment, why the others would not, and the people behind it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Select,
    String,
    Subquery,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    not_,
    null,
    select,
    text,
    true,
    type_coerce,
    union_all,
)
from sqlmodel import col

from siyu import preferences
from siyu.broadcasts.audience import Whom, declines, members_of, reason_to_skip, reasons_of, wants_only_general
from siyu.broadcasts.comparing import CONTROL, HELD_OUT, Draws, draws, first_drawn
from siyu.broadcasts.lots import Ids
from siyu.kit.clock import find_zone
from siyu.kit.columns import Instant
from siyu.kit.database import ReadSession
from siyu.kit.errors import NotFound
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.preferences import Preferences
from siyu.tables import OUT_OF_REACH, OWN_HOURS, Broadcast, Delivery, Fan, GeneralOnly, TopicDeclined

Minutes = TypeVar("Minutes", int, ColumnElement[int])

CAP_WINDOW = timedelta(days=7)
DAY = 24 * 60

IN_SEGMENT, WILL_GET = "in_segment", "will_get"
# As the ledger will call them; the funnel's own word for the second is `held_out`.
SPARED = {"control": CONTROL, "held_out": HELD_OUT}
RESTING, QUIET, CAPPED = "resting", "quiet", "capped"
LATER = (RESTING, QUIET, CAPPED)

_NOTHING: ColumnElement[str | None] = type_coerce(null(), String())
# In brackets: as they stand, a condition beside them would belong to the last word of theirs only.
_OUT_OF_REACH, _WITHIN_REACH = text(f"({OUT_OF_REACH.text})"), text(f"NOT ({OUT_OF_REACH.text})")
_OWN_HOURS = text(f"({OWN_HOURS.text})")
_FAN_ID = cast(ColumnElement[int], col(Fan.id))
# Two numbers in one sum: no community has so many fans.
_APART = 2**31


@dataclass(frozen=True)
class Funnel:
    """`in_segment − gone − blocked − unreachable − muted − declined − general_only − control − held_out = will_get`.

    Of those who will get it, some get it later than at that moment: resting, in quiet hours, or capped.
    """

    in_segment: int
    gone: int = 0
    blocked: int = 0
    unreachable: int = 0
    muted: int = 0
    declined: int = 0
    general_only: int = 0
    control: int = 0
    held_out: int = 0
    resting: int = 0
    quiet: int = 0
    capped: int = 0

    @property
    def can_get(self) -> int:
        """Who can be reached and wants to be, held out or not."""
        unwilling = self.muted + self.declined + self.general_only
        return self.in_segment - self.gone - self.blocked - self.unreachable - unwilling

    @property
    def will_get(self) -> int:
        return self.can_get - self.control - self.held_out

    @property
    def later(self) -> int:
        return self.resting + self.quiet + self.capped


@dataclass(frozen=True)
class Clock:
    """A moment in the community's zone, and in all that fans have of their own."""

    at: datetime
    zone: ZoneInfo
    zones: Sequence[str]


@dataclass(frozen=True)
class Asked:
    """Whom a funnel is asked for, as which broadcast, and how the house likes things done.

    What was never saved has drawn no lots: nobody is held out of it yet, and no line is a guess.
    """

    whom: Whom
    broadcast_id: int | None
    likes: Preferences
    clock: Clock | None = None  # without one nobody gets it later

    def draws(self, fan_id: Ids) -> Draws:
        return draws(self.whom, self.likes, self.broadcast_id, fan_id)

    def is_fed_up(self, fan_id: Ids) -> ColumnElement[bool] | None:
        """Whether a fan got as many messages in the last seven days as the house allows; None where all are free."""
        if self.clock is None or self.likes.weekly_cap is None or self.whom.ignores_quiet:
            return None
        lately = (col(Delivery.fan_id) == fan_id, col(Delivery.sent_at) >= self.clock.at - CAP_WINDOW)
        got = select(func.count()).select_from(Delivery).where(*lately)
        return got.scalar_subquery() >= self.likes.weekly_cap

    @property
    def at_home(self) -> str | None:
        """Why everybody waits who has no hours of their own."""
        beginning, end = self.likes.quiet_from, self.likes.quiet_to
        if self.clock is None or self.whom.ignores_quiet or beginning is None or end is None:
            return None
        minute = _minute(self.clock.at, self.clock.zone)
        return QUIET if _since(beginning, minute) < _since(beginning, end) else None


async def funnel(
    session: ReadSession,
    whom: Whom,
    *,
    at: datetime | None = None,
    zone: ZoneInfo | None = None,
    broadcast_id: int | None = None,
) -> Funnel:
    """Exactly who would get it, and why the others would not; with a moment and a zone, also who gets it later.

    A draft is counted as the broadcast it was saved as: who is held out depends on that one's id.
    """
    asked = await _asked(session, whom, at, zone, broadcast_id)
    members = (await members_of(session, whom)).subquery()
    counts = Counter(await _by_id(session, asked, members))
    for true_line, line_by_id, number in await _moved(session, asked, members):
        counts[true_line] += number
        counts[line_by_id] -= number
    lines = {line: counts[SPARED.get(line, line)] for line in _lines(whom)}
    return Funnel(counts.total(), **lines)


async def members(
    session: ReadSession,
    whom: Whom,
    line: str,
    *,
    at: datetime,
    zone: ZoneInfo,
    broadcast_id: int | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Fan]:
    """The people behind a line of the funnel: `in_segment`, `will_get`, a reason, or one of LATER."""
    found = _behind(await _asked(session, whom, at, zone, broadcast_id), line)
    inside = _is_member(_FAN_ID, (await members_of(session, whom)).subquery())
    statement = select(Fan).where(inside, found).order_by(col(Fan.id)).limit(limit + 1)
    if cursor:
        statement = statement.where(col(Fan.id) > key_of(cursor, length=1)[0])
    page = await session.all(statement)
    return Page(page[:limit], cursor_of((page[limit - 1].id or 0,)) if len(page) > limit else None)


async def zones_of(session: ReadSession) -> Sequence[str]:
    """All zones that fans have of their own."""
    # Read off the index of those with hours of their own; another condition beside that text would fall out of it.
    return [name for name in await session.all(select(col(Fan.zone)).where(OWN_HOURS).distinct()) if name]


def _lines(whom: Whom) -> Sequence[str]:
    reasons = reasons_of(whom.topic, must_be_known=whom.ignores_quiet)
    return [*(name for name, _ in reasons), *SPARED, *LATER]


def _behind(asked: Asked, line: str) -> ColumnElement[bool]:
    skipped = reason_to_skip(asked.whom.topic, must_be_known=asked.whom.ignores_quiet)
    left_out = func.coalesce(skipped, first_drawn(asked.draws(_FAN_ID)))
    if line == IN_SEGMENT:
        return true()
    if line == WILL_GET:
        return left_out.is_(None)
    if line in LATER:
        return and_(left_out.is_(None), _reason_to_wait(asked) == line)
    if line in _lines(asked.whom):
        return left_out == SPARED.get(line, line)
    raise NotFound("a funnel has no line %(line)s", line=line)


async def _by_id(session: ReadSession, asked: Asked, members: Subquery) -> Mapping[str | None, int]:
    """Everybody by what their id alone says: held out by lot, or waiting for what all wait for.

    Both lots in one sum, one above the other: each counted by itself, 100,000 members take 56 ms in place of 30.
    """
    (fan_id,) = members.c
    drawn = asked.draws(fan_id)
    apart = [(holds, literal(_APART**n)) for n, (_, holds) in enumerate(drawn)]
    fed_up = None if asked.at_home else asked.is_fed_up(fan_id)
    columns = [
        func.count(),
        func.sum(case(*apart, else_=0)) if apart else literal(0),
        func.count().filter(*(not_(holds) for _, holds in drawn), fed_up) if fed_up is not None else literal(0),
    ]
    ((total, together, capped),) = await session.rows(select(*columns).select_from(members))
    counts: dict[str | None, int] = {
        reason: int(together or 0) // _APART**n % _APART for n, (reason, _) in enumerate(drawn)
    }
    counts[CAPPED] = capped
    return {**counts, asked.at_home: total - sum(counts.values())}


async def _moved(session: ReadSession, asked: Asked, members: Subquery) -> Sequence[tuple[str | None, str | None, int]]:
    """The few who are elsewhere than their id says: in which line, in which they were counted, and how many.

    Walking over 20,000 of them takes 25 ms where joining all 95,000 members takes 130.
    """
    few = union_all(*_the_few(asked)).subquery().c
    drawn, fed_up = first_drawn(asked.draws(few.id)), asked.is_fed_up(few.id)
    capped = case((fed_up, literal(CAPPED))) if fed_up is not None else _NOTHING
    home = literal(asked.at_home, String()) if asked.at_home else capped
    line, by_id = func.coalesce(few.reason, drawn, few.waits, capped), func.coalesce(drawn, home)
    columns = (line.label("line"), by_id.label("by_id"), func.count())
    counted = select(*columns).where(_is_member(few.id, members)).group_by("line", "by_id")
    return [(line, by_id, number) for line, by_id, number in await session.rows(counted)]


def _the_few(asked: Asked) -> Sequence[Select[int, str | None, str | None]]:
    """Their ids, why they are left out, or why they wait; `reason` and `waits` as the first of these calls them."""
    topic, chosen = asked.whom.topic, not asked.whom.ignores_quiet
    wants = not_(declines(topic)) if topic else true()
    few = [select(_FAN_ID.label("id"), reason_to_skip().label("reason"), _NOTHING.label("waits")).where(_OUT_OF_REACH)]
    if topic:
        about_it = (col(TopicDeclined.topic) == topic, _WITHIN_REACH)
        declined = select(_FAN_ID, literal("declined"), _NOTHING)
        few.append(declined.join(TopicDeclined, col(TopicDeclined.fan_id) == _FAN_ID).where(*about_it))
    if chosen:
        general = select(_FAN_ID, literal("general_only"), _NOTHING)
        few.append(general.join(GeneralOnly, col(GeneralOnly.fan_id) == _FAN_ID).where(_WITHIN_REACH, wants))
    if asked.clock is not None:
        waits = _own_reason_to_wait(asked, asked.clock)
        differs = waits.is_distinct_from(literal(asked.at_home, String()) if asked.at_home else null())
        heard = and_(wants, not_(wants_only_general())) if chosen else wants
        few.append(select(_FAN_ID, _NOTHING, waits).where(_OWN_HOURS, _WITHIN_REACH, differs, heard))
    return few


def _reason_to_wait(asked: Asked) -> ColumnElement[str | None]:
    """Why a fan would get it later than at that moment, over Fan; NULL for one who would not."""
    fed_up = asked.is_fed_up(_FAN_ID)
    own = _own_reason_to_wait(asked, asked.clock) if asked.clock else _NOTHING
    return func.coalesce(own, case((false() if fed_up is None else fed_up, literal(CAPPED))))


def _own_reason_to_wait(asked: Asked, clock: Clock) -> ColumnElement[str | None]:
    """What the fan's own words and the clock say, without counting what they got."""
    cases = [(col(Fan.rests_until) > literal(clock.at, Instant()), literal(RESTING))]
    if not asked.whom.ignores_quiet:
        cases.append((_is_quiet(clock, asked.likes), literal(QUIET)))
    return case(*cases, else_=_NOTHING)


def _is_quiet(clock: Clock, likes: Preferences) -> ColumnElement[bool]:
    """Whether it is between a fan's quiet hours, or the house's, by the fan's own clock."""
    beginning, end = (
        func.coalesce(col(Fan.quiet_from), likes.quiet_from),
        func.coalesce(col(Fan.quiet_to), likes.quiet_to),
    )
    return _since(beginning, _minute_of_the_day(clock)) < _since(beginning, end)


def _since(beginning: Minutes, minute: Minutes) -> Minutes:
    """So many minutes ago it was `beginning` on a clock, over midnight too; SQL's remainders may be negative."""
    return (minute - beginning + DAY) % DAY


def _minute_of_the_day(clock: Clock) -> ColumnElement[int]:
    clocks = [
        (col(Fan.zone) == name, literal(_minute(clock.at, found))) for name in clock.zones if (found := find_zone(name))
    ]
    home = literal(_minute(clock.at, clock.zone))
    return case(*clocks, else_=home) if clocks else home


async def _asked(
    session: ReadSession, whom: Whom, at: datetime | None, zone: ZoneInfo | None, broadcast_id: int | None
) -> Asked:
    own_id = whom.id if isinstance(whom, Broadcast) else broadcast_id
    clock = Clock(at, zone, await zones_of(session)) if at and zone else None
    return Asked(whom, own_id, await preferences.read(session), clock)


def _is_member(fan_id: Ids, members: Subquery) -> ColumnElement[bool]:
    (member_id,) = members.c
    return type_coerce(exists().where(member_id == fan_id), Boolean())


def _minute(at: datetime, zone: ZoneInfo) -> int:
    here = at.astimezone(zone)
    return here.hour * 60 + here.minute
