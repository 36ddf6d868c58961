"""Coupons, settings, invitations and small talk, as a fan sees them."""

from base64 import b64decode

import pytest

from siyu import broadcasts, coupons, operators
from siyu.app import App
from siyu.kit import qr
from siyu.kit.money import STARS
from siyu.tables import Delivery, DeliveryState, Fan, OfferKind, Operator, Role
from tests.bot.chatting import Phone, buttons, of, presses
from tests.broadcasting import composed
from tests.clocks import FakeClock
from tests.trading import BOSS, a_product, an_offer, breaches, claims, coupon_of, reread


async def hire(app: App, phone: Phone, role: Role = Role.OPERATOR) -> Operator:
    async with app.database.writing() as session:
        return await operators.add(
            session, BOSS, telegram_id=phone.person["id"], role=role, name="Staff", now=app.clock()
        )


async def delivered(app: App, fan: Fan, **draft: object) -> int:
    """A broadcast that went to this fan."""
    broadcast = await composed(app, **draft)
    async with app.database.writing() as session:
        sent = Delivery(broadcast_id=broadcast.id or 0, fan_id=fan.id or 0, state=DeliveryState.SENT, attempts=1)
        session.add(sent)
    return broadcast.id or 0


async def test_a_newcomer_is_greeted_and_a_regular_greeted_again(app: App) -> None:
    mei = Phone(app, name="Mei <3")

    first, again = of(await mei.write("/start"), "sendMessage"), of(await mei.write("/start hello"), "sendMessage")

    assert "Hello Mei &lt;3, good to have you here!" in first["text"]
    assert "Hello again" in again["text"]
    assert (await mei.fan()).source == ""


async def test_an_unknown_payload_greets_normally_and_is_kept_as_the_source(app: App) -> None:
    mei = Phone(app)

    hello = of(await mei.write("/start poster-7"), "sendMessage")

    assert "good to have you here" in hello["text"]
    assert (await mei.fan()).source == "poster-7"


async def test_a_friends_link_names_the_friend(app: App) -> None:
    mei, bo = Phone(app, 501, name="Mei"), Phone(app, 502, name="Bo")
    await mei.write("/start")
    code = (await mei.fan()).referral_code

    hello = of(await bo.write(f"/start i_{code}"), "sendMessage")
    invite = of(await mei.write("/invite"), "sendMessage")

    assert "Mei invited you." in hello["text"]
    assert f"https://t.me/siyu_bot?start=i_{code}" in invite["text"]
    assert "1 friend came" in invite["text"]


async def test_a_link_claims_its_offer_once(app: App) -> None:
    offer = await an_offer(app, value=20, title="Spring", per_fan=3)
    mei = Phone(app)

    card = of(await mei.write(f"/start o_{offer.code}"), "sendMessage")
    await mei.write(f"/start o_{offer.code}")

    assert "This one is yours!" in card["text"]
    assert "20% off" in card["text"]
    assert any("copy_text" in button for button in buttons(card))
    assert (await reread(app, offer)).claimed == 1


@pytest.mark.parametrize("payload", ["o_NOSUCH", "o_", "r_NOSUCH", "s_NOSUCH", "i_NOSUCH", "x" * 500])
async def test_a_payload_that_leads_nowhere_is_answered_kindly(app: App, payload: str) -> None:
    (answer,) = await Phone(app).write(f"/start {payload}")

    assert answer["method"] == "sendMessage"
    assert "m:shop" in presses(answer)


async def test_the_wallet_shows_what_is_usable_and_what_was(app: App, clock: FakeClock) -> None:
    mei = Phone(app)
    await mei.write("/start")
    fan = await mei.fan()
    await claims(app, await an_offer(app, title="Short", valid_days=1), fan)
    kept = await claims(app, await an_offer(app, title="Long", kind=OfferKind.AMOUNT, value=500), fan)
    clock.pass_(days=2)

    wallet = of(await mei.write("/wallet"), "sendMessage")
    card = of(await mei.press(f"w:c:{kept.id}"), "editMessageText")

    assert f"<code>{kept.code}</code>" in wallet["text"]
    assert "¥5.00 off" in wallet["text"]
    assert "⌛ <s>Short</s> expired" in wallet["text"]
    assert "counts in CNY and not for Stars" in card["text"]


async def test_a_wallet_turns_its_pages(app: App) -> None:
    mei = Phone(app)
    await mei.write("/start")
    for n in range(6):
        await claims(app, await an_offer(app, title=f"Offer {n}"), await mei.fan())

    second = of(await mei.press("w:l:1"), "editMessageText")

    assert "Page 2 of 2" in second["text"]
    assert len(presses(second)) == 5  # two coupons, the way back, the shop, a code


async def test_a_coupon_is_shown_as_a_code_that_opens_the_bot(app: App) -> None:
    mei = Phone(app)
    await mei.write("/start")
    coupon = await claims(app, await an_offer(app), await mei.fan())

    card = of(await mei.press(f"w:c:{coupon.id}"), "editMessageText")
    photo = of(await mei.press(f"w:q:{coupon.id}"), "sendPhoto")

    assert f"w:q:{coupon.id}" in presses(card)
    assert coupon.code in photo["caption"]
    assert b64decode(photo["photo"]["base64"]) == qr.png(f"https://t.me/siyu_bot?start=r_{coupon.code}")


async def test_a_code_to_scan_is_drawn_of_no_coupon_that_is_used(app: App) -> None:
    mei, staff = Phone(app, 501), Phone(app, 900)
    await mei.write("/start")
    await staff.write("/start")
    await hire(app, staff)
    coupon = await claims(app, await an_offer(app, value=20), await mei.fan())
    await staff.write(f"/redeem {coupon.code} 128.50")

    answers = await mei.press(f"w:q:{coupon.id}")

    assert "✓ used" in of(answers, "editMessageText")["text"]


async def test_somebody_elses_coupon_is_not_shown(app: App) -> None:
    mei, bo = Phone(app, 501), Phone(app, 502)
    await mei.write("/start")
    await bo.write("/start")
    theirs = await claims(app, await an_offer(app), await bo.fan())

    (answer,) = await mei.press(f"w:c:{theirs.id}")

    assert answer["text"] == "This coupon is not in your wallet."


async def test_a_broadcasts_claim_button_gives_one_coupon_however_often_it_is_pressed(app: App) -> None:
    offer = await an_offer(app)
    mei = Phone(app)
    await mei.write("/start")
    number = await delivered(app, await mei.fan(), offer_id=offer.id)

    first = await mei.press(f"b:{number}:claim", under="We miss you")
    again = await mei.press(f"b:{number}:claim", under="We miss you")

    assert "Yours, good until" in of(first, "answerCallbackQuery")["text"]
    assert "This one is yours!" in of(first, "sendMessage")["text"]
    assert [call["method"] for call in again] == ["answerCallbackQuery"]
    assert (await reread(app, offer)).claimed == 1
    assert ("press", "claim") in await mei.deeds()


async def test_a_broadcasts_button_is_dead_for_whoever_did_not_get_it(app: App) -> None:
    offer = await an_offer(app)
    mei, bo = Phone(app, 501), Phone(app, 502)
    await mei.write("/start")
    await bo.write("/start")
    number = await delivered(app, await mei.fan(), offer_id=offer.id)

    (answer,) = await bo.press(f"b:{number}:claim")

    assert answer["show_alert"] is True
    assert (await reread(app, offer)).claimed == 0


async def test_a_claim_of_an_offer_that_is_over_says_so(app: App, clock: FakeClock) -> None:
    offer = await an_offer(app)
    mei = Phone(app)
    await mei.write("/start")
    number = await delivered(app, await mei.fan(), offer_id=offer.id)
    clock.pass_(days=31)

    (answer,) = await mei.press(f"b:{number}:claim")

    assert answer["text"] == "Sorry, this offer has ended."


async def test_one_tap_mutes_and_one_tap_undoes_it(app: App) -> None:
    mei = Phone(app)
    await mei.write("/start")
    number = await delivered(app, await mei.fan())

    calls = await mei.press(f"b:{number}:mute", under="We miss you")
    muted = (await mei.fan()).muted_at
    await mei.press("t:unmute")

    assert muted is not None
    assert presses(of(calls, "sendMessage")) == ["t:unmute"]
    assert (await mei.fan()).muted_at is None


async def test_a_shop_button_under_a_broadcast_leaves_the_broadcast_as_it_is(app: App) -> None:
    await a_product(app)
    mei = Phone(app)
    await mei.write("/start")
    number = await delivered(app, await mei.fan())

    calls = await mei.press(f"b:{number}:shop", under="We miss you")

    assert [call["method"] for call in calls] == ["answerCallbackQuery", "sendMessage"]


async def test_a_fan_chooses_the_language(app: App) -> None:
    mei = Phone(app, language="en")

    page = of(await mei.press("t:zh_CN"), "editMessageText")
    after = of(await mei.write("/settings"), "sendMessage")

    assert [button["text"] for button in buttons(page)][-2:] == ["✓ 中文", "English"]
    assert after["text"] == page["text"]
    assert (await mei.fan()).chosen_language == "zh_CN"


async def test_small_talk_is_answered_once_and_then_left_alone(app: App, clock: FakeClock) -> None:
    mei = Phone(app)

    first, second = await mei.write("hello"), await mei.write("are you there?")
    clock.pass_(minutes=31)
    later = await mei.write("hello again")

    assert (len(first), len(second), len(later)) == (1, 0, 1)


@pytest.mark.parametrize("command", ["/nosuch", "/admin", "/redeem 123", "/"])
async def test_a_command_that_is_none_is_answered_with_those_that_are(app: App, command: str) -> None:
    (answer,) = await Phone(app).write(command)

    assert "I do not know this command" in answer["text"]


@pytest.mark.parametrize("command", ["/help", "/privacy", "/paysupport", "/HELP", "/help@siyu_bot"])
async def test_every_listed_command_answers(app: App, command: str) -> None:
    (answer,) = await Phone(app).write(command)

    assert len(answer["text"]) > 100


async def test_a_coupon_that_was_taken_back_is_called_that(app: App) -> None:
    mei, offer = Phone(app), await an_offer(app, title="Spring")
    await mei.write("/start")
    coupon = await claims(app, offer, await mei.fan())
    async with app.database.writing() as session:
        await coupons.pause(session, BOSS, offer.id or 0, now=app.clock())
        await coupons.revoke(session, BOSS, offer.id or 0, now=app.clock())

    held = of(await mei.write("/wallet"), "sendMessage")["text"]
    card = of(await mei.press(f"w:c:{coupon.id}"), "editMessageText")["text"]

    assert "<s>Spring</s> withdrawn" in held
    assert "withdrawn" in card
    assert "expired" not in held + card


async def test_staff_sign_in_by_a_link_that_works_once(app: App) -> None:
    mei = Phone(app)
    await hire(app, mei)

    calls = await mei.write("/admin")

    ticket = of(calls, "sendMessage")["text"].split("/login?t=")[1].split()[0]
    async with app.database.reading() as session:
        assert await operators.peek_ticket(session, ticket, now=app.clock())
    listed = [call["commands"] for call in calls if call["method"] == "setMyCommands"]
    assert len(listed) == 2
    assert {"admin", "redeem"} <= {command["command"] for command in listed[0]}


async def test_staff_redeem_a_coupon_with_its_amount_and_the_fan_hears_of_it(app: App) -> None:
    staff, mei = Phone(app, 501), Phone(app, 502, name="Mei", language="en")
    await hire(app, staff)
    await mei.write("/start")
    coupon = await claims(app, await an_offer(app, value=20), await mei.fan())

    card = of(await staff.write(f"/redeem {coupon.code}"), "sendMessage")
    done = await staff.write(f"/redeem {coupon.code} 128.50")
    (again,) = await staff.write(f"/redeem {coupon.code} 128.50")

    assert "Holder: Mei" in card["text"]
    assert f"/redeem {coupon.code} 100" in card["text"]
    assert "Off: ¥25.70" in done[0]["text"]
    assert "To pay: ¥102.80" in done[0]["text"]
    assert (done[1]["chat_id"], "was used" in done[1]["text"]) == (502, True)
    assert "has been used already" in again["text"]
    assert await breaches(app) == []


async def test_a_gift_is_redeemed_by_one_button_and_a_double_tap_is_one(app: App) -> None:
    staff, mei = Phone(app, 501), Phone(app, 502)
    await hire(app, staff)
    await mei.write("/start")
    offer = await an_offer(app, kind=OfferKind.GIFT, title="A cup")
    coupon = await claims(app, offer, await mei.fan())

    card = of(await staff.write(f"/start r_{coupon.code}"), "sendMessage")
    done = await staff.press(presses(card)[0])

    assert presses(card) == [f"r:{coupon.code}"]
    assert "Hand over the gift." in of(done, "editMessageText")["text"]
    assert (await reread(app, offer)).redeemed == 1


async def test_what_was_redeemed_by_mistake_is_undone_once_and_the_fan_hears_of_it(app: App) -> None:
    staff, mei = Phone(app, 501), Phone(app, 502, name="Mei", language="en")
    await hire(app, staff)
    await mei.write("/start")
    coupon = await claims(app, await an_offer(app), await mei.fan())
    receipt, *_ = await staff.write(f"/redeem {coupon.code} 128.50")

    undone = await staff.press(presses(receipt)[0])
    twice = of(await staff.press(presses(receipt)[0]), "answerCallbackQuery")
    again, *_ = await staff.write(f"/redeem {coupon.code} 128.50")

    assert "Mei can use the coupon until" in of(undone, "editMessageText")["text"]
    assert "has been taken back" in next(call for call in undone if call.get("chat_id") == 502)["text"]
    assert twice["text"] == "This was undone already."
    assert "Redeemed" in again["text"]
    assert await breaches(app) == []


async def test_after_ten_minutes_only_an_admin_undoes_and_a_fan_never(app: App, clock: FakeClock) -> None:
    staff, boss, mei = Phone(app, 501), Phone(app, 503), Phone(app, 502)
    await hire(app, staff)
    await hire(app, boss, Role.ADMIN)
    await mei.write("/start")
    coupon = await claims(app, await an_offer(app), await mei.fan())
    receipt, *_ = await staff.write(f"/redeem {coupon.code} 128.50")
    (button,) = presses(receipt)

    forged = of(await mei.press(button), "answerCallbackQuery")
    clock.pass_(minutes=10)
    late = of(await staff.press(button), "answerCallbackQuery")
    used = (await coupon_of(app, coupon.code)).redeemed_at
    await boss.press(button)

    assert forged["text"] == "This is for people who work here."
    assert late["text"] == "After 10 minutes only an admin can undo this."
    assert used is not None
    assert (await coupon_of(app, coupon.code)).redeemed_at is None


async def test_a_fan_who_scans_a_coupon_learns_nothing(app: App) -> None:
    mei, bo = Phone(app, 501), Phone(app, 502)
    await bo.write("/start")
    coupon = await claims(app, await an_offer(app, title="Secret"), await bo.fan())

    hello = of(await mei.write(f"/start r_{coupon.code}"), "sendMessage")
    forged = of(await mei.press(f"r:{coupon.code}"), "answerCallbackQuery")

    assert "Secret" not in hello["text"]
    assert forged["text"] == "This is for people who work here."
    assert (await coupon_of(app, coupon.code)).redeemed_at is None


async def test_a_fan_asks_for_the_money_back_and_an_owner_gives_it(app: App) -> None:
    await a_product(app, "tea", stars_price=100)
    boss, mei = Phone(app, 501), Phone(app, 502, name="Mei")
    await hire(app, boss, Role.OWNER)
    await hire(app, Phone(app, 503), Role.VIEWER)
    invoice = of(await mei.press("s:b:tea"), "sendInvoice")
    await mei.pay(invoice["payload"], 100, charge="c9")

    page = of(await mei.write("/paysupport"), "sendMessage")
    asked = await mei.press(presses(page)[0])
    twice = await mei.press(presses(page)[0])
    notice = next(call for call in asked if call.get("chat_id") == 501)
    refused = await mei.press(presses(notice)[0])
    given = await boss.press(presses(notice)[0])
    back = await mei.get_back(100, charge="c9")

    assert "asked, please wait" in of(asked, "editMessageText")["text"]
    assert [call["chat_id"] for call in asked if call["method"] == "sendMessage"] == [501]
    assert [call for call in twice if call["method"] == "sendMessage"] == []
    assert [call["method"] for call in refused] == ["answerCallbackQuery"]
    assert of(given, "refundStarPayment")["telegram_payment_charge_id"] == "c9"
    assert "Your 100 ⭐ are back." in of(back, "sendMessage")["text"]
    assert "refunded" in of(await mei.write("/paysupport"), "sendMessage")["text"]
    assert await breaches(app) == []


async def test_a_declined_request_is_told_kindly(app: App) -> None:
    await a_product(app, "tea", stars_price=100)
    boss, mei = Phone(app, 501), Phone(app, 502)
    await hire(app, boss, Role.OWNER)
    invoice = of(await mei.press("s:b:tea"), "sendInvoice")
    await mei.pay(invoice["payload"], 100)
    asked = await mei.press("p:r:1")
    notice = next(call for call in asked if call.get("chat_id") == 501)

    calls = await boss.press(presses(notice)[1])

    told = next(call for call in calls if call.get("chat_id") == 502)
    assert "cannot refund it" in told["text"]


async def test_nobody_asks_for_somebody_elses_money(app: App) -> None:
    await a_product(app, "tea", stars_price=100)
    mei, bo = Phone(app, 501), Phone(app, 502)
    invoice = of(await mei.press("s:b:tea"), "sendInvoice")
    await mei.pay(invoice["payload"], 100)

    (answer,) = await bo.press("p:r:1")

    assert answer["text"] == "There is no such purchase."


async def test_a_discount_in_stars_is_said_in_stars(app: App) -> None:
    mei = Phone(app)
    await mei.write("/start")
    offer = await an_offer(app, kind=OfferKind.AMOUNT, value=30, currency=STARS, min_spend_minor=50)
    coupon = await claims(app, offer, await mei.fan())

    card = of(await mei.press(f"w:c:{coupon.id}"), "editMessageText")

    assert "30 ⭐ off · from 50 ⭐" in card["text"]
    assert coupons.is_good_in(offer, STARS)


def test_a_broadcast_names_its_press() -> None:
    from bot import routers

    press = broadcasts.parse_press("b:7:claim")

    assert press is not None
    assert routers.kind_of("b:7:claim") == ("press", "claim", 7)
    assert routers.kind_of("b:7:claim:test") is None
    assert routers.kind_of("s:p:tea") == ("view", "tea", None)
    assert routers.kind_of("s:l:-:2") == ("view", None, None)
    assert routers.kind_of("s:p:" + "x" * 33) is None


async def test_an_invitation_is_shown_as_a_code_and_the_board_is_by_choice_and_masked(app: App) -> None:
    mei = Phone(app, 501, name="Mei")
    await mei.write("/start")

    invite = of(await mei.write("/invite"), "sendMessage")
    picture = of(await mei.press("i:qr"), "sendPhoto")
    joined = of(await mei.press("i:join"), "editMessageText")
    left = of(await mei.press("i:leave"), "editMessageText")

    assert "i:qr" in presses(invite)
    assert "Let a friend scan this" in picture["caption"]
    assert "You are on it, by your first letter only." in joined["text"]
    assert "Only who wants to is on it" in left["text"]
