"""The pages and the API of source links: made once, printed, paid for, judged, retired."""

from datetime import timedelta

import httpx
import pytest
from sqlmodel import select

from siyu import fans, mailroom, sources
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.fans import Newcomer
from siyu.operators import Scope
from siyu.tables import Role, Source, SourceCost
from tests.admin.seen import forms, seen
from tests.admin.visitors import browser, program

FORM = {"title": " Shop window ", "channel": "offline", "campaign": "Spring", "cost": "120.50", "currency": "CNY"}


async def given_bot(app: App) -> None:
    async with app.database.writing() as session:
        await mailroom.remember_bot(session, 1, "tea_bot", "Tea House", now=app.clock())


async def given_link(app: App, code: str = "window", title: str = "Shop window") -> None:
    async with app.database.writing() as session:
        await sources.create_source(session, COMMAND_LINE, title=title, channel="offline", code=code, now=app.clock())


async def stored(app: App) -> tuple[list[str], list[tuple[int, str]]]:
    async with app.database.reading() as session:
        links, costs = await session.all(select(Source)), await session.all(select(SourceCost))
    return [link.title for link in links], [(cost.amount_minor, cost.currency) for cost in costs]


async def test_a_link_is_made_once_however_often_the_button_is_pressed(app: App) -> None:
    await given_bot(app)
    async with browser(app, Role.OPERATOR) as operator:
        empty = await operator.get("/sources")
        form = {**FORM, "key": "WINDOW1"}
        first = await operator.post("/sources", data=form)
        again = await operator.post("/sources", data=form)
        page = await operator.get("/sources/WINDOW1")

    assert "No source links yet" in seen(empty.text)
    assert first.headers["location"] == again.headers["location"] == "/sources/WINDOW1"
    assert await stored(app) == (["Shop window"], [(12_050, "CNY")])
    assert "https://t.me/tea_bot?start=s_WINDOW1" in page.text
    assert "Only 0 came; from 30 on they tell something." in seen(page.text)


WRONG = [
    ({"title": " "}, "a source needs a title"),
    ({"title": "x" * 81}, "at most 80 characters"),
    ({"channel": "pigeon"}, "pigeon is not a channel"),
    ({"cost": "-1"}, "an amount lies between 0 and 10,000,000"),
    ({"cost": "0"}, "write what it cost, above 0"),
    ({"cost": "1.005"}, "has more digits than CNY knows"),
    ({"cost": "NaN"}, "NaN is not an amount"),
    ({"currency": "XYZ"}, "XYZ is not a currency"),
]


@pytest.mark.parametrize(("change", "told"), WRONG)
async def test_a_wrong_link_comes_back_with_what_was_typed_and_makes_nothing(
    app: App, change: dict[str, str], told: str
) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post("/sources", data={**FORM, **change})

    assert answer.status_code == 422
    assert told in seen(answer.text)
    assert 'value="Spring"' in answer.text
    assert await stored(app) == ([], [])


async def test_a_cost_is_booked_and_deleted_and_a_link_retired_and_used_again(app: App) -> None:
    await given_link(app)
    async with browser(app, Role.OPERATOR) as operator:
        for _ in range(2):
            await operator.post("/sources/window/costs", data={"cost": "80", "currency": "eur", "key": "k1"})
        booked = await stored(app)
        wrong = await operator.post("/sources/window/costs", data={"cost": "", "currency": "EUR"})
        await operator.post("/sources/window/costs/1/removal")
        await operator.post("/sources/window/retirement")
        retired = await operator.get("/sources")
        await operator.post("/sources/window/return")
        back = await operator.get("/sources")

    assert booked[1] == [(8_000, "EUR")]
    assert (wrong.status_code, (await stored(app))[1]) == (422, [])
    assert "retired" in seen(retired.text)
    assert "retired" not in seen(back.text)


async def test_the_poster_carries_a_code_that_leads_to_the_bot(app: App) -> None:
    await given_link(app)
    async with browser(app, Role.VIEWER) as viewer:
        no_picture = await viewer.get("/sources/window/qr.png")
        no_poster = await viewer.get("/sources/window/poster")
        await given_bot(app)
        picture = await viewer.get("/sources/window/qr.png")
        poster = await viewer.get("/sources/window/poster")

    assert no_picture.status_code == 404
    assert "The bot has not been started yet" in seen(no_poster.text)
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    assert "Tea House" in seen(poster.text)
    assert "/sources/window/qr.png" in poster.text


async def test_a_viewer_looks_and_changes_nothing(app: App) -> None:
    await given_link(app)
    async with browser(app, Role.VIEWER) as viewer:
        pages = [(await viewer.get(path)).text for path in ("/sources", "/sources/window")]
        paths = ("/sources", "/sources/window/costs", "/sources/window/retirement", "/sources/window/return")
        refused = [
            (await viewer.post(path, data=FORM)).status_code for path in (*paths, "/sources/window/costs/1/removal")
        ]

    assert [forms(page) for page in pages] == [[], []]
    assert refused == [403] * 5
    assert await stored(app) == (["Shop window"], [])


async def test_a_hostile_title_stays_text(app: App) -> None:
    await given_bot(app)
    await given_link(app, title='<script>alert(1)</script>"&%d')
    async with browser(app, Role.OPERATOR) as operator:
        pages = [(await operator.get(f"/sources{path}")).text for path in ("", "/window", "/window/poster")]

    assert all("<script>alert" not in page and "&lt;script&gt;alert(1)" in page for page in pages)


@pytest.mark.parametrize("days", ["0", "30", "365", "-1", "abc", "99999999999999999999"])
async def test_any_period_in_the_address_gives_a_page(app: App, days: str) -> None:
    await given_link(app)
    async with browser(app, Role.VIEWER) as viewer:
        answers = [await viewer.get(path, params={"days": days}) for path in ("/sources", "/sources/window")]
        unknown = await viewer.get("/sources/nowhere")

    assert [answer.status_code for answer in answers] == [200, 200]
    assert unknown.status_code == 404


async def _makes(shop: httpx.AsyncClient) -> httpx.Response:
    return await shop.post("/api/v1/sources", json={"title": "Fair", "channel": "social", "code": "fair"})


async def test_a_program_makes_a_link_books_its_cost_and_reads_what_it_brought(app: App) -> None:
    await given_bot(app)
    newcomer = Newcomer(5, "Mei", joined_at=app.clock() - timedelta(days=3), source="s_fair", source_channel="social")
    async with program(app) as shop:
        made, again = await _makes(shop), await _makes(shop)
        async with app.database.writing() as session:
            await fans.admit(session, [newcomer], zone=app.settings.zone, now=app.clock())
        cost = {"amount_minor": 900, "idempotency_key": "bill-1"}
        for _ in range(2):
            booked = await shop.post("/api/v1/sources/fair/costs", json=cost)
        listed = (await shop.get("/api/v1/sources", params={"days": 30})).json()
        wrong = await shop.post("/api/v1/sources", json={"title": "Fair", "channel": "pigeon"})
        unknown = await shop.post("/api/v1/sources/nowhere/costs", json=cost)

    assert (made.status_code, again.status_code, wrong.status_code, unknown.status_code) == (201, 409, 422, 404)
    assert made.json()["link"] == "https://t.me/tea_bot?start=s_fair"
    assert booked.json()["cost_minor"] == 900
    fair = listed["items"][0]
    assert (fair["joined"], fair["cost_minor"], fair["roi"], fair["verdict"]) == (1, 900, -1.0, "wait")
    assert fair["reason"] == "Only 1 came; from 30 on they tell something."
    assert [(one["channel"], one["joined"]) for one in listed["channels"]] == [("social", 1)]


async def test_a_program_that_only_reads_makes_no_link(app: App) -> None:
    async with program(app, Scope.READ) as reader:
        assert (await _makes(reader)).status_code == 403
