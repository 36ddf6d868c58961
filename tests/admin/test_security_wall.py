"""Forged requests, headers, roles: what holds for every route, found by asking the router."""

from collections.abc import Iterator
from itertools import pairwise

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from admin import health
from admin.app import make_web
from admin.security import Bearer, Everybody, SignedIn, guards_of, undeclared
from siyu.app import App
from siyu.operators import Permission, Scope, may
from siyu.settings import Settings
from siyu.tables import Role
from tests.admin.visitors import SITE, browser, employ, program, sign_in, web_of

# The seven cases of a POST: the scheme of Go 1.25, each tried with curl once.
SEVEN = [
    ({}, True),
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Origin": "https://evil.example"}, False),
    ({"Origin": SITE}, True),
    ({"Origin": "null"}, False),
]


@pytest.mark.parametrize(("headers", "passes"), SEVEN)
async def test_a_form_from_another_site_is_refused_and_changes_nothing(
    app: App, headers: dict[str, str], passes: bool
) -> None:
    cookie = await sign_in(app, await employ(app, Role.VIEWER))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(web_of(app)), base_url=SITE) as client:
        client.cookies.set("siyu", cookie)
        answer = await client.post("/session/end", headers=headers)

    assert answer.status_code == (303 if passes else 403)
    async with browser(app) as visitor:
        visitor.cookies.set("siyu", cookie)
        still_in = (await visitor.get("/does-not-exist")).status_code
    assert still_in == 404


async def test_programs_need_no_fetch_metadata_and_telegram_neither(app: App) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}

    async with program(app) as shop:
        told = await shop.post("/api/v1/interactions", json={"interactions": []}, headers=foreign)
        brought = await shop.post("/telegram/webhook", content=b"{}", headers=foreign)

    assert told.status_code == 200
    assert brought.status_code == 401


async def test_a_browser_session_opens_nothing_of_the_api(app: App) -> None:
    async with browser(app, Role.OWNER) as owner:
        answer = await owner.get("/api/v1/segments")

    assert answer.status_code == 401


EVERYWHERE = ["/login", "/login?t=x", "/nowhere", "/static/app.css", "/api/v1/fans", "/api/openapi.json", "/healthz"]


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_every_answer_carries_the_protecting_headers(app: App, path: str) -> None:
    async with browser(app) as visitor:
        answer = await visitor.get(path)

    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


async def test_an_error_of_ours_is_protected_and_tells_nothing_of_our_inside(app: App) -> None:
    web = make_web(app)

    @web.get("/breaks")
    async def breaks() -> None:
        raise ZeroDivisionError("the secret of the house")

    transport = httpx.ASGITransport(web, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
        answer = await client.get("/breaks")

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


async def test_static_files_are_kept_for_a_year_and_pages_not_at_all(app: App) -> None:
    async with browser(app) as visitor:
        style = await visitor.get("/static/app.css?v=1")
        page = await visitor.get("/login")

    assert "max-age=31536000" in style.headers["cache-control"]
    assert page.headers["cache-control"] == "no-store"


async def test_a_body_larger_than_a_form_can_be_is_refused(app: App) -> None:
    async with browser(app) as visitor:
        answer = await visitor.post("/preferences", data={"next": "x" * 2 * 1024 * 1024})

    assert answer.status_code == 413


def test_every_route_says_who_may_use_it(app: App) -> None:
    assert undeclared(make_web(app)) == []
    assert len(PAGES) > 10
    assert len(CALLS) > 20


def test_a_route_that_says_nothing_is_found() -> None:
    web, router = FastAPI(), APIRouter()

    @router.post("/forgotten")
    async def forgotten() -> None: ...

    web.include_router(router)
    web.include_router(health.router)

    assert undeclared(web) == ["POST /forgotten"]


def _routes() -> Iterator[tuple[str, str, SignedIn | Bearer | Everybody]]:
    web = make_web(App(settings=Settings(bot_token="42:SANDBOX"), database=None))  # type: ignore[arg-type]  # no request
    for method, path, guards in guards_of(web):
        yield method, path, guards[0]


PAGES = [(method, path, guard) for method, path, guard in _routes() if isinstance(guard, SignedIn)]
CALLS = [(method, path, guard) for method, path, guard in _routes() if isinstance(guard, Bearer)]


def _address(path: str) -> str:
    """The path with every parameter filled in with something that is not there."""
    return "/".join("999999999" if part.startswith("{") else part for part in path.split("/"))


async def test_a_page_is_shown_to_nobody_who_is_not_signed_in(app: App) -> None:
    async with browser(app) as stranger:
        answers = {
            (method, path): (await stranger.request(method, _address(path))).status_code for method, path, _ in PAGES
        }

    assert {asked: status for asked, status in answers.items() if status != 401} == {}


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_gets_what_the_route_declares_and_no_more(app: App, role: Role) -> None:
    refused: dict[tuple[str, str], bool] = {}
    async with browser(app, role) as visitor:
        for method, path, _ in PAGES:
            answer = await visitor.request(method, _address(path))
            refused[method, path] = answer.status_code == 403

    assert refused == {(method, path): not may(role, guard.permission) for method, path, guard in PAGES}


async def test_a_call_without_a_valid_key_is_refused_with_problem_details(app: App) -> None:
    async with program(app, None) as stranger:
        for method, path, _ in CALLS:
            for headers in ({}, {"Authorization": "Bearer siyu_wrong"}, {"Authorization": "Basic eDp5"}):
                answer = await stranger.request(method, _address(path), headers=headers)
                assert answer.status_code == 401, path
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_reading_key_writes_nothing(app: App) -> None:
    async with program(app, Scope.READ) as reader:
        answers = {
            (method, path): (await reader.request(method, _address(path), json={})).status_code
            for method, path, _ in CALLS
        }

    assert {asked for asked, status in answers.items() if status == 403} == {
        (method, path) for method, path, guard in CALLS if guard.scope is Scope.WRITE
    }


def test_what_changes_something_needs_a_writing_key() -> None:
    asking = {path for method, path, guard in CALLS if method != "GET" and guard.scope is Scope.READ}

    # A question that is too long for an address.
    assert asking == {"/api/v1/segments/preview"}
    assert {path for method, path, guard in CALLS if method == "GET" and guard.scope is Scope.WRITE} == set()


def test_roles_include_each_other() -> None:
    granted = [{permission for permission in Permission if may(role, permission)} for role in Role]

    assert granted[0] == set(Permission)
    assert all(more > less for more, less in pairwise(granted))
