"""A broadcast from the second person's yes to its CSV, in a real browser, with a sender that is killed on the way."""

import asyncio
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest
from playwright.sync_api import Browser, Page, expect

from admin.security import cookie_name
from bot.sandbox import Sandbox, SandboxOptions
from siyu import broadcasts, preferences
from siyu.app import App, open_app
from siyu.settings import Settings
from siyu.tables import Role
from tests.admin.browsing import DESK, PHONE, House, looking, needs_chromium, served
from tests.admin.visitors import employ, sign_in
from tests.bot.senders import send
from tests.broadcasting import FIRST, MEI, composed, counted, given_fans
from tests.forks import Child

pytestmark = needs_chromium

Told = TypeVar("Told")

SEGMENT = "loyalty.none"
FANS = 200
RATE = 10.0
# So slow that a sender which is killed has messages in flight.
DELAY = 0.4
KEN = 77


@dataclass(frozen=True)
class Stage:
    """A served house, who works in it, and the pretend Telegram it writes to."""

    house: House
    settings: Settings
    telegram: str

    def wait_for_flights(self, broadcast_id: int, *, under_way: bool = True) -> None:
        """At 10 a second and 0.4 s an answer some four are under way, once it goes on; or until none is any more."""
        until = time.monotonic() + 30
        while ("sending" in self.counts(broadcast_id)) is not under_way and time.monotonic() < until:
            time.sleep(0.05)

    def do(self, verb: Callable[[App], Awaitable[Told]]) -> Told:
        """Something that happens elsewhere meanwhile, as another process would do it."""
        told: list[Told] = []

        async def work() -> None:
            app = open_app(self.settings)
            told.append(await verb(app))
            await app.close()

        thread = threading.Thread(target=asyncio.run, args=(work(),))
        thread.start()
        thread.join()
        return told[0]

    def sender(self, rate: float = RATE) -> Child:
        return Child(send, self.settings.database_url, self.telegram, rate)

    def counts(self, broadcast_id: int) -> dict[str, int]:
        return self.do(lambda app: counted(app, broadcast_id))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    told: dict[str, Settings] = {}

    async def fill(app: App) -> None:
        told["settings"] = app.settings
        await given_fans(app, FANS, segment=SEGMENT)
        async with app.database.writing() as session:
            await preferences.change(session, MEI, now=app.clock(), approve_above=10, undo_seconds=60)

    with _telegram() as url, served(fill, tmp_path_factory.mktemp("house")) as house:
        yield Stage(house, told["settings"], url)


@pytest.mark.timeout(300)
def test_a_second_person_lets_it_go_and_it_survives_a_kill(
    browser: Browser, stage: Stage, complaints: list[str], tmp_path: Path
) -> None:
    broadcast_id = stage.do(_asked_for)
    ken = replace(stage.house, cookies=stage.do(_ken_signed_in))

    with looking(browser, ken, DESK, complaints) as page:
        _approve_and_take_back(page, broadcast_id)
        stage.do(lambda app: _ask_again(app, broadcast_id))
        first = stage.sender()
        _approve_for_good(page, broadcast_id)
        _pause_and_resume(page, stage, broadcast_id)
        stage.wait_for_flights(broadcast_id)
        first.kill()
        second = stage.sender(rate=100)
        _watch_to_its_end(page)
        lost = stage.counts(broadcast_id).get("unknown", 0)
        assert lost, "the sender was killed with nothing in flight"
        with looking(browser, stage.house, PHONE, complaints) as phone:
            _resolve(phone, broadcast_id, lost)
        _watch_to_its_end(page)
        second.kill()
        lines = _export(page, broadcast_id, tmp_path)

    assert stage.counts(broadcast_id) == {"sent": FANS}
    assert len(lines) == FANS + 1
    assert all(",sent," in line for line in lines[1:])
    assert complaints == []


def _approve_and_take_back(page: Page, broadcast_id: int) -> None:
    page.goto(f"/broadcasts/{broadcast_id}")
    expect(page.get_by_text(f"{FANS} fans would get it.")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text(re.compile(r"It leaves in \d+ s"))).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Taken back: it is a draft again, and nobody got it.")).to_be_visible()


def _approve_for_good(page: Page, broadcast_id: int) -> None:
    """Its window is a second long by now; the page looks for itself what has become of it."""
    page.goto(f"/broadcasts/{broadcast_id}")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=30_000)


def _pause_and_resume(page: Page, stage: Stage, broadcast_id: int) -> None:
    bar = page.get_by_role("progressbar", name="How many had their turn")
    expect(bar).to_have_attribute("value", re.compile(r"[1-9]\d*"), timeout=30_000)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused by Operator on")).to_be_visible()
    stage.wait_for_flights(broadcast_id, under_way=False)
    held = stage.counts(broadcast_id)["sent"]
    page.wait_for_timeout(1500)
    assert stage.counts(broadcast_id)["sent"] == held < FANS
    page.get_by_role("button", name="Resume").click()
    expect(bar).to_have_attribute("value", re.compile(rf"^(?!{held}$)\d+$"), timeout=30_000)


def _watch_to_its_end(page: Page) -> None:
    expect(page.get_by_text(re.compile("Finished in"))).to_be_visible(timeout=60_000)


def _resolve(page: Page, broadcast_id: int, lost: int) -> None:
    page.goto(f"/broadcasts/{broadcast_id}")
    expect(page.get_by_text(f"For {lost} fan")).to_be_visible()
    page.get_by_role("button", name="Send it again").first.click()
    question = page.get_by_role("dialog", name="Send it to them again?")
    question.get_by_role("button", name="Send it again").click()
    expect(page.get_by_text("Decided.")).to_be_visible()
    _watch_to_its_end(page)


def _export(page: Page, broadcast_id: int, folder: Path) -> list[str]:
    page.goto(f"/broadcasts/{broadcast_id}")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(folder / "ledger.csv")
    return (folder / "ledger.csv").read_text("utf-8-sig").splitlines()


async def _asked_for(app: App) -> int:
    draft = await composed(app, title="To all of them", include=(SEGMENT,), on_unknown="leave")
    await _ask_again(app, draft.id or 0, undo_seconds=60)
    return draft.id or 0


async def _ask_again(app: App, broadcast_id: int, *, undo_seconds: int = 1) -> None:
    async with app.database.writing() as session:
        await preferences.change(session, MEI, now=app.clock(), undo_seconds=undo_seconds)
        asked = await broadcasts.start(session, broadcast_id, actor=MEI, now=app.clock())
    assert asked.state == "awaiting_approval"


async def _ken_signed_in(app: App) -> dict[str, str]:
    operator = await employ(app, Role.OPERATOR, telegram_id=KEN)
    return {cookie_name(app.settings): await sign_in(app, operator)}


@contextmanager
def _telegram() -> Iterator[str]:
    """A pretend Telegram that knows all fans, in a thread of its own."""
    opened, closing, told = threading.Event(), threading.Event(), list[str]()

    async def serve() -> None:
        async with Sandbox(SandboxOptions(rate=None, delay=DELAY)) as sandbox:
            for number in range(FANS):
                sandbox.add_person(name=f"Fan {number}", telegram_id=FIRST + number, known=True)
            told.append(sandbox.url)
            opened.set()
            while not closing.is_set():
                await asyncio.sleep(0.1)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert opened.wait(30), "the sandbox did not open"
    yield told[0]
    closing.set()
    thread.join()
