"""The courier: makes the calls that wait in the outbox, and writes down what became of each.

`sending` is committed before a call is made and its outcome after, so that a kill in between leaves a
row that says so. A call is taken only when the pace has a slot for it: what is `sending` is under way,
not standing in a queue.
"""

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

import structlog

from bot.loops import REST_SECONDS, Backoff, keep, rest, unless_stopped
from bot.messenger import Messenger
from bot.verdicts import verdict_on
from siyu import fans, leases, mailroom, purchases
from siyu.app import App
from siyu.kit.database import WriteSession
from siyu.kit.errors import SiyuError
from siyu.mailroom import ANSWER, NOTICE, REPLY, Errand, Report, Verdict
from siyu.outcomes import NotSent, Outcome, Rejected, Sent, SlowDown, Unauthorized, reach_after
from siyu.pace import Grant

log = structlog.get_logger("bot.courier")

# At 80 ms an answer one call at a time reaches 12/s, 16 reach Telegram's 30/s; the rest is for slow days.
MOST_UNDER_WAY = 64
# How long a report may wait for others to share its commit: at Telegram's pace there are none.
GATHER_SECONDS = 0.02
LEASE = "courier:"
LEASE_SECONDS = 10
RENEW_SECONDS = 3.0


@dataclass
class _Queue:
    """One way out: answers go at once, messages at the bot's pace."""

    name: str
    lanes: tuple[int, ...]
    paced: bool
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    landed: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0


class Courier:
    """Empties the outbox."""

    def __init__(self, app: App, messenger: Messenger) -> None:
        self.owner = secrets.token_hex(8)
        self._app = app
        self._messenger = messenger
        self._queues = (
            _Queue("answers", (ANSWER,), paced=False),
            _Queue("messages", (REPLY, NOTICE), paced=True),
        )
        self._reports: list[tuple[Report, Outcome]] = []
        self._reported = asyncio.Event()
        self._all_landed = asyncio.Event()
        self._line = Backoff()
        self._line_is_down = False

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped; calls under way are finished and written down."""
        await self._renew_lease()
        async with asyncio.TaskGroup() as office:
            office.create_task(self._ring_through(stop))
            office.create_task(self._stay_alive(stop))
            office.create_task(keep("courier.reports", self._write_reports, bell=self._reported, stop=self._all_landed))
            async with asyncio.TaskGroup() as calls:
                for queue in self._queues:
                    calls.create_task(self._serve(queue, calls, stop))
            self._all_landed.set()
            self._reported.set()
        await self._write_reports()
        async with self._app.database.writing() as session:
            await leases.release(session, LEASE + self.owner, self.owner)

    async def _ring_through(self, stop: asyncio.Event) -> None:
        """One bell from outside, one for each queue: a shared one could be cleared before the other looks."""
        while not stop.is_set():
            self._app.bells.outbox.clear()
            await rest(self._app.bells.outbox, REST_SECONDS)
            for queue in self._queues:
                queue.bell.set()

    async def _stay_alive(self, stop: asyncio.Event) -> None:
        """Others see that we live, and we see who does not."""

        async def step() -> bool:
            await self._renew_lease()
            await rest(stop, RENEW_SECONDS)
            return True

        await keep("courier.lease", step, bell=asyncio.Event(), stop=stop)

    async def _renew_lease(self) -> None:
        now = self._app.clock()
        async with self._app.database.writing() as session:
            await leases.hold(session, LEASE + self.owner, self.owner, now=now, seconds=LEASE_SECONDS)
            # SQLite has one process: whoever else was there is dead, whatever their lease says.
            shared = session.dialect == "postgresql"
            living = await leases.live_owners(session, LEASE, now=now) if shared else set()
            lost = await mailroom.declare_lost(session, living={self.owner, *living}, now=now)
        if lost:
            log.warning("outbox.unknown", messages=lost)

    async def _serve(self, queue: _Queue, calls: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        async def step() -> bool:
            return await self._take_some(queue, calls, stop)

        await keep(f"courier.{queue.name}", step, bell=queue.bell, stop=stop)

    async def _take_some(self, queue: _Queue, calls: asyncio.TaskGroup, stop: asyncio.Event) -> bool:
        """Take what may go now and send it on its way; False when there was nothing."""
        if queue.under_way > MOST_UNDER_WAY // 2:
            # Taken by the dozen: a commit for each call would cost more than the call.
            queue.landed.clear()
            await rest(queue.landed, REST_SECONDS)
            return True
        if self._line_is_down:
            await rest(stop, self._line.pause())
        async with self._app.database.reading() as session:
            due = await mailroom.count_due(session, queue.lanes, now=self._app.clock())
        if not due:
            return False
        grant = await self._room(queue, min(due, MOST_UNDER_WAY - queue.under_way), stop)
        errands = await self._take(queue, grant.slots) if grant.slots and not stop.is_set() else []
        queue.under_way += len(errands)
        for errands_of_one in _by_person(errands):
            calls.create_task(self._deliver(queue, errands_of_one, leaves=grant.leaves))
        return bool(errands)

    async def _room(self, queue: _Queue, wanted: int, stop: asyncio.Event) -> Grant:
        """For how many, and when they leave."""
        if not queue.paced:
            return Grant(wanted)
        return await unless_stopped(stop, self._app.pace.slots(REPLY, wanted)) or Grant(0)

    async def _take(self, queue: _Queue, limit: int) -> list[Errand]:
        async with self._app.database.writing() as session:
            return await mailroom.take_errands(session, self.owner, queue.lanes, limit=limit, now=self._app.clock())

    async def _deliver(self, queue: _Queue, errands: Sequence[Errand], *, leaves: float) -> None:
        """One person's calls in their order; after one that must wait, the others wait with it."""
        try:
            if queue.paced:
                await self._app.pace.leave(Grant(len(errands), leaves), REPLY)
            for position, errand in enumerate(errands):
                report = await self._make(errand)
                if report.verdict in (Verdict.AGAIN, Verdict.NOT_TRIED):
                    for later in errands[position + 1 :]:
                        self._note(Report(later, Verdict.NOT_TRIED, not_before=report.not_before), NotSent())
                    return
        finally:
            queue.under_way -= len(errands)
            queue.landed.set()

    async def _make(self, errand: Errand) -> Report:
        outcome = await self._messenger.call(errand.method, errand.payload)
        if isinstance(outcome, Unauthorized):
            raise SiyuError("Telegram does not accept the bot's token any more")
        if isinstance(outcome, SlowDown):
            log.warning("telegram.slow_down", seconds=outcome.seconds)
            await self._app.pace.pause(outcome.seconds)
        self._watch_the_line(outcome)
        report = verdict_on(errand, outcome, now=self._app.clock())
        self._note(report, outcome)
        return report

    def _watch_the_line(self, outcome: Outcome) -> None:
        self._line_is_down = isinstance(outcome, NotSent)
        if not self._line_is_down:
            self._line.reset()

    def _note(self, report: Report, outcome: Outcome) -> None:
        self._reports.append((report, outcome))
        self._reported.set()

    async def _write_reports(self) -> bool:
        """All that came in since the last commit, in one; kept until it has succeeded."""
        if not self._reports:
            return False
        await asyncio.sleep(GATHER_SECONDS)
        reports = self._reports[:]
        now = self._app.clock()
        async with self._app.database.writing() as session:
            await mailroom.note_reports(session, [report for report, _ in reports], now=now)
            for report, outcome in reports:
                await self._draw_conclusions(session, report.errand, outcome, now=now)
        del self._reports[: len(reports)]
        return True

    async def _draw_conclusions(
        self, session: WriteSession, errand: Errand, outcome: Outcome, *, now: datetime
    ) -> None:
        """What an answer tells beyond its own call."""
        reach = reach_after(outcome)
        if reach is not None and errand.person_id is not None:
            await fans.change_reach(session, errand.person_id, reach, now=now)
        if errand.method == "refundStarPayment" and _is_refunded(outcome):
            charge_id = str(errand.payload["telegram_payment_charge_id"])
            await purchases.note_refund_agreed(session, charge_id, zone=self._app.settings.zone, now=now)
        if errand.method == "getStarTransactions" and isinstance(outcome, Sent):
            offset = int(errand.payload["offset"])
            zone = self._app.settings.zone
            await purchases.reconcile_stars(session, outcome.result, offset=offset, zone=zone, now=now)


def _is_refunded(outcome: Outcome) -> bool:
    """Asked a second time, after an answer that was lost, Telegram says that it has done it already."""
    return isinstance(outcome, Sent) or (
        isinstance(outcome, Rejected) and "CHARGE_ALREADY_REFUNDED" in outcome.description
    )


def _by_person(errands: Iterable[Errand]) -> list[list[Errand]]:
    """What goes to one person goes in order, one after the other; answers are in nobody's way."""

    def receiver(errand: Errand) -> tuple[bool, int]:
        alone = errand.lane == ANSWER or errand.person_id is None
        return alone, errand.id if alone else errand.person_id or 0

    return [list(group) for _, group in groupby(sorted(errands, key=receiver), key=receiver)]
