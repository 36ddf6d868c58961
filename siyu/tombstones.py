"""Tombstones: who asked to be forgotten, known again only by whoever names them.

The hash is keyed with a secret of this installation: a list of marks alone tells nobody who they were.
"""

import hmac
import secrets
from collections.abc import Collection
from datetime import datetime
from hashlib import sha256

from sqlalchemy import delete
from sqlmodel import col, select

from siyu.kit.database import ReadSession, WriteSession
from siyu.tables import HouseSecret, Tombstone

SALT = "tombstone"


async def put_up(session: WriteSession, telegram_id: int, *, now: datetime) -> None:
    """From now on no file and no program brings this person back."""
    fresh = {"name": SALT, "value": secrets.token_hex(32)}
    await session.run_many(session.insert(HouseSecret).on_conflict_do_nothing(index_elements=["name"]), [fresh])
    mark = _mark(await _salt(session) or "", telegram_id)
    row = {"mark": mark, "at": now}
    await session.run_many(session.insert(Tombstone).on_conflict_do_nothing(index_elements=["mark"]), [row])


async def forgotten(session: ReadSession, telegram_ids: Collection[int]) -> set[int]:
    """Who of these asked to be forgotten."""
    salt = await _salt(session) if telegram_ids else None
    if salt is None:
        return set()
    marks = {_mark(salt, telegram_id): telegram_id for telegram_id in telegram_ids}
    found = await session.all(select(Tombstone.mark).where(col(Tombstone.mark).in_(marks)))
    return {marks[mark] for mark in found}


async def take_down(session: WriteSession, telegram_ids: Collection[int]) -> None:
    """They came back by themselves."""
    back = await forgotten(session, telegram_ids)
    if back:
        salt = await _salt(session) or ""
        marks = [_mark(salt, telegram_id) for telegram_id in back]
        await session.run(delete(Tombstone).where(col(Tombstone.mark).in_(marks)))


async def _salt(session: ReadSession) -> str | None:
    """None before anybody asked."""
    return await session.first(select(HouseSecret.value).where(HouseSecret.name == SALT))


def _mark(salt: str, telegram_id: int) -> str:
    return hmac.new(salt.encode(), str(telegram_id).encode(), sha256).hexdigest()
