"""The door of shops and their pages: connected, heard, looked after, closed."""

import json
import re
from datetime import timedelta

import httpx
import pytest
from sqlmodel import select

from siyu import home, shops
from siyu.app import App
from siyu.shops import LARGEST_BODY
from siyu.tables import Role, Shop, ShopKind
from tests.admin.seen import forms, seen
from tests.admin.visitors import browser
from tests.people import given_fan
from tests.shopping import SECRET, a_shop, a_woo_order, an_order, booked, events, signed, tells, the_event

FORM = {"key": "till", "title": "The till", "kind": "standard", "secret": ""}


async def stored(app: App) -> list[Shop]:
    async with app.database.reading() as session:
        return list(await session.all(select(Shop)))


async def test_a_till_is_connected_and_its_first_order_is_in_the_books(app: App) -> None:
    await given_fan(app, telegram_id=7001)
    async with browser(app, Role.ADMIN) as admin:
        empty = await admin.get("/shops")
        answer = await admin.post("/shops", data=FORM)
        secret = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.text)
        (till,) = await stored(app)
        body = json.dumps(an_order()).encode()
        headers = signed(app, till, body)
    async with browser(app) as stranger:
        heard = await stranger.post("/hooks/till", content=body, headers=headers)
    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get("/shops/till")

    assert "No shop tells us anything yet" in seen(empty.text)
    assert "http://127.0.0.1:8000/hooks/till" in answer.text
    assert secret is not None
    assert secret.group() == till.secret
    assert heard.status_code == 200
    assert await booked(app) == [("shop:till", "1001", 6300, 0, "CNY")]
    assert "booked" in seen(page.text)
    assert till.secret not in page.text


async def test_the_door_answers_a_shop_with_nothing_but_a_status(app: App) -> None:
    till = await a_shop(app)
    body = json.dumps(an_order()).encode()
    good = signed(app, till, body)
    async with browser(app) as shop:
        answers = [
            await shop.post("/hooks/till", content=body, headers=good),
            await shop.post("/hooks/till", content=body, headers={**good, "webhook-signature": "v1,no"}),
            await shop.post("/hooks/till", content=body, headers=dict(_late(app, till, body))),
            await shop.post("/hooks/nobody", content=body, headers=good),
            await shop.post("/hooks/till", content=b"x" * (LARGEST_BODY + 1), headers=good),
            await shop.get("/hooks/till"),
        ]

    assert [answer.status_code for answer in answers] == [200, 401, 400, 404, 413, 405]
    assert len(await events(app)) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"key": "My Till"}, "a short name has up to 32"),
        ({"title": " "}, "a shop needs a title"),
        ({"kind": "woocommerce", "secret": "short"}, "paste the secret that the shop shows"),
        ({"key": "taken"}, "there is a shop taken already"),
    ],
)
async def test_a_wrong_form_comes_back_with_what_was_typed_and_connects_nothing(
    app: App, change: dict[str, str], told: str
) -> None:
    await a_shop(app, ShopKind.SHOPIFY, "taken")
    async with browser(app, Role.ADMIN) as admin:
        answer = await admin.post("/shops", data={**FORM, **change})

    assert answer.status_code == 422
    assert told in seen(answer.text)
    assert [shop.key for shop in await stored(app)] == ["taken"]


async def test_whoever_bought_is_named_on_the_page_and_the_order_is_booked(app: App) -> None:
    woo = await a_shop(app, ShopKind.WOOCOMMERCE)
    await given_fan(app, telegram_id=7001, name="Mei")
    await tells(app, woo, a_woo_order())
    event = await the_event(app)
    async with app.database.reading() as session:
        waiting = await home.waiting(session)
    async with browser(app, Role.OPERATOR) as operator:
        front, before = await operator.get("/"), await operator.get("/shops")
        place = f"/shops/events/{event.id}/buyer"
        nonsense = await operator.post(place, data={"telegram_id": "Mei"}, follow_redirects=True)
        stranger = await operator.post(place, data={"telegram_id": "12"}, follow_redirects=True)
        right = await operator.post(place, data={"telegram_id": "7001"}, follow_redirects=True)
        after = await operator.get("/shops/till")

    assert waiting == {"shops": 1}
    assert "1 order of a shop could not be booked" in seen(front.text)
    assert "No fan has the phone number it names: who bought?" in seen(before.text)
    assert place in forms(before.text)
    assert "there is no fan with Telegram id 12" in seen(stranger.text)
    assert "It is in the books now." in seen(right.text)
    assert "is in the books" not in seen(nonsense.text)
    assert "Mei" in seen(after.text)
    assert await booked(app) == [("shop:till", "727", 2935, 0, "USD")]


async def test_it_is_tried_again_once_the_cause_is_gone_or_let_go(app: App) -> None:
    woo = await a_shop(app, ShopKind.WOOCOMMERCE)
    await tells(app, woo, a_woo_order())
    await tells(app, woo, b"{")
    async with browser(app, Role.OPERATOR) as operator:
        in_vain = await operator.post("/shops/events/1/replay", follow_redirects=True)
        await given_fan(app, phone="13800138000")
        now = await operator.post("/shops/events/1/replay", follow_redirects=True)
        twice = await operator.post("/shops/events/1/replay", follow_redirects=True)
        gone = await operator.post("/shops/events/2/dropping", follow_redirects=True)

    assert "It still cannot be booked." in seen(in_vain.text)
    assert "It is in the books now." in seen(now.text)
    assert "somebody decided this already" in seen(twice.text)
    assert "Let go: nothing is booked of it." in seen(gone.text)
    assert await events(app) == [("applied", ""), ("dropped", "unreadable")]


async def test_a_secret_is_changed_beside_the_old_one_and_a_door_closed(app: App) -> None:
    await a_shop(app, ShopKind.WOOCOMMERCE)
    async with browser(app, Role.ADMIN) as admin:
        short = await admin.post("/shops/till/secret", data={"secret": "x"})
        await admin.post("/shops/till/secret", data={"secret": "another-secret"})
        both = await admin.get("/shops/till")
        (during,) = await stored(app)
        await admin.post("/shops/till/secret/removal")
        await admin.post("/shops/till/closing")
        closed = await admin.get("/shops")
        (after,) = await stored(app)
        await admin.post("/shops/till/return")

    assert short.status_code == 422
    assert (during.secret, during.old_secret) == ("another-secret", SECRET)
    assert "Two secrets are good at the moment." in seen(both.text)
    assert after.old_secret is None
    assert "closed" in seen(closed.text)
    assert (await stored(app))[0].closed_at is None


async def test_operators_look_after_events_and_only_admins_touch_a_door(app: App) -> None:
    await a_shop(app)
    async with browser(app, Role.OPERATOR) as operator:
        refused = [
            (await operator.get("/shops/new")).status_code,
            (await operator.post("/shops", data=FORM)).status_code,
            (await operator.post("/shops/till/secret")).status_code,
            (await operator.post("/shops/till/closing")).status_code,
        ]
    async with browser(app, Role.VIEWER) as viewer:
        pages = [(await viewer.get(path)).status_code for path in ("/shops", "/shops/till")]

    assert (refused, pages) == ([403] * 4, [403] * 2)


def _late(app: App, till: Shop, body: bytes) -> httpx.Headers:
    return httpx.Headers(dict(shops.sign_standard(till.secret, "m", app.clock() - timedelta(minutes=6), body)))
