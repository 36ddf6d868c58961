"""Interactions: each thing a fan did, once by its key."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlmodel import and_, col, func, or_, select

from siyu import fans
from siyu.kit.clock import local_day
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid
from siyu.kit.paging import Page, cursor_of, key_of, moment_of
from siyu.tables import Interaction

KINDS = ("message", "command", "press", "answer", "view", "click", "checkin", "reaction", "share")
_WORD = re.compile(r"[a-z_]{1,32}")

Key = tuple[str, str]


@dataclass(frozen=True)
class Interacted:
    """Something a fan did. `external_id` is the source's own key: the same twice is one."""

    source: str
    external_id: str
    fan_id: int
    at: datetime
    kind: str
    detail: str | None = None
    broadcast_id: int | None = None

    @property
    def key(self) -> Key:
        return self.source, self.external_id


def valid_kind(word: str) -> str:
    """The word itself; Invalid if it is none of `[a-z_]{1,32}`."""
    if not _WORD.fullmatch(word):
        raise Invalid("a kind is 1 to 32 of a-z and _, not %(word)s", word=word, where=("kind",))
    return word


async def record(session: WriteSession, facts: Sequence[Interacted], *, zone: ZoneInfo) -> set[Key]:
    """Write what is new and mark its days; returns the keys that were new."""
    fresh = await _unknown(session, {fact.key: fact for fact in facts})
    statement = session.insert(Interaction).on_conflict_do_nothing()
    await session.run_many(statement, [_row(fact, zone) for fact in fresh.values()])
    await fans.mark_dirty(session, [(fact.fan_id, local_day(fact.at, zone), fact.at) for fact in fresh.values()])
    return set(fresh)


async def timeline(
    session: ReadSession, fan_id: int, *, cursor: str | None = None, limit: int = 50
) -> Page[Interaction]:
    """What one fan did, the newest first."""
    statement = select(Interaction).where(Interaction.fan_id == fan_id)
    if cursor:
        at, last = key_of(cursor, length=2)
        before = moment_of(at)
        same = and_(col(Interaction.at) == before, col(Interaction.id) < last)
        statement = statement.where(or_(col(Interaction.at) < before, same))
    # By day first: the index (fan, day, at) then gives the order for nothing.
    order = (col(Interaction.day).desc(), col(Interaction.at).desc(), col(Interaction.id).desc())
    found = await session.all(statement.order_by(*order).limit(limit + 1))
    more = found[limit - 1] if len(found) > limit else None
    return Page(found[:limit], cursor_of((int(more.at.timestamp()), more.id or 0)) if more else None)


async def latest(session: ReadSession) -> int:
    """The newest interaction of all: what comes after it came later."""
    return await session.one(select(func.coalesce(func.max(col(Interaction.id)), 0)))


async def turned_away(session: ReadSession, fan_id: int, *, seen: int, since: date) -> bool:
    """Whether the fan gave a command or pressed something after the interaction `seen`, which was on that day."""
    later = col(Interaction.id) > seen, col(Interaction.kind).in_(("command", "press", "view"))
    theirs = col(Interaction.fan_id) == fan_id, col(Interaction.day) >= since
    return await session.first(select(col(Interaction.id)).where(*theirs, *later).limit(1)) is not None


async def _unknown(session: ReadSession, facts: dict[Key, Interacted]) -> dict[Key, Interacted]:
    by_source: dict[str, list[str]] = {}
    for source, external_id in facts:
        by_source.setdefault(source, []).append(external_id)
    known: set[Key] = set()
    for source, ids in by_source.items():
        statement = select(Interaction.external_id).where(
            Interaction.source == source, col(Interaction.external_id).in_(ids)
        )
        known |= {(source, external_id) for external_id in await session.all(statement)}
    return {key: fact for key, fact in facts.items() if key not in known}


def _row(fact: Interacted, zone: ZoneInfo) -> dict[str, object]:
    return {
        "source": fact.source,
        "external_id": fact.external_id,
        "fan_id": fact.fan_id,
        "at": fact.at,
        "day": local_day(fact.at, zone),
        "kind": fact.kind,
        "detail": fact.detail,
        "broadcast_id": fact.broadcast_id,
    }
