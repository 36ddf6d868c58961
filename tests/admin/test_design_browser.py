"""The gallery in a real browser: readable for everyone, no wider than a phone, quiet under the strict policy."""

import mimetypes
import shutil
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright

from admin.rendering import STATIC_ROOT
from tests.admin.gallery import render_fragment, render_gallery

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOUSE = "http://siyu.test"
DESK = {"viewport": {"width": 1280, "height": 860}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the pages were not looked at"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, complaints: list[str]) -> Iterator[Page]:
    yield from _open(browser, request.param, complaints)


@pytest.fixture
def desk(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    yield from _open(browser, DESK, complaints)


@pytest.fixture
def phone(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    yield from _open(browser, PHONE, complaints)


@pytest.mark.parametrize("locale", ["en", "zh_CN"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_about(page: Page, locale: str, theme: str) -> None:
    page.goto(f"{HOUSE}/gallery?locale={locale}&theme={theme}")

    found = Axe().run(page)

    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_nothing_is_wider_than_the_screen(page: Page, locale: str) -> None:
    page.goto(f"{HOUSE}/gallery?locale={locale}")

    assert page.evaluate("document.documentElement.scrollWidth <= Math.min(innerWidth, screen.width)")


def test_fingers_find_every_button_of_a_phone(phone: Page) -> None:
    phone.goto(f"{HOUSE}/gallery")
    phone.get_by_role("button", name="More").tap()

    small = phone.evaluate(
        """[...document.querySelectorAll("button, a.btn, input, select, nav a")]
            .filter((element) => element.checkVisibility() && !element.matches("[type=checkbox], [type=radio]"))
            .filter((element) => element.getBoundingClientRect().height < 43.5)
            .map((element) => element.outerHTML.slice(0, 120))"""
    )

    assert small == []


def test_the_strict_policy_has_nothing_to_report(page: Page, complaints: list[str]) -> None:
    page.goto(f"{HOUSE}/gallery")
    page.wait_for_function("window.htmx !== undefined")

    assert complaints == []


def test_system_follows_the_device(browser: Browser, complaints: list[str]) -> None:
    colours = []
    for scheme in ("light", "dark"):
        for page in _open(browser, {**DESK, "color_scheme": scheme}, complaints):
            page.goto(f"{HOUSE}/gallery?theme=system")
            colours.append(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    assert colours[0] != colours[1]


def test_keys_walk_through_the_house(desk: Page) -> None:
    desk.goto(f"{HOUSE}/gallery")
    desk.evaluate("document.activeElement.blur()")

    desk.keyboard.press("j")
    desk.keyboard.press("j")
    assert "Mina Silva" in desk.locator("tr[data-current]").inner_text()

    desk.keyboard.press("/")
    assert desk.evaluate("document.activeElement.type") == "search"
    desk.evaluate("document.activeElement.blur()")

    desk.keyboard.press("?")
    expect(desk.locator("#shortcuts[open] > div")).to_be_visible()
    desk.keyboard.press("Escape")

    desk.keyboard.press("g")
    desk.keyboard.press("b")
    desk.wait_for_url(f"{HOUSE}/broadcasts")


def test_the_palette_narrows_while_typing_and_opens_the_only_match(desk: Page) -> None:
    desk.goto(f"{HOUSE}/gallery")

    desk.keyboard.press("Control+k")
    desk.locator("#palette input").fill("quar")

    expect(desk.locator("#palette-list li:visible")).to_have_count(1)
    desk.keyboard.press("Enter")
    desk.wait_for_url(f"{HOUSE}/quarantine")


def test_a_fragment_opens_above_the_page_and_closes_again(desk: Page) -> None:
    desk.goto(f"{HOUSE}/gallery")

    desk.locator("#rows tbody tr").first.get_by_role("link", name="More").click()
    shown = desk.locator("#dialog[open]")
    shown.get_by_text("30 d").wait_for()
    shown.get_by_role("button", name="Close").click()

    desk.locator("#dialog:not([open])").wait_for(state="attached")
    assert desk.url == f"{HOUSE}/gallery"


def test_a_dangerous_action_asks_first(desk: Page) -> None:
    desk.goto(f"{HOUSE}/gallery")
    question = desk.get_by_role("dialog", name="Cancel the rest of this broadcast?")

    desk.get_by_role("button", name="cancel").click()
    question.get_by_role("heading").wait_for()
    question.get_by_role("button", name="Keep it as it is").click()

    question.get_by_role("heading").wait_for(state="hidden")
    assert desk.url == f"{HOUSE}/gallery"


def test_menus_and_questions_work_without_javascript(browser: Browser, complaints: list[str]) -> None:
    for page in _open(browser, {**DESK, "java_script_enabled": False}, complaints):
        page.goto(f"{HOUSE}/gallery")

        page.get_by_role("button", name="林晓雨").click()
        expect(page.get_by_role("button", name="Dark")).to_be_visible()
        page.keyboard.press("Escape")

        page.get_by_role("button", name="cancel").click()
        expect(page.get_by_role("heading", name="Cancel the rest of this broadcast?")).to_be_visible()


def _open(browser: Browser, options: Mapping[str, object], complaints: list[str]) -> Iterator[Page]:
    context = browser.new_context(**options)  # type: ignore[arg-type]  # a device is keyword arguments as data
    page = context.new_page()
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    page.route("**/*", _answer)
    page.on("console", lambda message: _listen(message, complaints))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()


def _listen(message: ConsoleMessage, complaints: list[str]) -> None:
    if message.type in ("error", "warning"):
        complaints.append(message.text)


def _answer(route: Route) -> None:
    """The gallery at every address, its files below /static, all under the policy that the product sends."""
    address = urlsplit(route.request.url)
    policy = {"Content-Security-Policy": "default-src 'self'"}
    if address.path.startswith("/static/"):
        file = STATIC_ROOT / address.path.removeprefix("/static/")
        route.fulfill(body=file.read_bytes(), content_type=mimetypes.guess_type(file.name)[0], headers=policy)
        return
    asked = parse_qs(address.query)
    locale, theme = asked.get("locale", ["en"])[0], asked.get("theme", ["light"])[0]
    partial = route.request.headers.get("hx-request-type") == "partial"
    body = render_fragment(locale=locale) if partial else render_gallery(locale=locale, theme=theme)
    route.fulfill(body=body, content_type="text/html; charset=utf-8", headers=policy)
