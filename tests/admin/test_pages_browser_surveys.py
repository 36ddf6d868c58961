"""Questionnaires, follow-ups and feedback in a real browser: for everyone, on every screen, without scripts too."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from siyu import feedback, followups, surveys
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.surveys import Kind, Mark
from tests.admin.browsing import PHONE, House, looking, needs_chromium, served
from tests.admin.walks import LOOKS, Look, walk
from tests.asking import a_draft, a_jump, a_question, a_survey
from tests.people import given_fan

pytestmark = needs_chromium

MEI = 7001
PATHS = (
    "/surveys",
    "/surveys/1",
    "/surveys/1/questions/q1",
    "/surveys/1/questions/q2",
    "/surveys/1/results",
    "/surveys/2",
    "/surveys/2/results",
    "/followups",
    "/followups?pile=done",
    "/followups/1",
    "/feedback",
    f"/fans/{MEI}",
)
LONG = "unbroken" * 8 + " and words" * 4


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(_fill, tmp_path_factory.mktemp("house")) as house:
        yield house


async def _fill(app: App) -> None:
    many = a_question(Kind.MANY, *(f"option {n}" for n in range(9)), key="q1", text={"en": LONG})
    survey = await a_survey(app, many, a_question(Kind.NPS, key="q2", jumps=(a_jump(0, 6, "end"),)), greets=True)
    await a_draft(app)
    mei = await given_fan(app, MEI, name="Long name " * 8)
    async with app.database.writing() as session:
        now, zone = app.clock(), app.settings.zone
        asked = await surveys.begin(session, mei, survey, cause="newcomer", now=now)
        ticked = await surveys.tick(session, mei, asked.run.id or 0, 0, surveys.Tick(3, on=True), now=now)
        await surveys.answer(session, mei, ticked.run.id or 0, 0, surveys.Ticked(), zone=zone, now=now)
        await surveys.answer(session, mei, ticked.run.id or 0, 1, Mark(2), zone=zone, now=now)
        rating = await feedback.ask(session, mei, cause="test", now=now)
        rated = await feedback.rate(session, mei, rating.id or 0, 1, zone=zone, now=now)
        await feedback.add_words(session, rated.feedback, LONG * 3)
        await followups.open_followup(session, COMMAND_LINE, mei, LONG, due_at=now, now=now)


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_for_everyone_and_fits_its_screen(browser: Browser, house: House, look: Look) -> None:
    assert walk(browser, house, look, PATHS) == {}


def test_a_questionnaire_is_written_on_a_phone_without_scripts(
    browser: Browser, house: House, complaints: list[str]
) -> None:
    with looking(browser, house, {**PHONE, "java_script_enabled": False}, complaints) as page:
        page.goto("/surveys/2")
        page.get_by_label("Another question").select_option("choice")
        page.get_by_role("button", name="Add", exact=True).click()
        page.locator("[name=text-en]").fill("Tea or coffee?")
        page.locator("[name=c0-en]").fill("Tea")
        page.locator("[name=c1-en]").fill("Coffee")
        page.get_by_role("button", name="Another choice").click()
        expect(page.locator("[name=c0-en]")).to_have_value("Tea")
        page.locator("[name=c2-en]").fill("Neither")
        page.get_by_role("button", name="Save").last.click()
        page.get_by_role("button", name="Publish").click()

        expect(page.get_by_text("Published. Who is under way")).to_be_visible()
        expect(page.get_by_text("Neither")).to_be_visible()
    assert complaints == []
