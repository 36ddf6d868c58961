"""The whole product as its own process, the way somebody runs it: settings in the environment, HTTP from outside."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from bot.sandbox import Sandbox

# aiogram alone takes up to six seconds to import on a busy machine.
PATIENCE = 60.0


@dataclass(frozen=True)
class Product:
    """A running Siyu: its commands, its API as a program, its pages as an owner's browser."""

    environment: dict[str, str]
    api: httpx.AsyncClient
    browser: httpx.AsyncClient

    async def call(self, method: str, path: str, body: Any = None) -> Any:  # Any: JSON
        """One call of the HTTP API that must succeed."""
        answer = await self.api.request(method, f"/api/v1{path}", json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def page(self, path: str) -> str:
        """The words of a page, without its tags."""
        answer = await self.browser.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())

    async def submit(self, path: str, **form: str) -> httpx.Response:
        """A form, as the browser would send it."""
        return await self.browser.post(path, data=form, headers={"Sec-Fetch-Site": "same-origin"})


@asynccontextmanager
async def running_product(database_url: str, sandbox: Sandbox) -> AsyncIterator[Product]:
    """`siyu run` until the block ends; then SIGTERM, and it must stop in peace."""
    port = _free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIYU_")} | {
        "SIYU_DATABASE_URL": database_url,
        "SIYU_BOT_TOKEN": sandbox.token,
        "SIYU_TELEGRAM_API_URL": sandbox.url,
        "SIYU_WEB_PORT": str(port),
        "SIYU_SEND_RATE": "200",
    }
    site = f"http://127.0.0.1:{port}"
    await command(environment, "operator", "add", "900", "--role", "owner")
    link = (await command(environment, "login-link", "900")).strip().split()[-1]
    token = (await command(environment, "token", "create", "journey", "--scope", "write")).strip().split()[-1]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "siyu", "run", env=environment)
    try:
        async with (
            httpx.AsyncClient(base_url=site, headers={"Authorization": f"Bearer {token}"}, timeout=30) as api,
            httpx.AsyncClient(base_url=site, follow_redirects=True, timeout=30) as browser,
        ):
            await _until_ready(api, process)
            product = Product(environment, api, browser)
            await product.submit("/login", t=link.split("t=")[-1])
            yield product
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), 30)
    assert code == 0


async def command(environment: dict[str, str], *arguments: str) -> str:
    """What one `siyu …` prints; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "siyu", *arguments,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, f"siyu {' '.join(arguments)}: {err.decode()}"
    return out.decode()


async def _until_ready(api: httpx.AsyncClient, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            assert process.returncode is None, "siyu run ended by itself"
            try:
                if (await api.get("/readyz")).is_success:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
