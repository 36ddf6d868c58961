"""A post that an operator sends to the bot goes out as it is; and a fan answers a broadcast with a button."""

import asyncio

from sqlmodel import select

from bot.sandbox import Sandbox
from bot.sender import run_sender
from siyu import broadcasts, operators
from siyu.app import App
from siyu.broadcasts.posts import draft_of
from siyu.tables import Broadcast, BroadcastClick, Role
from tests.bot.chatting import Phone, of
from tests.bot.running import running
from tests.bot.test_chat_wallet import delivered, hire
from tests.broadcasting import MEI, given_fans
from tests.trading import BOSS

ANSWERS = [[{"text": "Yes", "action": "answer", "value": "yes"}, {"text": "No", "action": "answer", "value": "no"}]]


async def _drafts(app: App) -> list[Broadcast]:
    async with app.database.reading() as session:
        return list((await broadcasts.list_broadcasts(session)).items)


async def test_a_post_goes_out_with_its_picture_to_whom_the_operator_chose(house: App, sandbox: Sandbox) -> None:
    await given_fans(house, 1, first=1001)
    phone = sandbox.add_person(name="Fan 0", telegram_id=1001, known=True)
    boss = sandbox.add_person(name="Boss", telegram_id=7, known=True)
    async with house.database.writing() as session:
        await operators.add(session, BOSS, telegram_id=7, role=Role.OPERATOR, name="Boss", now=house.clock())

    async with running(house):
        boss.sends_photo("Spring tea is here")
        await boss.hears("Shall this go out as a broadcast?")
        boss.presses("📣 Use it as a broadcast")
        await boss.hears("The draft is ready")
        (draft,) = await _drafts(house)
        async with house.database.writing() as session:
            anew = broadcasts.Draft(title=draft.title, include=("loyalty.at_risk",), copied=draft.copied)
            await broadcasts.edit(session, MEI, draft.id or 0, anew, now=house.clock())
            await broadcasts.start(session, draft.id or 0, actor=MEI, now=house.clock())
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(run_sender(house, stop))
            await phone.hears("Spring tea is here")
            stop.set()

    assert (draft.rule, draft.state) == ({"fans": [7]}, "draft")
    assert "photo" in phone.last.body
    assert phone.last.buttons[-1][0].text == "🔕 No more of these"


async def test_only_who_may_send_broadcasts_is_offered_one(app: App) -> None:
    fan, viewer, operator = Phone(app, 501), Phone(app, 502), Phone(app, 503)
    await hire(app, viewer, Role.VIEWER)
    await hire(app, operator)

    offered = [of(await one.write("Spring tea is here"), "sendMessage") for one in (fan, viewer, operator)]
    forged = of(await fan.press("d:1"), "answerCallbackQuery")

    assert ["broadcast" in one["text"] for one in offered] == [False, False, True]
    assert "people who work here" in forged["text"]
    assert await _drafts(app) == []


async def test_one_post_is_one_draft_however_often_it_is_tapped(app: App) -> None:
    async with app.database.writing() as session:
        first = await draft_of(session, MEI, 7, 9, "A post", now=app.clock())
        second = await draft_of(session, MEI, 7, 9, "A post", now=app.clock())
        other = await draft_of(session, MEI, 7, 10, "Another", now=app.clock())

    assert first.id == second.id != other.id
    assert first.copied == {"chat_id": 7, "message_id": 9}


async def test_an_answer_is_what_the_fan_said_and_the_first_is_the_click(app: App) -> None:
    mei = Phone(app)
    await mei.write("/start")
    fan = await mei.fan()
    number = await delivered(app, fan, buttons=ANSWERS)

    thanks = of(await mei.press(f"b:{number}:=yes", under="Shall we?"), "answerCallbackQuery")
    await mei.press(f"b:{number}:=yes", under="Shall we?")

    assert "we have your answer" in thanks["text"]
    assert (await mei.deeds())[1:] == [("answer", "yes"), ("answer", "yes")]
    async with app.database.reading() as session:
        clicks = await session.all(select(BroadcastClick))
    assert [(click.broadcast_id, click.fan_id, click.button) for click in clicks] == [(number, fan.id, "yes")]


async def test_a_made_up_answer_is_refused_and_nothing_is_written_of_the_fan(app: App) -> None:
    mei, bo = Phone(app, 501), Phone(app, 502, name="Bo")
    await mei.write("/start")
    await bo.write("/start")
    number = await delivered(app, await mei.fan(), buttons=ANSWERS)

    refusals = [
        of(await mei.press(f"b:{number}:=nps:10"), "answerCallbackQuery"),
        of(await mei.press(f"b:{number}:=maybe"), "answerCallbackQuery"),
        of(await bo.press(f"b:{number}:=yes"), "answerCallbackQuery"),
        of(await mei.press("b:404:=yes"), "answerCallbackQuery"),
    ]

    assert all(refusal["show_alert"] for refusal in refusals)
    assert [kind for kind, _ in await mei.deeds()] == [kind for kind, _ in await bo.deeds()] == ["command"]


async def test_a_press_on_any_button_is_written_down_by_its_name(app: App) -> None:
    mei = Phone(app)
    await mei.write("/start")
    number = await delivered(app, await mei.fan(), buttons=[[{"text": "Shop", "action": "shop"}]])

    await mei.press(f"b:{number}:shop", under="Look")
    await mei.press(f"b:{number}:mute", under="Look")

    async with app.database.reading() as session:
        assert [click.button for click in await session.all(select(BroadcastClick))] == ["shop"]
