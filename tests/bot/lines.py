"""A line to Telegram that a test can strike: a proxy before the sandbox, doing what networks and Telegram do."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
from aiohttp import web

from bot.messenger import CALL_SECONDS, Messenger
from siyu.outcomes import Outcome
from siyu.settings import Settings

# Enough for a call to arrive, on a machine that stumbles too.
GIVES_UP_SECONDS = 2.0


@dataclass(frozen=True)
class Mishap:
    """What befalls one call: whether Telegram does it, and what comes back."""

    arrives: bool = False
    status: int = 200
    says: bytes | None = None  # None: what Telegram really answers
    comes_back: float = 1.0  # the share of the answer that gets through before the line is cut
    hangs: bool = False


def refusal(code: int, description: str, **parameters: float) -> Mishap:
    """Telegram says no, in JSON."""
    answer: dict[str, object] = {"ok": False, "error_code": code, "description": description}
    return Mishap(status=code, says=orjson.dumps({**answer, "parameters": parameters}))


class Line:
    """Passes every call on to the sandbox, but those that are struck."""

    def __init__(self, telegram: str) -> None:
        self._telegram = telegram
        self._port = 0
        self._strikes: defaultdict[int, list[Mishap]] = defaultdict(list)
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        # Told the chat of each call whose answer is just about to leave, and has just left.
        self.answering: Callable[[int], None] | None = None
        self.answered: Callable[[int], None] | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()
        if self._session is not None:
            await self._session.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def strike(self, chat_ids: Iterable[int], *mishaps: Mishap) -> None:
        """The next calls about each of these chats, one mishap after the other."""
        for chat_id in chat_ids:
            self._strikes[chat_id] = list(mishaps)

    def will_hang(self, chat_id: int) -> bool:
        """Whether the next call about this chat gets no answer at all."""
        return any(mishap.hangs for mishap in self._strikes[chat_id][:1])

    async def cut(self) -> None:
        """Nobody listens any more: every connection is refused."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def mend(self) -> None:
        """Listen, at the address of before."""
        application = web.Application()
        application.router.add_post("/{bot}/{method}", self._pass_on)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024).start()
        self._port = self._runner.addresses[0][1]

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        call = await request.read()
        chat_id = orjson.loads(call).get("chat_id", 0)
        mishap = self._strikes[chat_id].pop(0) if self._strikes[chat_id] else Mishap(arrives=True)
        status, answer = mishap.status, mishap.says or b""
        if mishap.arrives:
            status, said = await self._ask(request.path, call)
            answer = said if mishap.says is None else answer
        if mishap.hangs:
            await asyncio.Event().wait()  # until the caller hangs up
        return await self._answer(request, chat_id, mishap.status if mishap.says else status, answer, mishap.comes_back)

    async def _ask(self, path: str, call: bytes) -> tuple[int, bytes]:
        assert self._session is not None, "use `async with Line(…)`"
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._telegram + path, data=call, headers=headers) as response:
            return response.status, await response.read()

    async def _answer(
        self, request: web.Request, chat_id: int, status: int, answer: bytes, share: float
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        if not share:
            _hang_up(request)
            return response
        response.content_length = len(answer)
        await response.prepare(request)
        if self.answering is not None:
            self.answering(chat_id)
        await response.write(answer[: int(len(answer) * share)])
        if share < 1:
            await asyncio.sleep(0.05)  # what was written gets there first
            _hang_up(request)
            return response
        await response.write_eof()
        if self.answered is not None:
            self.answered(chat_id)
        return response


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


class HastyMessenger(Messenger):
    """Gives a call up that will hang, sooner than after the product's thirty seconds; no other, however slow we are."""

    def __init__(self, settings: Settings, line: Line) -> None:
        super().__init__(settings)
        self._line = line

    async def call(  # Any: fields of a method
        self, method: str, payload: Mapping[str, Any], *, seconds: float = CALL_SECONDS
    ) -> Outcome:
        hangs = self._line.will_hang(payload["chat_id"])
        return await super().call(method, payload, seconds=GIVES_UP_SECONDS if hangs else seconds)
