"""The rest of the house in a real browser: composing, sending, offers, and what is behind the scenes."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update
from sqlmodel import col

from siyu import audit, catalogue, mailroom, operators, sources
from siyu.app import App
from siyu.catalogue import NewProduct
from siyu.kit.money import Money
from siyu.operators import Scope
from siyu.settings import Settings
from siyu.tables import Broadcast, Delivery, DeliveryState, Inbox, InboxState
from tests.admin.browsing import DESK, House, looking, needs_chromium, served
from tests.admin.community import recomputed
from tests.admin.walks import LOOKS, Look, walk
from tests.broadcasting import MEI, composed, given_fans, started
from tests.shopping import a_shop, an_order, tells
from tests.trading import BOSS, an_offer, claims

pytestmark = needs_chromium

TEXT = 'Hi 🎉 <b>Thank you</b> <a href="https://example.com">more</a> <tg-spoiler>a surprise</tg-spoiler>'
BUTTONS = [[{"text": "Shop", "action": "shop"}, {"text": "Site", "url": "https://example.com"}]]
PHOTO = "https://example.com/tea.jpg"
DRAFT, RUNNING, HELD = 1, 2, 3
# Where newcomers stand.
SEGMENT = "loyalty.none"
PATHS = (
    "/broadcasts",
    "/broadcasts?state=draft",
    "/broadcasts/new",
    f"/broadcasts/{DRAFT}",
    f"/broadcasts/{RUNNING}",
    f"/broadcasts/{HELD}",
    "/offers",
    "/offers/new",
    "/offers/1",
    f"/offers/1/issue?segment={SEGMENT}",
    "/offers/redeem",
    "/offers/books",
    "/referrals",
    "/sources",
    "/sources/new",
    "/sources/window",
    "/shops",
    "/shops/new",
    "/shops/till",
    "/catalogue",
    "/catalogue/new",
    "/catalogue/1",
    "/jobs",
    "/quarantine",
    "/people",
    "/audit",
)
# Words that htmx and the frame use, and that nothing styles.


@pytest.fixture(scope="module")
def settings() -> dict[str, Settings]:
    """Where the served house keeps its rows, told once it is filled."""
    return {}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, Settings]) -> Iterator[House]:
    async def fill(app: App) -> None:
        settings["house"] = app.settings
        await _fill(app)

    with served(fill, tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_for_everyone_and_fits_its_screen(browser: Browser, house: House, look: Look) -> None:
    assert walk(browser, house, look, PATHS) == {}


def test_cancelling_the_rest_asks_first(desk: Page) -> None:
    desk.goto(f"/broadcasts/{HELD}", wait_until="domcontentloaded")

    desk.get_by_role("button", name="Cancel the rest").click()
    question = desk.get_by_role("dialog", name="Cancel the rest?")
    expect(question.get_by_role("heading")).to_be_visible()
    question.get_by_role("button", name="Keep it as it is").click()

    expect(question).to_have_count(0)
    expect(desk.get_by_role("button", name="Resume")).to_be_visible()


def test_the_promise_of_an_offer_is_told_while_it_is_written(desk: Page) -> None:
    desk.goto("/offers/new")

    desk.get_by_label("Title").fill("Anniversary")
    desk.get_by_label("How much").fill("20")
    desk.get_by_label("At most", exact=True).fill("15")
    desk.get_by_label("Pieces", exact=True).fill("100")
    desk.get_by_label("Ends").fill("2031-03-08T23:59")

    expect(desk.get_by_text("20 % off, at most ¥15.00, 100 pieces, one each, ends Mar 8, 2031, 23:59")).to_be_visible()
    expect(desk.get_by_text("¥1,500.00")).to_be_visible()


def test_everything_is_done_without_scripts(browser: Browser, house: House, complaints: list[str]) -> None:
    with looking(browser, house, {**DESK, "java_script_enabled": False}, complaints) as page:
        page.goto("/offers/1")
        page.get_by_label("Segment").select_option(SEGMENT)
        page.get_by_role("button", name="See what it would do").click()
        page.get_by_role("button", name=re.compile("Hand out")).click()
        expect(page.get_by_text("handed out").first).to_be_visible()

        page.goto("/quarantine")
        page.get_by_role("button", name="Try again").first.click()
        expect(page.get_by_text("It is tried again now")).to_be_visible()

        page.goto("/people")
        page.get_by_label("Telegram id").fill("4711")
        page.get_by_label("Name", exact=True).fill("Zoe")
        page.get_by_role("button", name="Take in").click()
        expect(page.get_by_text("Zoe may come in now")).to_be_visible()


async def _given_a_link(app: App) -> None:
    zone, now = app.settings.zone, app.clock()
    async with app.database.writing() as session:
        await mailroom.remember_bot(session, 1, "tea_bot", "Tea House", now=now)
        told = {"title": "Long title " * 7, "channel": "offline", "campaign": "unbroken" * 9}
        await sources.create_source(session, BOSS, **told, code="window", now=now)
        await sources.book_cost(session, BOSS, "window", Money(120_000, "CNY"), key="a", zone=zone, now=now)
        await sources.book_cost(session, BOSS, "window", Money(900, "EUR"), key="b", zone=zone, now=now)


async def _given_a_shop(app: App) -> None:
    """One order is in the books, one waits for somebody to say who bought."""
    till = await a_shop(app)
    await tells(app, till, an_order())
    await tells(app, till, an_order(order_id="unbroken" * 9, telegram_id=None))


async def _fill(app: App) -> None:
    """Six fans, a broadcast in each state that needs somebody, an offer, a product, and a letter in quarantine."""
    fans = await given_fans(app, 6, segment=SEGMENT)
    offer = await an_offer(app, title="Twenty off")
    await claims(app, offer, fans[0])
    await _given_a_link(app)
    await composed(
        app, title="A draft", include=[SEGMENT], text=TEXT, buttons=BUTTONS, media=[{"kind": "photo", "file": PHOTO}]
    )
    await started(app, title="Running", include=[SEGMENT], text=TEXT, buttons=BUTTONS, offer_id=offer.id)
    await started(app, title="Held", include=[SEGMENT], text=TEXT)
    now = app.clock()
    async with app.database.writing() as session:
        held = update(Delivery).where(col(Delivery.broadcast_id) == HELD)
        await session.run(held.values(state=DeliveryState.UNKNOWN, reason="no_answer", attempts=1))
        await session.run(
            held.where(col(Delivery.fan_id) < 4).values(state=DeliveryState.FAILED, reason="rejected: Bad Request: no")
        )
        stopped = {"state": "paused", "state_reason": "rejected: Bad Request: no"}
        await session.run(update(Broadcast).where(col(Broadcast.id) == HELD).values(stopped))
        await catalogue.create_product(session, MEI, NewProduct("tea-1", "Spring tea", 68), now=now)
        await operators.create_token(session, MEI, name="shop", scope=Scope.WRITE, now=now)
        await audit.note(session, MEI, "coupon.lost", "coupon", "SY7K2M", now=now, why="expired")
        payload = '{"update_id": 1, "message": {"from": {"id": 1001, "first_name": "Fan 0"}, "text": "hello"}}'
        session.add(
            Inbox(
                bot_id=42, update_id=1, person_id=1001, payload=payload, received_at=now,
                state=InboxState.QUARANTINED, attempts=3, error="KeyError: 'tea'",
            )
        )  # fmt: skip
    await _given_a_shop(app)
    await recomputed(app)
