"""Codes in chat: typed as they are, after a press on “I have a code”, and wrong ones."""

from sqlalchemy import func, select

from siyu import coupons
from siyu.app import App
from siyu.tables import CodeAttempt
from tests.bot.chatting import Phone, of, presses
from tests.clocks import FakeClock
from tests.trading import BOSS, an_offer, breaches, reread


async def attempts(app: App) -> int:
    async with app.database.reading() as session:
        return await session.one(select(func.count()).select_from(CodeAttempt))


async def test_a_word_typed_in_chat_is_a_coupon(app: App) -> None:
    offer, mei = await an_offer(app, shared_code="SPRING"), Phone(app)

    card = of(await mei.write("spring"), "sendMessage")
    again = of(await mei.write("Spring"), "sendMessage")

    assert "This one is yours!" in card["text"]
    assert "This one is yours!" not in again["text"]
    assert (await reread(app, offer)).claimed == 1


async def test_a_printed_code_typed_in_chat_is_a_coupon(app: App) -> None:
    offer, mei = await an_offer(app), Phone(app)
    async with app.database.writing() as session:
        await coupons.print_codes(session, BOSS, offer.id or 0, 1, now=app.clock())
        (one,) = (await coupons.list_codes(session, offer.id or 0)).items

    card = of(await mei.write(f"{one.code[:5].lower()}-{one.code[5:]}"), "sendMessage")

    assert "This one is yours!" in card["text"]
    assert await breaches(app) == []


async def test_plain_words_stay_talk_and_count_as_no_try(app: App) -> None:
    await an_offer(app, shared_code="SPRING")
    mei = Phone(app)

    await mei.write("hello")
    await mei.write("spring is here")

    assert await attempts(app) == 0


async def test_after_i_have_a_code_the_next_words_are_one_and_only_they(app: App) -> None:
    mei = Phone(app)
    wallet = of(await mei.write("/wallet"), "sendMessage")
    asked = of(await mei.press("w:code"), "editMessageText")

    wrong = of(await mei.write("is this one"), "sendMessage")
    await mei.write("just talking")

    assert "w:code" in presses(wallet)
    assert "Send me the code" in asked["text"]
    assert "This code cannot be used" in wrong["text"]
    assert "w:code" in presses(wrong)
    assert await attempts(app) == 1


async def test_who_was_asked_long_ago_is_only_talking(app: App, clock: FakeClock) -> None:
    mei = Phone(app)
    await mei.press("w:code")
    clock.pass_(minutes=10)

    await mei.write("hello")

    assert await attempts(app) == 0


async def test_six_wrong_codes_close_the_door_and_the_tries_are_kept_although_each_was_refused(app: App) -> None:
    await an_offer(app, shared_code="SPRING")
    mei = Phone(app)

    told = [of(await mei.write(f"/wallet WRONG{n}"), "sendMessage")["text"] for n in range(6)]
    right = of(await mei.write("SPRING"), "sendMessage")

    assert len(set(told[:5])) == 1
    assert "too many wrong codes" in told[5]
    assert "too many wrong codes" in right["text"]
    assert await attempts(app) == 6


async def test_a_wrong_code_is_refused_in_chinese(app: App) -> None:
    mei = Phone(app, language="zh-hans")

    assert "这个码不能用" in of(await mei.write("/wallet WRONG1"), "sendMessage")["text"]
