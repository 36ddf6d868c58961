"""Answers: what Telegram said is written into the ledger, learned about the fan, and held against the broadcast."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, assert_never

from sqlalchemy import String, and_, bindparam, case, exists, func, literal, null, or_, select, update
from sqlmodel import col

from siyu import fans
from siyu.broadcasts import canary
from siyu.broadcasts.canary import Watch
from siyu.broadcasts.course import skip_the_rest
from siyu.broadcasts.moves import hold
from siyu.broadcasts.tasks import Noted, Unfit
from siyu.kit.columns import BigKey, Instant, Word
from siyu.kit.database import WriteSession
from siyu.outcomes import (
    Blocked,
    Gone,
    Migrated,
    NotSent,
    Rejected,
    Sent,
    ServerError,
    SlowDown,
    Unauthorized,
    Unknown,
    Unreachable,
    reach_after,
)
from siyu.tables import Broadcast, BroadcastState, Delivery, DeliveryState

Entry = dict[str, Any]  # Any: bound columns

PENDING, SENDING, SENT, UNKNOWN = (
    DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN,
)  # fmt: skip

# Where an operator chose `resend`, a fan is tried so often while no answer comes before we say that nobody can know;
# senders that die have a number of their own.
MOST_ATTEMPTS = 5
REJECTED = "rejected: "  # followed by what Telegram said
WAIT_AFTER_TROUBLE = timedelta(seconds=5)
# Outcomes after which a fan may return to the line, so that the broadcast must be looked at.
_UNSETTLED = (SlowDown, Unauthorized, NotSent, ServerError, Unknown)


async def note(
    session: WriteSession, noted: Sequence[Noted], owner: str, *, now: datetime, watch: Watch | None = None
) -> None:
    """Write what became of these tasks, what it says about the fans, and hold a broadcast that cannot go on."""
    in_order = sorted(noted, key=lambda one: (one.task.broadcast_id, one.task.fan_id))
    unsettled = {one.task.broadcast_id for one in noted if isinstance(one.outcome, _UNSETTLED)}
    resend = await kept_to_send_again(session, unsettled) if unsettled else set()
    entries = [_entry(one, resend=one.task.broadcast_id in resend, owner=owner, now=now) for one in in_order]
    await session.run_many(_WRITE, entries)
    if unsettled:
        await skip_the_rest(session, unsettled)
    for one in in_order:
        await _learn(session, one, now=now)
    await _hold_where_hopeless(session, in_order, entries, watch or Watch(), now=now)


async def kept_to_send_again(session: WriteSession, broadcast_ids: Collection[int]) -> set[int]:
    """Those of `resend`; all are held, so that nobody cancels or finishes one while somebody returns to its line."""
    statement = (
        select(col(Broadcast.id), col(Broadcast.on_unknown))
        .where(col(Broadcast.id).in_(broadcast_ids))
        .order_by(col(Broadcast.id))
        .with_for_update(read=True)
    )
    return {row.id for row in await session.rows(statement) if row.on_unknown == "resend"}


def _entry(noted: Noted, *, resend: bool, owner: str, now: datetime) -> Entry:
    task, again = noted.task, resend and noted.task.attempts < MOST_ATTEMPTS
    later = now + WAIT_AFTER_TROUBLE
    entry: Entry = {
        "of": task.broadcast_id,
        "to": task.fan_id,
        "by": owner,
        "tries": task.attempts,
        "why": None,
        "wait_until": None,
        "message": None,
        "arrived": None,
    }
    match noted.outcome:
        case Sent(message_id=message_id):
            return entry | {"new_state": SENT, "message": message_id, "arrived": now}
        case Blocked():
            return entry | {"new_state": DeliveryState.BLOCKED, "why": "blocked"}
        case Gone():
            return entry | {"new_state": DeliveryState.FAILED, "why": "gone"}
        case Unreachable() | Migrated():
            return entry | {"new_state": DeliveryState.FAILED, "why": "unreachable"}
        case Rejected() as refusal:
            return entry | {"new_state": DeliveryState.FAILED, "why": _in_telegrams_words(refusal)}
        case Unfit(reason=reason):
            return entry | {"new_state": DeliveryState.FAILED, "why": reason, "tries": task.attempts - 1}
        case SlowDown() | Unauthorized():
            return entry | {"new_state": PENDING, "tries": task.attempts - 1}
        case NotSent():
            return entry | {"new_state": PENDING, "tries": task.attempts - 1, "why": "no_line", "wait_until": later}
        case ServerError() if again:
            return entry | {"new_state": PENDING, "why": "server_error", "wait_until": later}
        case Unknown() if again:
            return entry | {"new_state": PENDING, "why": "no_answer", "wait_until": later}
        case ServerError():
            return entry | {"new_state": UNKNOWN, "why": "server_error"}
        case Unknown():
            return entry | {"new_state": UNKNOWN, "why": "no_answer"}
        case _ as never:
            assert_never(never)


async def _learn(session: WriteSession, noted: Noted, *, now: datetime) -> None:
    """What an answer says about the fan, beyond this broadcast."""
    reach = None if isinstance(noted.outcome, Unfit) else reach_after(noted.outcome)
    if reach is not None:
        await fans.change_reach(session, noted.task.telegram_id, reach, now=now)


async def _hold_where_hopeless(
    session: WriteSession, noted: Sequence[Noted], entries: Sequence[Entry], watch: Watch, *, now: datetime
) -> None:
    """Without a token nothing goes on; else it is about single broadcasts."""
    if any(isinstance(one.outcome, Unauthorized) for one in noted):
        all_running = select(col(Broadcast.id)).where(col(Broadcast.state) == BroadcastState.RUNNING)
        for broadcast_id in await session.all(all_running):
            await hold(session, broadcast_id or 0, "unauthorized", now=now)
    written = zip(noted, entries, strict=True)
    for broadcast_id, answered in groupby(written, key=lambda one: one[0].task.broadcast_id):
        await _hold_where_failing(session, broadcast_id, list(answered), watch, now=now)


async def _hold_where_failing(
    session: WriteSession, broadcast_id: int, answered: Sequence[tuple[Noted, Entry]], watch: Watch, *, now: datetime
) -> None:
    """The first must not be refused at all, later not too many fail; in the words of what went wrong."""
    told = [(entry["new_state"] != SENT, entry["why"]) for one, entry in answered if _tells(one, entry)]
    failing = watch.is_failing(broadcast_id, [failed for failed, _ in told])
    refused = [one for one, _ in answered if isinstance(one.outcome, Rejected)]
    untried = bool(refused) and not await canary.is_tried(session, broadcast_id, _readers(refused))
    if failing or untried:
        reasons = [why for failed, why in told if failed]
        words = [why for why in reasons if why.startswith(REJECTED)]
        await hold(session, broadcast_id, (words or reasons)[-1], now=now)


def _tells(noted: Noted, entry: Entry) -> bool:
    """Whether an answer says anything about the broadcast: not where it is about the fan, or asked for once more."""
    return entry["new_state"] in (SENT, UNKNOWN) or isinstance(noted.outcome, Rejected | Unfit)


def _readers(noted: Iterable[Noted]) -> set[canary.Reader]:
    return {(one.task.variant, one.task.language) for one in noted}


def _in_telegrams_words(refusal: Rejected) -> str:
    """PostgreSQL takes no NUL, and an outcome that cannot be written would hold up all others."""
    return REJECTED + refusal.description.replace("\x00", "")[:300]


_new_state = bindparam("new_state", type_=Word(DeliveryState))
# Pressed while we waited for the answer: then it arrived, whatever became of the answer.
_pressed = and_(col(Delivery.clicked_at).is_not(None), or_(_new_state == PENDING, _new_state == UNKNOWN))
# Nobody returns to the line of what is finished; who is held, as of `kept_to_send_again`, cannot finish meanwhile.
_is_open = exists().where(
    col(Delivery.broadcast_id) == col(Broadcast.id), col(Broadcast.state) != BroadcastState.FINISHED
)
# Also from `unknown`: a sender that stalled so long that it was taken for dead still knows best.
_WRITE = (
    update(Delivery)
    .where(
        col(Delivery.broadcast_id) == bindparam("of"),
        col(Delivery.fan_id) == bindparam("to"),
        col(Delivery.owner) == bindparam("by"),
        or_(
            col(Delivery.state) == SENDING,
            and_(col(Delivery.state) == UNKNOWN, or_(_new_state != PENDING, _is_open)),
        ),
    )
    .values(
        state=case((_pressed, literal(SENT, Word(DeliveryState))), else_=_new_state),
        reason=case((_pressed, null()), else_=bindparam("why", type_=String())),
        attempts=bindparam("tries"),
        not_before=case((_pressed, null()), else_=bindparam("wait_until", type_=Instant)),
        message_id=func.coalesce(bindparam("message", type_=BigKey), col(Delivery.message_id)),
        sent_at=func.coalesce(
            bindparam("arrived", type_=Instant), col(Delivery.sent_at), case((_pressed, col(Delivery.clicked_at)))
        ),
    )
)
