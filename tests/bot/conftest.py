"""A pretend Telegram beside the app, and a way of running the bot against it."""

from collections.abc import AsyncIterator

import pytest

from bot.sandbox import Sandbox, SandboxOptions
from siyu.app import App, open_app
from siyu.settings import Settings


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxOptions(rate=None)) as sandbox:
        yield sandbox


@pytest.fixture
async def house(database_url: str, sandbox: Sandbox) -> AsyncIterator[App]:
    """An app with a real clock that talks to the sandbox."""
    app = open_app(
        Settings(database_url=database_url, bot_token=sandbox.token, telegram_api_url=sandbox.url, send_rate=500)
    )
    yield app
    await app.close()
