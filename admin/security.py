"""Who may come in: signed-in people by role, programs by key, forged requests not at all.

Every route says who may use it, with one of three dependencies: `signed_in(Permission.VIEW)`, `bearer(Scope.READ)`
or `everybody`. A route that says nothing does not start (`undeclared`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import col, select
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from admin import framing, problems
from siyu import operators
from siyu.app import App
from siyu.audit import Actor
from siyu.kit.errors import Forbidden
from siyu.kit.wording import phrase
from siyu.operators import Permission, Scope
from siyu.settings import Settings
from siyu.tables import AsOf, Role

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@dataclass(frozen=True)
class Me:
    """Who is signed in, as pages and handlers see them."""

    id: int
    telegram_id: int
    name: str
    role: Role
    language: str | None

    def may(self, permission: str) -> bool:
        """Whether the role allows it; `""` is allowed to everybody, an unknown word is an error."""
        return not permission or operators.may(self.role, Permission(permission))

    @property
    def actor(self) -> Actor:
        """How the audit names me."""
        return Actor(f"operator:{self.id}", self.name)


@dataclass(frozen=True)
class Program:
    """A program that came with a key."""

    id: int
    name: str
    scope: Scope

    @property
    def actor(self) -> Actor:
        return Actor(f"token:{self.name}", self.name)


@dataclass(frozen=True)
class SignedIn:
    """Lets people in whose role has the permission: `me: Annotated[Me, Depends(signed_in(Permission.OPERATE))]`."""

    permission: Permission

    async def __call__(self, request: Request) -> Me:
        me, recomputed_at = await _who(request)
        if me is None:
            raise HTTPException(HTTPStatus.UNAUTHORIZED, SIGN_IN)
        request.state.me, request.state.recomputed_at = me, recomputed_at
        if not me.may(self.permission):
            raise Forbidden("your role does not allow this; ask an owner", reason="role")
        return me


SIGN_IN = phrase("sign in first: send /admin to the bot, or run `siyu login-link`")


@dataclass(frozen=True)
class Bearer:
    """Lets programs in whose key has the scope."""

    scope: Scope

    async def __call__(
        self,
        request: Request,
        given: Annotated[
            HTTPAuthorizationCredentials | None,
            Depends(HTTPBearer(auto_error=False, description="A key made by `siyu token create NAME --scope write`.")),
        ],
    ) -> Program:
        app = framing.app_of(request)
        program = await _program(app, given.credentials) if given else None
        if program is None:
            raise HTTPException(
                HTTPStatus.UNAUTHORIZED, "send a valid key: Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"}
            )
        if self.scope is Scope.WRITE and program.scope is not Scope.WRITE:
            raise Forbidden("this key may only read; make one with --scope write", reason="scope")
        return program


@dataclass(frozen=True)
class Everybody:
    """Nobody has to sign in for this route, on purpose."""

    async def __call__(self) -> None:
        return None


everybody = Everybody()
Guard = SignedIn | Bearer | Everybody


def signed_in(permission: Permission) -> SignedIn:
    return SignedIn(permission)


def bearer(scope: Scope) -> Bearer:
    return Bearer(scope)


def guards_of(web: FastAPI) -> Iterator[tuple[str, str, tuple[Guard, ...]]]:
    """Every route as (method, path, guards): what the test matrix and the start check read."""
    for route in iter_route_contexts(web.routes):
        if isinstance(route.original_route, APIRoute):
            guards = tuple(_guards(route.dependant))
            for method in sorted(route.methods or ()):
                yield method, route.path or "", guards


def undeclared(web: FastAPI) -> list[str]:
    """Routes that do not say who may use them, or say it twice."""
    return [f"{method} {path}" for method, path, guards in guards_of(web) if len(guards) != 1]


def cookie_name(settings: Settings) -> str:
    """`__Host-` binds the cookie to this host; browsers take such a name only over https."""
    return "__Host-siyu" if is_https(settings) else "siyu"


def is_https(settings: Settings) -> bool:
    return settings.site.startswith("https://")


class ForgeryWall:
    """Refuses what another site made the browser send: Fetch Metadata first, Origin for older browsers.

    Programs (a key in a header, which no browser adds by itself) and Telegram (its own secret) pass.
    """

    def __init__(self, inner: ASGIApp, *, site: str) -> None:
        self.inner = inner
        self.site = site

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._is_forged(scope):
            answer = problems.answer(Request(scope), FORGED)
            await answer(scope, receive, send)
            return
        await self.inner(scope, receive, send)

    def _is_forged(self, scope: AsgiScope) -> bool:
        if scope["method"] in SAFE_METHODS or scope["path"].startswith(("/api/", "/telegram/")):
            return False
        headers = Headers(scope=scope)
        fetched_from = headers.get("sec-fetch-site")
        if fetched_from is not None:
            return fetched_from not in {"same-origin", "none"}
        origin = headers.get("origin")
        return origin is not None and not self._is_ours(origin, headers.get("host", ""))

    def _is_ours(self, origin: str, host: str) -> bool:
        return origin == self.site or (bool(host) and urlsplit(origin).netloc == host)


FORGED = problems.Problem(
    HTTPStatus.FORBIDDEN, "forged", phrase("this came from another site, so it was not done; go back and try again")
)


class Doorframe:
    """Lets no body in that is larger than its address takes: refused unread if it says so, else cut off on the way.

    FastAPI's own limit answers in plain text, outside of our headers.
    """

    def __init__(self, inner: ASGIApp, *, limits: Mapping[str, int], otherwise: int) -> None:
        self.inner = inner
        self.limits = limits
        self.otherwise = otherwise

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        limit = next((limit for start, limit in self.limits.items() if scope["path"].startswith(start)), self.otherwise)
        if _told_length(scope) > limit:
            await problems.answer(Request(scope), problems.TOO_LARGE)(scope, receive, send)
            return
        await self.inner(scope, _at_most(limit, receive), send)


def _told_length(scope: AsgiScope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0


def _at_most(limit: int, receive: Receive) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    return counted


def _guards(dependant: Dependant) -> Iterator[Guard]:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, SignedIn | Bearer | Everybody):
            yield dependency.call


async def _who(request: Request) -> tuple[Me | None, datetime | None]:
    """Who the cookie is, and when segments were last recomputed (every page shows it)."""
    app = framing.house_of(request)
    cookie, now = request.cookies.get(cookie_name(app.settings)), app.clock()
    if not cookie:
        return None, None
    async with app.database.reading() as session:
        found = await operators.session_of(session, cookie, now=now)
        recomputed_at = await session.first(select(col(AsOf.as_of)))
    if found is None:
        return None, None
    operator, signed_in = found
    if operators.is_due_to_be_seen(signed_in, now=now):
        async with app.database.writing() as session:
            await operators.see(session, cookie, now=now)
    me = Me(
        id=operator.id or 0,
        telegram_id=operator.telegram_id,
        name=operator.name or str(operator.telegram_id),
        role=operator.role,
        language=operator.language,
    )
    return me, recomputed_at


async def _program(app: App, key: str) -> Program | None:
    now = app.clock()
    async with app.database.reading() as session:
        token = await operators.find_token(session, key)
    if token is None:
        return None
    if token.used_at is None or now - token.used_at >= operators.SEEN_EVERY:
        async with app.database.writing() as session:
            await operators.use_token(session, token, now=now)
    return Program(token.id or 0, token.name, Scope(token.scope))
