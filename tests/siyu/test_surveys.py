"""Questionnaires under their skin: what may be published, who wins a race, what a restart leaves, what a score says."""

import asyncio
from collections import Counter

import pytest
from sqlmodel import select

from siyu import attributes, surveys
from siyu.app import App, open_app
from siyu.audit import COMMAND_LINE
from siyu.interactions import timeline
from siyu.kit.errors import Conflict, SiyuError
from siyu.settings import Settings
from siyu.surveys import Asked, Kind, Mark, Pick, Question, Tick, Ticked
from siyu.tables import Fan, Survey, SurveyAnswer, SurveyRun
from tests.asking import a_choice, a_draft, a_jump, a_question, a_survey, given_attribute, publishes, rewrites
from tests.trading import a_fan


async def begins(app: App, fan: Fan, survey: Survey, cause: str = "test") -> Asked:
    async with app.database.writing() as session:
        return await surveys.begin(session, fan, survey, cause=cause, now=app.clock())


async def answers(app: App, fan: Fan, asked: Asked, reply: surveys.Reply) -> Asked:
    async with app.database.writing() as session:
        return await surveys.answer(
            session, fan, asked.run.id or 0, asked.run.step, reply, zone=app.settings.zone, now=app.clock()
        )


async def kept(app: App) -> list[tuple[str, str]]:
    async with app.database.reading() as session:
        found = await session.all(select(SurveyAnswer).order_by(SurveyAnswer.question, SurveyAnswer.value))
    return [(one.question, one.value) for one in found]


async def outcome(what: object) -> str:
    try:
        await what  # type: ignore[misc]  # a coroutine
    except SiyuError as no:
        return no.reason
    return "taken"


async def test_of_twenty_taps_at_once_one_answers(app: App) -> None:
    survey = await a_survey(app, a_question(Kind.NPS), a_question(Kind.NPS, key="q2"))
    fan = await a_fan(app)
    asked = await begins(app, fan, survey)

    told = await asyncio.gather(*(outcome(answers(app, fan, asked, Mark(n % 11))) for n in range(20)))

    assert Counter(told) == {"taken": 1, "stale": 19}
    assert [question for question, _ in await kept(app)] == ["q1"]
    async with app.database.reading() as session:
        assert len((await timeline(session, fan.id or 0)).items) == 1


async def test_of_ten_beginnings_at_once_there_is_one_run(app: App) -> None:
    first, second = await a_survey(app, a_question(Kind.NPS)), await a_survey(app, a_question(Kind.NPS))
    fan = await a_fan(app)

    told = await asyncio.gather(*(outcome(begins(app, fan, (first, second)[n % 2])) for n in range(10)))

    assert set(told) == {"taken"}
    async with app.database.reading() as session:
        runs = await session.all(select(SurveyRun))
    assert Counter(run.state.value for run in runs)["open"] == 1
    assert len(runs) <= 2


async def test_a_restart_in_the_middle_of_many_choices_forgets_nothing(app: App) -> None:
    survey = await a_survey(app, a_question(Kind.MANY, "a", "b", "c"), a_question(Kind.NPS, key="q2"))
    fan = await a_fan(app)
    asked = await begins(app, fan, survey)
    async with app.database.writing() as session:
        await surveys.tick(session, fan, asked.run.id or 0, 0, Tick(2, on=True), now=app.clock())

    await app.close()
    again = open_app(Settings(database_url=app.settings.database_url, bot_token="42:SANDBOX"))
    async with again.database.reading() as session:
        found = await surveys.find_open(session, fan)
    assert found is not None
    following = await answers(again, fan, found, Ticked())
    told = await kept(again)
    await again.close()

    assert found.ticked == {2}
    assert following.question is not None
    assert (following.question.key, told) == ("q2", [("q1", "c")])


async def test_a_crash_before_the_commit_leaves_the_fan_where_they_were(app: App) -> None:
    survey = await a_survey(app, a_question(Kind.NPS), a_question(Kind.NPS, key="q2"))
    fan = await a_fan(app)
    asked = await begins(app, fan, survey)

    with pytest.raises(RuntimeError):
        async with app.database.writing() as session:
            await surveys.answer(session, fan, asked.run.id or 0, 0, Mark(9), zone=app.settings.zone, now=app.clock())
            raise RuntimeError("the power went")

    assert await kept(app) == []
    assert (await answers(app, fan, asked, Mark(3))).question is not None
    assert await kept(app) == [("q1", "3")]


async def test_a_batch_of_updates_in_one_transaction_moves_step_by_step(app: App) -> None:
    survey = await a_survey(app, a_question(Kind.NPS), a_question(Kind.NPS, key="q2"))
    fan = await a_fan(app)
    asked = await begins(app, fan, survey)

    async with app.database.writing() as session:
        zone, now = app.settings.zone, app.clock()
        held = await surveys.look(session, fan, asked.run.id or 0, 0)
        for step, number in enumerate((9, 10)):
            await surveys.answer(session, fan, asked.run.id or 0, step, Mark(number), zone=zone, now=now)

    assert held.run.id == asked.run.id
    assert await kept(app) == [("q1", "9"), ("q2", "10")]


CIRCLES: list[tuple[str, tuple[Question, ...]]] = [
    ("itself", (a_question(Kind.NPS, jumps=(a_jump(0, 6, "q1"),)),)),
    ("two", (a_question(Kind.NPS), a_question(Kind.NPS, key="q2", to="q1"))),
    ("by a choice", (a_question(Kind.NPS), a_question(key="q2", choices=(a_choice("a", to="q1"), a_choice("b"))))),
    (
        "behind a jump",
        (
            a_question(Kind.NPS, to="q3"),
            a_question(Kind.NPS, key="q2", to="end"),
            a_question(Kind.NPS, key="q3", to="q1"),
        ),
    ),
]


@pytest.mark.parametrize("questions", [questions for _, questions in CIRCLES], ids=[name for name, _ in CIRCLES])
async def test_a_way_that_never_ends_is_not_published(app: App, questions: tuple[Question, ...]) -> None:
    draft = await a_draft(app, *questions)

    assert await publishes(app, draft) == ["circle"]


async def test_a_way_back_that_ends_is_fine(app: App) -> None:
    back = (
        a_question(Kind.NPS, to="q3"),
        a_question(Kind.NPS, key="q2", to="end"),
        a_question(Kind.NPS, key="q3", to="q2"),
    )

    assert await publishes(app, await a_draft(app, *back)) == []


async def test_an_attribute_that_was_undefined_or_changed_meanwhile_stops_nobody(app: App) -> None:
    await given_attribute(app, "colour", "choice", "red", "blue")
    survey = await a_survey(app, a_question(Kind.CHOICE, "red", "blue", attribute="colour"))
    fan = await a_fan(app)
    asked = await begins(app, fan, survey)
    async with app.database.writing() as session:
        other = attributes.NewAttribute("colour", "choice", choices=(attributes.Choice("green"),))
        await attributes.change_attribute(session, COMMAND_LINE, other, now=app.clock())

    await answers(app, fan, asked, Pick(0))
    refused = await publishes(app, survey)

    assert await kept(app) == [("q1", "red")]
    assert refused == ["values_do_not_fit"]


async def test_an_archived_questionnaire_is_begun_by_nobody_and_ended_by_who_is_under_way(app: App) -> None:
    survey = await a_survey(app, a_question(Kind.NPS))
    mei, bo = await a_fan(app), await a_fan(app)
    asked = await begins(app, mei, survey)
    async with app.database.writing() as session:
        await surveys.archive(session, COMMAND_LINE, survey.id or 0, now=app.clock())
        archived = await surveys.get_survey(session, survey.id or 0)

    ended = await answers(app, mei, asked, Mark(9))

    assert ended.question is None
    assert await outcome(begins(app, bo, archived)) == "not_found"


async def test_a_question_that_is_gone_keeps_its_answers_and_its_number(app: App) -> None:
    survey = await a_survey(app, a_question(Kind.NPS), a_question(Kind.NPS, key="q2"))
    async with app.database.writing() as session:
        await surveys.remove_question(session, COMMAND_LINE, survey.id or 0, "q2", now=app.clock())
        new = await surveys.add_question(session, COMMAND_LINE, survey.id or 0, Kind.STARS, now=app.clock())
    await rewrites(app, survey, a_question(Kind.STARS, key="q3"))

    assert new.key == "q3"
    assert await publishes(app, survey) == []


NPS = [
    (0, 0, 0, None),
    (3, 0, 3, (100.0, -10.1, 100.0)),
    (50, 50, 100, (0.0, -19.4, 19.4)),
    (600, 100, 1000, (50.0, 45.7, 54.1)),
]


@pytest.mark.parametrize(("happy", "unhappy", "n", "told"), NPS)
def test_a_score_says_how_certain_it_is(
    happy: int, unhappy: int, n: int, told: tuple[float, float, float] | None
) -> None:
    found = surveys.nps(happy, unhappy, n)

    assert (found and (found.score, round(found.low, 1), round(found.high, 1))) == told


async def test_what_was_answered_in_full_is_not_asked_again_for_the_same_cause(app: App) -> None:
    survey = await a_survey(app, a_question(Kind.NPS))
    fan = await a_fan(app)
    await answers(app, fan, await begins(app, fan, survey), Mark(9))

    with pytest.raises(Conflict):
        await begins(app, fan, survey)
    assert (await begins(app, fan, survey, cause="broadcast:7")).question is not None
