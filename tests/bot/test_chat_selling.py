"""Somebody who works here sells in chat, and takes back what was a mistake."""

import pytest
from sqlmodel import col, select

from bot.sandbox import Sandbox
from siyu import operators, purchases
from siyu.app import App
from siyu.tables import AuditEntry, Fan, Purchase, Role
from tests.bot.chatting import Phone, buttons, of, presses
from tests.bot.running import running
from tests.bot.test_chat_wallet import hire
from tests.clocks import FakeClock
from tests.trading import BOSS, a_fan, a_product, an_offer, breaches, claims

IN_MONEY = {"price_minor": 1_990, "currency": "CNY"}


async def people(app: App, language: str = "en") -> tuple[Phone, Phone]:
    staff, mei = Phone(app, 501, name="Lin", language=language), Phone(app, 502, name="Mei", language=language)
    await hire(app, staff)
    await mei.write("/start")
    return staff, mei


async def sales(app: App) -> list[tuple[int, int]]:
    """What was paid, and how much of it went back."""
    async with app.database.reading() as session:
        found = await session.all(select(Purchase).order_by(col(Purchase.id)))
    return [(one.amount_minor, one.refunded_minor) for one in found]


async def card_of(staff: Phone, fan: Fan, sku: str = "Tea") -> dict[str, object]:
    shelf = (await staff.write(f"/sell {fan.telegram_id}"))[0]
    (product,) = [one["callback_data"] for one in buttons(shelf) if one["text"] == sku]
    return of(await staff.press(product), "editMessageText")


async def test_a_product_is_sold_once_by_two_taps_and_both_hear_of_it(app: App) -> None:
    staff, _ = await people(app)
    await a_product(app, **IN_MONEY, stock=5)

    shelf = of(await staff.write("/sell mei"), "sendMessage")
    card = of(await staff.press(presses(shelf)[0]), "editMessageText")
    two = of(await staff.press(next(one for one in presses(card) if ":2:" in one)), "editMessageText")
    first = await staff.press(presses(two)[0])
    second = await staff.press(presses(two)[0])

    assert "<b>Mei</b>" in shelf["text"]
    assert "To pay: ¥19.90" in card["text"]
    assert "Tea × 2\n<b>To pay: ¥39.80</b>" in two["text"]
    assert "Sold to Mei" in of(first, "editMessageText")["text"]
    assert ["¥39.80" in call["text"] for call in first if call.get("chat_id") == 502] == [True]
    assert [call["chat_id"] for call in second if "chat_id" in call] == [501]
    assert await sales(app) == [(3_980, 0)]
    assert await audited(app) == [("purchase.sold", "Staff")]
    assert await breaches(app) == []


async def audited(app: App) -> list[tuple[str, str]]:
    about = select(AuditEntry).where(col(AuditEntry.subject_kind) == "purchase").order_by(col(AuditEntry.id))
    async with app.database.reading() as session:
        return [(one.action, one.actor_name) for one in await session.all(about)]


async def test_a_card_keeps_its_key_and_its_price_while_it_is_counted_and_while_the_catalogue_changes(
    app: App,
) -> None:
    staff, mei = await people(app)
    tea = await a_product(app, **IN_MONEY)
    card = await card_of(staff, await mei.fan())
    two = of(await staff.press(next(one for one in presses(card) if ":2:" in one)), "editMessageText")
    async with app.database.writing() as session:
        (await session.get(type(tea), tea.id)).price_minor = 5_000  # type: ignore[union-attr]  # it is there

    await staff.press(presses(two)[0])
    other = of(await staff.press(presses(card)[0]), "answerCallbackQuery")

    assert other["text"] == "This key was used for something else."
    assert await sales(app) == [(3_980, 0)]


async def test_an_amount_is_typed_with_what_it_was_for(app: App) -> None:
    staff, mei = await people(app)
    fan = await mei.fan()
    shelf = of(await staff.write("/sell @nobody"), "sendMessage"), of(await staff.write("/sell 502"), "sendMessage")
    asked = of(await staff.press(f"k:a:{fan.id}"), "sendMessage")

    card = of(await staff.answer(asked["text"], "128.50  two tins\nof tea"), "sendMessage")
    done = await staff.press(presses(card)[0], under="🧾 Mei · 502\ntwo tins of tea\nTo pay: ¥128.50")

    assert "No fan is called like that" in shelf[0]["text"]
    assert "enter an amount" in shelf[1]["text"]
    assert "two tins of tea\n<b>To pay: ¥128.50</b>" in card["text"]
    assert "two tins of tea · <b>¥128.50</b>" in of(done, "editMessageText")["text"]
    assert await sales(app) == [(12_850, 0)]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("0", "Write what was paid."),
        ("-5", "An amount lies between 0 and 10,000,000, not at -5."),
        ("10000001", "An amount lies between 0 and 10,000,000, not at 10000001."),
        ("1.999", "1.999 has more digits than CNY knows."),
        ("tea", "Tea is not an amount."),
        ("5 " + "x" * 65, "Takes 1 to 64 characters."),
    ],
)
async def test_no_price_out_of_bounds_makes_a_card(app: App, typed: str, said: str) -> None:
    staff, mei = await people(app)
    asked = of(await staff.press(f"k:a:{(await mei.fan()).id}"), "sendMessage")

    refused = of(await staff.answer(asked["text"], typed), "sendMessage")

    assert (said in refused["text"], presses(refused)) == (True, [])


@pytest.mark.parametrize(
    "minor", ["0", "-1", "1000000001", "99999999999"], ids=["nothing", "less", "above the most", "far above"]
)
async def test_a_forged_price_sells_nothing(app: App, minor: str) -> None:
    staff, mei = await people(app)
    tea = await a_product(app, **IN_MONEY)

    said = of(await staff.press(f"k:s:{(await mei.fan()).id}:{tea.id}:1:{minor}:0123456789ab"), "answerCallbackQuery")

    assert said["show_alert"]
    assert await sales(app) == []


async def test_what_was_sold_by_mistake_is_undone_once_within_ten_minutes(app: App) -> None:
    staff, mei = await people(app)
    await a_product(app, **IN_MONEY)
    card = await card_of(staff, await mei.fan())
    two = of(await staff.press(next(one for one in presses(card) if ":2:" in one)), "editMessageText")
    sold = of(await staff.press(presses(two)[0]), "editMessageText")

    undone = await staff.press(presses(sold)[0])
    twice = of(await staff.press(presses(sold)[0]), "answerCallbackQuery")

    assert "Undone: Tea × 2" in of(undone, "editMessageText")["text"]
    assert ["taken back" in call["text"] for call in undone if call.get("chat_id") == 502] == [True]
    assert "refunded already" in twice["text"]
    assert await sales(app) == [(3_980, 3_980)]
    assert [action for action, _ in await audited(app)] == ["purchase.sold", "purchase.undone"]
    assert await breaches(app) == []


async def test_after_ten_minutes_only_an_admin_undoes_a_sale_and_a_fan_never(app: App, clock: FakeClock) -> None:
    (staff, mei), boss = await people(app), Phone(app, 503)
    await hire(app, boss, Role.ADMIN)
    await a_product(app, **IN_MONEY)
    sold = of(await staff.press(presses(await card_of(staff, await mei.fan()))[0]), "editMessageText")
    (button,) = presses(sold)

    forged = of(await mei.press(button), "answerCallbackQuery")
    clock.pass_(minutes=purchases.UNDO_MINUTES)
    late = of(await staff.press(button), "answerCallbackQuery")
    before = await sales(app)
    await boss.press(button)

    assert forged["text"] == "This is for people who work here."
    assert late["text"] == "After 10 minutes only an admin can undo this."
    assert (before, await sales(app)) == ([(1_990, 0)], [(1_990, 1_990)])


async def test_to_a_fan_the_command_does_not_exist_and_to_a_viewer_neither(app: App) -> None:
    mei, viewer = Phone(app, 501), Phone(app, 502)
    await hire(app, viewer, Role.VIEWER)

    answers = [of(await one.write("/sell 501"), "sendMessage")["text"] for one in (mei, viewer)]
    usual = of(await mei.write("/nosuch"), "sendMessage")["text"]
    contact = await mei.send(contact={"phone_number": "1", "first_name": "Lin", "user_id": 502})
    forged = [of(await mei.press(data), "answerCallbackQuery")["text"] for data in ("k:w", "k:c:1:0", "k:u:1")]

    assert answers == [usual, usual]
    assert not any("What do they buy?" in call.get("text", "") for call in contact)
    assert set(forged) == {"This is for people who work here."}


async def test_a_fan_is_found_by_contact_forward_coupon_and_invitation(app: App) -> None:
    staff, mei = await people(app)
    fan = await mei.fan()
    code = (await claims(app, await an_offer(app), fan)).code
    origin = {"type": "user", "date": 1, "sender_user": mei.person}
    await a_fan(app, "Meister", telegram_id=777)

    ways = [
        await staff.send(contact={"phone_number": "1", "first_name": "Mei", "user_id": 502}),
        await staff.write(f"/sell https://t.me/siyu_bot?start=r_{code}"),
        await staff.write(f"/sell {code[:5].lower()}-{code[5:]}"),
        await staff.write(f"/sell i_{fan.referral_code}"),
        await staff.answer(of(await staff.write("/sell"), "sendMessage")["text"], "502"),
    ]
    passed_on = of(await staff.send(text="A cake, please", forward_origin=origin), "sendMessage")
    ways.append(await staff.press(presses(passed_on)[-1]))
    several = of(await staff.write("/sell mei"), "sendMessage")
    unknown = of(await staff.send(contact={"phone_number": "1", "first_name": "X", "user_id": 9}), "sendMessage")

    told = [next(call for call in way if "text" in call)["text"] for way in ways]
    assert ["<b>Mei</b>" in text for text in told] == [True] * 6
    assert [one["text"] for one in buttons(several)] == ["Meister · 777", "Mei · 502", "🔍 Search"]
    assert "No fan is called like that" in unknown["text"]


async def test_at_most_three_rows_and_sixty_four_bytes(app: App) -> None:
    staff, mei = await people(app)
    for n in range(9):
        await a_product(app, f"tea-{n}", **IN_MONEY)
    fan = await mei.fan()

    shelf = of(await staff.press(f"k:c:{fan.id}:1"), "editMessageText")
    card = await card_of(staff, fan, "Tea-0")

    rows = [len(one["reply_markup"]["inline_keyboard"]) for one in (shelf, card)]
    assert rows == [3, 3]
    assert max(len(data.encode()) for data in presses(shelf) + presses(card)) <= 64


async def test_it_stands_in_the_lists_of_who_works_here_in_their_language(app: App) -> None:
    staff, mei = await people(app, "zh-hans")

    listed = [call["commands"] for call in await staff.write("/admin") if call["method"] == "setMyCommands"]
    helped = [of(await one.write("/help"), "sendMessage")["text"] for one in (staff, mei)]
    shelf = of(await staff.write("/sell 502"), "sendMessage")["text"]

    assert {"sell"} <= {command["command"] for command in listed[0]}
    assert ["/sell" in text for text in helped] == [True, False]
    assert "What do they buy?" not in shelf


async def test_a_sale_from_the_command_to_both_receipts(house: App, sandbox: Sandbox) -> None:
    lin = sandbox.add_person(name="Lin", telegram_id=7, known=True)
    mei = sandbox.add_person(name="Mei", telegram_id=1001, known=True)
    async with house.database.writing() as session:
        await operators.add(session, BOSS, telegram_id=7, role=Role.OPERATOR, name="Lin", now=house.clock())
    await a_product(house, **IN_MONEY)

    async with running(house):
        mei.start()
        await mei.hears("Mei")
        lin.says("/sell mei")
        await lin.hears("What do they buy?")
        lin.presses("Tea")
        await lin.hears("To pay: ¥19.90")
        lin.presses("✅ Sell · ¥19.90")
        await lin.hears("Sold to Mei")
        await mei.hears("¥19.90")
        lin.presses("↩️ Undo")
        await lin.hears("Undone: Tea")
        await mei.hears("taken back")

    assert await sales(house) == [(1_990, 1_990)]
