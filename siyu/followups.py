"""Follow-ups: something to be done about one fan, by a time, by somebody; opened by a bad rating or by an operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, and_, func, select, update
from sqlmodel import col

from siyu import audit, mailroom, operators
from siyu.audit import SIYU, Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.paging import Page, cursor_of, key_of, moment_of
from siyu.kit.wording import Words, choose_locale, words
from siyu.operators import Permission
from siyu.tables import Fan, FollowUp, Operator

LONGEST_WHY = 300
LONGEST_NOTE = 2000
LATEST = timedelta(days=366)  # from now on that something can be due
AT_ONCE = 100  # reminders in one go


class Pile(StrEnum):
    """Which follow-ups one looks at."""

    OPEN = "open"
    MINE = "mine"
    DONE = "done"


@dataclass(frozen=True)
class Task:
    """A follow-up with whom it is about, and who does it."""

    followup: FollowUp
    fan: Fan
    operator: Operator | None

    def is_late(self, now: datetime) -> bool:
        return self.followup.done_at is None and self.followup.due_at < now


async def open_followup(
    session: WriteSession,
    actor: Actor,
    fan: Fan,
    why: str,
    *,
    due_at: datetime,
    operator_id: int | None = None,
    now: datetime,
) -> FollowUp:
    """By an operator or a program. Raises Invalid at `why`, `due_at` or `operator_id`."""
    why = why.replace("\0", "").strip()
    if not 1 <= len(why) <= LONGEST_WHY:
        raise Invalid("takes %(least)s to %(most)s characters", where=("why",), least=1, most=LONGEST_WHY)
    if not now - timedelta(days=1) <= due_at <= now + LATEST:
        raise Invalid("a time from now on, within a year", where=("due_at",))
    if operator_id is not None:
        await _must_work_here(session, operator_id)
    made = FollowUp(
        fan_id=fan.id or 0, why=why, due_at=due_at, assigned_to=operator_id, opened_at=now, opened_by=actor.key
    )
    session.add(made)
    await session.flush()
    await audit.note(session, actor, "followup.opened", "fan", fan.telegram_id, now=now, name=fan.name, why=why)
    return made


async def open_for(
    session: WriteSession, fan_id: int, why: str, *, cause: str, due_at: datetime, now: datetime
) -> bool:
    """By the house itself, once for each cause; whether it is new."""
    row = {
        "fan_id": fan_id, "why": why, "words": "", "cause": cause, "due_at": due_at, "opened_at": now,
        "opened_by": SIYU.key, "note": "",
    }  # fmt: skip
    once = session.insert(FollowUp).on_conflict_do_nothing(index_elements=["cause"])
    return bool(await session.run(once, row))


async def tell_more(session: WriteSession, cause: str, text: str) -> None:
    """What the fan said about it afterwards."""
    this = update(FollowUp).where(col(FollowUp.cause) == cause)
    await session.run(this.values(words=text))


async def assign(
    session: WriteSession, actor: Actor, followup_id: int, operator_id: int | None, *, now: datetime
) -> None:
    """Put somebody in charge, or nobody. Raises Conflict for one that is done."""
    if operator_id is not None:
        await _must_work_here(session, operator_id)
    this = update(FollowUp).where(col(FollowUp.id) == followup_id, col(FollowUp.done_at).is_(None))
    if not await session.run(this.values(assigned_to=operator_id)):
        await _refuse(session, followup_id)
    await _note(session, actor, "followup.assigned", followup_id, now=now)


async def finish(session: WriteSession, actor: Actor, followup_id: int, note: str, *, now: datetime) -> None:
    """Done, with what was done. Raises Conflict where somebody did it already."""
    note = note.replace("\0", "").replace("\r\n", "\n").strip()
    if len(note) > LONGEST_NOTE:
        raise Invalid("takes at most %(most)s characters", where=("note",), most=LONGEST_NOTE)
    this = update(FollowUp).where(col(FollowUp.id) == followup_id, col(FollowUp.done_at).is_(None))
    if not await session.run(this.values(done_at=now, done_by=actor.name, note=note)):
        await _refuse(session, followup_id)
    await _note(session, actor, "followup.done", followup_id, now=now)


async def get_followup(session: ReadSession, followup_id: int) -> FollowUp:
    found = await session.get(FollowUp, followup_id)
    if found is None:
        raise NotFound("there is no such follow-up")
    return found


async def list_followups(
    session: ReadSession, pile: Pile, *, operator_id: int = 0, cursor: str | None = None, limit: int = 50
) -> Page[Task]:
    """What is due first, first; of what is done the latest first."""
    joined = _tasks().where(_in(pile, operator_id))
    order = col(FollowUp.done_at) if pile is Pile.DONE else col(FollowUp.due_at)
    if cursor:
        seconds, last = key_of(cursor, length=2)
        at, same = moment_of(seconds), col(FollowUp.id)
        if pile is Pile.DONE:
            joined = joined.where((order < at) | and_(order == at, same < last))
        else:
            joined = joined.where((order > at) | and_(order == at, same > last))
    by = (order.desc(), col(FollowUp.id).desc()) if pile is Pile.DONE else (order, col(FollowUp.id))
    rows = await session.rows(joined.order_by(*by).limit(limit + 1))
    tasks = [Task(*row) for row in rows[:limit]]
    return Page(tasks, _cursor(tasks[-1], pile) if len(rows) > limit else None)


async def of_fan(session: ReadSession, fan_id: int, *, limit: int = 5) -> Sequence[Task]:
    """Those of one fan: what is open first, then the latest."""
    rows = await session.rows(
        _tasks()
        .where(col(FollowUp.fan_id) == fan_id)
        .order_by(col(FollowUp.done_at).is_not(None), col(FollowUp.id).desc())
        .limit(limit)
    )
    return [Task(*row) for row in rows]


async def sizes(session: ReadSession, operator_id: int) -> dict[Pile, int]:
    """How many are open, and how many of them mine."""
    counted = {}
    for pile in (Pile.OPEN, Pile.MINE):
        counted[pile] = await session.one(select(func.count()).select_from(FollowUp).where(_in(pile, operator_id)))
    return counted


async def overdue(session: ReadSession) -> int:
    """How many became due, and were not done since."""
    waiting = col(FollowUp.done_at).is_(None), col(FollowUp.reminded_at).is_not(None)
    return await session.one(select(func.count()).select_from(FollowUp).where(*waiting))


async def any_due(session: ReadSession, *, now: datetime) -> bool:
    """Whether somebody is to be reminded."""
    return await session.first(select(col(FollowUp.id)).where(_due(now)).limit(1)) is not None


async def remind(session: WriteSession, *, site: str, now: datetime) -> int:
    """Tell those in charge of what became due, once each, in their own chat; how many follow-ups that was."""
    due = select(col(FollowUp.id)).where(_due(now)).order_by(col(FollowUp.due_at)).limit(AT_ONCE)
    claimed = update(FollowUp).where(col(FollowUp.id).in_(due.scalar_subquery()), _due(now)).values(reminded_at=now)
    ids = [row.id for row in await session.returning(claimed.returning(col(FollowUp.id)))]
    if not ids:
        return 0
    here = await operators.who_may(session, Permission.OPERATE)
    languages = await _languages(session, here)
    for followup, fan, in_charge in await session.rows(_tasks().where(col(FollowUp.id).in_(ids))):
        for one in _told(in_charge, here):
            text = _reminder(followup, fan, site, languages[one.telegram_id])
            call = {"chat_id": one.telegram_id, "text": text, "link_preview_options": {"is_disabled": True}}
            cause = f"followup:{followup.id}:{one.id}"
            await mailroom.send(
                session, "sendMessage", call, person_id=one.telegram_id, lane=mailroom.NOTICE, cause=cause, now=now
            )
    return len(ids)


def why_of(followup: FollowUp, words: Words) -> str:
    """In words: what an operator wrote, or the rating that opened it."""
    scale, _, number = followup.why.partition(":")
    if scale == "nps" and number.isdecimal():
        return words.gettext("Rated %(number)s of 10") % {"number": number}
    if scale == "stars" and number.isdecimal():
        return words.gettext("Rated %(number)s of 5 stars") % {"number": number}
    return followup.why


def _tasks() -> Select[FollowUp, Fan, Operator]:
    return (
        select(FollowUp, Fan, Operator)
        .join(Fan, col(Fan.id) == col(FollowUp.fan_id))
        .outerjoin(Operator, col(Operator.id) == col(FollowUp.assigned_to))
    )


def _in(pile: Pile, operator_id: int) -> ColumnElement[bool]:
    if pile is Pile.DONE:
        return col(FollowUp.done_at).is_not(None)
    is_open = col(FollowUp.done_at).is_(None)
    return and_(is_open, col(FollowUp.assigned_to) == operator_id) if pile is Pile.MINE else is_open


def _due(now: datetime) -> ColumnElement[bool]:
    return and_(col(FollowUp.done_at).is_(None), col(FollowUp.reminded_at).is_(None), col(FollowUp.due_at) <= now)


def _cursor(task: Task, pile: Pile) -> str:
    at = task.followup.done_at if pile is Pile.DONE else task.followup.due_at
    return cursor_of((int(at.timestamp()) if at else 0, task.followup.id or 0))


def _told(in_charge: Operator | None, here: Sequence[Operator]) -> Sequence[Operator]:
    """Whoever is in charge; else who wants to hear of fans; else everybody who could do it."""
    if in_charge is not None and in_charge.disabled_at is None:
        return [in_charge]
    return [one for one in here if one.hears_fans] or here


def _reminder(followup: FollowUp, fan: Fan, site: str, said: Words) -> str:
    first = said.gettext("⏰ Due now: follow up %(name)s") % {"name": fan.name}
    lines = [first, why_of(followup, said), f"“{followup.words[:500]}”" if followup.words else ""]
    return "\n".join([*filter(None, lines), f"{site}/fans/{fan.telegram_id}"])


async def _languages(session: ReadSession, here: Sequence[Operator]) -> dict[int, Words]:
    """The language each of them speaks with the bot."""
    ids = [one.telegram_id for one in here]
    known = await session.all(select(Fan).where(col(Fan.telegram_id).in_(ids)))
    spoken = {fan.telegram_id: fan.chosen_language or fan.language for fan in known}
    return {number: words(choose_locale(spoken.get(number))) for number in ids}


async def _must_work_here(session: ReadSession, operator_id: int) -> None:
    here = await operators.who_may(session, Permission.OPERATE)
    if operator_id not in {one.id for one in here}:
        raise Invalid("choose one of these", where=("operator_id",))


async def _refuse(session: ReadSession, followup_id: int) -> None:
    await get_followup(session, followup_id)
    raise Conflict("somebody has done this already", reason="done")


async def _note(session: WriteSession, actor: Actor, action: str, followup_id: int, *, now: datetime) -> None:
    (row,) = await session.rows(
        select(col(Fan.telegram_id), col(Fan.name)).join(FollowUp, col(FollowUp.fan_id) == col(Fan.id)).where(
            col(FollowUp.id) == followup_id
        )
    )  # fmt: skip
    await audit.note(session, actor, action, "fan", row[0], now=now, name=row[1], followup=followup_id)
