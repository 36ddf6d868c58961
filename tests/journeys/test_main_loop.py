"""The point of Siyu in one story: a friend's link, a purchase, a segment, a broadcast with a coupon, its use."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from bot.sandbox import PaymentOutcome, Person, Sandbox, SandboxOptions
from tests.journeys.product import Product, running_product

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxOptions(rate=None, checkout_patience=60)) as sandbox:
        yield sandbox


async def test_from_a_friends_link_to_a_redeemed_coupon(database_url: str, sandbox: Sandbox) -> None:
    async with running_product(database_url, sandbox) as product:
        await stock_the_shop(product)
        anna, mei = sandbox.add_person(name="Anna", language="en"), sandbox.add_person(name="梅", language="zh-hans")

        link = await invitation_of(anna)
        mei.opens(link)
        await mei.hears("梅", within=20)
        await buy(mei, "Longjing")
        await product.call("POST", "/recompute", {})

        standing = await levels(product, mei)
        assert len(standing) == 26
        assert (
            standing.items()
            >= {
                "interaction_frequency": "low",
                "purchase_frequency": "low",
                "loyalty": "casual",
                "lifecycle": "new",
                "purchase_stage": "first",
                "referral": "none",
                "rfm": "hibernating",
                "behaviour": "purchasing",
                "decision_speed": "fast",
                "source_channel": "referral",
                "purchase_intent": "none",
            }.items()
        )
        portrait = await product.call("GET", f"/fans/{mei.telegram_id}")
        assert portrait["referred_by"] == anna.telegram_id
        assert portrait["source"].startswith("i_")
        assert (await product.call("GET", f"/fans/{anna.telegram_id}"))["metrics"]["referrals_total"] == 1

        offer = await open_offer(product)
        broadcast = await broadcast_to(product, "loyalty.casual", offer)
        await until(lambda: is_finished(product, broadcast))
        assert "二八" in (await mei.hears("二八", within=20)).text

        mei.presses(button_of(mei, "领"))
        await until_true(lambda: mei.toast is not None)
        await buy(mei, "Longjing")
        await product.call("POST", "/recompute", {})

        assert await counts_of(product, broadcast) == {"audience": 1, "sent": 1, "clicks": 1, "purchases": 1}
        shown = await product.call("GET", f"/offers/{offer}")
        assert (shown["claimed"], shown["redeemed"], shown["spent_minor"]) == (1, 1, 10)
        assert mei.stars == 10_000 - 50 - 40
        assert re.search(r"1 .*1", await product.page(f"/offers/{offer}"))
        assert "二八" in await product.page(f"/broadcasts/{broadcast}")


async def stock_the_shop(product: Product) -> None:
    """As an owner does it in the browser."""
    answer = await product.submit(
        "/catalogue",
        sku="longjing",
        title="Longjing",
        description="50 g",
        category="Green",
        stars_price="50",
        active="on",
    )
    assert answer.status_code == 200, answer.text
    assert "Longjing" in answer.text


async def invitation_of(person: Person) -> str:
    person.start()
    await person.hears("Anna", within=30)
    person.says("/invite")
    message = await person.hears("start=i_", within=20)
    found = re.search(r"https?://t\.me/\S+start=i_[\w-]+", message.text)
    assert found, message.text
    return found.group()


async def buy(person: Person, title: str) -> None:
    """Shelves, product, invoice, payment, receipt."""
    person.says("/shop")
    await person.hears(title, within=20)
    person.presses(button_of(person, title))
    await until_true(lambda: any("⭐" in text for text in buttons_of(person)))
    person.presses(button_of(person, "⭐"))
    await until_true(lambda: person.last is not None and person.last.invoice is not None)
    payment = await person.pays()
    assert payment.outcome is PaymentOutcome.PAID, payment.error
    await person.hears(title, within=20)


async def open_offer(product: Product) -> int:
    ends_at = (datetime.now(UTC) + timedelta(days=5)).isoformat()
    offer = await product.call(
        "POST",
        "/offers",
        {
            "title": "八折 20 % off",
            "kind": "percent",
            "value": 20,
            "currency": "XTR",
            "stock": 10,
            "per_fan": 1,
            "ends_at": ends_at,
        },
    )
    await product.call("POST", f"/offers/{offer['id']}/activate")
    return int(offer["id"])


async def broadcast_to(product: Product, segment: str, offer: int) -> int:
    draft = {"title": "二八会 Tea day", "segment": segment, "text": "<b>二八会</b> 有你的券", "offer": offer}
    broadcast = await product.call("POST", "/broadcasts", draft)
    started = await product.call("POST", f"/broadcasts/{broadcast['id']}/start")
    assert started["state"] == "running"
    return int(broadcast["id"])


async def is_finished(product: Product, broadcast: int) -> bool:
    return bool((await product.call("GET", f"/broadcasts/{broadcast}"))["state"] == "finished")


async def counts_of(product: Product, broadcast: int) -> dict[str, int]:
    shown = await product.call("GET", f"/broadcasts/{broadcast}")
    assert sum(shown["counts"].values()) == shown["audience"]
    return {
        "audience": shown["audience"],
        "sent": shown["counts"]["sent"],
        "clicks": shown["clicks"],
        "purchases": shown["purchases"],
    }


async def levels(product: Product, person: Person) -> dict[str, str]:
    portrait = await product.call("GET", f"/fans/{person.telegram_id}")
    return {dimension: level["level"] for dimension, level in portrait["levels"].items()}


def button_of(person: Person, words: str) -> str:
    return next(text for text in buttons_of(person) if words in text)


def buttons_of(person: Person) -> list[str]:
    return [button.text for row in person.last.buttons for button in row] if person.last else []


async def until(holds: Callable[[], Awaitable[bool]], *, within: float = 30) -> None:
    async with asyncio.timeout(within):
        while not await holds():
            await asyncio.sleep(0.1)


async def until_true(holds: Callable[[], bool], *, within: float = 30) -> None:
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.05)
