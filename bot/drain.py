"""The drain: takes updates out of the inbox in batches, one transaction each.

A batch is first tried in a hurry: its facts in bulk, its handlers one after another in the same
transaction. When anything in it raises, all of it is undone and tried again with care: a savepoint
around each update, so that only the one that fails is set back. Handlers have no effect outside the
transaction, hence trying twice is trying once; and the savepoints' 2 ms per update are spent only then.
"""

import asyncio
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot import recorder
from bot.dispatcher import Call, Desk, Json, Refused
from bot.loops import keep
from bot.messenger import redact
from bot.recorder import Reading
from siyu import mailroom
from siyu.app import App
from siyu.fans import Admitted
from siyu.kit.database import WriteSession
from siyu.mailroom import Letter, NotHandled

log = structlog.get_logger("bot.drain")

LONGEST_ERROR = 500
LONGEST_TRACE = 3000


class Drain:
    """Empties the inbox."""

    def __init__(self, app: App, desk: Desk) -> None:
        self._app = app
        self._desk = desk

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped; a batch that was begun is finished."""
        await keep("drain", self.handle_batch, bell=self._app.bells.inbox, stop=stop)

    async def handle_batch(self) -> bool:
        """Handle what waits, up to a hundred updates; False when nothing does."""
        now = self._app.clock()
        try:
            return await self._handle_batch(now, hurried=True)
        except SQLAlchemyError as error:
            log.warning("batch.again", reason=type(error).__name__)
        except _TryWithCare as error:
            log.info("batch.again", reason=str(error))
        return await self._handle_batch(now, hurried=False)

    async def _handle_batch(self, now: datetime, *, hurried: bool) -> bool:
        async with self._app.database.writing() as session:
            letters = await mailroom.next_batch(session, self._app.settings.bot_id, now=now)
            batch = _Batch(self._app, self._desk, session, now)
            # What failed before would fail the hurried way again.
            if hurried and not any(letter.attempts for letter in letters):
                await batch.hurry(letters)
            else:
                await batch.take_care(letters)
            await batch.close()
        if batch.calls:
            self._app.bells.outbox.set()
        return bool(letters)


class _TryWithCare(Exception):
    """Something in a hurried batch raised."""


@dataclass(frozen=True)
class _Opened:
    """A letter, and what it says."""

    letter: Letter
    update: Json
    reading: Reading


class _Batch:
    """One transaction's work."""

    def __init__(self, app: App, desk: Desk, session: WriteSession, now: datetime) -> None:
        self.calls: list[Call] = []
        self._app = app
        self._desk = desk
        self._session = session
        self._now = now
        self._done: list[Letter] = []
        self._failed: list[NotHandled] = []

    async def hurry(self, letters: Sequence[Letter]) -> None:
        """Everything at once; raises when anything does."""
        try:
            opened = [self._open(letter) for letter in letters]
            admitted = await self._record([each.reading for each in opened])
            newcomers = set(admitted.newcomers)
            for each in opened:
                self.calls += await self._handle(each, admitted, newcomers)
            await self._session.flush()
        except SQLAlchemyError:
            raise
        except Exception as error:
            raise _TryWithCare(type(error).__name__) from error
        self._done += letters

    async def take_care(self, letters: Sequence[Letter]) -> None:
        """One by one, each in a savepoint; after one that fails, that person's later ones wait."""
        held_up: set[int] = set()
        for letter in letters:
            if letter.person_id in held_up:
                continue
            try:
                calls = await self._take_care_of(letter)
            except Exception as error:  # noqa: BLE001 - whatever an update does, the others are not to suffer
                await self._set_back(letter, error)
                if letter.person_id is not None:
                    held_up.add(letter.person_id)
            else:
                self.calls += calls
                self._done.append(letter)

    async def close(self) -> None:
        """Replies into the outbox, letters done or set back: in the commit of what they caused."""
        await mailroom.post(self._session, [self._row(call) for call in self.calls])
        await mailroom.finish(self._session, self._done, now=self._now)
        await mailroom.set_back(self._session, self._failed, now=self._now)

    async def _take_care_of(self, letter: Letter) -> list[Call]:
        opened = self._open(letter)
        async with self._session.savepoint():
            admitted = await self._record([opened.reading])
            try:
                async with self._session.savepoint():
                    return await self._handle(opened, admitted, set(admitted.newcomers))
            except Refused as refused:
                return refused.calls

    async def _set_back(self, letter: Letter, error: Exception) -> None:
        failure = NotHandled(letter, _told(error))
        self._failed.append(failure)
        # The trace stands in the letter's row; a log must not show what a fan wrote.
        log.error(
            "update.failed", inbox=letter.id, attempts=letter.attempts + 1, quarantined=failure.is_last_try,
            error=type(error).__name__,
        )  # fmt: skip
        if failure.is_last_try:
            await self._keep_the_facts(letter)

    async def _keep_the_facts(self, letter: Letter) -> None:
        """What the fan did stands although we could not answer it; and we say that we are sorry."""
        try:
            opened = self._open(letter)
            async with self._session.savepoint():
                admitted = await self._record([opened.reading])
            if opened.reading.person is not None:
                fan = admitted[opened.reading.person.telegram_id]
                self.calls += self._desk.apologize(opened.update, fan)
        except Exception as error:  # noqa: BLE001 - it is the facts themselves that cannot be read
            log.error("update.unreadable", inbox=letter.id, error=type(error).__name__)

    async def _record(self, readings: Sequence[Reading]) -> Admitted:
        return await recorder.record(self._session, readings, zone=self._app.settings.zone, now=self._now)

    async def _handle(self, opened: _Opened, admitted: Admitted, newcomers: set[int]) -> list[Call]:
        """To its handler, if a fan is behind it; only their first update in the batch finds them new."""
        if opened.reading.person is None:
            return []
        fan = admitted[opened.reading.person.telegram_id]
        newcomer = fan.telegram_id in newcomers
        newcomers.discard(fan.telegram_id)
        return await self._desk.handle(opened.update, session=self._session, fan=fan, newcomer=newcomer, now=self._now)

    def _open(self, letter: Letter) -> _Opened:
        update: Json = orjson.loads(letter.payload)
        reading = recorder.read(update, received_at=letter.received_at, kind_of=self._desk.kind_of)
        return _Opened(letter, update, reading)

    def _row(self, call: Call) -> dict[str, object]:
        return mailroom.outgoing(call.method, call.payload, person_id=call.person_id, lane=call.lane, now=self._now)


def _told(error: Exception) -> str:
    """For whoever looks into the quarantine: what was raised, then where."""
    trace = "".join(traceback.format_tb(error.__traceback__))
    return redact(f"{type(error).__name__}: {error}"[:LONGEST_ERROR] + "\n" + trace[-LONGEST_TRACE:])
