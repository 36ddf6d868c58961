"""The classification in a real browser: looked at, foreseen while typing, changed, taken back, and made anew."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from siyu.app import App
from tests.admin.browsing import DESK, House, looking, needs_chromium, served
from tests.admin.community import given_purchase, given_regular, recomputed
from tests.admin.walks import LOOKS, Look, walk
from tests.people import given_fan, given_interactions

pytestmark = needs_chromium

PATHS = (
    "/classification",
    "/classification/new",
    "/classification/interaction_frequency",
    "/classification/rfm",
    "/classification/rfm?grid=27",
    "/classification/rfm/matrix",
    "/classification/churn_risk",
    "/classification/source_channel",
    "/classification/industry",
    "/classification/geography",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(_fill, tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_for_everyone_and_fits_its_screen(browser: Browser, house: House, look: Look) -> None:
    assert walk(browser, house, look, PATHS) == {}


def test_what_a_change_would_do_follows_the_typing_and_is_saved_and_taken_back(
    desk: Page, complaints: list[str]
) -> None:
    desk.goto("/classification")
    desk.get_by_role("link", name="Change Interaction frequency").click()
    number = desk.get_by_label("Interactions in 30 days that make it high")

    number.fill("4")
    expect(desk.get_by_text("Nothing can be foretold before this is right:")).to_be_visible()
    number.fill("7")
    expect(desk.get_by_role("row", name="High 1 → 2")).to_be_visible()
    assert number.input_value() == "7"

    desk.get_by_role("group", name="High").get_by_label("Name of the level").fill("Our <b>best</b>")
    desk.get_by_role("button", name="Save").click()
    expect(desk.get_by_text("Saved. 1 level changed.")).to_be_visible()
    expect(desk.get_by_role("cell", name="Our <b>best</b> interacted at least 7 times in 30 days")).to_be_visible()

    desk.get_by_role("button", name="Back to before").first.click()
    desk.get_by_role("dialog").get_by_role("button", name="Back to before").click()
    expect(desk.get_by_text("It is as it was before. 1 level changed.")).to_be_visible()
    assert complaints == []


def test_a_dimension_is_made_from_segments_by_keyboard_alone(desk: Page, complaints: list[str]) -> None:
    desk.goto("/classification/new")

    desk.get_by_label("Name of the dimension").focus()
    desk.keyboard.type("Mood")
    desk.keyboard.press("Tab")
    desk.keyboard.type("mood")
    desk.keyboard.press("Tab")
    desk.keyboard.type("Keen")
    desk.get_by_label("Who is in it").first.select_option("loyalty.loyal")
    desk.get_by_label("Level 2: name").fill("Calm")
    expect(desk.get_by_role("row", name="Keen 0 → 1")).to_be_visible()
    expect(desk.get_by_role("row", name="Calm 0 → 2")).to_be_visible()
    desk.get_by_role("button", name="Save").press("Enter")

    desk.wait_for_url("**/classification/mood")
    expect(desk.get_by_text("Saved. 3 levels changed.")).to_be_visible()
    assert complaints == []


def test_without_scripts_it_is_looked_at_before_it_is_saved(
    browser: Browser, house: House, complaints: list[str]
) -> None:
    with looking(browser, house, {**DESK, "java_script_enabled": False}, complaints) as page:
        page.goto("/classification/loyalty")
        page.get_by_label("Days since the last purchase after which a fan is at risk").fill("400")
        page.get_by_role("button", name="See what it would do").click()
        expect(page.get_by_text("lost_days must be more than at_risk_days").first).to_be_visible()
        page.get_by_label("Days since the last purchase after which a fan is lost").fill("500")
        page.get_by_role("button", name="See what it would do").click()
        expect(page.get_by_text("0 fans move")).to_be_visible()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved. 0 levels changed.")).to_be_visible()


async def _fill(app: App) -> None:
    """Somebody who is loyal, somebody who wrote eight times, and somebody who only bought."""
    await given_regular(app)
    await given_interactions(app, await given_fan(app), 8)
    await given_purchase(app, await given_fan(app, source_channel="ads"))
    await recomputed(app)
