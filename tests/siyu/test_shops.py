"""Shops tell their orders: signed or refused, booked once, and nothing lost that cannot be read."""

import asyncio
import base64
import json
import random
from typing import Any

import pytest
from sqlmodel import col, select

from siyu import catalogue, shops, tombstones
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.shops import Door, orders, signatures
from siyu.shops import events as told_events
from siyu.tables import AuditEntry, EventState, Fan, InboundEvent, Purchase, PurchaseItem, ShopKind
from tests.clocks import FakeClock
from tests.people import given_fan
from tests.shopping import (
    SECRET,
    a_shop,
    a_shopify_order,
    a_shopify_refund,
    a_woo_order,
    an_order,
    booked,
    events,
    signed,
    tells,
    the_event,
)
from tests.trading import breaches

WOO, SHOPIFY = ShopKind.WOOCOMMERCE, ShopKind.SHOPIFY


async def test_an_order_of_a_till_is_booked_for_its_fan_with_its_lines(app: App) -> None:
    till = await a_shop(app)
    mei = await given_fan(app, telegram_id=7001)

    assert await tells(app, till, an_order(coupon_code="SPRING")) is Door.OPEN

    async with app.database.reading() as session:
        (purchase,) = await session.all(select(Purchase))
        (line,) = await session.all(select(PurchaseItem))
        product = await catalogue.find_product(session, "tea")
    assert (purchase.source, purchase.external_id, purchase.fan_id) == ("shop:till", "1001", mei.id)
    assert (purchase.amount_minor, purchase.discount_minor, purchase.coupon_code) == (6300, 500, "SPRING")
    assert (line.sku, line.name, line.quantity, line.amount_minor) == ("tea", "Spring tea", 2, 6300)
    assert product is not None
    assert (product.title, product.active, product.stars_price) == ("Spring tea", False, None)
    event = await the_event(app)
    assert (event.state, event.fan_id, event.purchase_id) == (EventState.APPLIED, mei.id, purchase.id)
    assert event.topic == "order.paid"


@pytest.mark.parametrize("kind", list(ShopKind))
async def test_what_is_not_signed_by_the_shop_is_refused_and_not_even_written_down(app: App, kind: ShopKind) -> None:
    shop = await a_shop(app, kind)
    body = json.dumps(an_order()).encode()
    good = signed(app, shop, body)
    name = next(name for name in good if "signature" in name or "hmac" in name)
    other = "v1," + base64.b64encode(b"0" * 32).decode()

    forged = [good | {name: wrong} for wrong in ("", "v1,", other, "é\udcff", good[name][:-1], good[name].upper())]
    doors = [await _knock(app, headers, body) for headers in (*forged, {}, good)]
    changed = await _knock(app, good, body + b" ")

    assert doors == [Door.FORGED] * 7 + [Door.OPEN]
    assert changed is Door.FORGED
    assert len(await events(app)) == 1


@pytest.mark.parametrize(
    ("seconds", "door"), [(-301, Door.LATE), (-300, Door.OPEN), (300, Door.OPEN), (301, Door.LATE)]
)
async def test_a_signed_time_may_be_five_minutes_off_and_no_more(
    app: App, clock: FakeClock, seconds: int, door: Door
) -> None:
    till = await a_shop(app)
    body = json.dumps(an_order()).encode()
    headers = signed(app, till, body)
    clock.pass_(seconds=-seconds)

    assert await _knock(app, headers, body) is door

    assert len(await booked(app)) == (door is Door.OPEN)


async def test_a_time_that_is_no_number_is_late_though_it_is_signed(app: App) -> None:
    till = await a_shop(app)
    body = b"{}"
    name = signatures._signature(signatures._bytes_of(till.secret), b"m.soon." + body)
    headers = {"webhook-id": "m", "webhook-timestamp": "soon", "webhook-signature": f"v1,{name}"}

    assert await _knock(app, headers, body) is Door.LATE


async def test_while_a_secret_is_changed_both_are_good_and_then_only_the_new_one(app: App) -> None:
    till = await a_shop(app)
    async with app.database.writing() as session:
        new = await shops.change_secret(session, COMMAND_LINE, "till", now=app.clock())
    both = [await tells(app, shop, an_order()) for shop in (till, new)]
    async with app.database.writing() as session:
        await shops.forget_old_secret(session, COMMAND_LINE, "till", now=app.clock())
    after = [await tells(app, shop, an_order()) for shop in (till, new)]

    assert new.secret != till.secret
    assert (both, after) == ([Door.OPEN, Door.OPEN], [Door.FORGED, Door.OPEN])


async def test_a_closed_door_hears_nothing_until_it_is_opened_again(app: App) -> None:
    till = await a_shop(app)
    nobody = await shops.accept(app.database, "nobody", {}, b"{}", zone=app.settings.zone, now=app.clock())
    async with app.database.writing() as session:
        await shops.close(session, COMMAND_LINE, "till", now=app.clock())
    closed = await tells(app, till, an_order())
    async with app.database.writing() as session:
        await shops.reopen(session, COMMAND_LINE, "till", now=app.clock())

    assert (nobody, closed) == (Door.UNKNOWN, Door.UNKNOWN)
    assert await tells(app, till, an_order()) is Door.OPEN


async def test_the_same_change_is_one_event_however_often_and_under_whatever_delivery_id(app: App) -> None:
    till = await a_shop(app)

    for delivery in ("a", "b", "a"):
        await tells(app, till, an_order(), delivery=delivery)

    event = await the_event(app)
    assert (event.state, event.deliveries) == (EventState.APPLIED, 3)
    assert await booked(app) == [("shop:till", "1001", 6300, 0, "CNY")]


GONE = {"order_id": "1002", "total": "8.5", "discount": "0", "lines": []}
PART, REST = {"id": 9, "total": "-9.35"}, {"id": 10, "total": "-20.00"}
IN_PART = {"updated_at": "2026-02-03T09:00:01-05:00", "refunds": [a_shopify_refund("10.00")]}
STORY: list[tuple[ShopKind, str, dict[str, Any]]] = [
    (ShopKind.STANDARD, "", an_order()),
    (ShopKind.STANDARD, "", an_order("refunded", at="2026-02-02T00:00:00Z", refunds=[{"id": "r1", "amount": "13.00"}])),
    (ShopKind.STANDARD, "", an_order("paid", **GONE)),
    (ShopKind.STANDARD, "", an_order("cancelled", at="2026-02-04T00:00:00Z", **GONE)),
    (WOO, "order.created", a_woo_order("pending", date_paid_gmt=None)),
    (WOO, "order.updated", a_woo_order("processing")),
    (WOO, "order.updated", a_woo_order("completed", date_modified_gmt="2026-02-02T04:00:00")),
    (WOO, "order.updated", a_woo_order("completed", date_modified_gmt="2026-02-03T04:00:00", refunds=[PART])),
    (WOO, "order.updated", a_woo_order("refunded", date_modified_gmt="2026-02-04T04:00:00", refunds=[PART, REST])),
    (SHOPIFY, "orders/paid", a_shopify_order()),
    (SHOPIFY, "refunds/create", a_shopify_refund("10.00")),
    (SHOPIFY, "orders/updated", a_shopify_order("partially_refunded", **IN_PART)),
]
BOOKS = [
    ("shop:shopify", "820982911946154508", 5400, 1000, "USD"),
    ("shop:standard", "1001", 6300, 1300, "CNY"),
    ("shop:standard", "1002", 850, 850, "CNY"),
    ("shop:woocommerce", "727", 2935, 2935, "USD"),
]


@pytest.mark.parametrize("seed", range(8))
async def test_everything_thrice_and_in_any_order_gives_the_same_books(app: App, seed: int) -> None:
    open_ = {kind: await a_shop(app, kind, kind.value) for kind in ShopKind}
    await given_fan(app, phone="+8613800138000")
    told = STORY * 3
    random.Random(seed).shuffle(told)

    for n, (kind, topic, body) in enumerate(told):
        await tells(app, open_[kind], body, topic, delivery=str(n))

    assert await booked(app) == BOOKS
    assert {state for state, _ in await events(app)} <= {"applied", "ignored"}
    assert await breaches(app) == []


async def test_two_deliveries_at_once_are_one_purchase(app: App) -> None:
    till = await a_shop(app)
    later = an_order("refunded", at="2026-02-02T00:00:00Z", refunds=[{"id": "r1", "amount": "13.00"}])

    doors = await asyncio.gather(
        *(tells(app, till, told, delivery=str(n)) for n in range(8) for told in (an_order(), later))
    )

    assert set(doors) == {Door.OPEN}
    assert await booked(app) == [("shop:till", "1001", 6300, 1300, "CNY")]


async def test_a_refund_that_came_first_waits_for_its_order(app: App) -> None:
    shop = await a_shop(app, SHOPIFY)
    await given_fan(app, phone="+8613800138000")

    await tells(app, shop, a_shopify_refund("54.00"), "refunds/create")
    before = await events(app)
    await tells(app, shop, a_shopify_order(), "orders/paid")

    assert before == [("waiting", "order_missing")]
    assert await events(app) == [("applied", ""), ("applied", "")]
    assert [one[2:4] for one in await booked(app)] == [(5400, 5400)]


async def test_what_a_dying_process_had_only_written_down_is_booked_a_minute_later(
    app: App, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = await a_shop(app)
    with monkeypatch.context() as dying:
        dying.setattr(told_events, "settle", _dies)
        with pytest.raises(KeyboardInterrupt):
            await tells(app, till, an_order())
    async with app.database.reading() as session:
        at_once = await shops.any_left_behind(session, now=app.clock())
    clock.pass_(seconds=61)

    settled = await shops.settle_left_behind(app.database, zone=app.settings.zone, now=app.clock())

    assert (at_once, settled) == (False, 1)
    assert await booked(app) == [("shop:till", "1001", 6300, 0, "CNY")]


UNREADABLE = [
    b"",
    b"\x00",
    b"[]",
    b'{"type": "order.paid"}',
    json.dumps(an_order(total="-1")).encode(),
    json.dumps(an_order(total="10000000.01")).encode(),
    json.dumps(an_order(total="1.005")).encode(),
    json.dumps(an_order(total="NaN")).encode(),
    json.dumps(an_order(currency="XYZ")).encode(),
    json.dumps(an_order(paid_at="yesterday")).encode(),
    json.dumps(an_order(order_id=" ")).encode(),
    json.dumps(an_order(lines=[{"total": "1", "quantity": 0}])).encode(),
    json.dumps(an_order(order_id="1\x00")).encode(),
    json.dumps(an_order(currency="C\x00Y")).encode(),
    json.dumps(an_order(paid_at="2026-02-01T12:00:00")).encode(),
    json.dumps(an_order(paid_at="0001-01-01T00:00:00+14:00")).encode(),
]


@pytest.mark.parametrize("body", UNREADABLE)
async def test_what_cannot_be_read_is_kept_for_a_person_and_answered_all_the_same(app: App, body: bytes) -> None:
    till = await a_shop(app)

    assert [await tells(app, till, body), await tells(app, till, body)] == [Door.OPEN, Door.OPEN]

    event = await the_event(app)
    assert (event.state, event.reason, event.deliveries) == (EventState.QUARANTINED, "unreadable", 2)
    assert event.detail
    assert await booked(app) == []


async def test_whatever_words_a_shop_uses_two_changes_stay_two(app: App) -> None:
    woo = await a_shop(app, WOO)
    await given_fan(app, phone="13800138000")

    await tells(app, woo, a_woo_order("long" * 100))
    await tells(app, woo, a_woo_order("long" * 100, refunds=[{"id": 9, "total": "-9.35"}]))

    assert await events(app) == [("applied", ""), ("applied", "")]
    assert [one[2:4] for one in await booked(app)] == [(2935, 935)]


async def test_goods_that_go_back_without_money_are_no_refund(app: App) -> None:
    woo = await a_shop(app, WOO)
    await given_fan(app, phone="13800138000")

    await tells(app, woo, a_woo_order(refunds=[{"id": 9, "total": "0.00"}]))

    assert await events(app) == [("applied", "")]
    assert [one[2:4] for one in await booked(app)] == [(2935, 0)]


async def test_what_is_not_about_an_order_is_let_pass(app: App) -> None:
    woo = await a_shop(app, WOO)

    await tells(app, woo, {"id": 1, "sku": "x"}, "product.updated")

    assert await events(app) == [("ignored", "other_topic")]


async def test_woocommerce_saves_its_webhook_with_an_unsigned_ping(app: App) -> None:
    await a_shop(app, WOO)
    form = {"content-type": "application/x-www-form-urlencoded"}

    assert await _knock(app, form, b"webhook_id=12") is Door.OPEN
    assert await _knock(app, form, b"webhook_id=12&" + b"x" * 100) is Door.FORGED
    assert await events(app) == []


@pytest.mark.parametrize(
    ("phones", "reason"),
    [((), "stranger"), (("13900000000",), "stranger"), (("13800138000", "+86 138 0013 8000"), "several")],
)
async def test_a_buyer_nobody_can_name_waits_until_somebody_does(
    app: App, phones: tuple[str, ...], reason: str
) -> None:
    woo = await a_shop(app, WOO)
    known = [await given_fan(app, telegram_id=7100 + n, phone=phone) for n, phone in enumerate(phones)]
    mei = known[0] if known else await given_fan(app, telegram_id=7100)

    await tells(app, woo, a_woo_order())
    assert await events(app) == [("quarantined", reason)]
    event = await the_event(app)
    async with app.database.writing() as session:
        await shops.name_buyer(session, COMMAND_LINE, event.id or 0, mei.telegram_id, now=app.clock())
    await shops.settle(app.database, event.id or 0, zone=app.settings.zone, now=app.clock())
    await tells(app, woo, a_woo_order("completed", date_modified_gmt="2026-02-05T00:00:00"))

    async with app.database.reading() as session:
        (purchase,) = await session.all(select(Purchase))
        (named,) = await session.all(select(AuditEntry).where(AuditEntry.action == "shop.buyer_named"))
    assert purchase.fan_id == mei.id
    assert named.subject == str(event.id)
    assert await events(app) == [("applied", ""), ("applied", "")]


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("+86 138-0013-8000", "13800138000"),
        ("13800138000", "0086 (138) 0013.8000"),
        ("+86138 0013 8000", "+8613800138000"),
    ],
)
async def test_a_phone_number_is_the_same_however_it_is_written(app: App, written: str, asked: str) -> None:
    till = await a_shop(app)
    mei = await given_fan(app, phone=written)

    await tells(app, till, an_order(telegram_id=None, phone=asked))

    async with app.database.reading() as session:
        assert await session.all(select(col(Purchase.fan_id))) == [mei.id]


@pytest.mark.parametrize("phone", ["", "138", "none", "+86 138"])
async def test_too_little_of_a_number_names_nobody(app: App, phone: str) -> None:
    till = await a_shop(app)
    await given_fan(app, phone="13800138000")

    await tells(app, till, an_order(telegram_id=None, phone=phone))

    assert await events(app) == [("quarantined", "no_contact")]


async def test_who_asked_to_be_forgotten_is_not_brought_back_and_nothing_said_of_them_is_kept(app: App) -> None:
    till = await a_shop(app)
    async with app.database.writing() as session:
        await tombstones.put_up(session, 7001, now=app.clock())

    await tells(app, till, an_order())

    event = await the_event(app)
    assert (event.state, event.reason, event.body) == (EventState.IGNORED, "forgotten", "")
    async with app.database.reading() as session:
        assert await session.all(select(Fan)) == []


async def test_an_order_told_with_another_amount_does_not_rewrite_what_is_booked(app: App) -> None:
    till = await a_shop(app)
    await tells(app, till, an_order())

    await tells(app, till, an_order(at="2026-02-02T00:00:00Z", total="99.00"))

    assert await events(app) == [("applied", ""), ("quarantined", "changed")]
    assert await booked(app) == [("shop:till", "1001", 6300, 0, "CNY")]


@pytest.mark.parametrize(
    ("kind", "refund", "reason"),
    [
        (ShopKind.STANDARD, an_order("refunded", refunds=[{"id": "r", "amount": "63.01"}]), "too_much"),
        (SHOPIFY, {**a_shopify_refund("1"), "order_id": "1001"}, "other_currency"),
    ],
)
async def test_a_refund_that_does_not_fit_waits_and_its_purchase_stands(
    app: App, kind: ShopKind, refund: dict[str, Any], reason: str
) -> None:
    till = await a_shop(app)
    await tells(app, till, an_order())
    if kind is SHOPIFY:  # the same shop, as if it had become another
        async with app.database.writing() as session:
            found = await shops.get_shop(session, "till")
            found.kind = kind
            session.add(found)
        till = found

    await tells(app, till, refund, "refunds/create")

    assert (await events(app))[-1] == ("quarantined", reason)
    assert await booked(app) == [("shop:till", "1001", 6300, 0, "CNY")]


async def test_what_fails_is_undone_told_and_can_be_tried_again(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    till = await a_shop(app)
    with monkeypatch.context() as broken:
        broken.setattr(catalogue, "add_stubs", _breaks)
        assert await tells(app, till, an_order()) is Door.OPEN
    event = await the_event(app)
    before = await booked(app)

    await shops.settle(app.database, event.id or 0, zone=app.settings.zone, now=app.clock())

    assert (event.reason, event.detail) == ("failed", "RuntimeError: the shelf broke")
    assert before == []
    assert await booked(app) == [("shop:till", "1001", 6300, 0, "CNY")]


async def test_what_was_let_go_stays_so_however_often_it_comes(app: App) -> None:
    till = await a_shop(app)
    await tells(app, till, an_order(telegram_id=None))
    event = await the_event(app)
    async with app.database.writing() as session:
        await shops.drop(session, COMMAND_LINE, event.id or 0, now=app.clock())
    await tells(app, till, an_order(telegram_id=None))

    assert await events(app) == [("dropped", "no_contact")]
    async with app.database.writing() as session:
        with pytest.raises(Conflict):
            await shops.drop(session, COMMAND_LINE, event.id or 0, now=app.clock())
        for nobody in (1, -1):
            with pytest.raises(NotFound):
                await shops.name_buyer(session, COMMAND_LINE, event.id or 0, nobody, now=app.clock())


async def test_what_was_booked_is_wiped_a_month_later_and_what_waits_is_not(app: App, clock: FakeClock) -> None:
    till = await a_shop(app)
    await tells(app, till, an_order())
    await tells(app, till, an_order(order_id="1002", telegram_id=None))
    clock.pass_(days=31)

    async with app.database.writing() as session:
        assert await shops.forget_bodies(session, now=app.clock()) == 1

    async with app.database.reading() as session:
        bodies = await session.all(select(col(InboundEvent.body)).order_by(col(InboundEvent.id)))
    assert [bool(body) for body in bodies] == [False, True]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"key": "A shop"}, "key"),
        ({"key": ""}, "key"),
        ({"key": "x" * 33}, "key"),
        ({"title": " "}, "title"),
        ({"secret": "short"}, "secret"),
        ({"secret": "with a blank in it"}, "secret"),
    ],
)
async def test_a_shop_that_is_not_well_named_is_refused_at_its_field(
    app: App, change: dict[str, str], where: str
) -> None:
    given: dict[str, Any] = {"key": "woo", "title": "Woo", "kind": WOO, "secret": SECRET, **change}
    async with app.database.writing() as session:
        with pytest.raises(Invalid) as refused:
            await shops.open_shop(session, COMMAND_LINE, **given, now=app.clock())

    assert refused.value.where == (where,)


async def test_a_name_that_is_taken_is_a_conflict_and_the_shop_stays(app: App) -> None:
    await a_shop(app, WOO, "woo")
    async with app.database.writing() as session:
        with pytest.raises(Conflict):
            await shops.open_shop(
                session, COMMAND_LINE, key="woo", title="X", kind=SHOPIFY, secret=SECRET, now=app.clock()
            )

    async with app.database.reading() as session:
        assert (await shops.get_shop(session, "woo")).kind is WOO


def test_zeros_a_currency_does_not_know_are_read_and_digits_are_not() -> None:
    assert orders.money("68.00", "JPY").minor == 68
    assert orders.money("68.10", "usd").minor == 6810
    with pytest.raises(orders.Unreadable):
        orders.money("68.50", "JPY")


async def _knock(app: App, headers: dict[str, str], body: bytes) -> Door:
    async with app.database.reading() as session:
        (shop,) = await shops.list_shops(session)
    return await shops.accept(app.database, shop.key, headers, body, zone=app.settings.zone, now=app.clock())


async def _dies(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


async def _breaks(*_: object, **__: object) -> None:
    raise RuntimeError("the shelf broke")
