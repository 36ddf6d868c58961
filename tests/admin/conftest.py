"""What every walk through the pages may ask for: a browser, its complaints, and a desk at the served house."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from admin.pages import broadcasts
from siyu.tables import BroadcastState
from tests.admin.browsing import DESK, House, chromium, looking


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set once a progress stream has looked how its broadcast stands."""
    looked, beat = asyncio.Event(), broadcasts._beat

    async def look(*given: Any) -> tuple[BroadcastState, str]:  # Any: as it is asked
        found = await beat(*given)
        looked.set()
        return found

    monkeypatch.setattr(broadcasts, "_beat", look)
    return looked


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def desk(browser: Browser, house: House, complaints: list[str]) -> Iterator[Page]:
    """Each module serves a `house` of its own."""
    with looking(browser, house, DESK, complaints) as page:
        yield page
