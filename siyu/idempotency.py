"""Idempotency: the same key gives the first answer again, and changes nothing."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, update
from sqlmodel import col

from siyu.kit.database import WriteSession
from siyu.kit.errors import Conflict
from siyu.tables import Idempotency


@dataclass(frozen=True)
class Request:
    """What is asked, and under which key."""

    key: str
    body: str


async def once(session: WriteSession, key: str, body: str, *, now: datetime) -> str | None:
    """None: nobody asked this before, go on and `remember`. A text: the first answer.

    The key is inserted first, so that two callers at once cannot both go on.
    Raises Conflict when the same key came with another body.
    """
    body_hash = hash_of(body)
    fresh = session.insert(Idempotency).values(key=key, body_hash=body_hash, created_at=now)
    if await session.returning(fresh.on_conflict_do_nothing().returning(col(Idempotency.key))):
        return None
    known = await session.get(Idempotency, key)
    if known is None or known.body_hash != body_hash:
        raise _reused()
    return known.answer or ""


async def remember(session: WriteSession, key: str, answer: str) -> None:
    """What to say when the key comes again."""
    await session.run(update(Idempotency).where(col(Idempotency.key) == key).values(answer=answer))


def first_answer(asked: Request, body_hash: str, answer: str | None) -> str:
    """What the key was answered with, for who reads the row beside another; raises Conflict for another body."""
    if body_hash != hash_of(asked.body):
        raise _reused()
    return answer or ""


async def settle(session: WriteSession, asked: Request, answer: str, *, now: datetime) -> None:
    """Key and answer in one trip, for who looked before and holds a row that lets one caller pass at a time.

    Raises Conflict when the key was used for something else meanwhile.
    """
    row = {"key": asked.key, "body_hash": hash_of(asked.body), "answer": answer, "created_at": now}
    if await session.run(session.insert(Idempotency).on_conflict_do_nothing(), row) != 1:
        raise _reused()


async def forget(session: WriteSession, key: str, answer: str) -> None:
    """What was settled a moment ago came to nothing; where somebody else answered, theirs stays."""
    mine = col(Idempotency.key) == key, col(Idempotency.answer) == answer
    await session.run(delete(Idempotency).where(*mine))


async def forget_before(session: WriteSession, moment: datetime) -> int:
    """Drop old keys; how many."""
    return await session.run(delete(Idempotency).where(col(Idempotency.created_at) < moment))


def hash_of(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _reused() -> Conflict:
    return Conflict("this key was used for something else", reason="key_reused")
