"""A page that a POST drew, drawn once more in another language: what was typed stays, and nothing is written."""

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import Request, Response
from starlette.types import Message

from siyu.app import App
from siyu.kit.database import Database, WriteSession

MARK = "siyu.only_drawn"
# What a scope learnt on its way to the first handler, and must learn anew on its way to the second.
_LEARNT = ("endpoint", "path_params", "route", "router", "state", "fastapi_inner_astack", "fastapi_function_astack")


class Withheld(Exception):
    """It would go through now, which nobody asked for by choosing a language."""


async def typed(request: Request) -> str:
    """What the form that was sent held, to be sent once more; nothing of a page that was only looked at.

    A file is not kept: its form says itself that it is empty again.
    """
    if request.method != "POST":
        return ""
    form = await request.form()
    return urlencode([(name, value) for name, value in form.multi_items() if isinstance(value, str)])


def is_only_drawn(request: Request) -> bool:
    return bool(request.scope.get(MARK))


def rehearsing(app: App) -> App:
    """The same house, in which every transaction is undone."""
    return replace(app, database=_Rehearsal(app.database))


async def drawn_again(request: Request, path: str, body: str, cookies: dict[str, str]) -> Response:
    """The answer to the same form, as whoever has these cookies reads it. Raises Withheld where it is no page."""
    answer: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body.encode(), "more_body": False}

    async def send(message: Message) -> None:
        answer.append(message)

    await request.app(_scope(request, path, body, cookies), receive, send)
    response = Response(b"".join(message.get("body", b"") for message in answer[1:]), answer[0]["status"])
    if 300 <= response.status_code < 400:
        raise Withheld
    response.raw_headers = list(answer[0]["headers"])
    return response


def _scope(request: Request, path: str, body: str, cookies: dict[str, str]) -> MutableMapping[str, Any]:  # Any: ASGI's
    parts = urlsplit(path)
    held = SimpleCookie({**request.cookies, **cookies})
    told = {
        b"cookie": "; ".join(f"{name}={one.coded_value}" for name, one in held.items()).encode("latin-1"),
        b"content-type": b"application/x-www-form-urlencoded",
        b"content-length": str(len(body.encode())).encode(),
    }
    kept = [(name, value) for name, value in request.scope["headers"] if name not in told]
    scope = {name: value for name, value in request.scope.items() if name not in _LEARNT}
    where = {"path": parts.path, "raw_path": parts.path.encode(), "query_string": parts.query.encode()}
    return {**scope, **where, "headers": [*kept, *told.items()], "state": {}, MARK: True}


class _Rehearsal(Database):
    """Reads as the other does, and takes back whatever is written."""

    def __init__(self, real: Database) -> None:
        self.__dict__.update(real.__dict__)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[WriteSession]:
        async with super().writing() as session:
            yield session
            raise Withheld
