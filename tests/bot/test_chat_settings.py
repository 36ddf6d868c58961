"""A fan decides in chat what reaches them and when: every view is one living message of at most three rows."""

import re
from datetime import timedelta

import pytest

from bot import routers
from bot.routers import settings
from siyu import topics
from siyu.app import App
from siyu.audit import COMMAND_LINE
from tests.bot.chatting import Json, Phone, buttons, of, presses


async def given_topics(app: App, *labels: str) -> None:
    async with app.database.writing() as session:
        for number, label in enumerate(labels):
            await topics.create_topic(session, COMMAND_LINE, f"t{number}", label, now=app.clock())


async def declined(app: App, phone: Phone) -> set[str]:
    fan = await phone.fan()
    async with app.database.reading() as session:
        return await topics.declined_by(session, fan.id or 0)


def rows(call: Json) -> int:
    return len(call["reply_markup"]["inline_keyboard"])


async def test_every_view_is_the_same_message_and_has_three_rows_at_most(app: App) -> None:
    await given_topics(app, "Tea", "Cups", "Books", "Music", "Walks")
    mei = Phone(app)
    first = of(await mei.write("/settings"), "sendMessage")
    seen, waiting = {"sendMessage": rows(first)}, presses(first)

    while waiting:
        data = waiting.pop()
        if data not in seen:
            calls = await mei.press(data)
            page = of(calls, "editMessageText")
            assert of(calls, "answerCallbackQuery")
            seen[data] = rows(page)
            waiting += presses(page)

    assert max(seen.values()) == 3
    assert len(seen) > 40


async def test_a_fan_takes_a_topic_off_and_puts_it_back(app: App) -> None:
    await given_topics(app, "Tea", "Cups", "Books", "Music", "Walks")
    mei = Phone(app)

    await mei.press("t:decline:t4")
    page = of(await mei.press("t:decline:t4"), "editMessageText")  # two taps on one button
    off = await declined(app, mei)
    overview = of(await mei.press("t:all"), "editMessageText")
    await mei.press("t:want:t4")

    assert off == {"t4"}
    assert ("▫️ Walks", "t:want:t4") in [(b["text"], b["callback_data"]) for b in buttons(page)]
    assert "Not about: Walks" in overview["text"]
    assert await declined(app, mei) == set()


async def test_a_topic_that_was_archived_meanwhile_is_told_of(app: App) -> None:
    await given_topics(app, "Tea")
    async with app.database.writing() as session:
        await topics.archive_topic(session, COMMAND_LINE, "t0", now=app.clock())
    mei = Phone(app)

    (answer,) = await mei.press("t:decline:t0")
    overview = of(await mei.write("/settings"), "sendMessage")

    assert answer["text"] == "This topic is not there any more."
    assert await declined(app, mei) == set()
    assert "t:topics:0" not in presses(overview)


async def test_quiet_hours_are_in_the_fan_s_own_zone(app: App) -> None:
    mei = Phone(app)

    await mei.press("t:quiet:22-8")
    page = of(await mei.press("t:zone:Europe/Berlin"), "editMessageText")
    fan = await mei.fan()

    assert (fan.quiet_from, fan.quiet_to, fan.zone) == (1320, 480, "Europe/Berlin")
    assert "22:00–08:00" in page["text"]
    assert "Berlin" in page["text"]

    await mei.press("t:quiet:none")
    await mei.press("t:zone:none")
    fan = await mei.fan()
    assert (fan.quiet_from, fan.quiet_to, fan.zone) == (None, None, None)


async def test_a_zone_without_a_button_is_typed_and_one_that_does_not_exist_is_refused(app: App) -> None:
    mei = Phone(app)

    page = of(await mei.write("/settings Africa/Nairobi"), "sendMessage")
    refused = of(await mei.write("/settings Mars/Olympus"), "sendMessage")

    assert "Nairobi" in page["text"]
    assert "There is no time zone Mars/Olympus." in refused["text"]
    assert (await mei.fan()).zone == "Africa/Nairobi"


async def test_a_fan_rests_for_thirty_days_and_may_end_it(app: App) -> None:
    mei = Phone(app)
    await mei.press("t:mute")

    page = of(await mei.press("t:rest"), "editMessageText")
    fan = await mei.fan()
    await mei.press("t:wake")

    assert (fan.muted_at, fan.rests_until) == (None, app.clock() + timedelta(days=30))
    assert "no broadcasts until" in page["text"]
    assert "t:wake" in presses(page)
    assert (await mei.fan()).rests_until is None


@pytest.mark.parametrize(
    "data",
    ["t:zone:Mars/Olympus", "t:quiet:1-2", "t:want:A'B", "t:topics:-1", "t:decline:", "t:everything", "t:zone:../etc"],
)
async def test_forged_data_is_answered_and_changes_nothing(app: App, data: str) -> None:
    await given_topics(app, "Tea")
    mei = Phone(app)
    await mei.write("/start")
    before = await mei.fan()

    (answer,) = await mei.press(data)

    assert answer["method"] == "answerCallbackQuery"
    assert "does not work" in answer["text"]
    assert await mei.fan() == before
    assert routers.kind_of(data) is None


def test_the_buttons_stay_below_telegram_s_limit() -> None:
    longest = max([*(f"t:zone:{name}" for name in settings.ZONES), f"t:decline:{'x' * 32}"], key=len)

    assert len(longest.encode()) <= 64
    assert re.fullmatch(settings.SHAPE, longest.removeprefix("t:"))
