"""From scheduled to running: who is in it is settled, what each gets is looked at; killed anywhere, it goes on."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import and_, case, or_, update
from sqlmodel import col, select

from siyu import audit, leases, preferences
from siyu.audit import SIYU
from siyu.broadcasts import content, timing
from siyu.broadcasts.audience import freeze, waiting
from siyu.broadcasts.composing import copied, get_broadcast
from siyu.broadcasts.counting import zones_of
from siyu.broadcasts.moves import FAILED, PREPARING, RUNNING, SCHEDULED, hold, move
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound, SiyuError
from siyu.tables import Broadcast, Delivery, DeliveryState, Offer, OfferState, Timing

CHUNK = 2000  # fans looked at in one transaction: on SQLite nobody else writes meanwhile
LATE, RESTORED, BROKEN = "late", "restored", "broken"  # why it is paused
EMPTY, CHANGED = "empty", "changed"
AWAKE = "house.awake"  # the lease that says when somebody was last here


class Checked(Protocol):
    """What looking at some recipients found: who cannot get it and why, and how often each remark applies."""

    @property
    def bad(self) -> Mapping[int, str]: ...

    @property
    def counts(self) -> Mapping[str, int]: ...


Check = Callable[[WriteSession, Broadcast, Sequence[int]], Awaitable[Checked]]


async def due(session: ReadSession, *, now: datetime) -> list[int]:
    """Broadcasts that can come a step nearer to running."""
    to_settle = and_(
        col(Broadcast.freeze_early), col(Broadcast.frozen_at).is_(None), col(Broadcast.timing) != Timing.SERIES
    )
    its_time = and_(col(Broadcast.state) == SCHEDULED, or_(col(Broadcast.send_at) <= now, to_settle))
    ready = or_(its_time, col(Broadcast.state) == PREPARING)
    return [one or 0 for one in await session.all(select(col(Broadcast.id)).where(ready).order_by(col(Broadcast.id)))]


async def advance(
    session: WriteSession, broadcast_id: int, *, now: datetime, zone: ZoneInfo, check: Check = content.check_recipients
) -> bool:
    """One step towards running, a transaction long; whether another can be taken at once.

    Where it cannot go on nobody is there to be asked: it fails, and says why.
    """
    broadcast = await get_broadcast(session, broadcast_id)
    try:
        async with session.savepoint():
            return await _take_a_step(session, broadcast, check, now=now, zone=zone)
    except (Conflict, Invalid, NotFound) as error:
        if error.reason != CHANGED:
            await fail(session, broadcast_id, error, now=now)
        return False


async def begin(session: WriteSession, broadcast: Broadcast, *, now: datetime, zone: ZoneInfo | None = None) -> int:
    """Settle who is in it, and let it run where everybody gets the same words; how many will get it.

    Raises Conflict, Invalid or NotFound where it cannot: then nothing may stay of it. Only each fan's own hour needs
    the community's zone.
    """
    await offer_must_be_open(session, broadcast, now)
    if not await move(
        session, broadcast.id or 0, {SCHEDULED}, PREPARING, actor=SIYU, now=now, frozen_at=broadcast.frozen_at or now
    ):
        raise Conflict("somebody else changed this broadcast a moment ago", reason=CHANGED)
    reached = await _freeze(session, broadcast, now=now, zone=zone)
    if not reached:
        raise nobody_gets_it()
    if not differs_by_fan(broadcast):
        await _run(session, broadcast.id or 0, now=now)
    return reached


def nobody_gets_it() -> Conflict:
    return Conflict("nobody would get this broadcast: the segment holds no fan who can be reached", reason=EMPTY)


async def give_up(session: WriteSession, broadcast_id: int, *, now: datetime) -> None:
    """Something went wrong that should not: it is not tried again before somebody has looked."""
    await hold(session, broadcast_id, BROKEN, now=now, from_states={SCHEDULED, PREPARING})


async def hold_everything(session: WriteSession, reason: str, *, now: datetime) -> list[int]:
    """Whatever would send by itself asks first; which broadcasts these are."""
    states = {SCHEDULED, PREPARING, RUNNING}
    found = await session.all(
        select(col(Broadcast.id)).where(col(Broadcast.state).in_(states)).order_by(col(Broadcast.id))
    )
    return [one for one in found if one and await hold(session, one, reason, now=now, from_states=states)]


async def wake(session: WriteSession, *, now: datetime) -> list[int]:
    """Say that somebody is here; after a silence longer than the grace, what was under way is held as late.

    What lies ahead of its time comes in time, and asks nobody.
    """
    last = await leases.held_until(session, AWAKE)
    await leases.hold(session, AWAKE, SIYU.key, now=now, seconds=0)
    if last is None or now - last <= await _grace(session):
        return []
    states = {PREPARING, RUNNING}
    found = await session.all(
        select(col(Broadcast.id)).where(col(Broadcast.state).in_(states)).order_by(col(Broadcast.id))
    )
    return [one for one in found if one and await hold(session, one, LATE, now=now, from_states=states)]


def differs_by_fan(broadcast: Broadcast) -> bool:
    """Whether something is filled in for each fan; the same words for everybody were checked when they were written."""
    written = (broadcast.text, broadcast.buttons, broadcast.versions, broadcast.variants)
    return any("{" in piece for piece in _words_in(written))


def is_series(broadcast: Broadcast) -> bool:
    """Never sent itself: each of its occurrences is a broadcast of its own."""
    return broadcast.timing is Timing.SERIES


async def offer_must_be_open(session: ReadSession, broadcast: Broadcast, now: datetime) -> None:
    offer = await session.get(Offer, broadcast.offer_id) if broadcast.offer_id else None
    if offer and (offer.state is not OfferState.ACTIVE or offer.ends_at <= now):
        raise Conflict("its offer is not open; activate it, or take it off", reason="offer_not_open")


async def _take_a_step(
    session: WriteSession, broadcast: Broadcast, check: Check, *, now: datetime, zone: ZoneInfo
) -> bool:
    if broadcast.state is PREPARING:
        return await _look_at_some(session, broadcast, check, now=now)
    if broadcast.state is not SCHEDULED:
        return False
    if is_series(broadcast):
        return await _come_round(session, broadcast, now=now, zone=zone)
    if broadcast.send_at and broadcast.send_at > now:
        return await _settle_early(session, broadcast, now=now, zone=zone)
    if await _is_late(session, broadcast, now=now, zone=zone):
        await hold(session, broadcast.id or 0, LATE, now=now, from_states={SCHEDULED})
        return False
    fans = await begin(session, broadcast, now=now, zone=zone)
    await audit.note(session, SIYU, "broadcast.begun", "broadcast", broadcast.id, now=now, fans=fans)
    return True


async def _settle_early(session: WriteSession, broadcast: Broadcast, *, now: datetime, zone: ZoneInfo) -> bool:
    first = (col(Broadcast.id) == broadcast.id, col(Broadcast.state) == SCHEDULED, col(Broadcast.frozen_at).is_(None))
    if await session.run(update(Broadcast).where(*first).values(frozen_at=now)):
        await _freeze(session, broadcast, now=now, zone=zone)
    return False


async def _freeze(session: WriteSession, broadcast: Broadcast, *, now: datetime, zone: ZoneInfo | None) -> int:
    if broadcast.frozen_at is not None:
        return await waiting(session, broadcast.id or 0)
    start = max(now, broadcast.send_at or now)
    zones = await zones_of(session) if broadcast.timing is Timing.LOCAL else ()
    planned = timing.planned(broadcast, start, zones=zones, zone=zone or ZoneInfo("UTC"))
    likes = await preferences.read(session)
    return await freeze(session, broadcast, planned, likes=likes, now_seconds=int(now.timestamp()))


async def _look_at_some(session: WriteSession, broadcast: Broadcast, check: Check, *, now: datetime) -> bool:
    """The next fans in line; whoever moves `checked_to` on looks at them, and of two processes only one does."""
    fan_ids = await _next_in_line(session, broadcast) if differs_by_fan(broadcast) else []
    if not fan_ids:
        return await _end_of_looking(session, broadcast, now=now)
    this = (col(Broadcast.id) == broadcast.id, col(Broadcast.state) == PREPARING)
    here = (*this, col(Broadcast.checked_to) == broadcast.checked_to)
    if await session.run(update(Broadcast).where(*here).values(checked_to=fan_ids[-1])):
        checked = await check(session, broadcast, fan_ids)
        await _skip(session, broadcast.id or 0, checked.bad)
        report = _added(broadcast.report, checked, len(fan_ids))
        await session.run(update(Broadcast).where(*this).values(report=report))
    return True


async def _end_of_looking(session: WriteSession, broadcast: Broadcast, *, now: datetime) -> bool:
    if await waiting(session, broadcast.id or 0):
        await _run(session, broadcast.id or 0, now=now)
    else:
        nobody = Conflict("nobody can get this broadcast: look at its report", reason=EMPTY)
        await fail(session, broadcast.id or 0, nobody, now=now)
    return False


async def _next_in_line(session: ReadSession, broadcast: Broadcast) -> Sequence[int]:
    pending = (col(Delivery.broadcast_id) == broadcast.id, col(Delivery.state) == DeliveryState.PENDING)
    behind = select(Delivery.fan_id).where(*pending, col(Delivery.fan_id) > broadcast.checked_to)
    return await session.all(behind.order_by(col(Delivery.fan_id)).limit(CHUNK))


async def _skip(session: WriteSession, broadcast_id: int, bad: Mapping[int, str]) -> None:
    if not bad:
        return
    these = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.fan_id).in_(bad))
    reason = case(dict(bad), value=col(Delivery.fan_id))
    skipped = {"state": DeliveryState.SKIPPED, "reason": reason, "not_before": None}
    await session.run(update(Delivery).where(*these).values(skipped))


def _added(report: Mapping[str, Any], checked: Checked, looked_at: int) -> dict[str, Any]:  # Any: numbers by remark
    """`{looked_at, skipped, counts: {"missing:first_name": 12}}`, summed over the chunks."""
    counts = dict(report.get("counts", {}))
    for remark, number in checked.counts.items():
        counts[remark] = counts.get(remark, 0) + number
    return {
        "looked_at": report.get("looked_at", 0) + looked_at,
        "skipped": report.get("skipped", 0) + len(checked.bad),
        "counts": counts,
    }


async def _run(session: WriteSession, broadcast_id: int, *, now: datetime) -> None:
    await move(session, broadcast_id, {PREPARING}, RUNNING, actor=SIYU, now=now, started_at=now)


async def fail(session: WriteSession, broadcast_id: int, error: SiyuError, *, now: datetime) -> None:
    """It ends before its first message; whoever waited is skipped, with the reason."""
    over = {"state_reason": error.reason, "finished_at": now}
    if await move(session, broadcast_id, {SCHEDULED, PREPARING}, FAILED, actor=SIYU, now=now, **over):
        waits = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.state) == DeliveryState.PENDING)
        skipped = {"state": DeliveryState.SKIPPED, "reason": error.reason, "not_before": None}
        await session.run(update(Delivery).where(*waits).values(skipped))
        why = {"reason": error.reason, "detail": str(error)}
        await audit.note(session, SIYU, "broadcast.failed", "broadcast", broadcast_id, now=now, **why)


async def _come_round(session: WriteSession, series: Broadcast, *, now: datetime, zone: ZoneInfo) -> bool:
    """The occurrence that is due becomes a broadcast, and the series waits for the next.

    What came before the series was started or resumed was not meant; of several that the house slept through, the
    newest asks for the others.
    """
    rhythm = timing.read_series(series.series)
    following = timing.next_after(rhythm, now, zone).moment
    unmoved = col(Broadcast.send_at) == series.send_at
    here = (col(Broadcast.id) == series.id, col(Broadcast.state) == SCHEDULED, unmoved)
    newest = timing.newest_by(rhythm, now, zone)
    since = series.state_at or series.created_at
    if await session.run(update(Broadcast).where(*here).values(send_at=following)) and newest.moment > since:
        await _occur(session, series, newest, now=now)
    return False


async def _occur(session: WriteSession, series: Broadcast, one: timing.Occurrence, *, now: datetime) -> None:
    day = one.day.isoformat()
    occurrence = Broadcast(
        **copied(series) | {"title": f"{series.title} · {day}", "timing": Timing.AT, "series": None},
        created_at=now, created_by=series.created_by, approved_at=series.approved_at, approved_by=series.approved_by,
        started_by=series.started_by, series_id=series.id, occurrence=day,
        state=SCHEDULED, state_at=now, state_by=SIYU.key,
    )  # fmt: skip
    occurrence.send_at = one.moment
    insert = session.insert(Broadcast).values(occurrence.model_dump(exclude={"id"}))
    once = insert.on_conflict_do_nothing(index_elements=["series_id", "occurrence"])
    for row in await session.returning(once.returning(col(Broadcast.id))):
        await audit.note(session, SIYU, "broadcast.occurred", "broadcast", row.id, now=now, series=series.id)


async def _is_late(session: ReadSession, broadcast: Broadcast, *, now: datetime, zone: ZoneInfo) -> bool:
    return now - timing.meant_for(broadcast, zone, now=now) > await _grace(session)


async def _grace(session: ReadSession) -> timedelta:
    return timedelta(hours=(await preferences.read(session)).late_after_hours)


def _words_in(written: object) -> Sequence[str]:
    """Every text in there, however deep."""
    if isinstance(written, str):
        return [written]
    inside = written.values() if isinstance(written, Mapping) else written if isinstance(written, list | tuple) else ()
    return [piece for one in inside for piece in _words_in(one)]
