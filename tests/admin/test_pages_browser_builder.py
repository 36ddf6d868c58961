"""The rule builder in a real browser: by keyboard alone, by finger on a phone, without scripts, for everyone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.kit.money import Money
from siyu.segments import Draft, saved
from tests.admin.browsing import DESK, PHONE, House, looking, needs_chromium, served
from tests.admin.community import given_many, given_purchase, given_regular, recomputed
from tests.admin.walks import LOOKS, Look, unfold, walk
from tests.people import given_fan

pytestmark = needs_chromium

NESTED = {
    "all": [
        {"metric": "spend_90d", "op": ">=", "value": 5000},
        {"any": [
            {"dimension": "loyalty", "in": ["loyal", "growing"]},
            {"none": [
                {"did": "press", "days": 30, "at_least": 2},
                {"metric": "last_purchase_at", "op": "<", "value": "2026-01-31"},
            ]},
            {"attribute": "gender", "op": "in", "value": ["female", "other"]},
            {"was": "loyalty.none", "on": "2026-03-01"},
        ]},
    ]
}  # fmt: skip
PATHS = (
    "/segments",
    "/segments/new",
    "/segments/nested",
    "/segments/nested/edit",
    "/segments/still",
    "/segments/archived",
    "/segments/overlap?with=nested&with=old",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(_fill, tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_of_saved_segments_is_for_everyone_and_fits_its_screen(
    browser: Browser, house: House, look: Look
) -> None:
    assert walk(browser, house, look, PATHS, unfold) == {}


def test_a_nested_rule_is_built_with_the_keyboard_alone(browser: Browser, house: House, complaints: list[str]) -> None:
    with looking(browser, house, DESK, complaints) as page:
        page.goto("/segments")
        page.keyboard.press("n")
        expect(page).to_have_url(f"{house.url}/segments/new")

        _tab_to(page, page.locator("#label"))
        page.keyboard.type("Keyboard")
        _add(page, "rule", "Spend in 90 days")
        expect(page.locator("[id='rule.0.value']")).to_be_focused()
        page.keyboard.type("50")
        expect(page.locator("#look")).to_contain_text("2 fans")

        _tab_to(page, page.locator("[id='rule.group']"))
        page.keyboard.press("Enter")
        expect(page.locator("[id='rule.1.new']")).to_be_focused()
        _add(page, "rule.1", "Loyalty")
        expect(page.locator("[name='rule.1.0.in']").first).to_be_focused()
        page.keyboard.press("Space")
        expect(page.locator("#look")).to_contain_text("1 fan")

        _tab_to(page, page.locator("[id='rule.0.down']"), back=True)
        page.keyboard.press("Enter")
        expect(page.locator("[id='rule.0.0.down']")).to_be_focused()
        expect(page.locator("[id='rule.0.0.value']")).to_have_value("50")
        expect(page.locator("#look")).to_contain_text("Spend in 90 days: at least 50.00 CNY or Loyalty: Loyal")
        expect(page.locator("#look")).to_contain_text("2 fans")

        _tab_to(page, page.get_by_role("button", name="Save the segment"))
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{house.url}/segments/keyboard")
        expect(page.get_by_text("The segment is saved.")).to_be_visible()
        expect(page.locator("main")).to_contain_text("Mei")

    assert complaints == []


def test_enter_in_a_field_looks_and_neither_removes_nor_saves(
    browser: Browser, house: House, complaints: list[str]
) -> None:
    with looking(browser, house, DESK, complaints) as page:
        page.goto("/segments/old/edit")
        field = page.locator("[id='rule.0.value']")
        field.fill("1")
        field.press("Enter")

        expect(page.locator("#look")).to_contain_text("bought at least 1 time")
        expect(page.locator("[id='rule.0.value']")).to_be_focused()
        expect(page).to_have_url(f"{house.url}/segments/old/edit")

    assert complaints == []


def test_a_rule_is_built_by_finger_on_a_phone(browser: Browser, house: House, complaints: list[str]) -> None:
    with looking(browser, house, PHONE, complaints) as page:
        page.goto("/segments/new")
        page.locator("#label").fill("Phone")
        page.locator("[id='rule.new']").select_option("metric:interactions_30d")
        page.locator("[id='rule.add']").tap()
        page.locator("[id='rule.0.value']").fill("1")
        page.locator("[id='rule.new']").select_option("dimension:purchase_stage")
        page.locator("[id='rule.add']").tap()
        page.locator("[name='rule.1.in'][value='first']").tap()
        expect(page.locator("#look")).to_contain_text("Nobody is left after: Purchase stage")

        page.locator("[id='rule.1.up']").tap()
        expect(page.locator("[id='rule.0.dimension']")).to_have_value("purchase_stage")
        page.locator("[id='rule.1.remove']").tap()
        expect(page.locator("[id='rule.1']")).to_have_count(0)
        expect(page.locator("a[href='#look']")).to_contain_text("1 fan")
        page.get_by_role("button", name="Save the segment").tap()

        expect(page).to_have_url(f"{house.url}/segments/phone")
        expect(page.locator("main")).to_contain_text("Lin")

    assert complaints == []


def test_a_rule_is_built_without_scripts(browser: Browser, house: House, complaints: list[str]) -> None:
    with looking(browser, house, {**DESK, "java_script_enabled": False}, complaints) as page:
        page.goto("/segments/new")
        page.locator("#label").fill("Plain")
        page.locator("[id='rule.new']").select_option("metric:purchases_total")
        page.locator("[id='rule.add']").click()
        expect(page.locator("[id='rule.0.value']")).to_be_focused()
        page.locator("[id='rule.0.value']").fill("3")
        page.locator("[id='rule.group']").click()
        page.locator("[id='rule.1.new']").select_option("tag")
        page.locator("[id='rule.1.add']").click()
        page.locator("[id='rule.1.0.tag']").fill("nobody has this")
        page.get_by_role("button", name="Look at it").last.click()
        expect(page.locator("[id='rule.1.0.tag.wrong']")).to_contain_text("nobody has the tag")

        page.locator("[id='rule.1.remove']").click()
        page.get_by_role("button", name="Look at it").last.click()
        expect(page.locator("#look")).to_contain_text("1 fan")
        page.get_by_role("button", name="Save the segment").click()

        expect(page).to_have_url(f"{house.url}/segments/plain")
        expect(page.locator("main")).to_contain_text("bought at least 3 times in all")


def test_changing_what_is_asked_brings_the_fields_that_fit(
    browser: Browser, house: House, complaints: list[str]
) -> None:
    with looking(browser, house, DESK, complaints) as page:
        page.goto("/segments/old/edit")
        asked = page.locator("[id='rule.0.metric']")
        asked.focus()
        asked.select_option("last_purchase_at")

        expect(page.locator("[id='rule.0.value']")).to_have_attribute("type", "date")
        expect(asked).to_be_focused()
        page.locator("[id='rule.0.metric']").select_option("spend_90d")
        expect(page.locator("[id='rule.0']")).to_contain_text("CNY")

    assert complaints == []


def test_two_segments_are_compared_while_the_rule_is_written(
    browser: Browser, house: House, complaints: list[str]
) -> None:
    with looking(browser, house, DESK, complaints) as page:
        page.goto("/segments/old/edit")
        page.locator("#with-0").select_option("loyalty.loyal")

        expect(page.get_by_role("row", name="This rule + Loyalty: Loyal")).to_contain_text("1")

    assert complaints == []


async def _fill(app: App) -> None:
    """One who buys again and again, one who bought once, three who never did; and a few saved rules."""
    await given_regular(app, name="Mei")
    await given_purchase(app, await given_fan(app, name="Lin"), days_ago=3, amount=Money(9900, "CNY"))
    await given_many(app, 3)
    await recomputed(app)
    drafts = (
        Draft("nested", "Nested", NESTED, note="Why we have it", colour="green", folder="Spring", pinned=True),
        Draft("still", "Still", {"segment": "nested"}),
        Draft("old", "Old", {"metric": "purchases_90d", "op": ">=", "value": 2}),
        Draft("away", "Away", {"metric": "purchases_90d", "op": ">=", "value": 3}),
    )
    async with app.database.writing() as session:
        for draft in drafts:
            await saved.create(session, COMMAND_LINE, draft, now=app.clock())
        await saved.freeze(session, COMMAND_LINE, "still", frozen=True, now=app.clock())
        await saved.archive(session, COMMAND_LINE, "away", archived=True, now=app.clock())
    await recomputed(app)


def _add(page: Page, place: str, what: str) -> None:
    """As the keys do it: type the first letters in the list, then press Add."""
    chooser = page.locator(f"[id='{place}.new']")
    _tab_to(page, chooser)
    page.keyboard.type(what)
    expect(chooser.locator("option:checked")).to_have_text(what)
    page.keyboard.press("Tab")
    expect(page.locator(f"[id='{place}.add']")).to_be_focused()
    page.keyboard.press("Enter")


def _tab_to(page: Page, goal: Locator, *, back: bool = False) -> None:
    for _ in range(80):
        if goal.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError("the keys do not lead there")
