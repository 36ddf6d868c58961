"""Home, segments and fans in a real browser: for everyone, on every screen, by keyboard, and without scripts."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from siyu import attributes, fans, tags
from siyu.app import App
from siyu.attributes import Choice, NewAttribute
from siyu.audit import COMMAND_LINE
from siyu.kit.money import Money
from siyu.purchases import ask_refund
from siyu.tables import AttributeType, Colour, Fan
from siyu.tags import NewTag
from tests.admin.browsing import DESK, House, looking, needs_chromium, served
from tests.admin.community import given_friend, given_many, given_purchase, given_regular, recomputed
from tests.admin.walks import OTHER_LOOKS, Look, walk
from tests.people import given_fan, given_interactions, given_tags, given_values
from tests.trading import an_offer, claims

pytestmark = needs_chromium

MEI = 7001
PATHS = (
    "/",
    "/segments",
    "/segments/loyalty.none",
    "/segments/loyalty.at_risk",
    f"/segments/loyalty.loyal/why/{MEI}",
    "/segments/loyalty.loyal/why?q=fan",
    "/fans",
    "/fans?q=nobody",
    f"/fans/{MEI}",
    f"/fans/{MEI}/attributes",
    f"/fans/{MEI}/purchases/new",
    "/purchases/1/return",
    "/fans?tag=VIP",
    "/tags",
    "/tags/new",
    "/tags/change?word=VIP",
    "/tags/groups/new",
    "/tags/groups/1",
    "/attributes",
    "/attributes/new",
    "/attributes/change?name=drinks",
)
# Words that htmx and the frame use, and that nothing styles.


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(_fill, tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.mark.parametrize("look", OTHER_LOOKS)
def test_every_page_is_for_everyone_and_fits_its_screen(browser: Browser, house: House, look: Look) -> None:
    assert walk(browser, house, look, PATHS) == {}


def test_a_fan_is_reached_with_the_keyboard_alone(desk: Page) -> None:
    desk.goto("/fans")

    desk.keyboard.press("/")
    expect(desk.locator("input[name=q]:focus")).to_have_count(1)
    # As fast as a person: on a busy machine keys pressed within a millisecond may come before the page listens.
    desk.keyboard.type("mei", delay=80)
    expect(desk.locator("#rows tbody tr")).to_have_count(1, timeout=20_000)
    desk.locator(":focus").evaluate("element => element.blur()")
    desk.keyboard.press("j")
    desk.keyboard.press("Enter")

    desk.wait_for_url(f"**/fans/{MEI}")


def test_search_keeps_its_place_in_the_address(desk: Page) -> None:
    desk.goto("/segments/loyalty.none")

    desk.get_by_role("searchbox").fill("Fan 007")
    expect(desk.locator("#members tbody tr")).to_have_count(1)

    assert "q=Fan+007" in desk.url or "q=Fan%20007" in desk.url
    desk.reload()
    expect(desk.locator("#members tbody tr")).to_have_count(1)
    assert desk.get_by_role("searchbox").input_value() == "Fan 007"


def test_pages_turn_in_place_and_lead_back_to_the_beginning(desk: Page) -> None:
    desk.goto("/segments/loyalty.none")
    newest = desk.locator("#members tbody tr a.row-link").first
    name = newest.inner_text()

    desk.get_by_role("link", name="Next").click()
    expect(newest).not_to_have_text(name)
    desk.get_by_role("link", name="To the beginning").click()

    expect(newest).to_have_text(name)
    expect(desk.get_by_role("link", name="To the beginning")).to_have_count(0)


def test_why_here_opens_above_the_page_and_escape_closes_it(desk: Page) -> None:
    desk.goto("/segments/loyalty.loyal")

    desk.get_by_role("link", name="Why is Mei here?").click()
    dialog = desk.get_by_role("dialog")
    title = dialog.get_by_role("heading", name="Why Mei is in “Loyal”")
    expect(title).to_be_visible()
    assert "bought 4 times in 365 days (needs 3 or more)" in dialog.inner_text()
    desk.keyboard.press("Escape")

    expect(title).to_be_hidden()
    assert desk.url.endswith("/segments/loyalty.loyal")


def test_a_refund_is_asked_about_before_it_is_done(desk: Page) -> None:
    desk.goto(f"/fans/{MEI}")

    desk.get_by_role("button", name="Refund").click()
    question = desk.get_by_role("heading", name="Give 68 ⭐ back?")
    expect(question).to_be_visible()
    desk.get_by_role("button", name="Keep it as it is").click()

    expect(question).to_be_hidden()
    expect(desk.get_by_text("wants the money back")).to_be_visible()


def test_everything_is_reached_without_scripts(browser: Browser, house: House, complaints: list[str]) -> None:
    with looking(browser, house, {**DESK, "java_script_enabled": False}, complaints) as page:
        page.goto("/segments")
        page.get_by_role("link", name="Loyal", exact=True).click()
        page.get_by_role("link", name="Why is Mei here?").click()
        expect(page.get_by_role("heading", name="Why Mei is in “Loyal”")).to_be_visible()

        page.get_by_role("link", name="Open this fan").click()
        page.get_by_label("New tag").fill("tea")
        page.get_by_role("button", name="Add").click()
        expect(page.get_by_role("button", name="Take off the tag “tea”")).to_be_visible()
        page.get_by_role("button", name="Take off the tag “tea”").click()
        expect(page.get_by_text("tea", exact=True)).to_have_count(0)

        page.goto("/fans")
        page.get_by_role("searchbox").first.fill("Mei")
        page.keyboard.press("Enter")
        page.wait_for_url("**/fans?q=Mei")
        expect(page.locator("tbody tr")).to_have_count(1)


async def _fill(app: App) -> None:
    """Mei with a whole life, one who went away, and sixty newcomers."""
    mei = await given_regular(app, "Mei", telegram_id=MEI, username="mei", language="zh-hans")
    friends = [await given_friend(app, of=mei, name=f"Friend {number}") for number in range(10)]
    await given_interactions(app, friends[0], 3, kind="view")
    for days_ago in range(1, 13):
        await given_purchase(app, friends[1], days_ago=days_ago)
    stars = await given_purchase(app, mei, amount=Money(68, "XTR"), source="telegram")
    await claims(app, await an_offer(app, title="Twenty off"), mei)
    lin = await given_fan(app, name="Lin")
    for days_ago in (200, 120):
        await given_purchase(app, lin, days_ago=days_ago)
    await given_many(app, 60)
    async with app.database.writing() as session:
        await ask_refund(session, mei, stars, now=app.clock())
        await fans.mute(session, await fans.get_fan(session, lin.telegram_id), now=app.clock())
    await _describe(app, mei)
    await recomputed(app)


async def _describe(app: App, fan: Fan) -> None:
    """Tags in every colour, one of an exclusive group, and an attribute of every type."""
    async with app.database.writing() as session:
        grades = await tags.create_group(session, COMMAND_LINE, "Grade", exclusive=True, now=app.clock())
        for colour in Colour:
            draft = NewTag(f"in {colour.value}", colour=colour.value, group_id=grades.id)
            await tags.create_tag(session, COMMAND_LINE, draft, now=app.clock())
        for type_ in AttributeType:
            choices = (Choice("tea", "Green tea"), Choice("coffee"))
            definition = NewAttribute("drinks" if type_ == "choice" else type_.value, type_.value, choices=choices)
            await attributes.define_attribute(session, COMMAND_LINE, definition, now=app.clock())
    await given_tags(app, fan, "VIP", "in red")
    await given_values(app, fan, drinks="Green Tea", flag="1", number="3.50", shoe="42")
