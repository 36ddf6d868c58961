"""A fan's whole life here, in chat and on a moved clock: brought, asked, buying, rewarded, unhappy, paid back."""

from dataclasses import dataclass

import pytest
from sqlmodel import col, select

from siyu import followups, jobs, purchases, referrals
from siyu.app import App
from siyu.followups import Pile, Task
from siyu.referrals import Programme
from siyu.surveys import Kind
from siyu.tables import Outbox, RewardGrant, RewardState, Role
from tests.asking import a_question, a_survey, given_attribute
from tests.bot.chatting import Phone, buttons, of, presses
from tests.bot.test_chat_wallet import hire
from tests.clocks import FakeClock
from tests.pointing import balance_of, given_programme, owes
from tests.trading import BOSS, a_product, an_offer, breaches, claims, coupon_of, reread


@dataclass(frozen=True)
class Words:
    """What this story hears, in one language."""

    language: str
    invited: str
    title: str
    points: str
    days_in_a_row: str
    on_its_way: str
    rewarded: str


ENGLISH = Words(
    "en",
    "Anna invited you.",
    "Getting to know you",
    "points",
    "day in a row",
    "on its way",
    "friend brought you a reward",
)
CHINESE = Words("zh-hans", "Anna", "认识一下", "积分", "天", "奖励", "奖励")


async def buys(phone: Phone, sku: str, price: int, charge: str) -> None:
    invoice = of(await phone.press(f"s:b:{sku}"), "sendInvoice")
    assert invoice["prices"][0]["amount"] == price
    await phone.is_asked_to_pay(invoice["payload"], price)
    await phone.pay(invoice["payload"], price, charge=charge)


async def link_of(phone: Phone) -> str:
    text = of(await phone.write("/invite"), "sendMessage")["text"]
    return str(text).split("start=")[1].split()[0]


async def heard(app: App, phone: Phone) -> str:
    """Everything the house wrote to them by itself."""
    async with app.database.reading() as session:
        rows = await session.all(select(Outbox).where(col(Outbox.person_id) == phone.person["id"]))
    return "\n".join(str(row.payload.get("text", "")) for row in rows)


async def to_do(app: App) -> list[Task]:
    async with app.database.reading() as session:
        return list((await followups.list_followups(session, Pile.OPEN)).items)


async def states(app: App) -> set[RewardState]:
    async with app.database.reading() as session:
        return set(await session.all(select(RewardGrant.state)))


@pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=["en", "zh"])
async def test_from_a_friends_link_to_everything_taken_back(app: App, clock: FakeClock, words: Words) -> None:
    await a_house_with_everything(app)
    anna, mei, bo = (
        Phone(app, number, name=name, language=words.language)
        for number, name in ((501, "Anna"), (502, "Mei"), (503, "Bo"))
    )
    await anna.write("/start")

    # Brought by a friend, and asked one thing.
    hello, question, *_ = await mei.write(f"/start {await link_of(anna)}")
    answer = next(data for data in presses(question) if data.startswith("q:"))
    await mei.press(answer)
    assert words.invited in hello["text"]
    assert words.title in question["text"]

    # The first purchase, with the coupon for it.
    welcome = await an_offer(app, value=20, title="First purchase")
    coupon = of(await mei.write(f"/start o_{welcome.code}"), "sendMessage")
    await buys(mei, "tea", 80, "c-mei")
    earned = await balance_of(app, await mei.fan())
    told = of(await mei.write("/points"), "sendMessage")["text"]
    assert "First purchase" in coupon["text"]
    assert earned > 0
    assert str(earned) in told
    assert words.points in told

    # Good morning, and a friend of her own.
    morning = of(await mei.write("/checkin"), "sendMessage")["text"]
    assert words.days_in_a_row in morning
    assert await balance_of(app, await mei.fan()) > earned
    await bo.write(f"/start {await link_of(mei)}")
    await buys(bo, "tea", 100, "c-bo")
    await jobs.run_job(app, "rewards")
    assert words.on_its_way in of(await mei.write("/invite"), "sendMessage")["text"]

    # Both are there again on another day, as people are; after the hold, everybody has their reward.
    clock.pass_(days=1)
    for phone in (mei, bo):
        await phone.write("/wallet")
    before = {phone: await balance_of(app, await phone.fan()) for phone in (anna, mei, bo)}
    clock.pass_(days=14)
    await jobs.run_job(app, "rewards")
    for phone in (anna, mei, bo):
        assert await balance_of(app, await phone.fan()) > before[phone]
    assert words.rewarded in of(await anna.write("/invite"), "sendMessage")["text"]
    assert await states(app) == {RewardState.GRANTED}

    # A bad cup: somebody has to look after it, in time.
    asked = of(await mei.write("/feedback"), "sendMessage")
    await mei.press(next(data for data in presses(asked) if data.startswith("n:") and data.endswith(":1")))
    (task,) = await to_do(app)
    assert task.fan.telegram_id == 502
    assert task.followup.due_at > app.clock()

    # And the money goes back: the points, the friend's reward, the coupon's place in the books, the tea.
    rewarded = await balance_of(app, await anna.fan())
    await mei.get_back(80, charge="c-mei")
    await jobs.run_job(app, "rewards")
    assert await balance_of(app, await anna.fan()) + -await owes(app, await anna.fan()) < rewarded
    assert (await reread(app, welcome)).redeemed == 0
    assert RewardState.REVERSED in await states(app)
    assert await breaches(app) == []
    async with app.database.reading() as session:
        assert await purchases.books(session) == []


async def a_house_with_everything(app: App) -> None:
    """Points and rewards for friends are on, one product, one question for newcomers."""
    await given_programme(app)
    await given_attribute(app, "need", "choice", "price", "quality")
    async with app.database.writing() as session:
        await referrals.change_programme(session, BOSS, Programme(is_on=True), now=app.clock())
    await a_product(app, "tea", stars_price=100, stock=5)
    await a_survey(app, a_question(Kind.CHOICE, "price", "quality", attribute="need"), greets=True)


async def test_staff_redeem_what_a_fan_shows_in_three_taps(app: App) -> None:
    """Scan, which opens the bot; press Redeem; and where it was a mistake, Undo."""
    mei, staff = Phone(app, 501), Phone(app, 900)
    await mei.write("/start")
    await staff.write("/start")
    await hire(app, staff, Role.OPERATOR)
    coupon = await claims(app, await an_offer(app, kind="gift", value=0), await mei.fan())

    shown = of(await mei.press(f"w:q:{coupon.id}"), "sendPhoto")
    card = of(await staff.write(f"/start r_{coupon.code}"), "sendMessage")
    redeem = next(one["callback_data"] for one in buttons(card) if one["callback_data"].startswith("r:"))
    receipt, to_the_fan, *_ = [call for call in await staff.press(redeem) if call["method"] != "answerCallbackQuery"]
    undo = next(data for data in presses(receipt) if data.startswith("u:"))
    await staff.press(undo)

    assert coupon.code in shown["caption"]
    assert to_the_fan["chat_id"] == 501
    assert (await coupon_of(app, coupon.code)).state == "active"
    assert await breaches(app) == []
