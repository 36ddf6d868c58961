"""The sender: takes fans of running broadcasts in hand, a few at a time, and writes down what became of each."""

import asyncio
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

import structlog

from bot.clerk import AWAY, Clerk, wait_for_database
from bot.messenger import Messenger
from bot.road import Road
from siyu import leases
from siyu.app import App
from siyu.broadcasts import content, course, ledger, links, moving, placeholders, preparing
from siyu.broadcasts.composing import FASTEST
from siyu.broadcasts.letters import Letter, letter_to, messages_in
from siyu.broadcasts.links import Tracking
from siyu.broadcasts.placeholders import NOTHING, Values
from siyu.broadcasts.tasks import Noted, Task, Unfit
from siyu.kit.wording import choose_locale, words
from siyu.outcomes import Migrated, NotSent, Outcome, SlowDown, Unknown
from siyu.pace import BROADCAST, Grant, Pace
from siyu.tables import Broadcast

# A start or pause clicked in another process is seen this soon; in this process a bell tells at once.
BEAT_SECONDS = 0.4
# Where there is no line to Telegram, everybody's turn would fail alike: wait instead of going through the list.
REST_SECONDS = 5.0
# On PostgreSQL what a dead process had in hand is settled within five seconds.
LEASE_SECONDS = 3.0
RENEW_SECONDS = 1.0
AWAKE_SECONDS = 60.0
# What the house or a fan changes about quiet hours is kept to this soon.
CUSTOMS_SECONDS = 2.0
# Telegram wants a second between two messages to a chat; another for the call and the round that saw it.
MEETING_SECONDS = 2.0
# Paid messages have a pace of their own, and its row in the pacer.
PAID = 10**15
NOT_WRITTEN = "not_written"  # a surprise while a letter was made: nothing left
# Of each look-around, before what runs already gets its turn again.
PREPARING_SECONDS = 0.3

Known = Mapping[int, Values] | NotSent | Unfit  # of the fans in hand, or why it is not known

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
    road: "Road"
    own_pace: Pace | None
    dry: bool = False

    @cached_property
    def weight(self) -> int:
        return messages_in(self.broadcast)

    @cached_property
    def is_personal(self) -> bool:
        """Whether something is filled in for each fan; else nobody needs to be looked up."""
        return placeholders.are_in(self.broadcast)


class Sender:
    """Walks through every running broadcast, in turn, with at most so many calls in flight."""

    def __init__(self, app: App, messenger: Caller, pace: Pace) -> None:
        self._app = app
        self._messenger = messenger
        self._owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._road = Road(pace, app.settings.send_rate)
        self._paid_road = Road(Pace(app.database, PAID + app.settings.bot_id, FASTEST), FASTEST)
        self._tracking: Tracking | None = None
        self._clerk = Clerk(app, self._owner)
        self._walks: dict[int, asyncio.Task[None]] = {}
        self._own_paces: dict[int, Pace] = {}
        self._introduced: set[int] = set()
        self._last_underway: dict[int, float] = {}
        self._renew_at = 0.0
        self._wake_at = 0.0
        self._ask_at = 0.0
        self._rest_until = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Walks may be cut short at any step; what is in flight is never cut."""
        async with asyncio.TaskGroup() as desk:
            clerk = desk.create_task(self._clerk.work())
            alive = desk.create_task(self._stay_alive())
            async with asyncio.TaskGroup() as flights, asyncio.TaskGroup() as walks:
                await self._look_around(walks, flights, stop)
                for walk in list(self._walks.values()):
                    walk.cancel()
            clerk.cancel()
            alive.cancel()
        await self._leave()

    async def _look_around(self, walks: asyncio.TaskGroup, flights: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._wake()
                await self._settle_dead()
                await self._set_out(walks, flights)
            except AWAY as error:
                await wait_for_database(error)
            await self._rest()

    async def _stay_alive(self) -> None:
        """Beside the rounds: one of them may freeze a hundred thousand, longer than a lease lasts."""
        while self._app.database.dialect != "sqlite":
            try:
                async with self._app.database.writing() as session:
                    now = self._app.clock()
                    await leases.hold(session, self._lease, self._owner, now=now, seconds=LEASE_SECONDS)
            except AWAY as error:
                await wait_for_database(error)
            await asyncio.sleep(RENEW_SECONDS)

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
        await self._prepare(now)
        async with self._app.database.reading() as session:
            underway = await ledger.running(session, now=now)
        if any(one.is_over for one in underway):
            async with self._app.database.writing() as session:
                await course.finish(session, now=now)
        waiting = [one.broadcast for one in underway if one.has_waiting]
        if waiting:
            await self._introduce(waiting)
            await self._ask_customs(crowded=self._meet([one.broadcast.id or 0 for one in underway]))
        for broadcast in waiting:
            if broadcast.id not in self._walks:
                self._walks[broadcast.id or 0] = walks.create_task(self._walk(broadcast, flights))

    def _meet(self, underway: Sequence[int]) -> bool:
        """Whether two broadcasts may meet in a chat: one whose last fans are in flight, or over just now, counts."""
        now = time.monotonic()
        of_late = {one: last for one, last in self._last_underway.items() if now - last < MEETING_SECONDS}
        self._last_underway = of_late | dict.fromkeys(underway, now)
        return len(self._last_underway) > 1

    async def _introduce(self, broadcasts: Sequence[Broadcast]) -> None:
        new = {broadcast.id or 0 for broadcast in broadcasts} - self._introduced
        if new and self._app.database.dialect == "postgresql":
            async with self._app.database.writing() as session:
                await ledger.introduce(session)
        self._introduced |= new

    async def _prepare(self, now: datetime) -> None:
        """Bring what is due nearer to running, step by step; a long one does not keep the others waiting."""
        async with self._app.database.reading() as session:
            waiting = await preparing.due(session, now=now)
        until = time.monotonic() + PREPARING_SECONDS
        while waiting and time.monotonic() < until:
            waiting = [one for one in waiting if await self._advance(one, now)]
        if waiting:
            self._app.bells.broadcasts.set()

    async def _advance(self, broadcast_id: int, now: datetime) -> bool:
        try:
            async with self._app.database.writing() as session:
                return await preparing.advance(session, broadcast_id, now=now, zone=self._app.settings.zone)
        except AWAY:
            raise
        except Exception:
            # One broadcast that cannot be prepared must not keep the others from being sent.
            log.exception("broadcast.surprise", broadcast=broadcast_id)
            async with self._app.database.writing() as session:
                await preparing.give_up(session, broadcast_id, now=now)
            return False

    async def _ask_customs(self, *, crowded: bool) -> None:
        """Whether anybody has quiet hours, what the house allows in a week, and whether broadcasts meet in a chat."""
        if self._clerk.customs is None or time.monotonic() >= self._ask_at:
            async with self._app.database.reading() as session:
                self._clerk.customs = await moving.customs(session, self._app.settings.zone)
            self._ask_at = time.monotonic() + CUSTOMS_SECONDS
        self._clerk.customs = replace(self._clerk.customs, crowded=crowded)

    async def _wake(self) -> None:
        """Say that we are here, once a minute; after a long silence what was under way asks before it goes on."""
        if time.monotonic() < self._wake_at:
            return
        now = self._app.clock()
        async with self._app.database.writing() as session:
            self._tracking = self._tracking or await links.tracking(session, self._app.settings, now=now)
            held = await preparing.wake(session, now=now)
        if held:
            log.warning("broadcasts.late", broadcasts=held)
        self._wake_at = time.monotonic() + AWAKE_SECONDS

    async def _rest(self) -> None:
        """Until the bell, or the beat."""
        bell = self._app.bells.broadcasts
        with suppress(TimeoutError):
            await asyncio.wait_for(bell.wait(), BEAT_SECONDS)
        bell.clear()

    async def _walk(self, broadcast: Broadcast, flights: asyncio.TaskGroup) -> None:
        """Slot by slot; the slot comes before the claim, so that nobody is in hand while we wait our turn."""
        road = self._paid_road if broadcast.paid else self._road
        walk = Walk(broadcast, road, self._own_pace(broadcast))
        try:
            while not walk.dry:
                grant = await self._await_turn(walk)
                flights.create_task(self._fly(walk, grant))
        except AWAY as error:
            await wait_for_database(error)
        finally:
            del self._walks[broadcast.id or 0]

    async def _await_turn(self, walk: Walk) -> Grant:
        await asyncio.sleep(max(0.0, self._rest_until - time.monotonic(), walk.road.pace.congestion))
        if walk.own_pace is None:
            return await walk.road.slots(walk.road.at_once, weight=walk.weight)
        await walk.own_pace.slots(BROADCAST, 1, weight=walk.weight)
        return await walk.road.slots(1, weight=walk.weight)

    async def _fly(self, walk: Walk, grant: Grant) -> None:
        tasks: list[Task] = []
        try:
            tasks = await self._claim(walk, grant.slots)
        except AWAY as error:
            walk.dry = True
            await wait_for_database(error)
        finally:
            walk.road.free(grant.slots - len(tasks))
        known = await self._values(walk.broadcast, tasks) if walk.is_personal else {}
        if tasks:
            await walk.road.pace.leave(Grant(len(tasks), grant.leaves), BROADCAST, weight=walk.weight)
        await asyncio.gather(*(self._deliver(walk, task, known) for task in tasks))

    async def _claim(self, walk: Walk, slots: int) -> list[Task]:
        if walk.dry:
            return []
        tasks = await self._clerk.claim(walk.broadcast.id or 0, slots)
        walk.dry = not tasks
        return tasks

    async def _values(self, broadcast: Broadcast, tasks: Sequence[Task]) -> Known:
        """What is filled in for each of these fans, or why nobody can look it up."""
        try:
            async with self._app.database.reading() as session:
                return await placeholders.values_for(session, broadcast, [task.fan_id for task in tasks])
        except AWAY as error:
            await wait_for_database(error)
            return NotSent("the database was away")
        except Exception:
            log.exception("delivery.surprise", broadcast=broadcast.id)
            return Unfit(NOT_WRITTEN)

    async def _deliver(self, walk: Walk, task: Task, known: Known) -> None:
        try:
            outcome = await self._send(walk, task, known)
            await self._slow_down(outcome)
            await self._clerk.note(Noted(task, outcome))
        finally:
            walk.road.free(1)
        if task.broadcast_id not in self._walks:
            # It may have been the last, or the first: then the others leave now.
            self._app.bells.broadcasts.set()

    async def _send(self, walk: Walk, task: Task, known: Known) -> Outcome | Unfit:
        if isinstance(known, NotSent | Unfit):
            return known
        letter = self._write(walk, task, known.get(task.fan_id, NOTHING))
        return await self._call(walk.broadcast, letter) if isinstance(letter, Letter) else letter

    def _write(self, walk: Walk, task: Task, values: Values) -> Letter | Unfit:
        """The fan's letter, or why there can be none: their coupon ended, their name is gone."""
        broadcast, variant, language = walk.broadcast, task.variant, task.language
        try:
            if walk.is_personal and (reason := content.unfit(broadcast, values, variant, language)):
                return Unfit(reason)
            return letter_to(
                task.telegram_id, broadcast, words(choose_locale(language)), values=values,
                variant=variant, language=language, fan_id=task.fan_id, tracking=self._tracking,
            )  # fmt: skip
        except Exception:
            log.exception("delivery.surprise", broadcast=broadcast.id)
            return Unfit(NOT_WRITTEN)

    async def _call(self, broadcast: Broadcast, letter: Letter) -> Outcome:
        try:
            outcome = await self._messenger.call(letter.method, dict(letter.payload))
            if isinstance(outcome, Migrated):
                return await self._messenger.call(letter.method, {**letter.payload, "chat_id": outcome.to})
        except Exception as surprise:
            # Whatever it was, the request may have left: the one thing we must not do is send again.
            log.exception("delivery.surprise", broadcast=broadcast.id)
            return Unknown(type(surprise).__name__)
        return outcome

    async def _slow_down(self, outcome: Outcome | Unfit) -> None:
        if isinstance(outcome, SlowDown):
            log.warning("telegram.slow_down", seconds=outcome.seconds)
            try:
                for road in (self._road, self._paid_road):
                    await road.pace.pause(outcome.seconds)
            except AWAY as error:
                await wait_for_database(error)
        if isinstance(outcome, NotSent):
            self._rest_until = time.monotonic() + REST_SECONDS

    def _own_pace(self, broadcast: Broadcast) -> Pace | None:
        """A slower pace of its own, shared by all senders through a pacer row under the negative id."""
        key = broadcast.id or 0
        if broadcast.rate and key not in self._own_paces:
            self._own_paces[key] = Pace(self._app.database, -key, broadcast.rate)
        return self._own_paces.get(key)

    async def _leave(self) -> None:
        """Nothing is in hand any more; without this the lease runs out by itself."""
        with suppress(*AWAY):
            async with self._app.database.writing() as session:
                await leases.release(session, self._lease, self._owner)

    @property
    def _lease(self) -> str:
        return f"sender:{self._owner}"
