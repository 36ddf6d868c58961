"""Brings updates to the bot's own address, in order for each chat, until they are accepted."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from bot.sandbox.shapes import Payload
from bot.sandbox.update_queue import UpdateQueue

_SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_PATIENCE = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True)
class Target:
    """Where a bot wants its updates."""

    url: str
    secret_token: str = ""
    max_connections: int = 40


class Webhook:
    """One poison update holds back its own chat only; nothing is ever given up."""

    def __init__(self, queue: UpdateQueue) -> None:
        self.target: Target | None = None
        self.last_error: tuple[int, str] | None = None
        self.answered: Callable[[str, Payload], object] = _ignore
        self._queue = queue
        self._task: asyncio.Task[None] | None = None

    async def aim(self, target: Target | None) -> None:
        """Deliver to a new address from now on, or nowhere."""
        await self.stop()
        self.target, self.last_error = target, None
        self._queue.set_webhook_active(active=target is not None)
        if target is not None:
            self._task = asyncio.get_running_loop().create_task(self._deliver(target))

    async def stop(self) -> None:
        """End the deliveries; what is not accepted stays in the queue."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _deliver(self, target: Target) -> None:
        lines: dict[object, deque[Payload]] = {}
        gate = asyncio.Semaphore(target.max_connections)
        arrived, seen = self._queue.listen(), 0
        try:
            async with aiohttp.ClientSession(timeout=_PATIENCE) as client, asyncio.TaskGroup() as chats:
                while True:
                    arrived.clear()
                    for update in self._queue.waiting(after=seen):
                        seen, chat = update["update_id"], _chat_of(update)
                        if chat in lines:
                            lines[chat].append(update)
                        else:
                            lines[chat] = deque([update])
                            chats.create_task(self._empty(chat, lines, client, gate))
                    await arrived.wait()
        finally:
            self._queue.unlisten(arrived)

    async def _empty(
        self,
        chat: object,
        lines: dict[object, deque[Payload]],
        client: aiohttp.ClientSession,
        gate: asyncio.Semaphore,
    ) -> None:
        line, pause = lines[chat], _FIRST_PAUSE
        while line:
            async with gate:
                accepted = not self._queue.holds(line[0]["update_id"]) or await self._post(line[0], client)
            if accepted:
                self._queue.drop(line.popleft()["update_id"])
                pause = _FIRST_PAUSE
            else:
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
        del lines[chat]

    async def _post(self, update: Payload, client: aiohttp.ClientSession) -> bool:
        if (target := self.target) is None:
            return False
        headers = {"Content-Type": "application/json"}
        if target.secret_token:
            headers[_SECRET_HEADER] = target.secret_token
        try:
            async with client.post(target.url, data=json.dumps(update), headers=headers) as response:
                if 200 <= response.status < 300:
                    self._hear(await response.read())
                    return True
                self._regret(f"Wrong response from the webhook: {response.status} {response.reason}")
        except (aiohttp.ClientError, TimeoutError) as error:
            self._regret("Connection timed out" if isinstance(error, TimeoutError) else "Connection refused")
        return False

    def _hear(self, body: bytes) -> None:
        # A bot may answer a webhook with a call: {"method": "sendMessage", ...}.
        call = _json_or_none(body)
        if isinstance(call, dict) and isinstance(call.get("method"), str):
            self.answered(call.pop("method"), call)

    def _regret(self, why: str) -> None:
        self.last_error = (int(time.time()), why)


def _ignore(method: str, call: Payload) -> None:
    """Until somebody listens, calls made by answering are passed over."""


def _json_or_none(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _chat_of(update: Payload) -> object:
    for kind, content in update.items():
        if kind != "update_id" and isinstance(content, dict):
            holder = content.get("message") if kind == "callback_query" else content
            chat = (holder or {}).get("chat") or content.get("from") or {}
            return chat.get("id")
    return None
