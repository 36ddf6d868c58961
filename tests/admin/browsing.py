"""The product's pages in a real browser: a house that is served, and somebody signed in who looks at it."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from admin.app import make_web
from admin.security import cookie_name
from siyu.app import App, open_app
from siyu.settings import Settings
from siyu.tables import Role
from tests import servers
from tests.admin.visitors import employ, sign_in

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DESK: Mapping[str, object] = {"viewport": {"width": 1280, "height": 860}}
PHONE: Mapping[str, object] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}

needs_chromium = [
    pytest.mark.browser,
    pytest.mark.timeout(300),  # one test walks through every page
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the pages were not looked at"),
]


@dataclass(frozen=True)
class House:
    """A served product, and the cookie of its owner."""

    url: str
    cookies: Mapping[str, str]


@contextmanager
def served(fill: Callable[[App], Awaitable[None]], folder: Path) -> Iterator[House]:
    """The web side over a fresh database, in a thread, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        settings = Settings(database_url=servers.fresh_sqlite(folder), bot_token="42:SANDBOX", web_port=port)
        told: dict[str, str] = {}
        app = open_app(settings)
        server = uvicorn.Server(uvicorn.Config(make_web(app), log_config=None, timeout_graceful_shutdown=1))
        ready = threading.Event()

        async def serve() -> None:
            await fill(app)
            told[cookie_name(settings)] = await sign_in(app, await employ(app, Role.OWNER))
            ready.set()
            await server.serve(sockets=[sock])
            await app.close()

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        assert ready.wait(30), "the house did not open"
        yield House(settings.site, told)
        server.should_exit = True
        thread.join()


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@contextmanager
def looking(
    browser: Browser, house: House, device: Mapping[str, object], complaints: list[str], **preferences: str
) -> Iterator[Page]:
    """A page of the owner's browser; what it complains about is kept."""
    context = browser.new_context(base_url=house.url, **device)  # type: ignore[arg-type]  # a device is keyword arguments
    context.add_cookies(
        [{"name": name, "value": value, "url": house.url} for name, value in {**house.cookies, **preferences}.items()]
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    page.on("console", lambda message: _listen(message, complaints))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()


def _listen(message: ConsoleMessage, complaints: list[str]) -> None:
    if message.type in ("error", "warning"):
        complaints.append(message.text)
