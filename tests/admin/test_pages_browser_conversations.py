"""The inbox in a real browser: answered by keyboard and on a phone, for everyone, with and without scripts."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from siyu import conversations, fans, topics
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.conversations import Heard
from siyu.tables import Reach
from tests.admin.browsing import PHONE, House, looking, needs_chromium, served
from tests.admin.walks import LOOKS, Look, walk
from tests.people import given_fan

pytestmark = needs_chromium

MEI, LONG, GONE = 7001, 7002, 7003
PATHS = (
    "/conversations",
    "/conversations?box=mine",
    "/conversations?box=closed",
    f"/conversations/{MEI}",
    f"/conversations/{LONG}",
    f"/conversations/{GONE}",
    f"/fans/{MEI}",
    "/topics",
    "/topics/tea",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(_fill, tmp_path_factory.mktemp("house")) as house:
        yield house


async def _fill(app: App) -> None:
    mei, long = await given_fan(app, MEI, name="Mei"), await given_fan(app, LONG, name="Long name " * 8)
    gone = await given_fan(app, GONE, name="Ken")
    said = [
        Heard("1", mei.id or 0, app.clock(), "Is the spring tea in?", message_id=1),
        Heard("2", mei.id or 0, app.clock(), "Look", kind="photo", file="f", message_id=2),
        Heard("3", long.id or 0, app.clock(), "unbroken" * 60 + "\n\n" + "and words " * 90),
        Heard("4", gone.id or 0, app.clock(), "Bye"),
    ]
    async with app.database.writing() as session:
        await conversations.hear(session, said)
        await fans.change_reach(session, GONE, Reach.BLOCKED, now=app.clock())
        await topics.create_topic(session, COMMAND_LINE, "tea", "Tea", now=app.clock())


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_for_everyone_and_fits_its_screen(browser: Browser, house: House, look: Look) -> None:
    assert walk(browser, house, look, PATHS) == {}


def test_an_answer_is_written_and_sent_by_keyboard(desk: Page, complaints: list[str]) -> None:
    desk.goto("/conversations")
    desk.keyboard.press("j")
    desk.keyboard.press("Enter")
    desk.wait_for_url("**/conversations/7*")
    desk.goto(f"/conversations/{MEI}")
    desk.keyboard.press("r")
    desk.keyboard.type("Yes, since Monday")
    desk.keyboard.press("Control+Enter")

    expect(desk.get_by_text("The answer is on its way.")).to_be_visible()
    expect(desk.get_by_label("What was said")).to_contain_text("Yes, since Monday")
    expect(desk.get_by_text("answered", exact=True)).to_be_visible()
    expect(desk.get_by_label("Answer", exact=True)).to_have_value("")
    assert complaints == []


def test_what_the_fan_writes_meanwhile_appears_and_what_is_being_typed_stays(desk: Page, house: House) -> None:
    desk.goto(f"/conversations/{LONG}")
    desk.get_by_label("Answer", exact=True).fill("half a sent")
    with desk.expect_response(f"**/conversations/{LONG}", timeout=30_000):
        pass

    expect(desk.get_by_label("What was said")).to_contain_text("and words")
    expect(desk.get_by_label("Answer", exact=True)).to_have_value("half a sent")


def test_answering_and_closing_works_on_a_phone_without_scripts(
    browser: Browser, house: House, complaints: list[str]
) -> None:
    with looking(browser, house, {**PHONE, "java_script_enabled": False}, complaints) as page:
        page.goto("/conversations")
        page.get_by_role("link", name="Long name").click()
        page.get_by_label("Answer", exact=True).fill("Thank you")
        page.get_by_role("button", name="Answer and close").click()
        expect(page.get_by_text("Answered and closed.")).to_be_visible()
        page.get_by_role("link", name="Closed").click()
        expect(page.get_by_role("link", name="Long name")).to_be_visible()


def test_a_fan_who_blocked_the_bot_is_told_of_where_one_would_write(desk: Page) -> None:
    desk.goto(f"/conversations/{GONE}")

    expect(desk.get_by_text("this fan has blocked the bot")).to_be_visible()
    expect(desk.get_by_label("Answer", exact=True)).to_have_count(0)
