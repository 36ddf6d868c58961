"""The composer in a real browser: written by keyboard, kept while it is written, taken back, approved, sent."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update
from sqlmodel import col

from admin.security import cookie_name
from siyu import broadcasts, preferences
from siyu.app import App, open_app
from siyu.broadcasts import course, preparing
from siyu.settings import Settings
from siyu.tables import Delivery, DeliveryState, Role
from tests.admin.browsing import DESK, PHONE, House, looking, needs_chromium, served
from tests.admin.community import recomputed
from tests.admin.faults import faults
from tests.admin.visitors import employ, sign_in
from tests.admin.walks import LOOKS, Look, unfold, walk
from tests.broadcasting import MEI, composed, given_fans
from tests.trading import an_offer

pytestmark = needs_chromium

# Where newcomers stand: they never bought.
SEGMENT = "loyalty.none"
TEXT = "Hi {first_name|friend}! 🎉\n\n<b>Thank you</b> <code>{coupon}</code>"
SIMPLE, FULL, TEMPLATE, POST = 1, 2, 3, 4
PATHS = (
    "/broadcasts/new",
    f"/broadcasts/{SIMPLE}",
    f"/broadcasts/{FULL}",
    f"/broadcasts/{TEMPLATE}",
    f"/broadcasts/{POST}",
    f"/broadcasts/{SIMPLE}/funnel/will_get",
    f"/broadcasts/{FULL}/rehearsal",
    "/broadcasts/templates",
    "/preferences",
)


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """Where the served house keeps its rows, and how a second person comes in."""
    return {}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, told: dict[str, str]) -> Iterator[House]:
    async def fill(app: App) -> None:
        await _fill(app)
        told["database"] = app.settings.database_url
        told[cookie_name(app.settings)] = await sign_in(app, await employ(app, Role.OPERATOR))

    with served(fill, tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.mark.parametrize("look", LOOKS)
def test_nobody_is_kept_out(browser: Browser, house: House, look: Look) -> None:
    assert walk(browser, house, look, PATHS, unfold) == {}


def test_a_broadcast_with_a_coupon_and_two_versions_is_written_by_keyboard(
    desk: Page, told: dict[str, str], complaints: list[str]
) -> None:
    keys = desk.keyboard
    desk.goto("/broadcasts")
    keys.press("c")
    desk.wait_for_url("**/broadcasts/new")

    desk.locator("#include summary").focus()
    keys.press("Enter")
    keys.press("Tab")
    keys.type("never b")
    keys.press("Tab")
    keys.press("Space")
    expect(desk.locator("#include [data-chosen]")).to_contain_text("6")

    _reach(desk, "#text")
    keys.type("Hi ")
    keys.press("Control+b")
    keys.type("all")
    keys.press("End")
    expect(_look(desk).locator("b")).to_have_text("all")
    expect(desk.locator("#saved")).to_contain_text("Saved")
    desk.wait_for_url(re.compile(r"/broadcasts/\d+$"))

    _reach(desk, "#text")
    keys.press("Shift+Tab")
    keys.press("Enter")
    expect(desk.locator("#text-placeholders")).to_be_visible()
    keys.press("Tab")
    keys.press("Enter")
    keys.type("Fan")
    expect(desk.locator("#text")).to_have_value("Hi <b>all</b>{first_name|Fan}")

    desk.locator("#offer").focus()
    keys.type("Twenty")
    expect(_look(desk)).to_contain_text("Claim the coupon")

    desk.locator("#fold-compare summary").focus()
    keys.press("Enter")
    _reach(desk, "#variant-add")
    keys.press("Enter")
    expect(desk.locator("#piece-0-text")).to_be_focused()
    keys.type("Hello ")
    keys.press("Control+i")
    keys.type("you")
    expect(desk.get_by_label("Which text")).to_contain_text("Version B")
    desk.locator("#test_percent").fill("50")
    desk.locator("#winner_by").focus()
    keys.type("clicks")
    _reach(desk, "#winner_after_minutes")
    keys.type("60")
    desk.get_by_label("Which text").select_option("b|")
    expect(_look(desk).locator("i")).to_have_text("you")

    desk.get_by_role("button", name="Send to 6 fans").focus()
    keys.press("Enter")
    desk.get_by_role("dialog").get_by_role("button", name="Send now").focus()
    keys.press("Enter")
    expect(desk.get_by_text("It leaves in")).to_be_visible()
    broadcast_id = int(desk.url.rsplit("/", 1)[1])
    before = desk.get_by_role("progressbar", name="Time to undo it").get_attribute("value")
    expect(desk.get_by_role("progressbar", name="Time to undo it")).not_to_have_attribute("value", str(before))

    desk.get_by_role("button", name="Undo").focus()
    keys.press("Enter")
    expect(desk.get_by_text("Taken back")).to_be_visible()
    expect(desk.locator("#piece-0-text")).to_have_value("Hello <i>you</i>")
    assert complaints == []

    desk.get_by_role("button", name="Send to 6 fans").click()
    desk.get_by_role("dialog").get_by_role("button", name="Send now").click()
    expect(desk.get_by_text("It leaves in")).to_be_visible()
    _in_the_house(told, lambda app: _begin(app, broadcast_id))
    desk.reload(wait_until="domcontentloaded")
    bar = desk.get_by_role("progressbar", name="How many had their turn")
    expect(bar).to_have_attribute("value", "0")
    _in_the_house(told, lambda app: _deliver(app, broadcast_id))
    expect(desk.get_by_text(re.compile("Finished in"))).to_be_visible()


def test_the_preview_follows_the_typing_and_leaves_the_caret_alone(desk: Page, complaints: list[str]) -> None:
    desk.goto("/broadcasts/new")

    message = desk.get_by_label("Message", exact=True)
    message.press_sequentially("We <b>miss</b> you")
    expect(_look(desk).locator("b")).to_have_text("miss")
    expect(desk.locator("#text-count")).to_have_text("11 of 4,096")
    message.press_sequentially(" so")
    expect(_look(desk)).to_contain_text("We miss you so")
    message.press_sequentially(" {nobody}")
    expect(desk.get_by_text("there is no placeholder {nobody}")).to_be_visible()

    assert message.input_value() == "We <b>miss</b> you so {nobody}"
    assert complaints == []


def test_buttons_are_added_and_moved_in_their_rows(desk: Page, complaints: list[str]) -> None:
    desk.goto(f"/broadcasts/new?segment={SEGMENT}")
    desk.locator("#fold-buttons summary").click()

    desk.get_by_role("button", name="Add a button").click()
    desk.locator("#b0-0-0-text").press_sequentially("Site")
    desk.locator("#b0-0-0-value").fill("nowhere")
    expect(desk.get_by_text("Row 1: a link starts with https://, http:// or tg://").first).to_be_visible()
    desk.locator("#b0-0-0-value").fill("https://example.com")
    desk.locator("#b0-new").select_option("shop")
    desk.get_by_role("button", name="Add a button").click()
    expect(desk.locator("#b0-1-0-text")).to_have_value("🛍 Look at the shop")
    desk.locator("#b0-1-0-up").click()

    expect(desk.locator("#b0-0-1-text")).to_have_value("🛍 Look at the shop")
    expect(desk.locator("#b0-0-1-up")).to_be_focused()
    expect(_look(desk)).to_contain_text("Site")
    assert complaints == []


def test_typing_on_while_it_is_kept_is_no_conflict(desk: Page) -> None:
    desk.goto("/broadcasts/new")

    for word in ("One ", "two ", "three ", "four ", "five "):
        desk.get_by_label("Message", exact=True).press_sequentially(word, delay=60)
        desk.wait_for_timeout(500)
    expect(_look(desk)).to_contain_text("One two three four five")
    expect(desk.locator("#saved")).to_contain_text("Saved")
    desk.wait_for_timeout(900)

    assert desk.locator("#conflict").inner_text() == ""
    desk.reload()
    assert desk.get_by_label("Message", exact=True).input_value().strip() == "One two three four five"


def test_two_people_at_one_draft_hear_of_each_other(
    browser: Browser, house: House, told: dict[str, str], complaints: list[str]
) -> None:
    other = House(house.url, {name: value for name, value in told.items() if name != "database"})
    with looking(browser, house, DESK, complaints) as mine, looking(browser, other, DESK, complaints) as theirs:
        mine.goto(f"/broadcasts/{POST - 3}")
        theirs.goto(f"/broadcasts/{POST - 3}")

        theirs.get_by_label("Title").fill("Theirs")
        expect(theirs.locator("#saved")).to_contain_text(re.compile(r"Saved \d"))
        mine.get_by_label("Title").fill("Mine")
        expect(mine.get_by_text("Operator changed this a moment ago")).to_be_visible()
        expect(mine.get_by_role("link", name="See theirs")).to_be_visible()
        mine.get_by_role("button", name="Keep mine").click()

        expect(mine.get_by_text("The draft is saved.")).to_be_visible()
        assert mine.get_by_label("Title").input_value() == "Mine"


def test_a_line_of_the_funnel_opens_its_people_above_the_draft(desk: Page) -> None:
    desk.goto(f"/broadcasts/{SIMPLE}")

    desk.get_by_role("link", name="in the segments").click()
    dialog = desk.get_by_role("dialog")
    expect(dialog.get_by_text("Fan 5")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    desk.get_by_role("link", name="Dry run").click()

    expect(desk.get_by_role("dialog").get_by_text("Messages that would leave")).to_be_visible()


def test_a_second_person_approves(browser: Browser, house: House, told: dict[str, str], complaints: list[str]) -> None:
    other = House(house.url, {name: value for name, value in told.items() if name != "database"})
    _in_the_house(told, lambda app: _prefer(app, approve_above=2))
    with looking(browser, house, DESK, complaints) as mine, looking(browser, other, PHONE, complaints) as theirs:
        mine.goto(f"/broadcasts/new?segment={SEGMENT}")
        mine.get_by_label("Message", exact=True).fill("Read me first")
        mine.get_by_role("button", name="Ask for approval").click()
        mine.get_by_role("dialog").get_by_role("button", name="Ask", exact=True).click()
        expect(mine.get_by_text("Owner asks for approval")).to_be_visible()
        expect(mine.get_by_role("button", name="Approve")).to_have_count(0)

        theirs.goto(mine.url)
        assert faults(theirs) == []
        theirs.get_by_role("button", name="Approve").click()
        expect(theirs.get_by_text("It leaves in")).to_be_visible()
        assert faults(theirs) == []
        theirs.get_by_role("button", name="Undo").click()
        expect(theirs.get_by_text("Taken back")).to_be_visible()
    _in_the_house(told, lambda app: _prefer(app, approve_above=None))
    assert complaints == []


def test_it_is_written_and_sent_without_scripts(browser: Browser, house: House, complaints: list[str]) -> None:
    with looking(browser, house, {**DESK, "java_script_enabled": False}, complaints) as page:
        page.goto("/broadcasts/new")
        page.locator("#include summary").click()
        page.locator(f"input[name=include][value='{SEGMENT}']").check()
        page.get_by_label("Message", exact=True).fill("We <i>miss</i> you")
        page.get_by_role("button", name="Look at it").click()
        assert page.get_by_role("region", name="How it will look").locator("i").inner_text() == "miss"
        page.locator("#fold-buttons summary").click()
        page.locator("#b0-new").select_option("wallet")
        page.get_by_role("button", name="Add a button").click()
        page.get_by_role("button", name="Save the draft").click()
        page.get_by_role("button", name="Test to me").click()
        expect(page.get_by_text("A copy is on its way")).to_be_visible()
        page.get_by_role("button", name="Send to 6 fans").click()
        page.get_by_role("button", name="Send now").click()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("Taken back")).to_be_visible()


def _look(page: Page) -> object:
    return page.get_by_role("region", name="How it will look")


def _reach(page: Page, selector: str) -> None:
    """Where the Tab key leads in the end."""
    for _ in range(60):
        if page.evaluate("selector => document.activeElement?.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no key leads to {selector}")


def _in_the_house(told: dict[str, str], verb: Callable[[App], Awaitable[None]]) -> None:
    """Something that happens elsewhere meanwhile, as another process would do it."""

    async def work() -> None:
        app = open_app(Settings(database_url=told["database"], bot_token="42:SANDBOX"))
        await verb(app)
        await app.close()

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    thread.join()


async def _begin(app: App, broadcast_id: int) -> None:
    later = app.clock() + timedelta(minutes=1)
    more = True
    while more:
        async with app.database.writing() as session:
            more = await preparing.advance(session, broadcast_id, now=later, zone=app.settings.zone)


async def _deliver(app: App, broadcast_id: int) -> None:
    async with app.database.writing() as session:
        theirs = update(Delivery).where(col(Delivery.broadcast_id) == broadcast_id)
        await session.run(theirs.values(state=DeliveryState.SENT, sent_at=app.clock(), attempts=1))
        await course.finish(session, now=app.clock())


async def _prefer(app: App, **values: int | None) -> None:
    async with app.database.writing() as session:
        await preferences.change(session, MEI, now=app.clock(), **values)


async def _fill(app: App) -> None:
    """Six newcomers, and a draft of each kind."""
    await given_fans(app, 6, segment=SEGMENT)
    offer = await an_offer(app, title="Twenty off")
    await composed(app, title="Thank you", include=[SEGMENT], text=TEXT, offer_id=offer.id)
    await composed(
        app, title="Everything", include=[SEGMENT], exclude=["loyalty.at_risk"], text=TEXT, offer_id=offer.id,
        rule={"dimension": "loyalty", "in": ["none"]}, media=[{"kind": "photo", "file": "https://example.com/a.jpg"}],
        buttons=[[{"text": "Shop", "action": "shop"}, {"text": "Yes", "action": "answer", "value": "yes"}]],
        versions={"zh": {"text": "你好", "buttons": [[{"text": "好", "url": "https://example.com"}]]}},
        variants=[{"key": "b", "text": "Hello"}], test_percent=20, winner_by="clicks", winner_after_minutes=60,
        timing="series", series={"every": "weekly", "at": "18:00", "on": [1]}, paid=True, holdout_percent=5,
    )  # fmt: skip
    async with app.database.writing() as session:
        await broadcasts.save_as_template(session, MEI, SIMPLE, now=app.clock())
    await composed(
        app, title="A post", include=[], rule={"fans": [1001]}, text="", copied={"chat_id": 1001, "message_id": 5}
    )
    await recomputed(app)
