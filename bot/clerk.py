"""The clerk: keeps the ledger for a sender, one commit for all claims and outcomes that came in meanwhile."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from siyu.app import App
from siyu.broadcasts import answers, ledger
from siyu.broadcasts.canary import Watch
from siyu.broadcasts.moving import Customs
from siyu.broadcasts.tasks import Noted, Task
from siyu.kit.database import WriteSession

RETRY_SECONDS = 1.0
# A server that restarts, a disk that is full: what was not committed is still in the tables.
AWAY = (SQLAlchemyError, OSError)

log = structlog.get_logger("bot")


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
        self.customs: Customs | None = None
        self._app = app
        self._owner = owner
        self._watch = Watch()
        self._lines: list[Line] = []
        self._wishes: list[Wish] = []
        self._some = asyncio.Event()
        self._in_hand: set[tuple[int, int]] = set()
        self._in_doubt = False  # a commit we heard nothing good of may have come through

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
                self._in_doubt = True
                self._refuse(wishes, error)
                await self._try_again(lines, error)
            else:
                self._answer(lines, granted)

    async def _commit(self, lines: list[Line], wishes: list[Wish]) -> list[tuple[Wish, list[Task]]]:
        now = self._app.clock()
        async with self._app.database.writing() as session:
            if lines:
                noted = [line.noted for line in lines]
                await answers.note(session, noted, self._owner, now=now, watch=self._watch)
            if self._in_doubt:
                await ledger.put_down(session, self._owner, self._in_hand)
            return [(wish, await self._granted(session, wish, now)) for wish in wishes]

    async def _granted(self, session: WriteSession, wish: Wish, now: datetime) -> list[Task]:
        return await ledger.claim(
            session, wish.broadcast_id, self._owner,
            limit=wish.most, now=now, customs=self.customs, watch=self._watch,
        )  # fmt: skip

    def _answer(self, lines: list[Line], granted: list[tuple[Wish, list[Task]]]) -> None:
        self._in_doubt = False
        self._in_hand -= {(line.noted.task.broadcast_id, line.noted.task.fan_id) for line in lines}
        self._in_hand |= {(task.broadcast_id, task.fan_id) for _, tasks in granted for task in tasks}
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
        await wait_for_database(error)
        self._lines = lines + self._lines
        self._some.set()


async def wait_for_database(error: Exception) -> None:
    """What could not be committed is tried again a little later."""
    log.error("database.away", loop="sender", error=type(error).__name__, detail=str(error)[:300])
    await asyncio.sleep(RETRY_SECONDS)
