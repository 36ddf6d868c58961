"""What becomes of coupons as time passes: a word before one ends, outside quiet hours, and its label when it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ColumnElement, Row, and_, case, literal, or_, select, type_coerce, update
from sqlmodel import col

from siyu import fans, mailroom, preferences
from siyu.coupons.holds import is_free_for
from siyu.kit import figures
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.wording import choose_locale, words
from siyu.preferences import Preferences, Sleeper
from siyu.tables import Coupon, CouponState, Fan, Offer

CHUNK = 500
FIRST, LAST = 3, 1  # days before the end
DAY = 86_400


@dataclass(frozen=True)
class Reminded:
    """How many fans were reminded, and behind which coupon to go on; None where there are no more."""

    fans: int
    last: int | None


async def remind_some(session: WriteSession, *, after: int = 0, zone: ZoneInfo, now: datetime) -> Reminded:
    """Up to 500 coupons three days and one day before they end, each once; who rests or sleeps is asked again later.

    Nobody who opted out is written to. A coupon that was good for less than that from the start reminds of nothing.
    """
    rows = await session.rows(_due(after, now))
    likes = await preferences.read(session)
    awake = {row.coupon_id: row for row in rows if not _is_quiet(row, likes, zone=zone, now=now)}
    told = await _claim(session, awake, now=now)
    await mailroom.post(session, [_message(awake[one], zone=zone, now=now) for one in told])
    return Reminded(len(told), rows[-1].coupon_id if len(rows) == CHUNK else None)


async def any_to_remind(session: ReadSession, *, now: datetime) -> bool:
    return bool(await session.rows(_due(0, now).limit(1)))


async def label_expired(session: WriteSession, *, now: datetime) -> int:
    """Up to 500 coupons that are over get the word for it, for lists; they were no good since their last second."""
    over = (col(Coupon.state) == CouponState.ACTIVE, col(Coupon.valid_until) <= now, is_free_for(None, now))
    some = select(col(Coupon.id)).where(*over).order_by(col(Coupon.valid_until)).limit(CHUNK)
    label = update(Coupon).where(col(Coupon.id).in_(some.scalar_subquery()), *over)
    return await session.run(label.values(state=CouponState.EXPIRED, hold_checkout_id=None, hold_until=None))


async def any_expired(session: ReadSession, *, now: datetime) -> bool:
    over = (col(Coupon.state) == CouponState.ACTIVE, col(Coupon.valid_until) <= now, is_free_for(None, now))
    return bool(await session.all(select(col(Coupon.id)).where(*over).limit(1)))


def _due(after: int, now: datetime) -> Any:  # Any: a select of many columns
    """Every coupon of which its fan should hear, with what they should hear."""
    columns = (
        col(Coupon.id).label("coupon_id"),
        col(Coupon.code),
        col(Coupon.valid_until),
        _days(now).label("days"),
        col(Offer.title),
        *(getattr(Fan, name) for name in ("telegram_id", "language", "chosen_language", "zone", "quiet_from")),
        *(getattr(Fan, name) for name in ("quiet_to", "rests_until")),
    )
    found = select(*columns).join(Offer, col(Offer.id) == col(Coupon.offer_id))
    found = found.join(Fan, col(Fan.id) == col(Coupon.fan_id))
    waiting = (col(Coupon.id) > after, is_free_for(None, now), fans.can_be_reached())
    return found.where(_is_due(now), *waiting).order_by(col(Coupon.id)).limit(CHUNK)


def _is_due(now: datetime) -> ColumnElement[bool]:
    good = (col(Coupon.state) == CouponState.ACTIVE, col(Coupon.valid_until) > now)
    return and_(*good, or_(_is_time_for(LAST, now), _is_time_for(FIRST, now)))


def _days(now: datetime) -> ColumnElement[int]:
    return case((_is_time_for(LAST, now), literal(LAST)), else_=literal(FIRST))


def _is_time_for(days: int, now: datetime) -> ColumnElement[bool]:
    soon = col(Coupon.valid_until) <= now + timedelta(days=days)
    unsaid = or_(col(Coupon.reminded).is_(None), col(Coupon.reminded) > days)
    lasts = type_coerce(col(Coupon.valid_until), BigInteger) - type_coerce(col(Coupon.claimed_at), BigInteger)
    return and_(soon, unsaid, lasts >= days * DAY)


def _is_quiet(row: Row[Any], likes: Preferences, *, zone: ZoneInfo, now: datetime) -> bool:
    """It is night where the fan is, or they rest and are left in peace."""
    rests = row.rests_until is not None and row.rests_until > now
    return rests or preferences.is_quiet_for(cast(Sleeper, row), likes, house=zone, now=now)


async def _claim(session: WriteSession, awake: dict[int, Row[Any]], *, now: datetime) -> Sequence[int]:
    """Whoever writes the day down first reminds; a coupon used in between is passed over."""
    told: list[int] = []
    for days in (FIRST, LAST):
        mine = [one for one, row in awake.items() if row.days == days]
        marked = update(Coupon).where(col(Coupon.id).in_(mine), _is_due(now), _is_time_for(days, now))
        told += [row.id for row in await session.returning(marked.values(reminded=days).returning(col(Coupon.id)))]
    return told


def _message(row: Row[Any], *, zone: ZoneInfo, now: datetime) -> dict[str, object]:
    said = words(row.chosen_language or choose_locale(row.language))
    local = row.valid_until.astimezone(zone)
    until = f"{figures.day(local.date(), said.locale)} {local:%H:%M}"
    text = said.gettext("⏳ Your coupon “%(title)s” is good until %(until)s.") % {"title": row.title, "until": until}
    buttons = [[{"text": said.gettext("🎟 My coupons"), "callback_data": "m:+wallet"}]]
    payload = {
        "chat_id": row.telegram_id,
        "text": f"{escape(text, quote=False)}\n\n<code>{row.code}</code>",
        "parse_mode": "HTML",
        "reply_markup": {"inline_keyboard": buttons},
    }
    cause = f"coupon:{row.coupon_id}:{row.days}"
    return mailroom.outgoing(
        "sendMessage", payload, person_id=row.telegram_id, lane=mailroom.NOTICE, cause=cause, now=now
    )
