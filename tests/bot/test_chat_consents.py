"""What a fan agrees to is told at the start, taken back in one tap, and kept with the sentence that was shown."""

from hashlib import sha256

import pytest
from sqlalchemy import delete
from sqlmodel import col, select

from siyu import consents, operators
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.consents import TEXTS
from siyu.tables import Consent, Operator, Outbox, Purpose, Role
from tests.admin.seen import seen
from tests.admin.visitors import browser
from tests.bot.chatting import Json, Phone, of, presses
from tests.clocks import FakeClock
from tests.people import given_fan

# Of the sentences that fans were shown, by version: another sentence needs another number.
SHOWN = {
    ("messages", 1): "5cc4dbed740f",
    ("profiling", 1): "91c69f13b9b1",
}


async def said(app: App, phone: Phone) -> list[tuple[str, bool, str, str, int]]:
    """The earliest first."""
    fan = await phone.fan()
    async with app.database.reading() as session:
        found = list(reversed(await consents.history(session, fan.id or 0)))
    return [(one.purpose.value, one.granted, one.way.value, one.language, one.text_version) for one in found]


async def commands(calls: list[Json]) -> list[tuple[str, str, set[str]]]:
    """Method, language, and the commands that are listed."""
    return [
        (call["method"], call.get("language_code", ""), {one["command"] for one in call.get("commands", [])})
        for call in calls
        if call["method"].endswith("MyCommands")
    ]


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_sentence_that_was_changed_has_another_version(purpose: Purpose) -> None:
    text = TEXTS[purpose]

    assert sha256(text.sentence.encode()).hexdigest()[:12] == SHOWN[purpose.value, text.version]


async def test_a_newcomer_is_told_what_we_do_and_how_to_stop_it(app: App) -> None:
    mei = Phone(app, language="zh-hans")

    hello = of(await mei.write("/start"), "sendMessage")
    again = of(await mei.write("/start"), "sendMessage")

    assert "/settings" in hello["text"]
    assert "我们会在这里写给你" in hello["text"]
    assert "/settings" not in again["text"]
    assert await said(app, mei) == [
        ("messages", True, "start", "zh_CN", 1),
        ("profiling", True, "start", "zh_CN", 1),
    ]


async def test_essentials_only_is_one_tap_and_so_is_the_way_back(app: App) -> None:
    mei = Phone(app)
    await mei.write("/start")

    off = of(await mei.press("t:general"), "editMessageText")
    await mei.press("t:general")  # two taps on one button
    async with app.database.reading() as session:
        during = await consents.standing(session, await mei.fan())
    on = of(await mei.press("t:chosen"), "editMessageText")

    assert "only what everybody must know" in off["text"]
    assert "t:chosen" in presses(off)
    assert during == {Purpose.MESSAGES: True, Purpose.PROFILING: False}
    assert "t:general" in presses(on)
    assert [one[:3] for one in await said(app, mei)][2:] == [
        ("profiling", False, "settings"),
        ("profiling", True, "settings"),
    ]


async def test_stopping_messages_is_taken_down_wherever_it_is_done(app: App, clock: FakeClock) -> None:
    mei = Phone(app)
    await mei.write("/start")

    muted = of(await mei.press("t:mute"), "editMessageText")
    clock.pass_(days=1)
    await mei.press("t:unmute")
    await mei.press("t:mute")
    await mei.press("t:rest")  # from an older message: whoever rests will hear from us again

    assert "t:general" not in presses(muted)
    assert [one[:3] for one in await said(app, mei)][2:] == [
        ("messages", False, "settings"),
        ("messages", True, "settings"),
        ("messages", False, "settings"),
        ("messages", True, "settings"),
    ]


async def test_privacy_says_what_was_agreed_to_and_when(app: App) -> None:
    mei, old = Phone(app), Phone(app, 502)
    await mei.write("/start")
    await old.write("/start")
    fan = await old.fan()
    async with app.database.writing() as session:  # came before this was written down
        await session.run(delete(Consent).where(col(Consent.fan_id) == fan.id))
    await mei.press("t:general")

    told, before = [of(await phone.write("/privacy"), "sendMessage")["text"] for phone in (mei, old)]

    assert "✅ We write to you here when something is new or on offer." in told
    assert "▫️ What we write is chosen by what you do and buy here." in told
    assert "text no. 1" in told
    assert "✅ What we write is chosen" in before
    assert "text no." not in before


async def test_an_operator_sees_what_a_fan_agreed_to_and_from_when(app: App) -> None:
    mei = Phone(app)
    await mei.write("/start")
    await mei.press("t:general")
    async with browser(app, Role.VIEWER) as viewer:
        page = seen((await viewer.get("/fans/501")).text)

    assert "What they agreed to" in page
    assert "told at the start, text no. 1" in page
    assert "in the settings, text no. 1" in page


async def test_nobody_agreed_to_anything_by_being_imported(app: App) -> None:
    await given_fan(app, telegram_id=502, talks=False)
    async with browser(app, Role.VIEWER) as viewer:
        page = seen((await viewer.get("/fans/502")).text)

    assert "not asked" in page
    assert "Nothing was written down" in page


async def test_a_fan_who_chose_a_language_finds_the_commands_in_it(app: App) -> None:
    mei = Phone(app, language="en")
    await mei.write("/start")

    calls = await mei.press("t:zh_CN")

    listed = [call for call in calls if call["method"] == "setMyCommands"]
    assert [call["scope"] for call in listed] == [{"type": "chat", "chat_id": 501}]
    assert any("一" <= letter <= "鿿" for letter in listed[0]["commands"][0]["description"])
    assert await commands(calls) == [
        ("setMyCommands", "", {one["command"] for one in listed[0]["commands"]}),
        ("deleteMyCommands", "zh", set()),
    ]
    assert "admin" not in {one["command"] for one in listed[0]["commands"]}


async def test_staff_have_a_longer_list_in_their_language_and_lose_it_when_they_leave(app: App) -> None:
    mei = Phone(app, language="en")
    await mei.write("/start")
    async with app.database.writing() as session:
        colleague = await operators.add(
            session, COMMAND_LINE, telegram_id=501, role=Role.OPERATOR, name="Mei", now=app.clock()
        )
    plain = await commands(await mei.write("/admin"))
    chosen = await commands(await mei.press("t:zh_CN"))
    async with app.database.writing() as session:
        found = await session.get(Operator, colleague.id)
        assert found is not None
        await operators.disable(session, COMMAND_LINE, found, now=app.clock())
    async with app.database.reading() as session:
        last = (await session.all(select(Outbox).order_by(col(Outbox.id))))[-2:]

    assert [(method, code) for method, code, _ in plain] == [("setMyCommands", ""), ("setMyCommands", "zh")]
    assert [(method, code) for method, code, _ in chosen] == [("setMyCommands", ""), ("deleteMyCommands", "zh")]
    assert "admin" in plain[0][2] & chosen[0][2]
    assert [(row.method, row.payload["language_code"]) for row in last] == [
        ("deleteMyCommands", ""),
        ("deleteMyCommands", "zh"),
    ]
