"""Buying in chat, as a fan sees it."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from siyu.app import App
from siyu.tables import OfferKind
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


@pytest.mark.parametrize("words", ["/shop", "/shop tea"])
async def test_each_product_stands_on_a_line_of_its_own(app: App, words: str) -> None:
    for n in range(3):
        await a_product(app, f"tea-{n}", title=f"Tea {n}")
    mei = Phone(app)

    shown = of(await mei.write(words), "sendMessage")

    lines = [line.partition("</b>")[0] for line in shown["text"].splitlines() if "Tea" in line]
    assert lines == ["<b>Tea 0", "<b>Tea 1", "<b>Tea 2"]


async def test_a_category_shows_its_own_shelf(app: App) -> None:
    await a_product(app, "tea", category="饮品与一切可以慢慢喝的东西")
    await a_product(app, "cup", category="Cups")
    mei = Phone(app)

    categories = of(await mei.press("s:c"), "editMessageText")
    drinks = next(button for button in buttons(categories) if button["text"].startswith("饮品"))
    shelf = of(await mei.press(drinks["callback_data"]), "editMessageText")

    assert "<b>Tea</b>" in shelf["text"]
    assert "Cup</b>" not in shelf["text"]


async def test_more_than_six_categories_are_turned_like_pages(app: App) -> None:
    for n in range(8):
        await a_product(app, f"tea-{n}", category=f"Shelf {n}")
    mei = Phone(app)

    first = of(await mei.press("s:c"), "editMessageText")
    second = of(await mei.press("s:c:1"), "editMessageText")
    beyond = of(await mei.press("s:c:9"), "editMessageText")

    shelves = [[button["text"] for button in buttons(page) if "Shelf" in button["text"]] for page in (first, second)]
    assert shelves == [[f"Shelf {n}" for n in range(6)], ["Shelf 6", "Shelf 7"]]
    assert "s:c:1" in presses(first)
    assert "s:c:0" in presses(second)
    assert len(first["reply_markup"]["inline_keyboard"]) == 3
    assert presses(beyond) == presses(second)


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


async def test_a_word_after_the_command_finds_products_page_by_page(app: App) -> None:
    for n in range(6):
        await a_product(app, f"tea-{n}", category="Drinks")
    await a_product(app, "cup", description="For tea & more")
    mei = Phone(app)

    found = of(await mei.write("/shop TEA"), "sendMessage")
    turned = of(await mei.press(presses(found)[-1]), "editMessageText")
    nothing = of(await mei.write("/shop <zzz>"), "sendMessage")

    assert "Page 1 of 2" in found["text"]
    assert presses(found)[-1] == "s:q:1:TEA"
    assert "<b>Cup</b>" in turned["text"]
    assert "🔍 <b>&lt;zzz&gt;</b>" in nothing["text"]
    assert "Nothing is called like that" in nothing["text"]


async def test_a_long_search_still_fits_its_buttons(app: App) -> None:
    for n in range(6):
        await a_product(app, f"tea-{n}", description="一二三四五六七八九十一二三四五六七八九十")
    mei = Phone(app)

    found = of(await mei.write("/shop 一二三四五六七八九十一二三四五六七八九十"), "sendMessage")

    assert all(len(data.encode()) <= 64 for data in presses(found))
    assert "Page 2 of 2" in of(await mei.press(presses(found)[-1]), "editMessageText")["text"]


async def test_the_answer_to_our_question_is_a_search(app: App) -> None:
    await a_product(app, "tea")
    mei = Phone(app)

    question = of(await mei.press("s:f"), "sendMessage")
    found = of(await mei.answer(question["text"], "tea"), "sendMessage")

    assert question["reply_markup"]["force_reply"]
    assert "<b>Tea</b>" in found["text"]


async def test_a_fan_reads_what_they_bought_and_nobody_elses(app: App) -> None:
    await a_product(app, "tea", stars_price=100)
    mei, bo = Phone(app), Phone(app, 502, name="Bo")
    invoice = of(await mei.press("s:b:tea"), "sendInvoice")
    await mei.pay(invoice["payload"], 100)

    listed = of(await mei.press("s:h"), "editMessageText")
    receipt = of(await mei.press(presses(listed)[0]), "editMessageText")
    foreign = of(await bo.press(presses(listed)[0]), "answerCallbackQuery")

    assert "Tea · <b>100 ⭐</b>" in listed["text"]
    assert "🧾 <b>100 ⭐</b>" in receipt["text"]
    assert "There is no such purchase" in foreign["text"]


async def test_goods_for_money_are_paid_at_the_counter_where_no_provider_takes_it(app: App) -> None:
    await a_product(app, "cup", kind="physical", price_minor=4500, currency="CNY", stars_price=None)
    mei = Phone(app)

    shown = of(await mei.press("s:p:cup"), "editMessageText")
    refused = of(await mei.press("s:b:cup"), "answerCallbackQuery")

    assert "<b>¥45.00</b>" in shown["text"]
    assert "You pay this at the counter" in shown["text"]
    assert presses(shown) == ["s:l:-:0"]
    assert "at the counter" in refused["text"]


async def test_goods_for_money_are_paid_through_the_provider(app: App) -> None:
    token = {"payment_provider_token": SecretStr("123:TEST:abc")}
    with_provider = replace(app, settings=app.settings.model_copy(update=token))
    await a_product(app, "cup", kind="physical", price_minor=4500, currency="CNY", stars_price=None, stock=1)
    offer = await an_offer(app, kind=OfferKind.AMOUNT, value=500)
    mei = Phone(with_provider)
    await mei.write("/start")
    await claims(app, offer, await mei.fan())

    invoice = of(await mei.press("s:b:cup"), "sendInvoice")
    other_price = await mei.is_asked_to_pay(invoice["payload"], 4500, currency="CNY")
    other_money = await mei.is_asked_to_pay(invoice["payload"], 4000, currency="XTR")
    allowed = await mei.is_asked_to_pay(invoice["payload"], 4000, currency="CNY")
    receipt = of(await mei.pay(invoice["payload"], 4000, currency="CNY"), "sendMessage")

    assert (invoice["currency"], invoice["provider_token"]) == ("CNY", "123:TEST:abc")
    assert invoice["prices"] == [{"label": "Cup", "amount": 4000}]
    assert [other_price["ok"], other_money["ok"], allowed["ok"]] == [False, False, True]
    assert "¥40.00" in receipt["text"]
    assert "saved you ¥5.00" in receipt["text"]
    assert await breaches(app) == []


async def test_money_for_nothing_is_not_said_to_be_on_its_way_back(app: App) -> None:
    mei = Phone(app)

    told = of(await mei.pay("unheard-of", 4000, currency="CNY"), "sendMessage")

    assert "A person looks at it and gives you ¥40.00 back" in told["text"]


async def test_a_picture_stands_above_the_product_and_goes_with_it(app: App) -> None:
    await a_product(app, "tea", photo="https://example.com/tea.jpg")
    mei = Phone(app)

    shown = of(await mei.press("s:p:tea"), "editMessageText")
    back = of(await mei.press("s:l:-:0"), "editMessageText")

    assert shown["link_preview_options"]["url"] == "https://example.com/tea.jpg"
    assert back["link_preview_options"] == {"is_disabled": True}
