"""Asking: some hours after a purchase, never in quiet hours, never too often, once for each purchase."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from sqlalchemy import Select, exists, func, or_, select, tuple_
from sqlmodel import col

from siyu import fans, mailroom, preferences
from siyu.feedback.rating import keys
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.wording import choose_locale, words
from siyu.preferences import Preferences, Sleeper
from siyu.tables import Fan, Feedback, FeedbackTurn, Purchase, PurchaseItem, Scale

# Whoever could not be asked for so long after it was time is not asked any more: they will not remember.
STILL_FRESH = timedelta(days=3)
AT_ONCE = 1000
OPEN_FOR = timedelta(days=7)  # a question the fan asked for is put again instead of a new one


@dataclass(frozen=True)
class AskDue:
    """A purchase to ask about."""

    purchase_id: int
    fan: Fan


async def ask(session: WriteSession, fan: Fan, *, cause: str, now: datetime) -> Feedback:
    """The fan wants to rate us: the question that is open already, or a new one."""
    unrated = col(Feedback.fan_id) == fan.id, col(Feedback.rating).is_(None), col(Feedback.purchase_id).is_(None)
    recent = select(Feedback).where(*unrated, col(Feedback.asked_at) > now - OPEN_FOR)
    known = await session.first(recent.order_by(col(Feedback.id).desc()).limit(1))
    if known is not None:
        return known
    likes = await preferences.read(session)
    made = Feedback(fan_id=fan.id or 0, scale=_scale(likes), cause=f"chat:{cause}", asked_at=now)
    session.add(made)
    await session.flush()
    return made


async def any_due(session: ReadSession, *, now: datetime) -> bool:
    """Whether anybody is to be asked, quiet hours aside."""
    likes = await preferences.read(session)
    return bool(await session.rows(_due(likes, now).limit(1))) if likes.rating_after_hours else False


async def ask_due(session: WriteSession, *, zone: ZoneInfo, now: datetime) -> int:
    """Ask those whose time has come and who are awake, at most a thousand; who sleeps is asked later. How many.

    The turn is claimed first: of two who ask at once, one gets it, and the fan one question.
    """
    likes = await preferences.read(session)
    if not likes.rating_after_hours:
        return 0
    due = _due(likes, now)
    hours = await _waking_hours(session, due, likes, zone=zone, now=now)
    awake = [AskDue(*row) for row in await session.rows(due.where(_HOURS.in_(hours)).limit(AT_ONCE))]
    asked = await _write_down(session, await _take_turns(session, awake, likes, now), likes, now)
    titles = await _titles(session, [one.purchase_id or 0 for one, _ in asked])
    rows = [_letter(one, fan, titles.get(one.purchase_id or 0, ""), now) for one, fan in asked]
    await mailroom.post(session, rows)
    return len(rows)


def _due(likes: Preferences, now: datetime) -> Select[int, Fan]:
    """Each fan's newest purchase that was long enough ago, where nobody asked about it or lately."""
    latest = now - timedelta(hours=likes.rating_after_hours)
    ripe = (
        select(func.max(Purchase.id).label("id"))
        .where(
            col(Purchase.paid_at) > latest - STILL_FRESH,
            col(Purchase.paid_at) <= latest,
            col(Purchase.refunded_minor) < col(Purchase.amount_minor),
        )
        .group_by(col(Purchase.fan_id))
        .subquery()
    )
    known = exists().where(col(Feedback.purchase_id) == ripe.c.id)
    lately = exists().where(
        col(FeedbackTurn.fan_id) == col(Fan.id),
        col(FeedbackTurn.asked_at) > now - timedelta(days=likes.rating_every_days),
    )
    awake = or_(col(Fan.rests_until).is_(None), col(Fan.rests_until) <= now)
    return (
        select(ripe.c.id, Fan)
        .join(Purchase, col(Purchase.id) == ripe.c.id)
        .join(Fan, col(Fan.id) == col(Purchase.fan_id))
        .where(fans.can_be_reached(), awake, ~known, ~lately)
        .order_by(ripe.c.id)
    )


async def _waking_hours(
    session: ReadSession, due: Select[int, Fan], likes: Preferences, *, zone: ZoneInfo, now: datetime
) -> list[tuple[str, int, int]]:
    """Of the clocks and hours of those who are due, the few dozen there are, those at which it is day now.

    By them the database picks who is awake: a thousand sleepers would else stand in front of everybody till morning.
    """
    columns = (col(Fan.zone), col(Fan.quiet_from), col(Fan.quiet_to))
    kinds = await session.rows(due.with_only_columns(*columns).order_by(None).distinct())
    awake = [one for one in kinds if not preferences.is_quiet_for(cast(Sleeper, one), likes, house=zone, now=now)]
    return [(one.zone or "", _or_none(one.quiet_from), _or_none(one.quiet_to)) for one in awake]


def _or_none(minute: int | None) -> int:
    return -1 if minute is None else minute


# As `_or_none` has it: in a list of rows NULL is not equal to NULL.
_HOURS = tuple_(
    func.coalesce(col(Fan.zone), ""), func.coalesce(col(Fan.quiet_from), -1), func.coalesce(col(Fan.quiet_to), -1)
)


async def _take_turns(
    session: WriteSession, due: Sequence[AskDue], likes: Preferences, now: datetime
) -> Sequence[AskDue]:
    """Those whose turn it really is, written down."""
    if not due:
        return []
    insert = session.insert(FeedbackTurn)
    long_ago = col(FeedbackTurn.asked_at) <= now - timedelta(days=likes.rating_every_days)
    taken = insert.on_conflict_do_update(
        index_elements=["fan_id"], set_={"asked_at": insert.excluded.asked_at}, where=long_ago
    ).returning(col(FeedbackTurn.fan_id))
    rows = await session.returning(taken, [{"fan_id": one.fan.id, "asked_at": now} for one in due])
    theirs = {row.fan_id for row in rows}
    return [one for one in due if one.fan.id in theirs]


async def _write_down(
    session: WriteSession, due: Sequence[AskDue], likes: Preferences, now: datetime
) -> list[tuple[Feedback, Fan]]:
    if not due:
        return []
    once = session.insert(Feedback).on_conflict_do_nothing(index_elements=["cause"])
    rows = [
        {
            "fan_id": one.fan.id, "scale": _scale(likes), "cause": f"purchase:{one.purchase_id}",
            "purchase_id": one.purchase_id, "asked_at": now, "seen": 0,
        }
        for one in due
    ]  # fmt: skip
    made = {row.cause for row in await session.returning(once.returning(col(Feedback.cause)), rows)}
    people = {one.fan.id: one.fan for one in due}
    found = await session.all(select(Feedback).where(col(Feedback.cause).in_(made)))
    return [(one, people[one.fan_id]) for one in found]


async def _titles(session: ReadSession, purchase_ids: Sequence[int]) -> dict[int, str]:
    """The first line of each."""
    named = select(PurchaseItem).where(col(PurchaseItem.purchase_id).in_(purchase_ids), col(PurchaseItem.name) != "")
    lines = await session.all(named.order_by(col(PurchaseItem.line).desc()))
    return {line.purchase_id: line.name for line in lines}


def _letter(asked: Feedback, fan: Fan, title: str, now: datetime) -> dict[str, object]:
    _ = words(fan.chosen_language or choose_locale(fan.language)).gettext
    text = _("How did you like “%(title)s”? One tap is enough.") % {"title": title[:100]}
    if not title:
        text = _("How did you like what you bought? One tap is enough.")
    if asked.scale is Scale.NPS:
        text += "\n" + _("Would you recommend us to a friend? 0: not at all likely · 10: certainly")
    rows = [[{"text": label, "callback_data": data} for label, data in row] for row in keys(asked.id or 0, asked.scale)]
    call = {"chat_id": fan.telegram_id, "text": text, "reply_markup": {"inline_keyboard": rows}}
    cause = f"feedback:{asked.id}"
    return mailroom.outgoing("sendMessage", call, person_id=fan.telegram_id, lane=mailroom.NOTICE, cause=cause, now=now)


def _scale(likes: Preferences) -> Scale:
    return Scale.NPS if likes.rating_nps else Scale.STARS
