"""The rest of the house in a real browser: composing, sending, offers, and what is behind the scenes."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update
from sqlmodel import col

from admin.rendering import STATIC_ROOT
from siyu import audit, catalogue, operators
from siyu.app import App, open_app
from siyu.broadcasts import course
from siyu.catalogue import NewProduct
from siyu.operators import Scope
from siyu.settings import Settings
from siyu.tables import Broadcast, Delivery, DeliveryState, Inbox, InboxState
from tests.admin.browsing import DESK, PHONE, House, chromium, looking, needs_chromium, served
from tests.admin.community import recomputed
from tests.broadcasting import MEI, composed, given_fans, started
from tests.trading import an_offer, claims

pytestmark = needs_chromium

TEXT = 'Hi 🎉 <b>Thank you</b> <a href="https://example.com">more</a> <tg-spoiler>a surprise</tg-spoiler>'
BUTTONS = [[{"text": "Shop", "action": "shop"}, {"text": "Site", "url": "https://example.com"}]]
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
    "/catalogue",
    "/catalogue/new",
    "/catalogue/1",
    "/jobs",
    "/quarantine",
    "/people",
    "/audit",
)
# Words that htmx and the frame use, and that nothing styles.
UNSTYLED = {"light", "dark", "system"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


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
        (DESK, "dark", "en"),
        (PHONE, "light", "zh_CN"),
        pytest.param(DESK, "light", "zh_CN", marks=pytest.mark.torture),
        pytest.param(PHONE, "dark", "en", marks=pytest.mark.torture),
    ],
    ids=["desk-dark-en", "phone-light-zh", "desk-light-zh", "phone-dark-en"],
)
def test_every_page_is_for_everyone_and_fits_its_screen(
    browser: Browser, house: House, complaints: list[str], device: dict[str, object], theme: str, locale: str
) -> None:
    found: dict[str, object] = {}

    with looking(browser, house, device, complaints, theme=theme, locale=locale) as page:
        for path in PATHS:
            page.goto(path, wait_until="domcontentloaded")
            page.wait_for_function("window.htmx !== undefined")
            found[path] = (_violations(page), _too_wide(page), _too_small(page) if device is PHONE else [])

    assert found == dict.fromkeys(PATHS, ([], False, []))
    assert complaints == []


def test_every_class_of_every_page_is_compiled(desk: Page) -> None:
    names = re.findall(r"\.((?:\\.|[\w-])+)", (STATIC_ROOT / "app.css").read_text("utf-8"))
    compiled = {re.sub(r"\\(.)", r"\1", name) for name in names}
    used: set[str] = set()

    for path in PATHS:
        desk.goto(path, wait_until="domcontentloaded")
        used |= set(desk.evaluate("[...document.querySelectorAll('[class]')].flatMap(e => [...e.classList])"))

    assert {name for name in used if not name.startswith("htmx-")} - compiled - UNSTYLED == set()


def test_the_preview_follows_the_typing_and_leaves_the_caret_alone(desk: Page, complaints: list[str]) -> None:
    desk.goto("/broadcasts/new")
    look = desk.get_by_role("region", name="How it will look")

    desk.get_by_label("To", exact=True).select_option(SEGMENT)
    expect(desk.get_by_text("Who will get it")).to_be_visible()
    message = desk.get_by_label("Message", exact=True)
    message.press_sequentially("We <b>miss</b> you")
    expect(look.locator("b")).to_have_text("miss")
    message.press_sequentially(" so")
    expect(look).to_contain_text("We miss you so")
    desk.get_by_label("Buttons", exact=True).fill("Shop | shop")
    expect(look).to_contain_text("Shop")

    desk.get_by_label("Buttons", exact=True).fill("Shop | nowhere")
    expect(desk.get_by_text("Row 1: a link starts with https://, http:// or tg://")).to_be_visible()
    assert message.input_value() == "We <b>miss</b> you so"
    assert complaints == []


def test_a_broadcast_is_written_sent_and_watched_until_it_is_over(
    desk: Page, settings: dict[str, Settings], complaints: list[str]
) -> None:
    desk.goto("/broadcasts")
    desk.keyboard.press("c")
    desk.wait_for_url("**/broadcasts/new")
    desk.get_by_label("To", exact=True).select_option(SEGMENT)
    desk.get_by_label("Title").fill("Written in the browser")
    desk.get_by_label("Message", exact=True).fill("old words")
    desk.get_by_role("button", name="Save the draft").click()
    expect(desk.get_by_text("The draft is saved.")).to_be_visible()

    desk.get_by_label("Message", exact=True).fill("new words")
    expect(desk.get_by_role("region", name="How it will look")).to_contain_text("new words")
    desk.get_by_role("button", name="Send to 6 fans").click()
    desk.get_by_role("dialog").get_by_role("button", name="Send now").click()
    expect(desk.get_by_text("It is on its way.")).to_be_visible()
    bar = desk.get_by_role("progressbar", name="How many had their turn")
    expect(bar).to_have_attribute("value", "0")

    broadcast_id = int(desk.url.rsplit("/", 1)[1])
    _in_the_house(settings, lambda app: _deliver(app, broadcast_id, 4))
    expect(bar).to_have_attribute("value", "4")
    assert desk.get_by_role("button", name="Pause").is_visible()
    _in_the_house(settings, lambda app: _deliver(app, broadcast_id, 6))
    expect(desk.get_by_text(re.compile("Finished in"))).to_be_visible()

    expect(desk.get_by_role("button", name="Pause")).to_have_count(0)
    assert desk.get_by_text("new words").is_visible()
    assert complaints == []


def test_cancelling_the_rest_asks_first(desk: Page) -> None:
    desk.goto(f"/broadcasts/{HELD}", wait_until="domcontentloaded")

    desk.get_by_role("button", name="Cancel the rest").click()
    question = desk.get_by_role("dialog", name="Cancel the rest?")
    expect(question.get_by_role("heading")).to_be_visible()
    question.get_by_role("button", name="Keep it as it is").click()

    expect(question).to_have_count(0)
    assert desk.get_by_role("button", name="Resume").is_visible()


def test_the_promise_of_an_offer_is_told_while_it_is_written(desk: Page) -> None:
    desk.goto("/offers/new")

    desk.get_by_label("Title").fill("Anniversary")
    desk.get_by_label("How much").fill("20")
    desk.get_by_label("At most", exact=True).fill("15")
    desk.get_by_label("Pieces").fill("100")
    desk.get_by_label("Ends").fill("2031-03-08T23:59")

    expect(desk.get_by_text("20 % off, at most ¥15.00, 100 pieces, one each, ends Mar 8, 2031, 23:59")).to_be_visible()
    expect(desk.get_by_text("¥1,500.00")).to_be_visible()


def test_everything_is_done_without_scripts(browser: Browser, house: House, complaints: list[str]) -> None:
    with looking(browser, house, {**DESK, "java_script_enabled": False}, complaints) as page:
        page.goto(f"/broadcasts/new?segment={SEGMENT}")
        page.get_by_label("Title").fill("By hand")
        page.get_by_label("Message", exact=True).fill("We <i>miss</i> you")
        page.get_by_role("button", name="Look at it").click()
        assert page.get_by_role("region", name="How it will look").locator("i").inner_text() == "miss"
        page.get_by_role("button", name="Save the draft").click()
        page.get_by_role("button", name="Test to me").click()
        assert page.get_by_text("A copy is on its way").is_visible()

        page.goto("/offers/1")
        page.get_by_label("Segment").select_option(SEGMENT)
        page.get_by_role("button", name="See what it would do").click()
        page.get_by_role("button", name=re.compile("Hand out")).click()
        assert page.get_by_text("handed out").first.is_visible()

        page.goto("/quarantine")
        page.get_by_role("button", name="Try again").first.click()
        assert page.get_by_text("It is tried again now").is_visible()

        page.goto("/people")
        page.get_by_label("Telegram id").fill("4711")
        page.get_by_label("Name", exact=True).fill("Zoe")
        page.get_by_role("button", name="Take in").click()
        assert page.get_by_text("Zoe may come in now").is_visible()


def _violations(page: Page) -> list[str]:
    found = Axe().run(page)
    return [f"{rule['id']}: {node['target']}" for rule in found.response["violations"] for node in rule["nodes"]]


def _too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > Math.min(innerWidth, screen.width)"))


def _too_small(page: Page) -> list[str]:
    """What a finger should press and is less than 44 pixels high."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll("main :is(button, a.btn, input, select, summary)")]
            .filter((element) => element.checkVisibility() && !["hidden", "radio", "checkbox"].includes(element.type))
            .filter((element) => element.getBoundingClientRect().height < 43.5)
            .map((element) => element.outerHTML.slice(0, 120))"""
    )
    return found


def _in_the_house(settings: dict[str, Settings], verb: Callable[[App], Awaitable[None]]) -> None:
    """Something that happens elsewhere meanwhile, as another process would do it."""

    async def work() -> None:
        app = open_app(settings["house"])
        await verb(app)
        await app.close()

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    thread.join()


async def _deliver(app: App, broadcast_id: int, number: int) -> None:
    """So many of the fans got it by now; after the last the broadcast is over."""
    async with app.database.writing() as session:
        theirs = update(Delivery).where(col(Delivery.broadcast_id) == broadcast_id, col(Delivery.fan_id) <= number)
        await session.run(theirs.values(state=DeliveryState.SENT, sent_at=app.clock(), attempts=1))
        await course.finish(session, now=app.clock())


async def _fill(app: App) -> None:
    """Six fans, a broadcast in each state that needs somebody, an offer, a product, and a letter in quarantine."""
    fans = await given_fans(app, 6, segment=SEGMENT)
    offer = await an_offer(app, title="Twenty off")
    await claims(app, offer, fans[0])
    await composed(
        app, title="A draft", segment=SEGMENT, text=TEXT, buttons=BUTTONS, photo="https://example.com/tea.jpg"
    )
    await started(app, title="Running", segment=SEGMENT, text=TEXT, buttons=BUTTONS, offer_id=offer.id)
    await started(app, title="Held", segment=SEGMENT, text=TEXT)
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
    await recomputed(app)
