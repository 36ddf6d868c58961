"""The community report in a real browser: for everyone, on every screen, crossed in place, and on paper."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect

from siyu import fans, segments, tags
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.segments import Draft, saved
from tests.admin.browsing import DESK, House, looking, needs_chromium, served
from tests.admin.community import given_many, given_regular, recomputed
from tests.admin.walks import OTHER_LOOKS, Look, walk

pytestmark = needs_chromium

MEI = 7001
PATHS = (
    "/report",
    "/report?rows=rfm&columns=buyers&of=buyers",
    "/report?from=2020-01-02&to=2020-01-01",
    f"/fans/{MEI}",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(_fill, tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.mark.parametrize("look", OTHER_LOOKS)
def test_the_report_is_for_everyone_and_fits_its_screen(browser: Browser, house: House, look: Look) -> None:
    assert walk(browser, house, look, PATHS) == {}


def test_other_dimensions_are_crossed_in_place_and_kept_in_the_address(
    browser: Browser, house: House, complaints: list[str]
) -> None:
    with looking(browser, house, DESK, complaints) as page:
        page.goto("/report?days=7")
        page.get_by_label("Rows").select_option("rfm")
        expect(page.get_by_role("heading", name="RFM and Interaction frequency")).to_be_visible()
        expect(page).to_have_url(re.compile("days=7&rows=rfm"))
        page.get_by_label("Dimension").select_option("buyers")
        expect(page.get_by_role("heading", name="Who went where: Buyers")).to_be_visible()

        expect(page).to_have_url(re.compile("rows=rfm&columns=interaction_frequency&of=buyers"))
        assert complaints == []


def test_on_paper_it_is_light_and_alone(browser: Browser, house: House, complaints: list[str]) -> None:
    with looking(browser, house, DESK, complaints, theme="dark") as page:
        page.goto("/report")
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 720, "height": 1020})

        ground = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
        shown = [
            page.locator(part).first.is_visible()
            for part in ("aside", "main input[type=date]", "main h2", "main table")
        ]
        assert (ground, shown) == ("light", [False, False, True, True])
        assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


async def _fill(app: App) -> None:
    """Twenty fans, classified some days ago and again now; Mei is loyal."""
    await given_many(app, 20)
    async with app.database.writing() as session:
        rule = {"metric": "purchases_90d", "op": ">=", "value": 1}
        await saved.create(session, COMMAND_LINE, Draft("buyers", "Buyers", rule), now=app.clock())
        mei = await fans.admit(
            session, [fans.Newcomer(MEI, "Mei")], zone=app.settings.zone, now=app.clock() - timedelta(days=9)
        )
        await tags.tag(session, COMMAND_LINE, mei[MEI], "VIP", now=app.clock())
    then = app.clock() - timedelta(days=5)
    await segments.recompute(app.database, zone=app.settings.zone, currency=app.settings.currency, now=then)
    await given_regular(app, telegram_id=MEI, name="Mei")
    await recomputed(app)
