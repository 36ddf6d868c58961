"""The pages of points in a real browser: for everyone, on every screen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from siyu import points
from siyu.app import App
from siyu.audit import COMMAND_LINE
from tests.admin.browsing import House, needs_chromium, served
from tests.admin.walks import LOOKS, Look, walk
from tests.people import given_fan
from tests.pointing import earns, given_programme, given_reward, given_tiers

pytestmark = needs_chromium

PATHS = (
    "/points",
    "/points/rules/purchase",
    "/points/rules/checkin",
    "/points/rules/birthday",
    "/points/tiers",
    "/fans/7001/points",
    "/fans/7002/points",
    "/fans/7001",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(_fill, tmp_path_factory.mktemp("house")) as house:
        yield house


async def _fill(app: App) -> None:
    await given_programme(app)
    await given_tiers(app, 10, 1_000_000)
    await given_reward(app, 150, title="A very long name of something to have for points")
    mei = await given_fan(app, 7001, name="Long name " * 8)
    await given_fan(app, 7002, name="Ken")
    for n in range(60):
        await earns(app, mei, "referral_referrer", f"friend {n}")
    async with app.database.writing() as session:
        await points.adjust(session, COMMAND_LINE, mei, 5, "unbroken" * 20, key="k", now=app.clock())
        await points.settle_some(session, now=app.clock())


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_for_everyone_and_fits_its_screen(browser: Browser, house: House, look: Look) -> None:
    assert walk(browser, house, look, PATHS) == {}
