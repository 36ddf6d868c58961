"""Moving: whose message has to wait: for their rest, for quiet hours, after enough this week, or behind another one.

Asked when a fan is taken in hand; their row moves to the moment it may go, and nobody is lost.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    String,
    Update,
    and_,
    bindparam,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.orm import aliased
from sqlmodel import col

from siyu import preferences
from siyu.broadcasts.counting import CAP_WINDOW, CAPPED, QUIET, RESTING
from siyu.kit.clock import find_zone
from siyu.kit.database import ReadSession, WriteSession
from siyu.preferences import Preferences
from siyu.tables import OWN_HOURS, Broadcast, Delivery, DeliveryState, Fan

# So many are asked at once: on SQLite nobody else writes meanwhile, a third of a second where machines are slow.
MANY = 20_000
MINUTE, DAY, MINUTES_A_DAY = 60, timedelta(days=1), 24 * 60
# Somebody else's message to them is on its way: whether it was one too many is known soon.
SOON = 60

PENDING, SENDING, SENT = DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.SENT

Number = ColumnElement[int]


@dataclass(frozen=True)
class Customs:
    """What makes fans wait: as the house likes it, and whether fans have hours of their own, in which zones."""

    zone: ZoneInfo
    likes: Preferences
    zones: tuple[str, ...] = ()
    own_hours: bool = False
    crowded: bool = False  # several broadcasts are on their way: a chat gets from one of them a second

    @property
    def matter(self) -> bool:
        """Where nobody asked for any of it, nobody is asked about it."""
        return self.crowded or self.hold_many

    @property
    def hold_many(self) -> bool:
        return self.own_hours or self.likes.quiet_from is not None or self.likes.weekly_cap is not None


async def customs(session: ReadSession, zone: ZoneInfo) -> Customs:
    own = await session.all(select(col(Fan.zone)).where(OWN_HOURS).distinct())
    return Customs(zone, await preferences.read(session), tuple(sorted(name for name in own if name)), bool(own))


async def put_back(
    session: WriteSession, broadcast_id: int, owner: str, fan_ids: Sequence[int], customs: Customs, *, now: datetime
) -> Collection[int]:
    """Those of the fans in hand who have to wait are in hand no more; who they are."""
    statement = _statements(customs, int(now.timestamp()) // MINUTE).put_back
    moved = await session.returning(statement, {**_moment(broadcast_id, now), "by": owner, "these": fan_ids})
    return {row.fan_id for row in moved}


async def put_off(session: WriteSession, broadcast_id: int, customs: Customs, *, now: datetime) -> int:
    """Of the next in line, who has to wait, in one statement; how many."""
    statement = _statements(customs, int(now.timestamp()) // MINUTE).put_off
    return await session.run(statement, _moment(broadcast_id, now))


def _moment(broadcast_id: int, now: datetime) -> dict[str, Any]:  # Any: bound columns
    return {"of": broadcast_id, "seconds": int(now.timestamp())}


@dataclass(frozen=True)
class _Statements:
    put_back: Update
    put_off: Update


@lru_cache(maxsize=16)
def _statements(customs: Customs, minute: int) -> _Statements:
    """Made once a minute: quiet hours begin and end on one."""
    start = datetime.fromtimestamp(minute * MINUTE, UTC)
    row = aliased(Delivery)
    in_hand = (
        col(row.state) == SENDING,
        col(row.owner) == bindparam("by"),
        col(row.fan_id).in_(bindparam("these", expanding=True)),
    )
    due = (is_waiting(row), or_(col(row.not_before).is_(None), type_coerce(col(row.not_before), BigInteger) <= _now))
    return _Statements(
        put_back=_move(row, in_hand, customs, start)
        .where(col(Delivery.state) == SENDING)
        .values(state=PENDING, owner=None, attempts=col(Delivery.attempts) - 1)
        .returning(col(Delivery.fan_id)),
        put_off=_move(row, due, customs, start).where(is_waiting(Delivery)),
    )


def is_waiting(row: type[Delivery]) -> ColumnElement[bool]:
    """Spelled out: a planner uses the index of those who wait only where it reads the word."""
    return col(row.state) == literal_column("'pending'")


def _move(row: type[Delivery], rows: Sequence[ColumnElement[bool]], customs: Customs, start: datetime) -> Update:
    """These rows, as far as their fans have to wait, to the moment when they need not."""
    enough = _last_too_many(customs) if customs.likes.weekly_cap is not None else cast(null(), BigInteger)
    asked = (
        select(
            col(row.fan_id).label("fan_id"), *_hours(customs, start), enough.label("enough"), _spoken_to(customs, row)
        )
        .join(Fan, col(Fan.id) == col(row.fan_id))
        .where(col(row.broadcast_id) == _of, *rows)
        .order_by(col(row.not_before), col(row.fan_id))
        .limit(MANY)
        # Nobody waits here for somebody else's claim: whom that took is asked there.
        .with_for_update(of=row, skip_locked=True)
        .cte("asked")
    )
    reasons = [
        (asked.c.rests_until > _now, RESTING, asked.c.rests_until),
        (asked.c.quiet_until.is_not(None), QUIET, asked.c.quiet_until),
        (asked.c.enough == 0, CAPPED, _now + SOON),
        (asked.c.enough > 0, CAPPED, asked.c.enough + int(CAP_WINDOW.total_seconds()) + 1),
        (asked.c.spoken_to, None, _now + 1),
    ]
    moved = (
        select(
            asked.c.fan_id,
            case(*((holds, literal(word, String())) for holds, word, _ in reasons)).label("reason"),
            case(*((holds, until) for holds, _, until in reasons)).label("until"),
        )
        .where(or_(*(holds for holds, _, _ in reasons)))
        .subquery()
    )
    here = (col(Delivery.broadcast_id) == _of, col(Delivery.fan_id) == moved.c.fan_id)
    return update(Delivery).where(*here).values(not_before=moved.c.until, reason=moved.c.reason)


def _hours(customs: Customs, start: datetime) -> Sequence[ColumnElement[Any]]:  # Any: moments in seconds
    """How long a fan rests, and until when it is quiet for them; NULL where it is not."""
    beginning = func.coalesce(col(Fan.quiet_from), customs.likes.quiet_from)
    end = func.coalesce(col(Fan.quiet_to), customs.likes.quiet_to)
    minute = _by_the_fans_clock(customs, lambda zone: literal(_minute(start, zone)))
    is_quiet = and_(_since(beginning, minute) < _since(beginning, end), _cares)
    plain: Number = literal(int(start.timestamp()), BigInteger) + _since(minute, end) * MINUTE
    quiet_until = _by_the_fans_clock(customs, lambda zone: _turned(plain, start, zone))
    rests_until = type_coerce(col(Fan.rests_until), BigInteger)
    return rests_until.label("rests_until"), case((is_quiet, quiet_until), else_=null()).label("quiet_until")


def _since(beginning: Number, minute: Number) -> Number:
    """From the one to the other on a clock, over midnight too."""
    return (minute - beginning + MINUTES_A_DAY) % MINUTES_A_DAY


def _by_the_fans_clock(customs: Customs, said: Callable[[ZoneInfo], ColumnElement[int]]) -> ColumnElement[int]:
    """What is so in the fan's zone, or else the community's."""
    zones = {name: zone for name in customs.zones if (zone := find_zone(name))}
    own = [(col(Fan.zone) == name, said(zone)) for name, zone in zones.items()]
    return case(*own, else_=said(customs.zone)) if own else said(customs.zone)


def _minute(at: datetime, zone: ZoneInfo) -> int:
    here = at.astimezone(zone)
    return here.hour * 60 + here.minute


def _turned(plain: Number, at: datetime, zone: ZoneInfo) -> Number:
    """Where clocks are changed before that, it is an hour sooner or later."""
    change = _clock_change(at, zone)
    if change is None:
        return plain
    moment, shift = change
    # An hour that is skipped ends quiet hours the moment it is skipped.
    return case((plain <= moment, plain), (plain - shift < moment, literal(moment, BigInteger)), else_=plain - shift)


def _clock_change(at: datetime, zone: ZoneInfo) -> tuple[int, int] | None:
    """When clocks are changed within a day from here, and by how many seconds."""
    before, after = (moment.astimezone(zone).utcoffset() or timedelta() for moment in (at, at + DAY))
    if before == after:
        return None
    first, last = 0, 24 * 60
    while last - first > 1:
        middle = (first + last) // 2
        same = (at + timedelta(minutes=middle)).astimezone(zone).utcoffset() == before
        first, last = (middle, last) if same else (first, middle)
    return int(at.timestamp()) + last * MINUTE, int((after - before).total_seconds())


def _last_too_many(customs: Customs) -> ColumnElement[int | None]:
    """When the fan got the message that made it enough; 0: it is on its way. NULL: another one is welcome."""
    other = aliased(Delivery)
    sent_at = type_coerce(col(other.sent_at), BigInteger)
    lately = and_(col(other.state) == SENT, sent_at >= _now - int(CAP_WINDOW.total_seconds()))
    on_its_way = and_(col(other.state) == SENDING, col(other.broadcast_id) != _of)
    return (
        select(case((on_its_way, 0), else_=sent_at))
        .where(col(other.fan_id) == col(Fan.id), _has_left(other), or_(lately, on_its_way), _cares)
        .order_by(case((on_its_way, _now), else_=sent_at).desc())
        .offset((customs.likes.weekly_cap or 1) - 1)
        .limit(1)
        .correlate(Fan)
        .scalar_subquery()
    )


def _has_left(row: type[Delivery]) -> ColumnElement[bool]:
    """In hand, or sent; in the words of the index by fan, which holds nobody else."""
    return or_(col(row.sent_at).is_not(None), col(row.state) == literal_column("'sending'"))


def _spoken_to(customs: Customs, row: type[Delivery]) -> ColumnElement[bool]:
    """Whether another broadcast is with them just now: Telegram wants a second between two messages to a chat."""
    other = aliased(Delivery)
    just_now = type_coerce(col(other.sent_at), BigInteger) >= _now - 1
    theirs = exists().where(
        col(other.fan_id) == col(row.fan_id),
        _has_left(other),
        col(other.broadcast_id) != _of,
        or_(col(other.state) == SENDING, just_now),
    )
    return (theirs if customs.crowded else false()).label("spoken_to")


_of: BindParameter[int] = bindparam("of")
_now = bindparam("seconds", type_=BigInteger)
# What must be known keeps nobody's hours.
_cares = exists().where(col(Broadcast.id) == _of, col(Broadcast.ignores_quiet).is_(False))
