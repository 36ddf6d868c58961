"""What a program gets wrong about a broadcast is told at the contract's field, and nobody is written to."""

import asyncio
from typing import Any

import pytest
from sqlmodel import col, select, update

from siyu.app import App
from siyu.broadcasts import course
from siyu.tables import Broadcast, Delivery, Outbox
from tests.admin.visitors import program
from tests.broadcasting import counted, given_fans, started
from tests.clocks import FakeClock

DRAFT = {"title": "Hello", "segment": "loyalty.at_risk", "text": "Hi"}
OFFER = {
    "title": "Ten", "kind": "percent", "value": 10, "budget_minor": 5_000, "stock": 5, "per_fan": 1,
    "ends_at": "2026-03-05T12:00:00+08:00",
}  # fmt: skip


async def _kept(app: App) -> tuple[int, int, int]:
    """Broadcasts, lines of a ledger, calls on their way."""
    async with app.database.reading() as session:
        broadcasts, deliveries, calls = [await session.all(select(one)) for one in (Broadcast, Delivery, Outbox)]
    return len(broadcasts), len(deliveries), len(calls)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": "<b>Hi"}, "text"),
        ({"text": "<marquee>Hi</marquee>"}, "text"),
        ({"text": "x" * 4097}, "text"),
        ({"text": "Hi {shoe_size}"}, "text"),
        ({"text": "x" * 1025, "photo": "https://tea.example/a.jpg"}, "text"),
        ({"photo": "ftp://tea.example/a.jpg"}, "photo"),
        ({"photo": "http://192.168.1.4/a.jpg"}, "photo"),
        ({"photo": "https://tea.example/a.pdf"}, "photo"),
        ({"photo": "a.jpg"}, "photo"),
        ({"scheduled_at": "2026-03-04T11:59:59"}, "scheduled_at"),
        ({"scheduled_at": "2026-13-01T00:00:00"}, "scheduled_at"),
        ({"segment": "loyalty.imaginary"}, "segment"),
        ({"segment": None, "rule": {"all": []}}, "all"),
        ({"segment": None, "rule": {"segment": "imaginary"}}, "segment"),
        ({"offer": 404}, "offer"),
        ({"buttons": [[{"text": "Shop", "url": "https://[shop.example/x"}]]}, "buttons"),
        ({"buttons": [[{"text": "Shop", "url": "https://a.example/\x00"}]]}, "buttons"),
        ({"series": {"every": "weekly", "at": "18:00", "on": 3}}, "on"),
        ({"versions": {f"x{n}": {"text": "Hi"} for n in range(51)}}, "versions"),
    ],
)
async def test_a_mistake_is_told_at_its_field_and_nothing_is_kept(app: App, change: dict[str, Any], field: str) -> None:
    await given_fans(app, 1)

    async with program(app) as shop:
        answer = await shop.post("/api/v1/broadcasts", json={**DRAFT, **change})

    (problem,) = answer.json()["errors"]
    assert (answer.status_code, field in problem["loc"], bool(problem["msg"])) == (422, True, True)
    assert await _kept(app) == (0, 0, 0)


async def test_nobody_to_write_to_is_a_conflict_with_a_word_for_it(app: App) -> None:
    async with program(app) as shop:
        made = (await shop.post("/api/v1/broadcasts", json=DRAFT)).json()
        answer = await shop.post(f"/api/v1/broadcasts/{made['id']}/start")

    assert (answer.status_code, answer.json()["reason"]) == (409, "empty")
    assert await _kept(app) == (1, 0, 0)


async def test_what_was_right_when_it_was_drafted_is_looked_at_again_when_it_starts(app: App, clock: FakeClock) -> None:
    await given_fans(app, 1)
    async with program(app) as shop:
        offer = (await shop.post("/api/v1/offers", json=OFFER)).json()["id"]
        await shop.post(f"/api/v1/offers/{offer}/activate")
        drafts = [{**DRAFT, "offer": offer}, {**DRAFT, "scheduled_at": "2026-03-05T12:00:00"}]
        made = [(await shop.post("/api/v1/broadcasts", json=draft)).json()["id"] for draft in drafts]

        clock.pass_(days=2)
        answers = [await shop.post(f"/api/v1/broadcasts/{one}/start") for one in made]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert [answer.json()["errors"][0]["loc"][-1] for answer in answers] == ["offer", "scheduled_at"]
    assert await _kept(app) == (2, 0, 0)


async def test_a_long_row_of_signs_is_looked_at_once(app: App) -> None:
    """Each was compared with all behind it: 60,000 took seven seconds, and everybody waited."""
    async with program(app) as shop:
        for text in ("<" * 60_000, "<b" + " " * 20_000 + "!>"):
            async with asyncio.timeout(5):
                assert (await shop.post("/api/v1/broadcasts", json={**DRAFT, "text": text})).status_code == 422


async def test_a_follow_up_is_written_anew_and_goes_to_whom_it_was_made_for(app: App) -> None:
    (fan,) = await given_fans(app, 1)
    broadcast_id = await started(app)
    async with app.database.writing() as session:
        theirs = update(Delivery).where(col(Delivery.fan_id) == fan.id)
        await session.run(theirs.values(state="sent", sent_at=app.clock()))
        await course.finish(session, now=app.clock())

    async with program(app) as shop:
        made = (await shop.post(f"/api/v1/broadcasts/{broadcast_id}/follow-up")).json()
        written = await shop.put(f"/api/v1/broadcasts/{made['id']}", json={"title": "Again", "text": "Did you see?"})
        begun = await shop.post(f"/api/v1/broadcasts/{made['id']}/start")

    assert (written.status_code, begun.status_code) == (200, 200)
    assert await counted(app, made["id"]) == {"pending": 1}
