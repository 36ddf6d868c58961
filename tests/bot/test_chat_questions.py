"""Questionnaires as a fan sees them: greeted, asked, answered by buttons and words, interrupted, gone on with."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlmodel import col, select

from siyu import conversations, fans, followups
from siyu.app import App
from siyu.segments import thresholds
from siyu.surveys import Kind, Question
from siyu.tables import Conversation, RunState, Survey, SurveyAnswer, SurveyRun
from tests.asking import a_choice, a_jump, a_question, a_survey, given_attribute, publishes, rewrites
from tests.bot.chatting import Phone, buttons, of, presses
from tests.bot.test_chat_wallet import delivered, hire
from tests.clocks import FakeClock
from tests.pointing import given_programme
from tests.trading import BOSS

Json = dict[str, Any]  # Any: as Telegram spells it


async def asked_at_the_door(app: App, *questions: Question) -> tuple[Phone, Json, Survey]:
    """A newcomer, the first question put to them, and the questionnaire."""
    survey = await a_survey(app, *questions, greets=True)
    mei = Phone(app)
    _hello, question, *_board = await mei.write("/start")
    return mei, question, survey


async def answers(app: App) -> list[tuple[str, str, str | None]]:
    async with app.database.reading() as session:
        found = await session.all(
            select(SurveyAnswer).order_by(col(SurveyAnswer.at), col(SurveyAnswer.question), col(SurveyAnswer.value))
        )
    return [(one.question, one.value, one.words) for one in found]


async def runs(app: App) -> Sequence[SurveyRun]:
    async with app.database.reading() as session:
        return await session.all(select(SurveyRun).order_by(col(SurveyRun.id)))


async def known_of(app: App, phone: Phone) -> dict[str, str]:
    fan = await phone.fan()
    async with app.database.reading() as session:
        return await fans.attributes_of(session, fan.id or 0)


def data(call: Json, label: str) -> str:
    """What the button with these words tells us."""
    return next(one["callback_data"] for one in buttons(call) if one["text"] == label)


async def test_a_newcomer_is_asked_after_the_greeting_and_a_regular_is_not(app: App) -> None:
    mei, question, _ = await asked_at_the_door(app, a_question(Kind.CHOICE, "price", "quality"))

    again = await mei.write("/start")

    assert "Getting to know you" in question["text"]
    assert "<b>What about q1?</b>" in question["text"]
    assert [one["text"] for one in buttons(question)] == ["Price", "Quality", "Skip", "Stop"]
    assert len(again) == 1


async def test_answers_are_kept_as_facts_and_attributes_in_one_living_message(app: App) -> None:
    mei, first, _ = await asked_at_the_door(
        app,
        a_question(Kind.CHOICE, "price", "quality", attribute="need"),
        a_question(Kind.NPS, key="q2"),
        a_question(Kind.TEXT, key="q3"),
    )

    second = of(await mei.press(data(first, "Quality")), "editMessageText")
    third = of(await mei.press(data(second, "9")), "editMessageText")
    end = of(await mei.write("It smells of rain"), "sendMessage")

    assert await answers(app) == [("q1", "quality", None), ("q2", "9", None), ("q3", "", "It smells of rain")]
    assert await known_of(app, mei) == {"need": "quality"}
    assert await mei.deeds() == [
        ("command", "start"), ("answer", "quality"), ("answer", "nps:9"), ("message", "text"),
    ]  # fmt: skip
    assert "Just write your answer." in third["text"]
    assert "that was all" in end["text"]
    assert [run.state for run in await runs(app)] == [RunState.DONE]


async def test_an_answer_leads_where_it_says_and_past_the_rest(app: App) -> None:
    often = (a_choice("often", to="q3"), a_choice("never", to="end"))
    mei, first, _ = await asked_at_the_door(
        app,
        a_question(Kind.CHOICE, choices=often),
        a_question(Kind.TEXT, key="q2"),
        a_question(Kind.STARS, key="q3", jumps=(a_jump(1, 2, "end"),)),
        a_question(Kind.TEXT, key="q4"),
    )

    third = of(await mei.press(data(first, "Often")), "editMessageText")
    end = of(await mei.press(data(third, "★")), "editMessageText")

    assert "What about q3?" in third["text"]
    assert "that was all" in end["text"]


async def test_several_choices_are_ticked_taken_back_and_turned_over(app: App) -> None:
    kinds = ["green tea", "black tea", "white tea", "oolong", "pu er", "yellow tea"]
    mei, first, _ = await asked_at_the_door(app, a_question(Kind.MANY, *kinds, attribute="need"))
    labels = [one["text"] for one in buttons(first)]

    ticked = of(await mei.press(data(first, "▫️ Black Tea")), "editMessageText")
    again = of(await mei.press(data(ticked, "›")), "editMessageText")
    both = of(await mei.press(data(again, "▫️ Pu Er")), "editMessageText")
    turned = of(await mei.press(data(both, "‹")), "editMessageText")
    await mei.press(data(turned, "▫️ Green Tea"))
    await mei.press(data(of(await mei.press(data(turned, "▫️ Green Tea")), "editMessageText"), "✅ Green Tea"))
    await mei.press(data(first, "Done"))

    assert labels == ["▫️ Green Tea", "▫️ Black Tea", "▫️ White Tea", "▫️ Oolong", "Done", "Skip", "Stop", "›"]
    assert len(first["reply_markup"]["inline_keyboard"]) == 3
    assert await answers(app) == [("q1", "black tea", None), ("q1", "pu er", None)]
    assert await known_of(app, mei) == {"need": "black tea; pu er"}


async def test_done_without_a_choice_asks_for_one(app: App) -> None:
    mei, first, _ = await asked_at_the_door(app, a_question(Kind.MANY, "a", "b"))

    (toast,) = await mei.press(data(first, "Done"))

    assert toast["text"] == "Choose something first, or skip it."
    assert await answers(app) == []


async def test_a_double_tap_answers_once_and_says_so(app: App) -> None:
    mei, first, _ = await asked_at_the_door(app, a_question(Kind.NPS), a_question(Kind.NPS, key="q2"))

    await mei.press(data(first, "3"))
    (again,) = await mei.press(data(first, "10"))

    assert again["text"] == "This question is behind you already."
    assert await answers(app) == [("q1", "3", None)]
    assert [deed for deed in await mei.deeds() if deed[0] == "answer"] == [("answer", "nps:3")]


@pytest.mark.parametrize("forged", ["q:1:0:c7", "q:1:0:v5", "q:1:0:t0", "q:1:7:c0", "q:999:0:c0", "q:1:0:d"])
async def test_a_forged_press_is_refused_and_changes_nothing(app: App, forged: str) -> None:
    mei, _, _ = await asked_at_the_door(app, a_question(Kind.CHOICE, "price", "quality"))

    (toast,) = await mei.press(forged)

    assert toast["show_alert"] is True
    assert await answers(app) == []
    assert ("press", forged) not in [deed for deed in await mei.deeds() if deed[0] == "answer"]
    assert [run.step for run in await runs(app)] == [0]


async def test_somebody_elses_question_cannot_be_answered(app: App) -> None:
    _, first, _ = await asked_at_the_door(app, a_question(Kind.NPS))
    bo = Phone(app, 502, name="Bo")

    (toast,) = await bo.press(data(first, "0"))

    assert toast["text"] == "This button does not work any more."
    assert await answers(app) == []


async def test_a_question_is_skipped_where_it_may_be(app: App) -> None:
    mei, first, _ = await asked_at_the_door(app, a_question(Kind.NPS), a_question(Kind.NPS, key="q2", skippable=False))

    second = of(await mei.press(data(first, "Skip")), "editMessageText")
    run = (await runs(app))[0]
    (refused,) = await mei.press(f"q:{run.id}:{run.step}:s")

    assert "Skip" not in [one["text"] for one in buttons(second)]
    assert refused["text"].startswith("This question cannot be skipped")
    assert await answers(app) == [("q1", "", None)]


async def test_whoever_stops_can_go_on_where_they_were(app: App) -> None:
    mei, first, _ = await asked_at_the_door(app, a_question(Kind.NPS), a_question(Kind.NPS, key="q2"))
    second = of(await mei.press(data(first, "8")), "editMessageText")

    stopped = of(await mei.press(data(second, "Stop")), "editMessageText")
    again = of(await mei.press(data(stopped, "▶️ Go on")), "editMessageText")
    await mei.press(data(again, "7"))

    assert "What about q2?" in again["text"]
    assert await answers(app) == [("q1", "8", None), ("q2", "7", None)]


async def test_a_command_in_between_leaves_the_question_and_words_are_talk_again(app: App) -> None:
    mei, first, _ = await asked_at_the_door(app, a_question(Kind.TEXT))

    await mei.write("/wallet")
    talk = await mei.write("Where is my parcel?")
    nothing = await answers(app)
    resumed = of(await mei.press(presses(first)[0].rpartition(":")[0] + ":r"), "editMessageText")
    await mei.write("Because of the rain")

    assert "We have your message" in talk[0]["text"]
    assert nothing == []
    assert "What about q1?" in resumed["text"]
    assert await answers(app) == [("q1", "", "Because of the rain")]


async def test_an_answer_in_words_waits_for_nobody_and_talk_does(app: App) -> None:
    mei, _, _ = await asked_at_the_door(app, a_question(Kind.TEXT))

    await mei.write("Because of the rain")
    async with app.database.reading() as session:
        after_the_answer = await conversations.waiting(session)
        states = await session.all(select(Conversation.state))
    await mei.write("And where is my parcel?")

    assert (after_the_answer, list(states)) == (0, ["closed"])
    async with app.database.reading() as session:
        assert await conversations.waiting(session) == 1


async def test_words_that_do_not_fit_their_attribute_are_asked_for_again(app: App) -> None:
    await given_attribute(app, "children", "number")
    mei, *_ = await asked_at_the_door(app, a_question(Kind.TEXT, attribute="children"))

    refused = of(await mei.write("many"), "sendMessage")
    await mei.write("3")

    assert "“many” is not a number such as 12 or 3.5" in refused["text"]
    assert await known_of(app, mei) == {"children": "3"}
    assert await answers(app) == [("q1", "", "3")]


async def test_a_number_is_shared_by_telegrams_button_and_only_ones_own(app: App) -> None:
    mei, *_ = await asked_at_the_door(app, a_question(Kind.NPS), a_question(Kind.CONTACT, key="q2"))
    run = (await runs(app))[0]
    asked = await mei.press(f"q:{run.id}:0:v9")
    contact = {"phone_number": "+8613800000000", "first_name": "Mei"}

    foreign = of(await mei.send(contact={**contact, "user_id": 99}), "sendMessage")
    calls = await mei.send(contact={**contact, "user_id": 501})

    board = of(asked, "sendMessage")["reply_markup"]
    assert board["keyboard"][0][0]["request_contact"] is True
    assert "not your own number" in foreign["text"]
    assert calls[0]["reply_markup"] == {"remove_keyboard": True}
    assert await answers(app) == [("q1", "9", None), ("q2", "", "+8613800000000")]
    assert (await mei.fan()).phone == "+8613800000000"


async def test_a_place_is_shared_by_telegrams_button(app: App) -> None:
    mei, *_ = await asked_at_the_door(app, a_question(Kind.LOCATION))

    await mei.send(location={"latitude": 31.2, "longitude": 121.5})

    assert await answers(app) == [("q1", "", "31.2, 121.5")]


@pytest.mark.parametrize(("longitude", "kept"), [(121.5, {"country": "CN", "region": "上海"}), (120.2, {})])
async def test_a_place_in_the_circle_around_home_is_the_homes_region(
    app: App, longitude: float, kept: dict[str, str]
) -> None:
    home = {"country": "CN", "region": "上海", "place": "31.23, 121.47", "km": "50"}
    async with app.database.writing() as session:
        await thresholds.change(session, BOSS, "geography", thresholds={}, own={"home": home}, now=app.clock())
    mei, *_ = await asked_at_the_door(app, a_question(Kind.LOCATION))

    await mei.send(location={"latitude": 31.2, "longitude": longitude})

    async with app.database.reading() as session:
        assert await fans.attributes_of(session, (await mei.fan()).id or 0) == kept
    assert await answers(app) == [("q1", "", f"31.2, {longitude}")]


async def test_who_is_under_way_ends_with_the_version_they_began(app: App) -> None:
    mei, first, survey = await asked_at_the_door(app, a_question(Kind.NPS), a_question(Kind.TEXT, key="q2"))

    await rewrites(app, survey, a_question(Kind.CHOICE, "new", "newer"))
    assert await publishes(app, survey) == []
    second = of(await mei.press(data(first, "9")), "editMessageText")
    bo = Phone(app, 502, name="Bo")
    _, theirs = await bo.write("/start")

    assert "What about q2?" in second["text"]
    assert [one["text"] for one in buttons(theirs)] == ["New", "Newer", "Skip", "Stop"]


async def test_a_broadcasts_button_begins_a_questionnaire_once_per_broadcast(app: App) -> None:
    survey = await a_survey(app, a_question(Kind.NPS), key="spring")
    mei = Phone(app)
    await mei.write("/start")
    keys = [[{"text": "Tell us", "action": "survey", "value": survey.key}]]
    number = await delivered(app, await mei.fan(), buttons=keys)

    first = of(await mei.press(f"b:{number}:?spring", under="Hello"), "sendMessage")
    await mei.press(data(first, "10"))
    again = await mei.press(f"b:{number}:?spring", under="Hello")
    (forged,) = await mei.press(f"b:{number}:?another", under="Hello")

    assert "What about q1?" in first["text"]
    assert of(again, "answerCallbackQuery")["text"] == "You have answered these questions already: thank you."
    assert forged["show_alert"] is True
    assert ("press", "survey") in await mei.deeds()


async def test_another_questionnaire_puts_the_one_before_aside_and_it_can_be_taken_up(app: App) -> None:
    mei, first, _ = await asked_at_the_door(app, a_question(Kind.NPS), a_question(Kind.NPS, key="q2"))
    survey = await a_survey(app, a_question(Kind.STARS), key="spring")
    keys = [[{"text": "Tell us", "action": "survey", "value": survey.key}]]
    number = await delivered(app, await mei.fan(), buttons=keys)

    await mei.press(f"b:{number}:?spring", under="Hello")
    put_aside = [run.state for run in await runs(app)]
    again = of(await mei.press(data(first, "9")), "editMessageText")
    await mei.press(data(again, "9"))

    assert put_aside == [RunState.STOPPED, RunState.OPEN]
    assert [run.state for run in await runs(app)] == [RunState.OPEN, RunState.STOPPED]
    assert await answers(app) == [("q1", "9", None)]


async def test_a_bad_mark_in_a_questionnaire_is_followed_up(app: App) -> None:
    mei, first, _ = await asked_at_the_door(app, a_question(Kind.NPS))

    await mei.press(data(first, "2"))

    async with app.database.reading() as session:
        (task,) = (await followups.list_followups(session, followups.Pile.OPEN)).items
    assert (task.fan.telegram_id, task.followup.why) == (501, "nps:2")


async def test_an_operator_answers_a_question_without_being_offered_a_broadcast(app: App) -> None:
    mei, _, _ = await asked_at_the_door(app, a_question(Kind.TEXT))
    await hire(app, mei)

    answer = of(await mei.write("Because"), "sendMessage")

    assert "that was all" in answer["text"]


async def test_the_fan_reads_their_own_language_where_it_is_written(app: App, clock: FakeClock) -> None:
    both = {"en": "What matters?", "zh_CN": "您最看重什么？"}
    await a_survey(app, a_question(Kind.NPS, text=both), greets=True)

    _, question = await Phone(app, language="zh-hans").write("/start")

    assert "您最看重什么？" in question["text"]
    assert "认识一下" in question["text"]


async def test_a_questionnaire_gives_points_once_and_none_to_whoever_skips_it_all(app: App) -> None:
    await given_programme(app)
    mei, first, _ = await asked_at_the_door(app, a_question(Kind.NPS))
    bo = Phone(app, 502, name="Bo")
    _, theirs = await bo.write("/start")

    end = of(await mei.press(data(first, "9")), "editMessageText")
    skipped = of(await bo.press(data(theirs, "Skip")), "editMessageText")

    assert "points for it" in end["text"]
    assert "points for it" not in skipped["text"]
