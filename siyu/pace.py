"""The pace: one smooth rate for the whole bot, replies before broadcasts, shared by every process."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple, Protocol

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
# After a 429 Telegram's idea of our pace is lower than ours: a tenth slower, and back within two minutes; the next
# one comes on top, up to half as slow again.
EASED_SECONDS = 120.0
EASE_PER_SECOND = 0.1 / EASED_SECONDS
LONGEST_EASED = 5 * EASED_SECONDS
# Telegram must not see the disk's hiccups: two messages too close together in the wrong second are a 429 and a pause
# for all. So where slots are scarce a call leaves half a slot after its own: a claim takes 3 ms, on most days.
LEAD_SLOTS = 0.5
# What was held up for longer leaves spaced out, be it a broadcast or a reply. At 28.65 a second that is 29 at most: one
# that stumbles on its way is the thirtieth, and no 429. Catching up by 3 percent at 29 made it the thirty-first.
SPACING = 0.988
# Late by less than this part of a slot, a call keeps the schedule of those behind it: what the event loop's lag took
# from each made 28.45 a second out of 28.65.
FORGIVEN = 0.25
# Who is in hand longer than so many slots waits for Telegram, and takes no more.
CONGESTED_SLOTS = 3

Sleep = Callable[[float], Awaitable[object]]


class Grant(NamedTuple):
    """Slots, and the moment by `time.monotonic()` at which the calls that take them leave."""

    slots: int  # 0: ask again
    leaves: float = 0.0


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
        self.lead = LEAD_SLOTS * self.interval
        self.at_once = max(1, int(rate * AHEAD_SECONDS))
        self._next = 0.0
        self._paused_until = 0.0
        self._eased_until = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a slot is free; none or less: now."""
        return max(self._next, self._paused_until) - now

    def take(self, slots: int, now: float) -> float:
        """Use slots; how long from now their calls leave.

        A caller that is later than half a slot does not make up for what it missed.
        """
        late = now - self._next
        eased = 1 + max(0.0, self._eased_until - now) * EASE_PER_SECOND
        self._next = max(self._next, now - self.grace) + slots * self.interval * eased
        return self.lead_after(-late)

    def lead_after(self, wait: float) -> float:
        """Seconds until a call leaves whose slot comes in so many; where nobody stands in line, at once."""
        return max(0.0, wait + self.lead) if wait > -self.grace else 0.0

    def pause(self, until: float) -> None:
        """Nothing before that; a later moment wins."""
        self._paused_until = max(self._paused_until, until)

    def ease(self, until: float, now: float) -> float:
        """Slower for a while after that moment, and until when; of several refused together, the first says it."""
        if self._paused_until <= now:
            self._eased_until = min(max(self._eased_until, until) + EASED_SECONDS, until + LONGEST_EASED)
        return self._eased_until

    def recall(self, paused_until: float, eased_until: float) -> None:
        """What a process before us was told."""
        self._paused_until, self._eased_until = paused_until, eased_until


class Line:
    """Where the calls of this process leave, one after another, however unevenly what comes before them was done."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._gate = asyncio.Lock()
        self._free = 0.0
        self._waiting = 0

    async def leave(self, leaves: float, slots: int) -> None:
        """Wait until that moment, and for those before; takes so many slots.

        Only the first in line sleeps: all whose moment came while the machine stood still would wake together.
        """
        self._waiting += slots
        try:
            async with self._gate:
                await self._step_out(leaves, slots * self._interval)
        finally:
            self._waiting -= slots

    async def _step_out(self, leaves: float, room: float) -> None:
        due = max(leaves, self._free)
        await asyncio.sleep(due - time.monotonic())
        now = time.monotonic()
        self._free = (due if now - due < FORGIVEN * room else now) + room * SPACING

    @property
    def congestion(self) -> float:
        """Seconds until another slot is worth taking."""
        mine = max(0.0, self._free - time.monotonic())
        return mine + (self._waiting * SPACING - CONGESTED_SLOTS) * self._interval


class Pace:
    """What everybody who sends waits for: `await pace.slots(REPLY, 1)`."""

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
        self._shared = shared = database.dialect == "postgresql"
        self._at_once = meter.at_once
        self._interval = meter.interval
        self._line = Line(meter.interval)
        self._book: _Book = (
            _SharedBook(database, bot_id, meter, sleep) if shared else _OwnBook(database, bot_id, meter, wall, sleep)
        )
        self._queue: list[_Waiter] = []
        self._order = count()
        self._led = False

    async def slots(self, lane: int, wanted: int, *, weight: int = 1) -> Grant:
        """Wait for the next free slot; how many may go with it, one at 28/s, up to 50 at 1,000/s, and when.

        An album of ten weighs ten: the slots behind its own stay empty. One of those who wait keeps the book for all,
        so that no task works behind anybody's back.
        """
        me = _Waiter(lane, next(self._order), max(1, min(wanted, self._at_once // weight)), weight)
        heappush(self._queue, me)
        try:
            while not me.granted.slots:
                await (me.woken() if self._led else self._lead(me))
        finally:
            me.left = True
            self._wake_next_leader()
        return me.granted

    async def leave(self, grant: Grant, lane: int, *, weight: int = 1) -> None:
        """Wait for the moment to leave with slots that were granted.

        Beside other processes who comes a slot too late takes another, once: where ours would leave now, theirs does.
        """
        if self._shared and self._at_once == 1 and time.monotonic() - grant.leaves > self._interval:
            grant = await self._another(grant, lane, weight)
        await self._line.leave(grant.leaves, grant.slots * weight)

    async def _another(self, grant: Grant, lane: int, weight: int) -> Grant:
        """A slot in place of a late one, or that one: whoever is in hand does not sit out a pause of an hour."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_NAP):
                return await self.slots(lane, 1, weight=weight)
        return grant

    @property
    def congestion(self) -> float:
        """Seconds until another slot is worth taking."""
        return self._line.congestion

    async def pause(self, seconds: float) -> None:
        """After a 429: the whole bot waits, also after a restart and in every other process."""
        await self._book.pause(seconds)

    async def _lead(self, me: "_Waiter") -> None:
        self._led = True
        try:
            while not me.granted.slots:
                first = self._first() or me
                taken = await self._book.take(first.wanted * first.weight, first.lane)
                # Asked again: a reply that came while we slept overtakes the broadcasts before it.
                if (winner := self._first()) and taken.slots >= winner.weight:
                    slots = min(taken.slots // winner.weight, winner.wanted)
                    heappop(self._queue).grant(Grant(slots, taken.leaves))
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
    weight: int = field(compare=False)
    granted: Grant = field(default=Grant(0), compare=False)
    left: bool = field(default=False, compare=False)
    _call: asyncio.Event = field(default_factory=asyncio.Event, compare=False)

    async def woken(self) -> None:
        await self._call.wait()
        self._call.clear()

    def wake(self) -> None:
        self._call.set()

    def grant(self, slots: Grant) -> None:
        self.granted = slots
        self.wake()


class _Book(Protocol):
    """Where slots are counted."""

    async def take(self, slots: int, lane: int) -> Grant:
        """That many when their time has come; none after a nap."""

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

    async def take(self, slots: int, lane: int) -> Grant:
        await self._recall()
        if (wait := self._meter.wait(self._wall())) > 0:
            await self._sleep(min(wait, LONGEST_NAP))
            return Grant(0)
        return Grant(slots, time.monotonic() + self._meter.take(slots, self._wall()))

    async def pause(self, seconds: float) -> None:
        now = self._wall()
        until = now + seconds
        told = {"paused_until": until, "eased_until": self._meter.ease(until, now)}
        self._meter.pause(until)
        async with self._database.writing() as session:
            insert = session.insert(Pacer).values(bot_id=self._bot_id, next_at=0, **told)
            await session.run(
                insert.on_conflict_do_update(
                    index_elements=["bot_id"],
                    set_=told,
                    where=col(Pacer.paused_until) < insert.excluded.paused_until,
                )
            )

    async def _recall(self) -> None:
        if not self._recalled:
            mine = select(col(Pacer.paused_until), col(Pacer.eased_until)).where(col(Pacer.bot_id) == self._bot_id)
            async with self._database.reading() as session:
                for row in await session.rows(mine):
                    self._meter.recall(*row)
            self._recalled = True


class _SharedBook:
    """Every process takes its slots from the bot's row, by the server's clock: theirs may disagree."""

    def __init__(self, database: Database, bot_id: int, meter: Meter, sleep: Sleep) -> None:
        self._database = database
        self._bot_id = bot_id
        self._meter = meter
        self._sleep = sleep
        self._row_exists = False

    async def take(self, slots: int, lane: int) -> Grant:
        async with self._database.writing() as session:
            await self._ensure_row(session)
            reserved, wait = await self._reserve(session, slots, lane)
            told = time.monotonic()
        if not reserved:
            await self._sleep(min(wait, LONGEST_NAP))
            return Grant(0)
        if wait > 0:
            await self._sleep(wait)
        return Grant(slots, told + self._meter.lead_after(wait))

    async def pause(self, seconds: float) -> None:
        async with self._database.writing() as session:
            await self._ensure_row(session)
            until = _server_time() + seconds
            eased = func.least(func.greatest(col(Pacer.eased_until), until) + EASED_SECONDS, until + LONGEST_EASED)
            is_paused = col(Pacer.paused_until) > _server_time()
            await session.run(
                self._row().values(
                    paused_until=func.greatest(col(Pacer.paused_until), until),
                    eased_until=case((is_paused, col(Pacer.eased_until)), else_=eased),
                )
            )

    async def _reserve(self, session: WriteSession, slots: int, lane: int) -> tuple[bool, float]:
        """Whether the slots are ours, and seconds until they begin; or until it is worth asking again.

        A broadcast writes down no slot but the next: where four processes each held one, a reply came fifth.
        """
        now, soon = _server_time(), 1.5 * self._meter.at_once * self._meter.interval
        ahead = slots * self._meter.interval * (1 + func.greatest(0.0, col(Pacer.eased_until) - now) * EASE_PER_SECOND)
        free = self._row().where(col(Pacer.paused_until) <= now)
        if lane == BROADCAST:
            free = free.where(col(Pacer.next_at) <= now + soon)
        taken = free.values(next_at=func.greatest(col(Pacer.next_at), now - self._meter.grace) + ahead)
        for (wait,) in await session.returning(taken.returning(col(Pacer.next_at) - now - ahead)):
            return True, float(wait)
        later = func.greatest(col(Pacer.paused_until), col(Pacer.next_at) - soon) - now
        return False, float(await session.one(select(later).where(col(Pacer.bot_id) == self._bot_id)))

    async def _ensure_row(self, session: WriteSession) -> None:
        if not self._row_exists:
            insert = session.insert(Pacer).values(bot_id=self._bot_id, next_at=0, paused_until=0)
            await session.run(insert.on_conflict_do_nothing())
            self._row_exists = True

    def _row(self) -> Update:
        return update(Pacer).where(col(Pacer.bot_id) == self._bot_id)


def _server_time() -> ColumnElement[float]:
    return cast(func.extract("epoch", func.clock_timestamp()), Float)
