"""Coming in, staying in, going out."""

import asyncio
from datetime import timedelta

import pytest

from admin.security import cookie_name
from siyu import operators
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.kit.errors import Forbidden
from siyu.settings import Settings
from siyu.tables import Role
from tests.admin.visitors import browser, employ, sign_in
from tests.clocks import FakeClock


async def _ticket(app: App, role: Role = Role.OPERATOR) -> str:
    person = await employ(app, role)
    async with app.database.writing() as session:
        return await operators.issue_ticket(session, person, now=app.clock())


async def test_a_link_says_who_would_come_in_and_is_not_spent_by_looking(app: App) -> None:
    ticket = await _ticket(app)

    async with browser(app) as visitor:
        looks = [await visitor.get("/login", params={"t": ticket}) for _ in range(3)]
        entered = await visitor.post("/login", data={"t": ticket})

    assert all(look.status_code == 200 and "Continue as Operator" in look.text for look in looks)
    assert entered.status_code == 303
    assert entered.headers["location"] == "/"


async def test_a_spent_link_lets_nobody_in_again_and_says_so(app: App) -> None:
    ticket = await _ticket(app)

    async with browser(app) as visitor:
        await visitor.post("/login", data={"t": ticket})
    async with browser(app) as thief:
        look = await thief.get("/login", params={"t": ticket})
        second = await thief.post("/login", data={"t": ticket})

    assert look.status_code == 410
    assert "used or has expired" in look.text
    assert second.status_code == 403
    assert "used or has expired" in second.text
    assert "set-cookie" not in second.headers


async def test_a_link_is_good_for_ten_minutes(app: App, clock: FakeClock) -> None:
    ticket = await _ticket(app)
    clock.pass_(minutes=10, seconds=1)

    async with browser(app) as visitor:
        late = await visitor.post("/login", data={"t": ticket})

    assert late.status_code == 403


async def test_a_made_up_link_looks_like_an_expired_one(app: App) -> None:
    async with browser(app) as visitor:
        guessed = await visitor.post("/login", data={"t": "A" * 43})

    assert guessed.status_code == 403
    assert "used or has expired" in guessed.text


async def test_the_session_cookie_is_kept_from_scripts_and_other_sites(app: App) -> None:
    ticket = await _ticket(app)

    async with browser(app) as visitor:
        entered = await visitor.post("/login", data={"t": ticket})

    cookie = entered.headers["set-cookie"]
    assert cookie.startswith("siyu=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie


def test_over_https_the_cookie_is_bound_to_the_host() -> None:
    assert cookie_name(Settings(public_url="https://fans.example.org")) == "__Host-siyu"


async def test_signing_out_ends_the_session_on_the_server(app: App) -> None:
    cookie = await sign_in(app, await employ(app, Role.VIEWER))

    async with browser(app) as visitor:
        visitor.cookies.set("siyu", cookie)
        left = await visitor.post("/session/end")

    assert left.status_code == 303
    async with app.database.reading() as session:
        assert await operators.session_of(session, cookie, now=app.clock()) is None


@pytest.mark.parametrize("change", ["role", "disabled"])
async def test_another_role_and_being_disabled_end_every_session_and_open_link(app: App, change: str) -> None:
    person = await employ(app, Role.OPERATOR)
    cookies = [await sign_in(app, person) for _ in range(2)]
    ticket = await _ticket(app)

    async with app.database.writing() as session:
        person = await operators.get_operator(session, person.id or 0)
        if change == "role":
            await operators.change_role(session, COMMAND_LINE, person, Role.VIEWER, now=app.clock())
        else:
            await operators.disable(session, COMMAND_LINE, person, now=app.clock())

    async with app.database.reading() as session:
        assert [await operators.session_of(session, cookie, now=app.clock()) for cookie in cookies] == [None, None]
        assert await operators.peek_ticket(session, ticket, now=app.clock()) is None


async def test_a_session_nobody_uses_for_two_weeks_is_over(app: App, clock: FakeClock) -> None:
    cookie = await sign_in(app, await employ(app, Role.VIEWER))

    clock.pass_(days=14, seconds=1)

    async with app.database.reading() as session:
        assert await operators.session_of(session, cookie, now=app.clock()) is None


async def test_a_session_in_use_lasts_thirty_days_and_no_longer(app: App, clock: FakeClock) -> None:
    cookie = await sign_in(app, await employ(app, Role.VIEWER))

    for _ in range(29):
        clock.pass_(days=1)
        async with app.database.writing() as session:
            assert await operators.session_of(session, cookie, now=app.clock()) is not None
            await operators.see(session, cookie, now=app.clock())
    clock.pass_(days=1, seconds=1)

    async with app.database.reading() as session:
        assert await operators.session_of(session, cookie, now=app.clock()) is None


async def test_of_two_who_spend_one_ticket_at_once_one_comes_in(app: App) -> None:
    ticket = await _ticket(app)

    async def spend() -> bool:
        try:
            async with app.database.writing() as session:
                await operators.spend_ticket(session, ticket, now=app.clock())
        except Forbidden:
            return False
        return True

    came_in = await asyncio.gather(*(spend() for _ in range(8)))

    assert sum(came_in) == 1


async def test_old_tickets_and_sessions_are_forgotten(app: App, clock: FakeClock) -> None:
    person = await employ(app, Role.VIEWER)
    await sign_in(app, person)
    clock.now += operators.ABSOLUTE_LIMIT + timedelta(seconds=1)
    living = await sign_in(app, person)

    async with app.database.writing() as session:
        forgotten = await operators.forget_old(session, now=app.clock())

    assert forgotten == 2
    async with app.database.reading() as session:
        assert await operators.session_of(session, living, now=app.clock()) is not None


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\nb"])
async def test_after_a_preference_nobody_is_led_to_another_site(app: App, path: str) -> None:
    async with browser(app) as visitor:
        chosen = await visitor.post("/preferences", data={"theme": "dark", "next": path})

    assert chosen.status_code == 303
    assert chosen.headers["location"] == "/"
    assert "theme=dark" in chosen.headers["set-cookie"]


async def test_words_follow_the_cookie_then_the_browser(app: App) -> None:
    async with browser(app) as visitor:
        english = await visitor.get("/login", headers={"Accept-Language": "en"})
        chinese = await visitor.get("/login", headers={"Accept-Language": "zh-CN,zh;q=0.9"})
        visitor.cookies.set("locale", "en")
        chosen = await visitor.get("/login", headers={"Accept-Language": "zh-CN"})

    assert 'lang="en"' in english.text
    assert 'lang="zh-CN"' in chinese.text
    assert 'lang="en"' in chosen.text
