"""The inbox: every update once, in each fan's order, until it is done or set aside for a person to look at."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import or_, text, update
from sqlmodel import col, select

from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, NotFound
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.tables import Inbox, InboxState, PollOffset

Update = dict[str, Any]  # Any: JSON exactly as Telegram sent it

BATCH = 100
TRIES = 3
# After the first and the second failure: a lock or a race is gone by then, a bug is not.
RETRY_SECONDS = (1, 5)


@dataclass(frozen=True)
class Letter:
    """One update taken out of the inbox."""

    id: int
    update_id: int
    person_id: int | None
    payload: str
    received_at: datetime
    attempts: int


@dataclass(frozen=True)
class NotHandled:
    """A letter whose handler raised, and with what."""

    letter: Letter
    error: str

    @property
    def is_last_try(self) -> bool:
        return self.letter.attempts + 1 >= TRIES


async def put_in_inbox(session: WriteSession, bot_id: int, updates: Sequence[Update], *, now: datetime) -> int:
    """Write down what Telegram brought; how many were new. The same update again is ignored."""
    if not updates:
        return 0
    statement = session.insert(Inbox).on_conflict_do_nothing().returning(col(Inbox.id))
    return len(await session.returning(statement, [_row(bot_id, update, now) for update in updates]))


async def confirm_up_to(session: WriteSession, bot_id: int, offset: int, *, now: datetime) -> None:
    """Note the offset that the next request confirms, in the commit of the updates below it."""
    insert = session.insert(PollOffset).values(bot_id=bot_id, next_offset=offset, moved_at=now)
    await session.run(
        insert.on_conflict_do_update(index_elements=["bot_id"], set_={"next_offset": offset, "moved_at": now})
    )


async def next_batch(session: WriteSession, bot_id: int, *, now: datetime, limit: int = BATCH) -> list[Letter]:
    """What to handle now: pre-checkouts first, then by arrival; nothing while another process has a batch.

    Batches are taken one at a time in the whole house, so a fan's order needs no bookkeeping.
    """
    if session.dialect == "postgresql" and not await _is_our_turn(session, bot_id):
        return []
    # Empty but for the few that failed a moment ago.
    held_up = select(Inbox.person_id).where(
        Inbox.bot_id == bot_id, col(Inbox.not_before) > now, col(Inbox.person_id).is_not(None)
    )
    in_order = or_(col(Inbox.urgent), col(Inbox.person_id).is_(None), col(Inbox.person_id).not_in(held_up))
    due = or_(col(Inbox.not_before).is_(None), col(Inbox.not_before) <= now)
    columns = (Inbox.id, Inbox.update_id, Inbox.person_id, Inbox.payload, Inbox.received_at, Inbox.attempts)
    statement = (
        select(*columns)  # type: ignore[call-overload]  # SQLModel knows up to four columns
        .where(Inbox.bot_id == bot_id, Inbox.state == InboxState.WAITING, due, in_order)
        .order_by(col(Inbox.urgent).desc(), col(Inbox.id))
        .limit(limit)
    )
    return [Letter(*row) for row in await session.rows(statement)]


async def finish(session: WriteSession, letters: Collection[Letter], *, now: datetime) -> None:
    """They are done: in the same commit as everything they caused."""
    if letters:
        these = col(Inbox.id).in_([letter.id for letter in letters])
        done = {"state": InboxState.DONE, "done_at": now, "error": None, "not_before": None}
        await session.run(update(Inbox).where(these).values(done))


async def set_back(session: WriteSession, failures: Sequence[NotHandled], *, now: datetime) -> None:
    """Try them again a little later; after the third time a person looks at them."""
    for failure in failures:
        attempts = failure.letter.attempts + 1
        again = now + timedelta(seconds=RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1])
        await session.run(
            update(Inbox)
            .where(col(Inbox.id) == failure.letter.id)
            .values(
                state=InboxState.QUARANTINED if failure.is_last_try else InboxState.WAITING,
                attempts=attempts,
                not_before=None if failure.is_last_try else again,
                error=failure.error,
            )
        )


async def quarantined(session: ReadSession, *, cursor: str | None = None, limit: int = 50) -> Page[Inbox]:
    """What could not be handled, the newest first."""
    statement = select(Inbox).where(Inbox.state == InboxState.QUARANTINED).order_by(col(Inbox.id).desc())
    if cursor:
        statement = statement.where(col(Inbox.id) < key_of(cursor, length=1)[0])
    found = await session.all(statement.limit(limit + 1))
    return Page(found[:limit], cursor_of((found[limit - 1].id or 0,)) if len(found) > limit else None)


async def replay(session: WriteSession, inbox_id: int, *, now: datetime) -> None:
    """Let a quarantined update be tried again, three more times."""
    letter = await session.get(Inbox, inbox_id)
    if letter is None:
        raise NotFound("there is no such update")
    if await session.run(_PUT_BACK.where(col(Inbox.id) == inbox_id)) != 1:
        raise Conflict("this update is not in quarantine any more")


async def replay_all(session: WriteSession) -> int:
    """Let everything in quarantine be tried again; how many that are."""
    return await session.run(_PUT_BACK)


_PUT_BACK = (
    update(Inbox)
    .where(col(Inbox.state) == InboxState.QUARANTINED)
    .values(state=InboxState.WAITING, attempts=0, not_before=None)
)


def person_of(update: Update) -> int | None:
    """The Telegram id of whoever caused an update: their later ones wait for it."""
    for kind, body in update.items():
        if kind == "update_id" or not isinstance(body, dict):
            continue
        person = body.get("from") or body.get("user") or body.get("chat")
        if isinstance(person, dict) and isinstance(person.get("id"), int):
            return int(person["id"])
    return None


async def _is_our_turn(session: WriteSession, bot_id: int) -> bool:
    """Ends with the transaction, or with the process that held it."""
    key = text("SELECT pg_try_advisory_xact_lock(:room, :bot)")
    ((ours,),) = await session.rows(key, {"room": _ROOM, "bot": bot_id % 2**31})
    return bool(ours)


_ROOM = 0x1B0C  # any number, the same in every process


def _row(bot_id: int, update: Update, now: datetime) -> dict[str, object]:
    return {
        "bot_id": bot_id,
        "update_id": update["update_id"],
        "person_id": person_of(update),
        "urgent": "pre_checkout_query" in update,
        "payload": orjson.dumps(update).decode(),
        "received_at": now,
    }
