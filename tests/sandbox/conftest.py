"""A sandbox that runs, and a bot's bare hands to call it with."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from bot.sandbox import Sandbox, SandboxOptions


class BareBot:
    """Calls the Bot API without any library in between."""

    def __init__(self, sandbox: Sandbox, client: aiohttp.ClientSession) -> None:
        self._sandbox = sandbox
        self.client = client

    async def call(self, method: str, *, token: str = "", **params: object) -> dict:
        address = f"{self._sandbox.url}/bot{token or self._sandbox.token}/{method}"
        async with self.client.post(address, json=params) as response:
            answer = await response.json()
            assert answer["ok"] is (response.status == 200)
            return answer

    async def result(self, method: str, **params: object):
        answer = await self.call(method, **params)
        assert answer["ok"], answer
        return answer["result"]

    async def refusal(self, method: str, **params: object) -> str:
        answer = await self.call(method, **params)
        assert not answer["ok"], answer
        return f"{answer['error_code']} {answer['description']}"

    async def updates(self, offset: int = 0, wait: int = 0, **params: object) -> list[dict]:
        return await self.result("getUpdates", offset=offset, timeout=wait, **params)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxOptions(rate=None, checkout_patience=60)) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def bot(sandbox: Sandbox, client: aiohttp.ClientSession) -> BareBot:
    return BareBot(sandbox, client)
