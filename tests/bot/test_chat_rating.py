"""Ratings: asked some hours after a purchase or by /feedback, one tap, a few words; a bad one is followed up."""

import asyncio
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, select

from siyu import conversations, fans, feedback, followups, jobs, preferences
from siyu.app import App
from siyu.followups import Pile, Task
from siyu.tables import Fan, Feedback, FeedbackTurn, Outbox
from tests.bot.chatting import Phone, buttons, of, presses
from tests.bot.test_chat_wallet import hire
from tests.clocks import FakeClock
from tests.trading import BOSS, a_fan, a_sale, many_fans, records, refunds

Json = dict[str, Any]  # Any: as Telegram spells it


async def asked(app: App) -> list[Json]:
    """Runs the job that asks, and returns what went out."""
    await jobs.run_if_due(app, jobs.get_job("ratings"))
    return await letters(app, "feedback:")


async def letters(app: App, cause: str) -> list[Json]:
    async with app.database.reading() as session:
        found = await session.all(select(Outbox).where(col(Outbox.cause).startswith(cause)).order_by(col(Outbox.id)))
    return [row.payload for row in found]


async def open_tasks(app: App) -> list[Task]:
    async with app.database.reading() as session:
        return list((await followups.list_followups(session, Pile.OPEN)).items)


async def likes(app: App, **values: int | None) -> None:
    async with app.database.writing() as session:
        await preferences.change(session, BOSS, now=app.clock(), **values)


async def a_buyer(app: App, **sale: Any) -> Fan:  # Any: fields of a sale
    fan = await a_fan(app)
    await records(app, a_sale(app, fan, **sale))
    return fan


async def test_a_buyer_is_asked_a_day_later_and_only_once(app: App, clock: FakeClock) -> None:
    fan = await a_buyer(app)
    too_early = await asked(app)

    clock.pass_(hours=24)
    once = await asked(app)
    clock.pass_(hours=1)
    again = await asked(app)

    assert (too_early, len(once), len(again)) == ([], 1, 1)
    assert once[0]["chat_id"] == fan.telegram_id
    assert [key["text"] for row in once[0]["reply_markup"]["inline_keyboard"] for key in row] == [
        "★", "★★", "★★★", "★★★★", "★★★★★",
    ]  # fmt: skip


async def test_nobody_is_asked_twice_in_thirty_days(app: App, clock: FakeClock) -> None:
    fan = await a_buyer(app)
    clock.pass_(hours=24)
    await asked(app)

    clock.pass_(days=28)
    await records(app, a_sale(app, fan, "o-2"))
    clock.pass_(hours=24)
    within = len(await asked(app))
    clock.pass_(days=2)
    after = len(await asked(app))

    assert (within, after) == (1, 2)


async def test_who_sleeps_is_asked_in_the_morning(app: App, clock: FakeClock) -> None:
    fan = await a_buyer(app)
    async with app.database.writing() as session:
        held = await fans.get_fan(session, fan.telegram_id)
        await fans.set_zone(session, held, "America/New_York")
        local = clock().astimezone(ZoneInfo("America/New_York"))
        start = (local.hour * 60 + 24 * 60 - 60) % 1440
        await fans.set_quiet_hours(session, held, (start, (start + 180) % 1440))

    clock.pass_(hours=24)
    asleep = await asked(app)
    clock.pass_(hours=3)

    assert asleep == []
    assert len(await asked(app)) == 1


async def test_a_crowd_that_sleeps_does_not_stand_in_front_of_who_is_awake(
    app: App, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback.asking, "AT_ONCE", 100)
    crowd = await many_fans(app, 152)
    for n, one in enumerate(crowd):
        await records(app, a_sale(app, one, f"o-{n}"))
    awake, elsewhere = crowd[150:]
    async with app.database.writing() as session:
        for n, one in enumerate([*crowd[:150], elsewhere]):
            held = await fans.get_fan(session, one.telegram_id)
            await fans.set_quiet_hours(session, held, around_now(app) if n % 2 else None)
            await fans.set_zone(session, held, "Pacific/Auckland" if one is elsewhere else None)
    await likes(app, quiet_from=around_now(app)[0], quiet_to=around_now(app)[1])
    async with app.database.writing() as session:
        own = await fans.get_fan(session, awake.telegram_id)
        await fans.set_quiet_hours(session, own, around_now(app, later=12))

    clock.pass_(hours=24)

    assert [letter["chat_id"] for letter in await asked(app)] == [awake.telegram_id, elsewhere.telegram_id]


def around_now(app: App, *, later: int = 0) -> tuple[int, int]:
    """Two hours of the community's day, in minutes: one before this moment and one after it, or so much later."""
    local = app.clock().astimezone(app.settings.zone) + timedelta(hours=later)
    minute = local.hour * 60 + local.minute
    return (minute - 60) % 1440, (minute + 60) % 1440


async def test_who_opted_out_rests_or_got_the_money_back_is_not_asked(app: App, clock: FakeClock) -> None:
    muted, resting, refunded = await a_buyer(app), await a_buyer(app), await a_buyer(app, external_id="o-3")
    async with app.database.writing() as session:
        await fans.mute(session, await fans.get_fan(session, muted.telegram_id), now=clock())
        resting = await fans.get_fan(session, resting.telegram_id)
        await fans.rest(session, resting, until=clock() + timedelta(days=30), now=clock())
    await refunds(app, "o-3")

    clock.pass_(hours=24)

    assert refunded.id is not None
    assert await asked(app) == []


async def test_an_old_purchase_is_not_asked_about_and_a_house_can_ask_nobody(app: App, clock: FakeClock) -> None:
    await a_buyer(app)
    await likes(app, rating_after_hours=0)
    clock.pass_(hours=24)
    switched_off = await asked(app)
    await likes(app, rating_after_hours=24)

    clock.pass_(days=4)

    assert (switched_off, await asked(app)) == ([], [])


async def test_two_who_ask_at_once_ask_once(app: App, clock: FakeClock) -> None:
    for n in range(5):
        await a_buyer(app, external_id=f"o-{n}")
    clock.pass_(hours=24)

    async def ask() -> int:
        async with app.database.writing() as session:
            return await feedback.ask_due(session, zone=app.settings.zone, now=clock())

    numbers = await asyncio.gather(*(ask() for _ in range(4)))

    assert sum(numbers) == 5
    assert len(await letters(app, "feedback:")) == 5


async def test_a_bad_rating_after_a_purchase_is_followed_up_with_the_fans_words(app: App, clock: FakeClock) -> None:
    mei = Phone(app)
    await mei.write("/start")
    await records(app, a_sale(app, await mei.fan()))
    clock.pass_(hours=24)
    (letter,) = await asked(app)

    rated = of(await mei.press(presses(letter)[1]), "editMessageText")
    thanks = of(await mei.write("It came broken"), "sendMessage")

    assert "★★☆☆☆" in rated["text"]
    assert "What went wrong?" in rated["text"]
    assert "Thank you for telling us" in thanks["text"]
    (task,) = await open_tasks(app)
    assert (task.followup.why, task.followup.words) == ("stars:2", "It came broken")
    assert task.followup.due_at == clock() + timedelta(hours=24)
    assert ("answer", "stars:2") in await mei.deeds()
    async with app.database.reading() as session:
        assert await conversations.waiting(session) == 1


async def test_feedback_in_chat_is_one_tap_and_then_words(app: App) -> None:
    mei = Phone(app)

    question = of(await mei.write("/feedback"), "sendMessage")
    rated = of(await mei.press(presses(question)[4]), "editMessageText")
    (again,) = await mei.press(presses(question)[0])
    await mei.write("Lovely people")

    assert [one["text"] for one in buttons(question)][-1] == "Not now"
    assert len(question["reply_markup"]["inline_keyboard"]) <= 3
    assert "★★★★★" in rated["text"]
    assert again["text"] == "You have rated this already: thank you."
    assert await open_tasks(app) == []
    async with app.database.reading() as session:
        (kept,) = await session.all(select(Feedback))
    assert (kept.rating, kept.words) == (5, "Lovely people")


async def test_a_second_feedback_puts_the_open_question_again(app: App) -> None:
    mei = Phone(app)

    first, second = await mei.write("/feedback"), await mei.write("/feedback")
    other = await mei.press(presses(first[0])[5])

    assert presses(first[0]) == presses(second[0])
    assert "Another time" in of(other, "editMessageText")["text"]


async def test_words_long_after_a_rating_or_after_a_command_are_talk(app: App, clock: FakeClock) -> None:
    mei = Phone(app)
    question = of(await mei.write("/feedback"), "sendMessage")
    await mei.press(presses(question)[4])

    await mei.write("/wallet")
    talk = of(await mei.write("Do you open on Sunday?"), "sendMessage")

    assert "We have your message" in talk["text"]
    async with app.database.reading() as session:
        (kept,) = await session.all(select(Feedback))
    assert kept.words is None


async def test_somebody_elses_rating_cannot_be_given(app: App) -> None:
    mei, bo = Phone(app, 501), Phone(app, 502)
    question = of(await mei.write("/feedback"), "sendMessage")

    (toast,) = await bo.press(presses(question)[0])

    assert toast["text"] == "This button does not work any more."
    assert [deed for deed in await bo.deeds() if deed[0] == "answer"] == []


async def test_the_house_can_ask_how_likely_one_is_to_recommend(app: App) -> None:
    await likes(app, rating_nps=1)
    mei = Phone(app, language="zh")

    question = of(await mei.write("/feedback"), "sendMessage")
    rated = of(await mei.press(presses(question)[6]), "editMessageText")

    assert "你愿意把我们推荐给朋友吗？" in question["text"]
    assert [len(row) for row in question["reply_markup"]["inline_keyboard"]] == [6, 5, 1]
    assert "<b>6</b> / 10" in rated["text"]
    assert [task.followup.why for task in await open_tasks(app)] == ["nps:6"]


async def test_whoever_is_in_charge_is_reminded_once_when_it_is_due(app: App, clock: FakeClock) -> None:
    mei, staff, other = Phone(app), Phone(app, 601, name="Staff"), Phone(app, 602, name="Other")
    operator = await hire(app, staff)
    await hire(app, other)
    question = of(await mei.write("/feedback"), "sendMessage")
    await mei.press(presses(question)[0])
    (task,) = await open_tasks(app)
    async with app.database.writing() as session:
        await followups.assign(session, BOSS, task.followup.id or 0, operator.id, now=clock())
    await jobs.run_if_due(app, jobs.get_job("followups"))
    early = await letters(app, "followup:")

    clock.pass_(hours=24)
    await jobs.run_if_due(app, jobs.get_job("followups"))
    await jobs.run_if_due(app, jobs.get_job("followups"))

    assert early == []
    (reminder,) = await letters(app, "followup:")
    assert reminder["chat_id"] == 601
    assert "Due now: follow up Mei" in reminder["text"]
    assert "Rated 1 of 5 stars" in reminder["text"]


async def test_a_turn_is_written_down_for_whom_it_was(app: App, clock: FakeClock) -> None:
    fan = await a_buyer(app)
    clock.pass_(hours=24)

    await asked(app)

    async with app.database.reading() as session:
        turns = await session.all(select(FeedbackTurn))
    assert [turn.fan_id for turn in turns] == [fan.id]
