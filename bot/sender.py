"""The sender: takes fans of running broadcasts in hand, a few at a time, and writes down what became of each."""

import asyncio
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.messenger import Messenger
from siyu import leases
from siyu.app import App
from siyu.broadcasts import course, ledger
from siyu.broadcasts.ledger import Noted, Task
from siyu.broadcasts.letters import letter_to
from siyu.kit.wording import choose_locale, words
from siyu.outcomes import Migrated, NotSent, Outcome, SlowDown, Unknown
from siyu.pace import AHEAD_SECONDS, BROADCAST, Pace
from siyu.tables import Broadcast

# A start or pause clicked in another process is seen this soon; in this process a bell tells at once.
BEAT_SECONDS = 0.4
# At 80 ms an answer, 16 in flight reach Telegram's 30 a second; faster bots get half a second's worth.
LEAST_IN_FLIGHT = 16
# Where there is no line to Telegram, everybody's turn would fail alike: wait instead of going through the list.
REST_SECONDS = 5.0
# Telegram must not see the disk's hiccups: two messages too close together in the wrong second are a 429
# and a pause for all. So a call leaves a little after its slot, as long as claims have lately taken (3 ms,
# but 70 when the disk is busy), and what was held up longer leaves spaced out, catching up by 3 percent.
LONGEST_LEAD_SLOTS = 2
LEAD_DECAY = 0.98
SPACING = 0.97
LEASE_SECONDS = 6.0
RENEW_SECONDS = 2.0
RETRY_SECONDS = 1.0

# A server that restarts, a disk that is full: what was not committed is still in the tables.
AWAY = (SQLAlchemyError, OSError)

log = structlog.get_logger("bot")


class Caller(Protocol):
    """Whoever makes calls to Telegram: the messenger, or a pretend one."""

    async def call(self, method: str, payload: Mapping[str, Any]) -> Outcome: ...  # Any: fields of a method


async def run_sender(app: App, stop: asyncio.Event) -> None:
    """Send until told to stop; then let what is in flight arrive, and write it down."""
    async with Messenger(app.settings) as messenger:
        await Sender(app, messenger, app.pace).run(stop)


@dataclass(eq=False)
class Walk:
    """One broadcast on its way; `dry` once nobody's turn is left."""

    broadcast: Broadcast
    own_pace: Pace | None
    dry: bool = False


class Sender:
    """Walks through every running broadcast, in turn, with at most so many calls in flight."""

    def __init__(self, app: App, messenger: Caller, pace: Pace) -> None:
        self._app = app
        self._messenger = messenger
        self._pace = pace
        self._owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        rate = app.settings.send_rate
        self._at_once = max(1, int(rate * AHEAD_SECONDS))
        self._hands = asyncio.Semaphore(max(LEAST_IN_FLIGHT, int(rate / 2)))
        self._departures = Departures(1 / rate)
        self._clerk = Clerk(app, self._owner)
        self._walks: dict[int, asyncio.Task[None]] = {}
        self._own_paces: dict[int, Pace] = {}
        self._renew_at = 0.0
        self._rest_until = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Walks may be cut short at any step; what is in flight is never cut."""
        async with asyncio.TaskGroup() as desk:
            clerk = desk.create_task(self._clerk.work())
            async with asyncio.TaskGroup() as flights, asyncio.TaskGroup() as walks:
                await self._look_around(walks, flights, stop)
                for walk in list(self._walks.values()):
                    walk.cancel()
            clerk.cancel()
        await self._leave()

    async def _look_around(self, walks: asyncio.TaskGroup, flights: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._settle_dead()
                await self._set_out(walks, flights)
            except AWAY as error:
                await _wait_for_database(error)
            await self._rest()

    async def _settle_dead(self) -> None:
        """What dead senders had in hand. On SQLite whoever is not this process is dead; elsewhere leases tell."""
        if time.monotonic() < self._renew_at:
            return
        now, alive = self._app.clock(), {self._owner}
        async with self._app.database.writing() as session:
            if session.dialect != "sqlite":
                await leases.hold(session, self._lease, self._owner, now=now, seconds=LEASE_SECONDS)
                alive |= await leases.live_owners(session, "sender:", now=now)
            settled = await ledger.settle_dead(session, alive, now=now)
        if settled:
            log.warning("delivery.interrupted", deliveries=settled)
        once = self._app.database.dialect == "sqlite"
        self._renew_at = float("inf") if once else time.monotonic() + RENEW_SECONDS

    async def _set_out(self, walks: asyncio.TaskGroup, flights: asyncio.TaskGroup) -> None:
        """Close what is over, and start walking what waits."""
        now = self._app.clock()
        async with self._app.database.reading() as session:
            underway = await ledger.running(session, now=now)
        if any(one.is_over for one in underway):
            async with self._app.database.writing() as session:
                await course.finish(session, now=now)
        for one in underway:
            key = one.broadcast.id or 0
            if one.has_waiting and key not in self._walks:
                self._walks[key] = walks.create_task(self._walk(one.broadcast, flights))

    async def _rest(self) -> None:
        """Until the bell, or the beat."""
        bell = self._app.bells.broadcasts
        with suppress(TimeoutError):
            await asyncio.wait_for(bell.wait(), BEAT_SECONDS)
        bell.clear()

    async def _walk(self, broadcast: Broadcast, flights: asyncio.TaskGroup) -> None:
        """Slot by slot; the slot comes before the claim, so that nobody is in hand while we wait our turn."""
        walk = Walk(broadcast, self._own_pace(broadcast))
        try:
            while not walk.dry:
                slots = await self._await_turn(walk)
                flights.create_task(self._fly(walk, slots))
        except AWAY as error:
            await _wait_for_database(error)
        finally:
            del self._walks[broadcast.id or 0]

    async def _await_turn(self, walk: Walk) -> int:
        await asyncio.sleep(max(0.0, self._rest_until - time.monotonic(), self._departures.congestion))
        if walk.own_pace is None:
            return await self._take_slots(self._at_once)
        await walk.own_pace.slot(BROADCAST)
        return await self._take_slots(1)

    async def _take_slots(self, most: int) -> int:
        """Hands first, then slots for them; each walk stands in line once, so they take turns."""
        await self._hands.acquire()
        hands = 1
        while hands < most and not self._hands.locked():
            await self._hands.acquire()
            hands += 1
        slots = 0
        try:
            slots = await self._pace.slots(BROADCAST, hands)
        finally:
            self._free(hands - slots)
        return slots

    async def _fly(self, walk: Walk, slots: int) -> None:
        began = time.monotonic()
        tasks: list[Task] = []
        try:
            tasks = await self._claim(walk, slots)
        except AWAY as error:
            walk.dry = True
            await _wait_for_database(error)
        finally:
            self._free(slots - len(tasks))
        await asyncio.sleep(self._departures.next(began, slots=len(tasks)))
        await asyncio.gather(*(self._deliver(walk.broadcast, task) for task in tasks))

    async def _claim(self, walk: Walk, slots: int) -> list[Task]:
        if walk.dry:
            return []
        tasks = await self._clerk.claim(walk.broadcast.id or 0, slots)
        walk.dry = not tasks
        return tasks

    async def _deliver(self, broadcast: Broadcast, task: Task) -> None:
        try:
            outcome = await self._call(broadcast, task)
            await self._slow_down(outcome)
            await self._clerk.note(Noted(task, outcome))
        finally:
            self._free(1)

    async def _call(self, broadcast: Broadcast, task: Task) -> Outcome:
        letter = letter_to(task.telegram_id, broadcast, words(choose_locale(task.language)))
        try:
            outcome = await self._messenger.call(letter.method, dict(letter.payload))
            if isinstance(outcome, Migrated):
                return await self._messenger.call(letter.method, {**letter.payload, "chat_id": outcome.to})
        except Exception as surprise:
            # Whatever it was, the request may have left: the one thing we must not do is send again.
            log.exception("delivery.surprise", broadcast=broadcast.id)
            return Unknown(type(surprise).__name__)
        return outcome

    async def _slow_down(self, outcome: Outcome) -> None:
        if isinstance(outcome, SlowDown):
            try:
                await self._pace.pause(outcome.seconds)
            except AWAY as error:
                await _wait_for_database(error)
        if isinstance(outcome, NotSent):
            self._rest_until = time.monotonic() + REST_SECONDS

    def _own_pace(self, broadcast: Broadcast) -> Pace | None:
        """A slower pace of its own, shared by all senders through a pacer row under the negative id."""
        key = broadcast.id or 0
        if broadcast.rate and key not in self._own_paces:
            self._own_paces[key] = Pace(self._app.database, -key, broadcast.rate)
        return self._own_paces.get(key)

    def _free(self, hands: int) -> None:
        for _ in range(hands):
            self._hands.release()

    async def _leave(self) -> None:
        """Nothing is in hand any more; without this the lease runs out by itself."""
        with suppress(*AWAY):
            async with self._app.database.writing() as session:
                await leases.release(session, self._lease, self._owner)

    @property
    def _lease(self) -> str:
        return f"sender:{self._owner}"


class Departures:
    """When calls leave: as evenly as their slots were, however unevenly their claims were committed."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._longest_lead = LONGEST_LEAD_SLOTS * interval
        self._lead = 0.0
        self._free = 0.0

    def next(self, began: float, *, slots: int) -> float:
        """Seconds for a flight to wait whose slots were given at `began`, now that its claim is committed."""
        now = time.monotonic()
        leaves = max(now, began + self._lead, self._free)
        self._free = leaves + slots * self._interval * SPACING
        self._lead = min(self._longest_lead, max(now - began, self._lead * LEAD_DECAY))
        return leaves - now

    @property
    def congestion(self) -> float:
        """Seconds until another slot is worth taking: nobody is in hand longer than a few slots."""
        return self._free - time.monotonic() - 2 * self._longest_lead


@dataclass(frozen=True)
class Wish:
    """Somebody waits for fans to take in hand."""

    broadcast_id: int
    most: int
    granted: "asyncio.Future[list[Task]]"


@dataclass(frozen=True)
class Line:
    """An outcome to be written, and who waits for it."""

    noted: Noted
    written: "asyncio.Future[None]"


class Clerk:
    """Keeps the ledger: one commit for all claims and outcomes that came in while the last was under way.

    A quiet disk commits each by itself within 3 ms; on one that needs 50 they share, and the pace holds.
    """

    def __init__(self, app: App, owner: str) -> None:
        self._app = app
        self._owner = owner
        self._lines: list[Line] = []
        self._wishes: list[Wish] = []
        self._some = asyncio.Event()

    async def note(self, noted: Noted) -> None:
        """Returns when it is on disk."""
        line = Line(noted, asyncio.get_running_loop().create_future())
        self._lines.append(line)
        self._some.set()
        await line.written

    async def claim(self, broadcast_id: int, most: int) -> list[Task]:
        """Fans in hand, committed; raises when the database is away."""
        wish = Wish(broadcast_id, most, asyncio.get_running_loop().create_future())
        self._wishes.append(wish)
        self._some.set()
        return await wish.granted

    async def work(self) -> None:
        """Until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            lines, self._lines = self._lines, []
            wishes, self._wishes = self._wishes, []
            try:
                granted = await self._commit(lines, wishes)
            except AWAY as error:
                self._refuse(wishes, error)
                await self._try_again(lines, error)
            else:
                self._answer(lines, granted)

    async def _commit(self, lines: list[Line], wishes: list[Wish]) -> list[tuple[Wish, list[Task]]]:
        now = self._app.clock()
        async with self._app.database.writing() as session:
            if lines:
                await ledger.note(session, [line.noted for line in lines], self._owner, now=now)
            return [
                (wish, await ledger.claim(session, wish.broadcast_id, self._owner, limit=wish.most, now=now))
                for wish in wishes
            ]

    def _answer(self, lines: list[Line], granted: list[tuple[Wish, list[Task]]]) -> None:
        for wish, tasks in granted:
            if not wish.granted.done():
                wish.granted.set_result(tasks)
        for line in lines:
            if not line.written.done():
                line.written.set_result(None)

    def _refuse(self, wishes: list[Wish], error: Exception) -> None:
        for wish in wishes:
            if not wish.granted.done():
                wish.granted.set_exception(error)

    async def _try_again(self, lines: list[Line], error: Exception) -> None:
        """Outcomes are never given up: these messages have left, and nobody else knows what became of them."""
        await _wait_for_database(error)
        self._lines = lines + self._lines
        self._some.set()


async def _wait_for_database(error: Exception) -> None:
    log.error("database.away", loop="sender", error=type(error).__name__, detail=str(error)[:300])
    await asyncio.sleep(RETRY_SECONDS)
