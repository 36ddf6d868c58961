"""Buying in chat, as a fan sees it."""

import pytest

from siyu.app import App
from tests.bot.chatting import Phone, buttons, of, presses
from tests.trading import a_product, an_offer, breaches, claims


async def test_the_shop_is_one_living_message_of_at_most_three_rows(app: App) -> None:
    for n in range(9):
        await a_product(app, f"tea-{n}", category="Drinks" if n % 2 else "Cups")
    mei = Phone(app)

    first = of(await mei.write("/shop"), "sendMessage")
    turned = await mei.press("s:l:-:1")

    assert "Page 1 of 3" in first["text"]
    assert len(first["reply_markup"]["inline_keyboard"]) == 3
    assert presses(first)[-2:] == ["s:c", "s:l:-:1"]
    page = of(turned, "editMessageText")
    assert "Page 2 of 3" in page["text"]
    assert len(page["reply_markup"]["inline_keyboard"]) == 3
    assert of(turned, "answerCallbackQuery")


async def test_a_category_shows_its_own_shelf(app: App) -> None:
    await a_product(app, "tea", category="饮品与一切可以慢慢喝的东西")
    await a_product(app, "cup", category="Cups")
    mei = Phone(app)

    categories = of(await mei.press("s:c"), "editMessageText")
    drinks = next(button for button in buttons(categories) if button["text"].startswith("饮品"))
    shelf = of(await mei.press(drinks["callback_data"]), "editMessageText")

    assert "<b>Tea</b>" in shelf["text"]
    assert "Cup</b>" not in shelf["text"]


async def test_looking_is_a_view_and_buying_a_press(app: App) -> None:
    await a_product(app, "tea")
    mei = Phone(app)

    await mei.write("/shop")
    await mei.press("s:p:tea")
    await mei.press("s:b:tea")

    assert await mei.deeds() == [("command", "shop"), ("view", "tea"), ("press", "s:b:tea")]


async def test_a_purchase_from_the_shelf_to_the_receipt(app: App) -> None:
    await a_product(app, "tea", stars_price=100, description="Two <leaves> & a bud", stock=2)
    offer = await an_offer(app, value=20, title="Spring & summer")
    mei = Phone(app)
    await mei.write("/start")
    await claims(app, offer, await mei.fan())

    product = of(await mei.press("s:p:tea"), "editMessageText")
    invoice = of(await mei.press("s:b:tea"), "sendInvoice")
    allowed = await mei.is_asked_to_pay(invoice["payload"], 80)
    receipt = of(await mei.pay(invoice["payload"], 80), "sendMessage")

    assert "Two &lt;leaves&gt; &amp; a bud" in product["text"]
    assert "<s>100 ⭐</s> <b>80 ⭐</b>" in product["text"]
    assert buttons(product)[0]["text"] == "Buy · 80 ⭐"
    assert invoice["prices"] == [{"label": "Tea", "amount": 80}]
    assert (invoice["currency"], invoice["provider_token"], invoice["start_parameter"]) == ("XTR", "", "shop")
    assert invoice["description"].startswith("Two <leaves> & a bud\n")
    assert len(invoice["payload"].encode()) <= 128
    assert (allowed["method"], allowed["ok"]) == ("answerPreCheckoutQuery", True)
    assert "80 ⭐" in receipt["text"]
    assert "saved you 20 ⭐" in receipt["text"]
    assert await breaches(app) == []


async def test_a_fan_chooses_between_coupons(app: App) -> None:
    await a_product(app, "tea", stars_price=100)
    mei = Phone(app)
    await mei.write("/start")
    small = await claims(app, await an_offer(app, value=10), await mei.fan())
    await claims(app, await an_offer(app, value=30), await mei.fan())

    choice = of(await mei.press("s:u:tea"), "editMessageText")
    invoice = of(await mei.press(f"s:b:tea:{small.id}"), "sendInvoice")
    bare = of(await mei.press("s:n:tea"), "sendInvoice")

    assert [button["text"] for button in buttons(choice)][:2] == ["30% off · 70 ⭐", "10% off · 90 ⭐"]
    assert invoice["prices"][0]["amount"] == 90
    assert bare["prices"][0]["amount"] == 100


async def test_a_refused_payment_is_told_in_the_fans_language(app: App) -> None:
    await a_product(app, "tea", stars_price=100)
    mei, bo = Phone(app, 501), Phone(app, 502, language="zh-hans")
    invoice = of(await mei.press("s:b:tea"), "sendInvoice")

    answer = await bo.is_asked_to_pay(invoice["payload"], 100)

    assert answer["ok"] is False
    assert answer["error_message"].endswith("。")


async def test_the_same_payment_again_says_nothing(app: App) -> None:
    await a_product(app, "tea", stars_price=100)
    mei = Phone(app)
    invoice = of(await mei.press("s:b:tea"), "sendInvoice")
    await mei.is_asked_to_pay(invoice["payload"], 100)
    await mei.pay(invoice["payload"], 100)

    assert await mei.pay(invoice["payload"], 100) == []


async def test_a_second_charge_is_apologized_for_and_given_back(app: App) -> None:
    await a_product(app, "tea", stars_price=100)
    mei = Phone(app)
    invoice = of(await mei.press("s:b:tea"), "sendInvoice")
    await mei.pay(invoice["payload"], 100, charge="one")

    calls = await mei.pay(invoice["payload"], 100, charge="two")

    assert of(calls, "refundStarPayment")["telegram_payment_charge_id"] == "two"
    assert "go back to you" in of(calls, "sendMessage")["text"]


async def test_what_is_sold_out_has_no_button_to_buy(app: App) -> None:
    await a_product(app, "tea", stock=0)
    mei = Phone(app)

    product = of(await mei.press("s:p:tea"), "editMessageText")
    forged = of(await mei.press("s:b:tea"), "answerCallbackQuery")

    assert "Sold out" in product["text"]
    assert presses(product) == ["s:l:-:0"]
    assert (forged["text"], forged["show_alert"]) == ("Sorry, this is sold out.", True)


async def test_an_empty_shop_says_so(app: App) -> None:
    shelf = of(await Phone(app).write("/shop"), "sendMessage")

    assert "nothing on sale" in shelf["text"]


async def test_a_press_under_a_message_that_is_gone_is_answered_with_a_new_one(app: App) -> None:
    await a_product(app, "tea")

    calls = await Phone(app).press("s:p:tea", under=None)

    assert of(calls, "sendMessage")
    assert of(calls, "answerCallbackQuery")


@pytest.mark.parametrize(
    "data",
    [
        "", "x", "s", "s:", "s:p:", "s:p:../etc", "s:l:-:99999999", "s:l:zz:0", "s:b:tea:0", "s:b:tea:-1", "s:q:tea",
        "m:admin", "w:c:0", "w:c:1e9", "t:fr", "p:r:", "f:x:1", "r:short", "b:1:explode", "b:0:mute", "🎁" * 16,
    ],
)  # fmt: skip
async def test_forged_data_gets_a_polite_no_and_changes_nothing(app: App, data: str) -> None:
    mei = Phone(app)
    await mei.write("/start")
    before = await mei.deeds()

    (answer,) = await mei.press(data)

    assert answer["method"] == "answerCallbackQuery"
    assert "does not work any more" in answer["text"]
    assert await mei.deeds() == before
