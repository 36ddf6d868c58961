"""The pace: one smooth rate for the whole bot, replies before broadcasts, shared by every process."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from sqlalchemy import ColumnElement, Float, Update, case, cast, func, update
from sqlmodel import col, select

from siyu.kit.database import Database, WriteSession
from siyu.tables import Pacer

REPLY, NOTICE, BROADCAST = 1, 2, 3  # the lower goes first

# At 1,000/s a trip to the database for each message would cost more than the message, so this much is
# taken at once. At Telegram's 30/s it is one slot: a process that dies wastes no more.
AHEAD_SECONDS = 0.05
# Nobody sleeps longer without looking again: somebody else's 429 is seen, a reply goes first.
LONGEST_NAP = 0.5

Sleep = Callable[[float], Awaitable[object]]


class Meter:
    """GCRA with a burst of one: slots are an interval apart, and what was not used is lost.

    A token bucket saves unused slots up and lets 60 go in one second "at 30/s"; here, however the
    callers come, no second sees more than the rate and one. Who is late by less than half a slot keeps the
    schedule: without that, 2 ms of the event loop's lag at each slot made 26 a second out of 28.
    """

    def __init__(self, rate: float) -> None:
        self.interval = 1 / rate
        # Half an interval: still one message more in any second, not two, and jitter on the way is forgiven.
        self.grace = 0.5 * self.interval
        self.at_once = max(1, int(rate * AHEAD_SECONDS))
        self._next = 0.0
        self._paused_until = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a slot is free; none or less: now."""
        return max(self._next, self._paused_until) - now

    def take(self, slots: int, now: float) -> None:
        """Use slots; a caller that is later than half a slot does not make up for what it missed."""
        self._next = max(self._next, now - self.grace) + slots * self.interval

    def pause(self, until: float) -> None:
        """Nothing before that; a later moment wins."""
        self._paused_until = max(self._paused_until, until)


class Pace:
    """What everybody who sends waits for: `await pace.slot(REPLY)`."""

    def __init__(
        self,
        database: Database,
        bot_id: int,
        rate: float,
        *,
        wall: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        meter = Meter(rate)
        shared = database.dialect == "postgresql"
        self._at_once = meter.at_once
        self._book: _Book = (
            _SharedBook(database, bot_id, meter, sleep) if shared else _OwnBook(database, bot_id, meter, wall, sleep)
        )
        self._queue: list[_Waiter] = []
        self._order = count()
        self._led = False

    async def slot(self, lane: int) -> None:
        """Wait for the next free slot."""
        await self.slots(lane, 1)

    async def slots(self, lane: int, wanted: int) -> int:
        """Wait for the next free slot; how many may go with it: one at 28/s, up to 50 at 1,000/s.

        One of those who wait keeps the book for all, so that no task works behind anybody's back.
        """
        me = _Waiter(lane, next(self._order), min(wanted, self._at_once))
        heappush(self._queue, me)
        try:
            while not me.granted:
                await (me.woken() if self._led else self._lead(me))
        finally:
            me.left = True
            self._wake_next_leader()
        return me.granted

    async def pause(self, seconds: float) -> None:
        """After a 429: the whole bot waits, also after a restart and in every other process."""
        await self._book.pause(seconds)

    async def _lead(self, me: "_Waiter") -> None:
        self._led = True
        try:
            while not me.granted:
                first = self._first()
                taken = await self._book.take(first.wanted if first else me.wanted)
                # Asked again: a reply that came while we slept overtakes the broadcasts before it.
                if taken and (winner := self._first()):
                    heappop(self._queue).grant(min(taken, winner.wanted))
        finally:
            self._led = False

    def _first(self) -> "_Waiter | None":
        while self._queue and self._queue[0].left:
            heappop(self._queue)
        return self._queue[0] if self._queue else None

    def _wake_next_leader(self) -> None:
        if not self._led and (first := self._first()):
            first.wake()


@dataclass(order=True)
class _Waiter:
    lane: int
    order: int
    wanted: int = field(compare=False)
    granted: int = field(default=0, compare=False)
    left: bool = field(default=False, compare=False)
    _call: asyncio.Event = field(default_factory=asyncio.Event, compare=False)

    async def woken(self) -> None:
        await self._call.wait()
        self._call.clear()

    def wake(self) -> None:
        self._call.set()

    def grant(self, slots: int) -> None:
        self.granted = slots
        self.wake()


class _Book(Protocol):
    """Where slots are counted."""

    async def take(self, slots: int) -> int:
        """That many when their time has come; 0 after a nap: ask again."""

    async def pause(self, seconds: float) -> None:
        """Nothing for so long."""


class _OwnBook:
    """One process keeps the rate by itself; only a pause is written down, so that a restart keeps it."""

    def __init__(self, database: Database, bot_id: int, meter: Meter, wall: Callable[[], float], sleep: Sleep) -> None:
        self._database = database
        self._bot_id = bot_id
        self._meter = meter
        self._wall = wall
        self._sleep = sleep
        self._recalled = False

    async def take(self, slots: int) -> int:
        await self._recall()
        if (wait := self._meter.wait(self._wall())) > 0:
            await self._sleep(min(wait, LONGEST_NAP))
            return 0
        self._meter.take(slots, self._wall())
        return slots

    async def pause(self, seconds: float) -> None:
        until = self._wall() + seconds
        self._meter.pause(until)
        async with self._database.writing() as session:
            insert = session.insert(Pacer).values(bot_id=self._bot_id, next_at=0, paused_until=until)
            await session.run(
                insert.on_conflict_do_update(
                    index_elements=["bot_id"],
                    set_={"paused_until": until},
                    where=col(Pacer.paused_until) < insert.excluded.paused_until,
                )
            )

    async def _recall(self) -> None:
        if not self._recalled:
            async with self._database.reading() as session:
                until = await session.first(select(Pacer.paused_until).where(Pacer.bot_id == self._bot_id))
            self._meter.pause(until or 0)
            self._recalled = True


class _SharedBook:
    """Every process takes its slots from the bot's row, by the server's clock: theirs may disagree."""

    def __init__(self, database: Database, bot_id: int, meter: Meter, sleep: Sleep) -> None:
        self._database = database
        self._bot_id = bot_id
        self._interval = meter.interval
        self._grace = meter.grace
        self._sleep = sleep
        self._row_exists = False

    async def take(self, slots: int) -> int:
        async with self._database.writing() as session:
            await self._ensure_row(session)
            wait, paused = await self._reserve(session, slots)
        if paused:
            await self._sleep(min(wait, LONGEST_NAP))
            return 0
        if wait > 0:
            await self._sleep(wait)
        return slots

    async def pause(self, seconds: float) -> None:
        async with self._database.writing() as session:
            await self._ensure_row(session)
            until = func.greatest(col(Pacer.paused_until), _server_time() + seconds)
            await session.run(self._row().values(paused_until=until))

    async def _reserve(self, session: WriteSession, slots: int) -> tuple[float, bool]:
        """Seconds until the slots begin, or until the pause ends and whether there is one."""
        ahead = slots * self._interval
        paused = col(Pacer.paused_until) > _server_time()
        taken = func.greatest(col(Pacer.next_at), _server_time() - self._grace) + ahead
        statement = (
            self._row()
            .values(next_at=case((paused, col(Pacer.next_at)), else_=taken))
            .returning(paused, col(Pacer.paused_until) - _server_time(), col(Pacer.next_at) - _server_time() - ahead)
        )
        ((is_paused, pause, wait),) = await session.returning(statement)
        return (float(pause), True) if is_paused else (float(wait), False)

    async def _ensure_row(self, session: WriteSession) -> None:
        if not self._row_exists:
            insert = session.insert(Pacer).values(bot_id=self._bot_id, next_at=0, paused_until=0)
            await session.run(insert.on_conflict_do_nothing())
            self._row_exists = True

    def _row(self) -> Update:
        return update(Pacer).where(col(Pacer.bot_id) == self._bot_id)


def _server_time() -> ColumnElement[float]:
    return cast(func.extract("epoch", func.clock_timestamp()), Float)
