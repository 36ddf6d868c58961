"""Whoever changes the language on a page that a form drew finds what they typed, and nothing has happened."""

import re
from html import unescape

from httpx import AsyncClient, Response
from sqlmodel import col, select

from siyu.app import App
from siyu.tables import AuditEntry, Purchase, Role
from tests.admin.visitors import browser
from tests.trading import a_fan, a_product

KEY = "a-form-of-its-own"


async def refused(visitor: AsyncClient, fan_id: int, **fields: str) -> Response:
    form = {"key": KEY, "sku": "", "name": "A slice & a cup", "quantity": "1", "amount": "much", "coupon": "", **fields}
    return await visitor.post(f"/fans/{fan_id}/purchases", data=form)


async def switched(visitor: AsyncClient, page: Response, locale: str) -> Response:
    """What a press on the language in the menu sends."""
    form = page.text[page.text.index('action="/preferences"') :]
    form = form[: form.index("</form>")]
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
    return await visitor.post(
        "/preferences", data={name: unescape(value) for name, value in hidden.items()} | {"locale": locale}
    )


async def written(app: App) -> tuple[int, int]:
    async with app.database.reading() as session:
        sold = await session.all(select(col(Purchase.id)))
        return len(sold), len(await session.all(select(col(AuditEntry.id)).where(AuditEntry.action == "purchase.sold")))


async def test_what_was_typed_stands_there_in_the_other_language_and_back(app: App) -> None:
    fan = await a_fan(app)
    async with browser(app, Role.OPERATOR) as visitor:
        page = await refused(visitor, fan.telegram_id)
        chinese = await switched(visitor, page, "zh_CN")
        english = await switched(visitor, chinese, "en")

    for one, language in ((page, "en"), (chinese, "zh-CN"), (english, "en")):
        assert (one.status_code, f'<html lang="{language}"' in one.text) == (422, True)
        assert 'value="A slice &amp; a cup"' in one.text
        assert 'value="much"' in one.text
    assert "much is not an amount" not in chinese.text
    assert await written(app) == (0, 0)


async def test_what_could_be_accepted_meanwhile_is_not_sent_by_choosing_a_language(app: App) -> None:
    fan = await a_fan(app)
    tea = await a_product(app, price_minor=1_990, currency="CNY", stock=0)
    async with browser(app, Role.OPERATOR) as visitor:
        page = await refused(visitor, fan.telegram_id, sku="tea", amount="")
        async with app.database.writing() as session:
            (await session.get(type(tea), tea.id)).stock = 5  # type: ignore[union-attr]  # it is there
        answer = await switched(visitor, page, "zh_CN")
        home = await visitor.get("/")

    assert page.status_code == 422
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert '<html lang="zh-CN"' in home.text
    assert await written(app) == (0, 0)
    async with app.database.reading() as session:
        assert (await session.get(type(tea), tea.id)).stock == 5  # type: ignore[union-attr]  # as before


async def test_a_page_that_was_only_looked_at_is_looked_at_again(app: App) -> None:
    async with browser(app, Role.OPERATOR) as visitor:
        page = await visitor.get("/fans?q=mei")
        answer = await switched(visitor, page, "zh_CN")

    assert 'name="again"' not in page.text
    assert (answer.status_code, answer.headers["location"]) == (303, "/fans?q=mei")


async def test_nobody_leaves_or_comes_in_by_it(app: App) -> None:
    async with browser(app, Role.OPERATOR) as visitor:
        answer = await visitor.post("/preferences", data={"next": "/session/end", "again": "x=1", "locale": "en"})
        still = await visitor.get("/")

    assert (answer.headers["location"], still.status_code) == ("/", 200)
