"""Home, segments and fans in a real browser: for everyone, on every screen, by keyboard, and without scripts."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from admin.rendering import STATIC_ROOT
from siyu import fans
from siyu.app import App
from siyu.kit.money import Money
from siyu.purchases import ask_refund
from tests.admin.browsing import DESK, PHONE, House, chromium, looking, needs_chromium, served
from tests.admin.community import given_friend, given_many, given_purchase, given_regular, recomputed
from tests.people import given_fan, given_interactions
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
)
# Words that htmx and the frame use, and that nothing styles.
UNSTYLED = {"light", "dark", "system"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(_fill, tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def desk(browser: Browser, house: House, complaints: list[str]) -> Iterator[Page]:
    with looking(browser, house, DESK, complaints) as page:
        yield page


@pytest.mark.parametrize(
    ("device", "theme", "locale"),
    [
        (DESK, "light", "en"),
        (PHONE, "dark", "zh_CN"),
        pytest.param(DESK, "dark", "zh_CN", marks=pytest.mark.torture),
        pytest.param(PHONE, "light", "en", marks=pytest.mark.torture),
    ],
    ids=["desk-light-en", "phone-dark-zh", "desk-dark-zh", "phone-light-en"],
)
def test_every_page_is_for_everyone_and_fits_its_screen(
    browser: Browser, house: House, complaints: list[str], device: dict[str, object], theme: str, locale: str
) -> None:
    found: dict[str, object] = {}

    with looking(browser, house, device, complaints, theme=theme, locale=locale) as page:
        for path in PATHS:
            page.goto(path)
            found[path] = (_violations(page), _too_wide(page), _too_small(page) if device is PHONE else [])

    assert found == dict.fromkeys(PATHS, ([], False, []))
    assert complaints == []


def test_every_class_of_every_page_is_compiled(desk: Page) -> None:
    names = re.findall(r"\.((?:\\.|[\w-])+)", (STATIC_ROOT / "app.css").read_text("utf-8"))
    compiled = {re.sub(r"\\(.)", r"\1", name) for name in names}
    used: set[str] = set()

    for path in PATHS:
        desk.goto(path)
        used |= set(desk.evaluate("[...document.querySelectorAll('[class]')].flatMap(e => [...e.classList])"))

    assert {name for name in used if not name.startswith("htmx-")} - compiled - UNSTYLED == set()


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
    assert desk.get_by_text("wants the money back").is_visible()


def test_everything_is_reached_without_scripts(browser: Browser, house: House, complaints: list[str]) -> None:
    with looking(browser, house, {**DESK, "java_script_enabled": False}, complaints) as page:
        page.goto("/segments")
        page.get_by_role("link", name="Loyal", exact=True).click()
        page.get_by_role("link", name="Why is Mei here?").click()
        assert page.get_by_role("heading", name="Why Mei is in “Loyal”").is_visible()

        page.get_by_role("link", name="Open this fan").click()
        page.get_by_label("New tag").fill("tea")
        page.get_by_role("button", name="Add").click()
        assert page.get_by_role("button", name="Take off the tag “tea”").is_visible()
        page.get_by_role("button", name="Take off the tag “tea”").click()
        assert page.get_by_text("tea", exact=True).count() == 0

        page.goto("/fans")
        page.get_by_role("searchbox").first.fill("Mei")
        page.keyboard.press("Enter")
        page.wait_for_url("**/fans?q=Mei")
        assert page.locator("tbody tr").count() == 1


def _violations(page: Page) -> list[str]:
    found = Axe().run(page)
    return [f"{rule['id']}: {node['target']}" for rule in found.response["violations"] for node in rule["nodes"]]


def _too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > Math.min(innerWidth, screen.width)"))


def _too_small(page: Page) -> list[str]:
    """What a finger should press and is less than 44 pixels high."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll("main :is(button, a.btn, input, summary)")]
            .filter((element) => element.checkVisibility() && element.type !== "hidden")
            .filter((element) => element.getBoundingClientRect().height < 43.5)
            .map((element) => element.outerHTML.slice(0, 120))"""
    )
    return found


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
        await fans.add_tags(session, mei.id or 0, ["VIP"], now=app.clock())
        await fans.mute(session, await fans.get_fan(session, lin.telegram_id), now=app.clock())
    await recomputed(app)
