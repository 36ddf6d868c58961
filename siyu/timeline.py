"""A fan's timeline: what they did and bought, what reached them, how they moved; the newest first, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import Select, and_, literal, or_, select
from sqlalchemy.orm import Mapped
from sqlmodel import col

from siyu import purchases
from siyu.kit.database import ReadSession
from siyu.kit.paging import Page, cursor_of, key_of, moment_of
from siyu.tables import Broadcast, Delivery, Interaction, LevelChange, Purchase, PurchaseItem


@dataclass(frozen=True)
class Did:
    """The fan did something."""

    at: datetime
    id: int
    kind: str
    detail: str | None


@dataclass(frozen=True)
class Bought:
    """The fan paid for something."""

    at: datetime
    id: int
    purchase: Purchase
    lines: Sequence[PurchaseItem]


@dataclass(frozen=True)
class Moved:
    """The fan left one level for another, or entered or left a saved segment; cause is a word of level_change."""

    at: datetime
    id: int
    dimension: str
    old_level: str
    new_level: str
    cause: str


@dataclass(frozen=True)
class Got:
    """A broadcast reached the fan."""

    at: datetime
    id: int
    title: str
    clicked_at: datetime | None


@dataclass(frozen=True)
class Deed:
    """The same kind of thing, done so many times, with what was told about them."""

    kind: str
    times: int
    details: tuple[str, ...]


@dataclass(frozen=True)
class Visit:
    """What a fan did without a longer pause, up to `at`."""

    at: datetime
    deeds: tuple[Deed, ...]


Event = Did | Bought | Moved | Got
PAUSE = timedelta(minutes=30)
# Of one second, what was done stands above what followed from it.
RANKS: dict[type[Event], int] = {Did: 0, Bought: 1, Moved: 2, Got: 3}


async def timeline(session: ReadSession, fan_id: int, *, cursor: str | None = None, limit: int = 30) -> Page[Event]:
    """Each kind of event is read from its own index no further than a page needs, then they are merged."""
    after = _place(cursor)
    sources = (
        await _did(session, fan_id, after, limit + 1),
        await _bought(session, fan_id, after, limit + 1),
        await _moved(session, fan_id, after, limit + 1),
        await _got(session, fan_id, after, limit + 1),
    )
    found = list(islice(merge(*sources, key=_order), limit + 1))
    return Page(found[:limit], _cursor(found[limit - 1]) if len(found) > limit else None)


def visits(events: Sequence[Event]) -> list[Visit | Bought | Moved | Got]:
    """The same events, with things done one after the other told as one visit."""
    told: list[Visit | Bought | Moved | Got] = []
    doing: list[Did] = []
    for event in events:
        if doing and not (isinstance(event, Did) and doing[-1].at - event.at <= PAUSE):
            told.append(_visit(doing))
            doing = []
        if isinstance(event, Did):
            doing.append(event)
        else:
            told.append(event)
    return [*told, _visit(doing)] if doing else told


def _visit(doing: Sequence[Did]) -> Visit:
    kinds = dict.fromkeys(did.kind for did in doing)
    return Visit(doing[0].at, tuple(_deed(kind, [did for did in doing if did.kind == kind]) for kind in kinds))


def _deed(kind: str, alike: Sequence[Did]) -> Deed:
    return Deed(kind, len(alike), tuple(dict.fromkeys(did.detail for did in alike if did.detail)))


@dataclass(frozen=True)
class _Place:
    """Where a page ended: the moment, the kind of event, and its id."""

    at: datetime
    rank: int
    id: int


def _order(event: Event) -> tuple[float, int, int]:
    return -event.at.timestamp(), RANKS[type(event)], -event.id


def _cursor(event: Event) -> str:
    return cursor_of((int(event.at.timestamp()), RANKS[type(event)], event.id))


def _place(cursor: str | None) -> _Place | None:
    if not cursor:
        return None
    at, rank, last = key_of(cursor, length=3)
    return _Place(moment_of(at), rank, last)


def _from(
    statement: Select[*tuple[Any, ...]],
    kind: type[Event],
    at: Mapped[Any],
    key: Mapped[Any],
    after: _Place | None,
    limit: int,
) -> Select[*tuple[Any, ...]]:
    """The statement from a place on, the newest first."""
    if after is not None:
        rank = RANKS[kind]
        same = key < after.id if rank == after.rank else literal(rank > after.rank)
        statement = statement.where(or_(at < after.at, and_(at == after.at, same)))
    return statement.order_by(at.desc(), key.desc()).limit(limit)


async def _did(session: ReadSession, fan_id: int, after: _Place | None, limit: int) -> list[Event]:
    mine = select(Interaction).where(col(Interaction.fan_id) == fan_id)
    found = await session.all(_from(mine, Did, col(Interaction.at), col(Interaction.id), after, limit))
    return [Did(row.at, row.id or 0, row.kind, row.detail) for row in found]


async def _bought(session: ReadSession, fan_id: int, after: _Place | None, limit: int) -> list[Event]:
    mine = select(Purchase).where(col(Purchase.fan_id) == fan_id)
    found = await session.all(_from(mine, Bought, col(Purchase.paid_at), col(Purchase.id), after, limit))
    lines = await purchases.lines_of(session, [row.id or 0 for row in found])
    return [Bought(row.paid_at, row.id or 0, row, lines.get(row.id or 0, [])) for row in found]


async def _moved(session: ReadSession, fan_id: int, after: _Place | None, limit: int) -> list[Event]:
    """Not the first classification, which happened to everybody, nor what a look at another time shows."""
    mine = select(LevelChange).where(
        col(LevelChange.fan_id) == fan_id, col(LevelChange.old_level).is_not(None), col(LevelChange.cause) != "look"
    )
    found = await session.all(_from(mine, Moved, col(LevelChange.at), col(LevelChange.id), after, limit))
    return [Moved(row.at, row.id or 0, row.dimension, row.old_level or "", row.new_level, row.cause) for row in found]


async def _got(session: ReadSession, fan_id: int, after: _Place | None, limit: int) -> list[Event]:
    mine = (
        select(col(Delivery.sent_at), col(Delivery.broadcast_id), col(Broadcast.title), col(Delivery.clicked_at))
        .join(Broadcast, col(Broadcast.id) == col(Delivery.broadcast_id))
        .where(col(Delivery.fan_id) == fan_id, col(Delivery.sent_at).is_not(None))
    )
    found = await session.rows(_from(mine, Got, col(Delivery.sent_at), col(Delivery.broadcast_id), after, limit))
    return [Got(sent_at, broadcast_id, title, clicked_at) for sent_at, broadcast_id, title, clicked_at in found]
