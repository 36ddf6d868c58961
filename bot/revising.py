"""The reviser: edits or deletes what was sent, message by message, at the bot's pace and behind everything else."""

import asyncio
import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog

from bot.loops import keep, rest
from bot.messenger import Messenger
from siyu import leases
from siyu.app import App
from siyu.broadcasts import links, revising
from siyu.broadcasts.links import Tracking
from siyu.broadcasts.revising import Revised
from siyu.outcomes import NotSent, Outcome, Rejected, SlowDown, Unauthorized
from siyu.pace import BROADCAST

LEASE = "reviser"
LEASE_SECONDS = 30.0
# One batch takes a second at Telegram's pace; a stop acts between two.
BATCH = 20
# Where there is no line to Telegram, or no token any more, everybody's turn would fail alike.
REST_SECONDS = 5.0

log = structlog.get_logger("bot")


class Caller(Protocol):
    """Whoever makes calls to Telegram: the messenger, or a pretend one."""

    async def call(self, method: str, payload: Mapping[str, Any]) -> Outcome: ...  # Any: fields of a method


async def run_reviser(app: App, stop: asyncio.Event) -> None:
    """Until told to stop; a batch that was begun is finished."""
    async with Messenger(app.settings) as messenger:
        await Reviser(app, messenger).run(stop)


class Reviser:
    """Walks through the changes under way, the oldest first; of several processes one does."""

    def __init__(self, app: App, messenger: Caller) -> None:
        self._app = app
        self._messenger = messenger
        self._owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._tracking: Tracking | None = None

    async def run(self, stop: asyncio.Event) -> None:
        async def step() -> bool:
            return await self._step(stop)

        await keep("reviser", step, bell=asyncio.Event(), stop=stop)

    async def _step(self, stop: asyncio.Event) -> bool:
        async with self._app.database.reading() as session:
            lines = await revising.next_lines(session, limit=BATCH)
        if not lines or not await self._lead():
            return False
        outcomes = await asyncio.gather(*(self._change(line) for line in lines))
        async with self._app.database.writing() as session:
            await revising.note(session, list(zip(lines, outcomes, strict=True)), now=self._app.clock())
        if _is_cut_off(outcomes):
            await rest(stop, REST_SECONDS)
        return True

    async def _lead(self) -> bool:
        """Twice does no harm, but costs the pace."""
        now = self._app.clock()
        async with self._app.database.writing() as session:
            self._tracking = self._tracking or await links.tracking(session, self._app.settings, now=now)
            return await leases.hold(session, LEASE, self._owner, now=now, seconds=LEASE_SECONDS)

    async def _change(self, line: Revised) -> Outcome:
        try:
            letter = revising.letter_for(line, self._tracking)
        except Exception:
            # One message that cannot be written must not stop all others, at this start and at the next.
            log.exception("revision.surprise", broadcast=line.broadcast.id)
            return Rejected("not_written")
        grant = await self._app.pace.slots(BROADCAST, 1)
        await self._app.pace.leave(grant, BROADCAST)
        outcome = await self._messenger.call(letter.method, dict(letter.payload))
        if isinstance(outcome, SlowDown):
            log.warning("telegram.slow_down", seconds=outcome.seconds)
            await self._app.pace.pause(outcome.seconds)
        return outcome


def _is_cut_off(outcomes: Sequence[Outcome]) -> bool:
    return any(isinstance(outcome, NotSent | Unauthorized) for outcome in outcomes)
