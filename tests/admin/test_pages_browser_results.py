"""What became of broadcasts, in a real browser: in every state, for everyone, on every screen."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update
from sqlmodel import col

from siyu import broadcasts
from siyu.app import App
from siyu.broadcasts import comparing, revising
from siyu.tables import BroadcastState, Fan, RevisionLine
from tests.admin.browsing import PHONE, House, looking, needs_chromium, served
from tests.admin.walks import LOOKS, Look, walk
from tests.broadcasting import MEI, composed, given_fans
from tests.ledgers import buys, given_broadcast, given_rows, presses
from tests.trading import an_offer

pytestmark = needs_chromium

SEGMENT = "loyalty.none"
BUTTONS = [
    [{"text": "Shop", "action": "shop"}, {"text": "Site", "url": "https://example.com"}],
    [{"text": "I will come, and I bring all of my friends", "action": "answer", "value": "coming"}],
]
COMPARED, DONE, RUNNING, LATE, SERIES, WAITS, FAILED, CANCELLED = range(1, 9)
PATHS = (
    "/broadcasts",
    "/broadcasts?state=paused",
    "/broadcasts?shelf=archived",
    *(f"/broadcasts/{number}" for number in range(COMPARED, CANCELLED + 1)),
    f"/broadcasts/{COMPARED}?reason=holdout",
    f"/broadcasts/{COMPARED}/results",
    f"/broadcasts/{COMPARED}/revisions",
    f"/broadcasts/{DONE}/revisions",
    "/fans/1001",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(_fill, tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_for_everyone_and_fits_its_screen(browser: Browser, house: House, look: Look) -> None:
    assert walk(browser, house, look, PATHS, _results_are_there) == {}


def test_a_reason_leads_to_the_fans_behind_it_and_a_filter_keeps_the_page(desk: Page, complaints: list[str]) -> None:
    desk.goto(f"/broadcasts/{DONE}")
    desk.get_by_role("link", name="account is gone").click()
    expect(desk.locator("#ledger tbody tr")).to_have_count(2)

    desk.get_by_role("link", name="Show all reasons again").click()
    expect(desk.locator("#ledger tbody tr")).to_have_count(25)
    desk.get_by_role("navigation", name="Which fans").get_by_role("link", name="Failed").click()

    expect(desk.locator("#ledger tbody tr")).to_have_count(2)
    expect(desk).to_have_url(f"{desk.url.split('/broadcasts')[0]}/broadcasts/{DONE}?state=failed&")
    expect(desk.get_by_text("From the audience to the till")).to_be_visible()
    assert complaints == []


def test_the_list_is_searched_while_one_types(desk: Page, complaints: list[str]) -> None:
    desk.goto("/broadcasts")
    desk.keyboard.press("/")
    desk.keyboard.type("mond")

    expect(desk.locator("#list tbody tr")).to_have_count(1)
    expect(desk.get_by_text("weekly at 18:00").last).to_be_visible()
    expect(desk).to_have_url(f"{desk.url.split('?')[0]}?q=mond")
    assert complaints == []


def test_a_search_asked_while_an_answer_is_drawn_is_answered_too(desk: Page) -> None:
    desk.goto("/broadcasts")
    desk.evaluate(ASK_AGAIN_BEFORE_IT_IS_DRAWN, "mond")

    desk.get_by_role("searchbox").fill("m")

    expect(desk.locator("#list tbody tr")).to_have_count(1)
    expect(desk).to_have_url(f"{desk.url.split('?')[0]}?q=mond")


# Under way to be drawn, an answer can be called back no more.
ASK_AGAIN_BEFORE_IT_IS_DRAWN = """words => document.addEventListener("htmx:before:swap", () => {
  const field = document.querySelector("input[name=q]");
  field.value = words;
  field.form.requestSubmit();
}, { once: true })"""


def test_choosing_the_winner_asks_first(desk: Page) -> None:
    desk.goto(f"/broadcasts/{COMPARED}")

    desk.get_by_role("button", name="Version B").click()
    question = desk.get_by_role("dialog", name="Send version B to the others?")
    expect(question.get_by_text("It is settled then")).to_be_visible()
    question.get_by_role("button", name="Keep it as it is").click()

    expect(desk.get_by_text("wait for the winner").first).to_be_visible()


def test_what_was_sent_is_changed_and_followed_up_without_scripts_on_a_phone(
    browser: Browser, house: House, complaints: list[str]
) -> None:
    with looking(browser, house, {**PHONE, "java_script_enabled": False}, complaints) as page:
        page.goto(f"/broadcasts/{COMPARED}")
        page.get_by_role("link", name="What it did so far").click()
        expect(page.get_by_text("From the audience to the till")).to_be_visible()

        page.goto(f"/broadcasts/{COMPARED}")
        page.get_by_role("link", name="Change it").click()
        page.get_by_label("What it says from now on").fill("Better words")
        page.get_by_role("button", name="Change it for everyone who got it").click()
        expect(page.get_by_text("It is being changed for everyone who got it.")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("Stopped. What was changed stays so.")).to_be_visible()

        page.goto(f"/broadcasts/{CANCELLED}")
        page.get_by_role("button", name="Archive").click()
        expect(page.get_by_text("Put away; it is in the archive.")).to_be_visible()
        page.goto("/broadcasts?shelf=archived")
        expect(page.get_by_role("link", name="Cancelled one")).to_be_visible()


async def _fill(app: App) -> None:
    """Sixty fans, and a broadcast in each state."""
    fans, now = await given_fans(app, 60, segment=SEGMENT), app.clock()
    offer = await an_offer(app, title="Twenty off")
    assert await _compared(app, fans, offer.id or 0) == COMPARED
    assert await _done(app, fans) == DONE
    assert await _given(app, "Running now", fans, reached=25) == RUNNING
    late = {"state": BroadcastState.PAUSED, "state_reason": "late", "state_by": "siyu", "state_at": now}
    assert await _given(app, "The late one, which has a rather long name for a broadcast", fans, **late) == LATE
    rhythm = {"timing": "series", "series": {"every": "weekly", "at": "18:00", "on": [1]}}
    scheduled = {"state": BroadcastState.SCHEDULED, "state_at": now, "state_by": MEI.key, "started_at": None}
    coming = {"send_at": now + timedelta(days=3)}
    assert await _given(app, "Every Monday", (), **rhythm, **scheduled, **coming) == SERIES
    waits = await composed(app, title="Asks for approval", include=(SEGMENT,))
    async with app.database.writing() as session:
        await broadcasts.submit(session, waits.id or 0, actor=MEI, now=now)
    assert waits.id == WAITS
    failed = {"state": BroadcastState.FAILED, "state_reason": "empty", "started_at": None, "finished_at": now}
    assert await _given(app, "A failed one", (), **failed) == FAILED
    cancelled = {"state": BroadcastState.CANCELLED, "state_by": MEI.key, "state_at": now, "finished_at": now}
    assert await _given(app, "Cancelled one", fans, **cancelled) == CANCELLED


async def _compared(app: App, fans: list[Fan], offer_id: int) -> int:
    """Two versions under way, some held out, some who wait for the winner, and some of whom nobody can know."""
    broadcast_id = await _given(
        app, "Spring tea is in", (), text="Hi <b>{first_name|friend}</b>", buttons=BUTTONS, offer_id=offer_id,
        variants=[{"key": "b", "text": "New tea", "versions": {"zh": {"text": "新茶"}}}], test_percent=60,
        winner_by="clicks", winner_after_minutes=60, holdout_percent=15, versions={"zh": {"text": "你好"}},
    )  # fmt: skip
    await given_rows(app, broadcast_id, fans[:16], "sent", variant="a", message_id=77)
    await given_rows(app, broadcast_id, fans[16:32], "sent", variant="b", message_id=77)
    await given_rows(app, broadcast_id, fans[32:34], "failed", reason="rejected: Bad Request: message is too long")
    await given_rows(app, broadcast_id, fans[34:36], "unknown", reason="interrupted")
    await given_rows(app, broadcast_id, fans[36:45], "holdout", reason=comparing.HELD_OUT)
    waiting = {"reason": comparing.WAITS_FOR_WINNER, "not_before": comparing.UNDECIDED}
    await given_rows(app, broadcast_id, fans[45:], "pending", **waiting)
    await presses(app, broadcast_id, *fans[:5], button="shop")
    await presses(app, broadcast_id, *fans[16:20], button="0.1")
    await presses(app, broadcast_id, fans[5], button="coming")
    await buys(app, *fans[3:40:6])
    return broadcast_id


async def _done(app: App, fans: list[Fan]) -> int:
    """Finished yesterday, written anew since."""
    over = {"state": BroadcastState.FINISHED, "finished_at": app.clock(), "state_at": app.clock(), "state_by": "siyu"}
    broadcast_id = await _given(app, "Thank you for a wonderful year", fans[2:], reached=58, **over)
    await given_rows(app, broadcast_id, fans[:2], "failed", reason="gone")
    async with app.database.writing() as session:
        await revising.start_edit(session, broadcast_id, "Thanks again", actor=MEI, now=app.clock())
        some = update(RevisionLine).where(col(RevisionLine.fan_id) < 20)
        await session.run(some.values(state="failed", reason="blocked"))
    return broadcast_id


async def _given(
    app: App, title: str, fans: list[Fan] | tuple[Fan, ...], *, reached: int = 0, **columns: object
) -> int:
    broadcast_id = await given_broadcast(app, title=title, include=[SEGMENT], **columns)
    await given_rows(app, broadcast_id, fans[:reached], "sent", message_id=9)
    await given_rows(app, broadcast_id, fans[reached:], "pending")
    return broadcast_id


def _results_are_there(page: Page) -> None:
    """They come after the page."""
    expect(page.locator("#results[hx-get]")).to_have_count(0)
