"""The pages of questionnaires: made, filled with questions, published, read; each mistake at its field."""

from collections.abc import Mapping

import pytest

from siyu import surveys
from siyu.app import App
from siyu.surveys import Kind, Question
from siyu.tables import Role
from tests.admin.seen import forms, links, seen
from tests.admin.visitors import browser
from tests.asking import a_draft, a_question, a_survey
from tests.bot.chatting import Phone, of, presses


async def draft(app: App, survey_id: int = 1) -> tuple[Question, ...]:
    async with app.database.reading() as session:
        return surveys.draft_of(await surveys.get_survey(session, survey_id)).questions


def a_form(*rows: tuple[str, str], **fields: str) -> Mapping[str, str]:
    """The form of a choice question, filled in."""
    typed = {"text-en": "What matters?", "skippable": "1", **fields}
    for n, (key, label) in enumerate(rows):
        typed |= {f"c{n}-key": key, f"c{n}-en": label, f"c{n}-zh_CN": "", f"c{n}-to": ""}
    return typed


async def test_a_questionnaire_is_written_published_and_greets_newcomers(app: App) -> None:
    async with browser(app, Role.OPERATOR) as operator:
        empty = await operator.get("/surveys")
        made = await operator.post("/surveys", data={"key": "hello", "title-en": "Hello", "title-zh_CN": "你好"})
        await operator.post("/surveys/1/questions", data={"kind": "choice"})
        rows = (("price", "A good price"), ("quality", "Quality"))
        await operator.post("/surveys/1/questions/q1", data=a_form(*rows, attribute="need"))
        await operator.post("/surveys/1/publication")
        await operator.post("/surveys/1/greeting", data={"on": "1"})
        page = await operator.get("/surveys/1")

    assert "No questionnaires yet" in seen(empty.text)
    assert made.headers["location"] == "/surveys/1"
    assert "published greets newcomers" in seen(page.text)
    assert "What matters? A good price Quality Skip Stop" in seen(page.text).replace("\xa0", " ").replace("  ", " ")
    mei = Phone(app)
    _, question = await mei.write("/start")
    await mei.press(presses(question)[0])
    assert ("answer", "price") in await mei.deeds()


WRONG = [
    (a_form(), "takes 1 to 30 choices"),
    (a_form(("a", "A"), ("A", "B")), "“a” stands there twice"),
    (a_form(("a", "x" * 41)), "a choice takes at most 40 characters on its button"),
    (a_form(("a,b", "A")), "a choice is kept as 1 to 40 characters without , and ;"),
    (a_form(("a", "A"), attribute="shoe_size"), "there is no attribute “shoe_size”"),
    (a_form(("a", "A"), attribute="gender"), "“a” is none of female, male, other"),
    (a_form(("a", "A"), to="q77"), "an answer leads to a question that is not there any more"),
    ({**a_form(("a", "A")), "text-en": " "}, "it needs words, in one language at least"),
]


@pytest.mark.parametrize(("form", "told"), WRONG)
async def test_a_wrong_question_comes_back_with_what_was_typed(app: App, form: dict[str, str], told: str) -> None:
    await a_draft(app, a_question(Kind.CHOICE, "before"))

    async with browser(app, Role.OPERATOR) as operator:
        answer = await operator.post("/surveys/1/questions/q1", data=form)

    assert answer.status_code == 422
    assert told in seen(answer.text)
    assert form.get("c0-en", "") in answer.text
    assert [choice.key for choice in (await draft(app))[0].choices] == ["before"]


async def test_rows_are_added_moved_and_removed_without_saving(app: App) -> None:
    await a_draft(app, a_question(Kind.CHOICE, "before"))
    rows = (("a", "A"), ("b", "B"), ("c", "C"))

    async with browser(app, Role.OPERATOR) as operator:
        more = await operator.post("/surveys/1/questions/q1", data=a_form(*rows, deed="more"))
        less = await operator.post("/surveys/1/questions/q1", data=a_form(*rows, deed="off 0"))
        up = await operator.post("/surveys/1/questions/q1", data=a_form(*rows, deed="up 2"))
        filled = await operator.post("/surveys/1/questions/q1", data=a_form(attribute="gender", deed="fill"))

    assert 'name="c3-key"' in more.text
    assert 'name="c1-key" value="c"' in less.text
    assert 'name="c1-key" value="c"' in up.text
    assert 'name="c0-key" value="female"' in filled.text
    assert "女" in filled.text
    assert [choice.key for choice in (await draft(app))[0].choices] == ["before"]


async def test_questions_are_moved_removed_and_numbered_on(app: App) -> None:
    await a_draft(app, a_question(Kind.NPS), a_question(Kind.NPS, key="q2"), a_question(Kind.TEXT, key="q3"))

    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get("/surveys/1")
        await operator.post("/surveys/1/questions/q3/move", data={"by": "up"})
        moved = [one.key for one in await draft(app)]
        await operator.post("/surveys/1/questions/q1/removal")
        added = await operator.post("/surveys/1/questions", data={"kind": "stars"})

    assert "/surveys/1/questions/q1" in links(page.text)
    assert moved == ["q1", "q3", "q2"]
    assert [one.key for one in await draft(app)] == ["q3", "q2", "q4"]
    assert added.headers["location"] == "/surveys/1/questions/q4"


async def test_an_empty_or_circular_questionnaire_is_not_published(app: App) -> None:
    await a_draft(app)
    circle = await a_draft(app, a_question(Kind.NPS), a_question(Kind.NPS, key="q2"))
    async with browser(app, Role.OPERATOR) as operator:
        empty = await operator.post("/surveys/1/publication")
        await operator.post(
            f"/surveys/{circle.id}/questions/q2",
            data={"text-en": "Again?", "j0-low": "0", "j0-high": "3", "j0-to": "q1"},
        )
        round_ = await operator.post(f"/surveys/{circle.id}/publication")
        greeted = await operator.post(f"/surveys/{circle.id}/greeting", data={"on": "1"})
        after = await operator.get(greeted.headers["location"])

    assert "there is nothing to ask yet: add a question" in seen(empty.text)
    assert "round and round" in seen(round_.text)
    assert "publish it first" in after.text


async def test_results_tell_how_often_each_answer_was_given_with_its_certainty(app: App) -> None:
    await a_survey(app, a_question(Kind.NPS), a_question(Kind.TEXT, key="q2"), greets=True)
    for n, mark in enumerate([10, 9, 3, 8]):
        phone = Phone(app, 501 + n, name=f"Fan {n}")
        _, question = await phone.write("/start")
        following = of(await phone.press(f"{presses(question)[0].rpartition(':')[0]}:v{mark}"), "editMessageText")
        if n:
            await phone.write("=SUM(1)")
        else:
            await phone.press(presses(following)[0])

    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get("/surveys/1/results")
        table = await operator.get("/surveys/1/answers.csv")

    words = seen(page.text)
    assert "Begun 4 Finished 4 100%" in words
    assert "+25 NPS of 4 answers, with 95 % certainty between -55 and +88" in words
    assert "answered 3, skipped 1" in words
    lines = table.text.removeprefix("\ufeff").splitlines()
    assert lines[0] == "telegram_id,name,version,state,started_at,finished_at,q1,q2"
    assert lines[1].startswith("501,Fan 0,1,done,")
    assert lines[2].endswith(",9,'=SUM(1)")


async def test_a_viewer_looks_and_changes_nothing(app: App) -> None:
    await a_survey(app, a_question(Kind.NPS))

    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get("/surveys/1")
        paths = ("", "/1", "/1/questions", "/1/questions/q1", "/1/publication", "/1/greeting", "/1/archival")
        refused = [(await viewer.post(f"/surveys{path}", data={"kind": "nps"})).status_code for path in paths]

    assert forms(page.text) == []
    assert refused == [403] * 7


async def test_what_fans_and_operators_write_is_shown_and_never_run(app: App) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    question = a_question(
        Kind.CHOICE, choices=(surveys.Choice(key="<b>k", label={"en": "<b>l"}),), text={"en": hostile}
    )
    await a_survey(app, question, a_question(Kind.TEXT, key="q2"), greets=True)
    mei = Phone(app, name=hostile)
    _, asked = await mei.write("/start")
    await mei.press(presses(asked)[0])
    await mei.write(hostile)
    await mei.press(presses(of(await mei.write("/feedback"), "sendMessage"))[0])
    await mei.write(hostile)

    async with browser(app, Role.OWNER) as owner:
        paths = (
            "/surveys",
            "/surveys/1",
            "/surveys/1/questions/q1",
            "/surveys/1/results",
            "/followups",
            "/followups/1",
        )
        pages = [(await owner.get(path)).text for path in (*paths, "/feedback", "/fans/501")]

    assert "&lt;img src=x" in asked["text"]
    assert not [page for page in pages if "<img src=x" in page or "<b>k" in page or "<b>l" in page]
    assert all("&lt;img src=x" in page for page in pages[1:])
