"""Who comes to the web side: a browser that is signed in or not, a program with a key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from admin.app import make_web
from admin.security import cookie_name, is_https
from siyu import operators
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.operators import Scope
from siyu.settings import Settings
from siyu.tables import Operator, Role

SITE = "http://127.0.0.1:8000"
# What a browser sends with a form of the page it shows.
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "Origin": SITE}


def web_of(app: App) -> FastAPI:
    """The web side of this house: built once for each address, which takes 0.2 s, it moves from house to house."""
    web = _built(app.settings.site, https=is_https(app.settings))
    web.state.house, web.state.closing = app, asyncio.Event()
    return web


@cache
def _built(site: str, *, https: bool) -> FastAPI:
    settings = Settings(bot_token=SecretStr("42:SANDBOX"), public_url=site)
    assert (settings.site, is_https(settings)) == (site, https)
    return make_web(App(settings=settings, database=None))  # type: ignore[arg-type]  # whoever comes brings theirs


@asynccontextmanager
async def browser(
    app: App, role: Role | None = None, *, telegram_id: int | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at our site, signed in with this role or not at all."""
    async with _client(app, SAME_ORIGIN) as client:
        if role is not None:
            cookie = await sign_in(app, await employ(app, role, telegram_id=telegram_id))
            client.cookies.set(cookie_name(app.settings), cookie)
        yield client


@asynccontextmanager
async def program(app: App, scope: Scope | None = Scope.WRITE) -> AsyncIterator[httpx.AsyncClient]:
    """A program that calls the API with a key of this scope, or without one."""
    headers = {}
    if scope is not None:
        async with app.database.writing() as session:
            key = await operators.create_token(session, COMMAND_LINE, name="shop", scope=scope, now=app.clock())
        headers = {"Authorization": f"Bearer {key}"}
    async with _client(app, headers) as client:
        yield client


async def employ(app: App, role: Role, *, telegram_id: int | None = None) -> Operator:
    """Somebody of this role; the same one for the same role."""
    number = telegram_id or 900 + list(Role).index(role)
    async with app.database.writing() as session:
        return await operators.add(
            session, COMMAND_LINE, telegram_id=number, role=role, name=role.value.title(), now=app.clock()
        )


async def sign_in(app: App, operator: Operator) -> str:
    """The cookie of a fresh session."""
    async with app.database.writing() as session:
        ticket = await operators.issue_ticket(session, operator, now=app.clock())
        return await operators.spend_ticket(session, ticket, now=app.clock())


@asynccontextmanager
async def _client(app: App, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(web_of(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=SITE, headers=headers) as client:
        yield client
