"""The chat page in a real browser: a fan's afternoon, on a phone and at a desk."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright, expect

from bot.sandbox import Sandbox, SandboxOptions
from tests.sandbox.conftest import BareBot

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DESK = {"viewport": {"width": 1280, "height": 860}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
KEYS = {
    "inline_keyboard": [
        [
            {"text": "Claim", "callback_data": "claim", "style": "success"},
            {"text": "Invite", "url": "https://t.me/siyu_sandbox_bot?start=i_ABC"},
        ]
    ]
}
SCRIPT = "<b>bold</b> <img src=x onerror=alert(1)>"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the chat page was not looked at"),
]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxOptions(rate=None, bot_name="Tea house", checkout_patience=60)) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        await chromium.close()


async def _page(browser: Browser, complaints: list[str], **looks: object) -> Page:
    context = await browser.new_context(locale="en", **looks)
    page = await context.new_page()
    expect.set_options(timeout=20_000)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


async def test_a_fan_starts_presses_pays_and_blocks_on_a_phone(
    sandbox: Sandbox, bot: BareBot, browser: Browser
) -> None:
    complaints: list[str] = []
    page = await _page(browser, complaints, **PHONE)
    await page.goto(sandbox.url)

    await page.get_by_role("button", name="Add a person").click()
    await page.get_by_label("Name", exact=True).fill("Zoë")
    await page.get_by_role("button", name="Add", exact=True).click()
    await page.get_by_role("button", name="START").click()
    zoe = next(iter(sandbox.people.values()))
    await expect(page.locator(".message.out")).to_contain_text("/start")

    await bot.result("sendMessage", chat_id=zoe.telegram_id, text=SCRIPT, reply_markup=KEYS)
    await expect(page.locator(".message.in")).to_contain_text(SCRIPT)
    await page.get_by_role("button", name="Claim").click()
    query = await _newest(bot, "callback_query")
    await bot.result("answerCallbackQuery", callback_query_id=query["id"], text="It is yours")
    await expect(page.locator(".toast")).to_have_text("It is yours")
    await page.get_by_role("button", name="Invite").click()
    await expect(page.locator(".message.out").nth(1)).to_contain_text("/start i_ABC")

    invoice = {"title": "Tea", "description": "A box", "payload": "tea", "currency": "XTR"}
    await bot.result("sendInvoice", chat_id=zoe.telegram_id, prices=[{"label": "Tea", "amount": 250}], **invoice)
    await page.get_by_role("button", name="Pay ⭐ 250").click()
    await page.locator("#pay-ok").click()
    asked = await _newest(bot, "pre_checkout_query")
    await bot.result("answerPreCheckoutQuery", pre_checkout_query_id=asked["id"], ok=True)
    await expect(page.get_by_role("button", name="Receipt")).to_be_visible()
    await expect(page.locator("#stars")).to_have_text("⭐ 9,750")

    await page.get_by_role("button", name="Options").click()
    await page.get_by_role("menuitem", name="Block the bot").click()
    await expect(page.get_by_role("button", name="RESTART BOT")).to_be_visible()

    assert zoe.blocked
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert complaints == []


async def test_edits_appear_in_place_and_deleted_messages_go(sandbox: Sandbox, bot: BareBot, browser: Browser) -> None:
    complaints: list[str] = []
    anna = sandbox.add_person(name="Anna", known=True)
    place = {"chat_id": anna.telegram_id}
    first = await bot.result("sendMessage", **place, text="<i>one</i>", parse_mode="HTML")
    second = await bot.result("sendMessage", **place, text="two")
    page = await _page(browser, complaints, **DESK)
    await page.goto(f"{sandbox.url}/?person={anna.telegram_id}")
    await expect(page.locator(".message i")).to_have_text("one")

    await bot.result("editMessageText", **place, message_id=first["message_id"], text="changed")
    await bot.result("deleteMessage", **place, message_id=second["message_id"])

    await expect(page.locator(".message")).to_have_count(1)
    await expect(page.locator(".message")).to_contain_text("changededited")
    await page.locator("#text").fill("thank you")
    await page.locator("#text").press("Enter")
    await expect(page.locator(".message.out")).to_contain_text("thank you")
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_to_complain_about(
    sandbox: Sandbox, bot: BareBot, browser: Browser, scheme: str
) -> None:
    anna = sandbox.add_person(name="Anna", known=True)
    sandbox.add_person(name="小雨").start()
    anna.says("see https://tea.example or /help")
    await bot.result(
        "sendMessage", chat_id=anna.telegram_id, text="<code>TEA</code> /wallet", parse_mode="HTML", reply_markup=KEYS
    )
    # Axe is brought in from outside, which the page's own policy would not allow.
    page = await _page(browser, [], **DESK, color_scheme=scheme, bypass_csp=True)
    await page.goto(sandbox.url)
    await expect(page.locator(".person")).to_have_count(2)
    nobody_chosen = await Axe().run(page)
    await page.locator(".person", has_text="Anna").click()
    await expect(page.locator(".message")).to_have_count(2)
    # Until what just arrived has faded in.
    await page.evaluate("Promise.all(document.getAnimations().map(one => one.finished)).then(() => null)")
    in_a_chat = await Axe().run(page)

    for found in (nobody_chosen, in_a_chat):
        assert found.violations_count == 0, found.generate_report()


async def _newest(bot: BareBot, kind: str) -> dict[str, Any]:  # Any: an update's fields
    """The last thing to happen, once it is of this kind: what the page did before may still be the last."""
    async with asyncio.timeout(60):
        while kind not in (last := (await bot.updates(offset=-1, wait=2) or [{}])[-1]):
            await asyncio.sleep(0.05)
    return dict(last[kind])
