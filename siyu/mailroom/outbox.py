"""The outbox: calls a commit decided on, made afterwards, and what became of each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Executable, Integer, Select, and_, bindparam, exists, func, or_, text, update
from sqlalchemy import select as sa_select
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from siyu.kit.columns import Instant
from siyu.kit.database import ReadSession, WriteSession
from siyu.tables import Outbox, OutboxState

Payload = dict[str, Any]  # Any: the method's own fields, as the Bot API spells them

# An answer to a button or a payment is not a message: it goes at once, at no rate and in no order.
ANSWER, REPLY, NOTICE = 0, 1, 2

# Twice is twice in the fan's chat only for these; anything else may be repeated until it is known.
_WRITES_TO_CHAT = ("send", "copy", "forward")
# Telegram forgets a press after 150 seconds and a pre-checkout after 10; more tries are in vain.
TRIES = 8


@dataclass(frozen=True)
class Errand:
    """One call taken out of the outbox, written down as `sending` before it is made."""

    id: int
    method: str
    payload: Payload
    person_id: int | None
    lane: int
    attempts: int


class Verdict(StrEnum):
    """What a report makes of its errand."""

    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    AGAIN = "again"  # back to waiting, one attempt spent
    NOT_TRIED = "not_tried"  # back to waiting, as if nothing had happened


@dataclass(frozen=True)
class Report:
    """What became of an errand."""

    errand: Errand
    verdict: Verdict
    error: str | None = None
    message_id: int | None = None
    not_before: datetime | None = None
    payload: Payload | None = None  # when it must be sent otherwise next time


def is_repeatable(method: str) -> bool:
    """Whether making the call twice looks like once to the fan."""
    return not method.startswith(_WRITES_TO_CHAT)


async def send(
    session: WriteSession,
    method: str,
    payload: Payload,
    *,
    person_id: int | None = None,
    lane: int = REPLY,
    cause: str | None = None,
    now: datetime,
) -> None:
    """Have a call made after this transaction's commit; never twice for one cause."""
    await post(session, [outgoing(method, payload, person_id=person_id, lane=lane, cause=cause, now=now)])


async def post(session: WriteSession, rows: Sequence[Mapping[str, object]]) -> None:
    """Many at once, each made by `outgoing`."""
    await session.run_many(session.insert(Outbox).on_conflict_do_nothing(index_elements=["cause"]), rows)


def outgoing(
    method: str,
    payload: Payload,
    *,
    person_id: int | None,
    lane: int,
    cause: str | None = None,
    not_before: datetime | None = None,
    now: datetime,
) -> dict[str, object]:
    """The row of one call, made at once or when its time has come."""
    return {
        "cause": cause,
        "person_id": person_id,
        "lane": lane,
        "method": method,
        "payload": payload,
        "not_before": not_before,
        "created_at": now,
    }


async def count_due(session: ReadSession, lanes: Collection[int], *, now: datetime) -> int:
    """How many errands could be taken now, counted up to a hundred."""
    ((due,),) = await session.rows(_COUNT[ANSWER in lanes], {"lanes": list(lanes), "now": now})
    return int(due)


async def take_errands(
    session: WriteSession, owner: str, lanes: Collection[int], *, limit: int, now: datetime
) -> list[Errand]:
    """Take the next calls and write down that they are being made; commit before making them.

    Nothing is taken for a person who has a message under way or one put back, in whatever process:
    their messages keep their order.
    """
    if session.dialect == "postgresql":
        # One process takes at a time; two could each hold half of a person's messages.
        await session.rows(text("SELECT pg_advisory_xact_lock(:room, 0)"), {"room": _ROOM})
    wanted = {"lanes": list(lanes), "now": now, "most": limit, "new_owner": owner}
    rows = await session.returning(_TAKE[ANSWER in lanes], wanted)
    return sorted((Errand(*row) for row in rows), key=lambda errand: (errand.lane, errand.id))


async def note_reports(session: WriteSession, reports: Sequence[Report], *, now: datetime) -> None:
    """Write down what became of them."""
    finished = [report for report in reports if report.verdict in _FINAL]
    put_back = [report for report in reports if report.verdict not in _FINAL]
    await session.run_many(_FINISH, [_finished(report, now) for report in finished])
    await session.run_many(_PUT_BACK, [_put_back(report) for report in put_back])


async def declare_lost(session: WriteSession, *, living: Collection[str], now: datetime) -> int:
    """Calls whose process died in them: repeatable ones wait again, of messages nobody knows; how many those are."""
    dead = and_(col(Outbox.state) == OutboxState.SENDING, col(Outbox.owner).not_in(list(living)))
    message = or_(*(col(Outbox.method).startswith(word) for word in _WRITES_TO_CHAT))
    lost = update(Outbox).where(dead, message)
    unknown = await session.run(
        lost.values(state=OutboxState.UNKNOWN, error="the process died during the call", finished_at=now)
    )
    await session.run(update(Outbox).where(dead).values(state=OutboxState.WAITING, owner=None))
    return unknown


_ROOM = 0x0B0C  # any number, the same in every process
_FINAL = {Verdict.SENT: OutboxState.SENT, Verdict.FAILED: OutboxState.FAILED, Verdict.UNKNOWN: OutboxState.UNKNOWN}
_FINISH = (
    update(Outbox)
    .where(col(Outbox.id) == bindparam("errand"))
    .values({name: bindparam(f"new_{name}") for name in ("state", "error", "message_id", "finished_at")})
)
_PUT_BACK = (
    update(Outbox)
    .where(col(Outbox.id) == bindparam("errand"))
    .values(
        {
            "state": OutboxState.WAITING,
            "owner": None,
            **{name: bindparam(f"new_{name}") for name in ("attempts", "error", "not_before", "payload")},
        }
    )
)


def _is_due(*, in_order: bool) -> tuple[ColumnElement[bool], ...]:
    lanes = bindparam("lanes", expanding=True, type_=Integer())
    now = bindparam("now", type_=Instant())
    waiting = and_(col(Outbox.state) == OutboxState.WAITING, col(Outbox.lane).in_(lanes))
    due = or_(col(Outbox.not_before).is_(None), col(Outbox.not_before) <= now)
    if not in_order:
        return waiting, due
    before = aliased(Outbox)
    under_way = col(before.state) == OutboxState.SENDING
    put_back = and_(col(before.state) == OutboxState.WAITING, col(before.not_before) > now)
    held_up = exists().where(
        col(before.person_id) == col(Outbox.person_id),
        or_(under_way, and_(put_back, col(before.id) < col(Outbox.id))),
        col(before.lane) != ANSWER,
    )
    return waiting, due, ~held_up


def _counting(*, in_order: bool) -> Select[int]:
    due = select(Outbox.id).where(*_is_due(in_order=in_order)).limit(100).subquery()
    return sa_select(func.count()).select_from(due)


def _taking(*, in_order: bool) -> Executable:
    order = (col(Outbox.lane), col(Outbox.id))
    chosen = select(Outbox.id).where(*_is_due(in_order=in_order)).order_by(*order).limit(bindparam("most"))
    return (
        update(Outbox)
        .where(col(Outbox.id).in_(chosen.scalar_subquery()))
        .values(state=OutboxState.SENDING, owner=bindparam("new_owner"))
        .returning(
            col(Outbox.id),
            col(Outbox.method),
            col(Outbox.payload),
            col(Outbox.person_id),
            col(Outbox.lane),
            col(Outbox.attempts),
        )
    )


# Built once: putting one together costs as much as running it. By whether the lane is the answers'.
_COUNT = {answers: _counting(in_order=not answers) for answers in (True, False)}
_TAKE = {answers: _taking(in_order=not answers) for answers in (True, False)}


def _finished(report: Report, now: datetime) -> dict[str, object]:
    return {
        "errand": report.errand.id,
        "new_state": _FINAL[report.verdict],
        "new_error": report.error,
        "new_message_id": report.message_id,
        "new_finished_at": now,
    }


def _put_back(report: Report) -> dict[str, object]:
    return {
        "errand": report.errand.id,
        "new_attempts": report.errand.attempts + (report.verdict is Verdict.AGAIN),
        "new_error": report.error,
        "new_not_before": report.not_before,
        "new_payload": report.payload or report.errand.payload,
    }
