"""What a fan did is written once, on the day it happened where the community lives."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import select

from siyu import fans, interactions
from siyu.app import App
from siyu.fans import Newcomer
from siyu.interactions import Interacted
from siyu.kit.errors import Invalid
from siyu.tables import DirtyDay, Interaction
from tests.clocks import NOON


async def a_fan(app: App) -> int:
    async with app.database.writing() as session:
        admitted = await fans.admit(session, [Newcomer(1, "Mei")], zone=app.settings.zone, now=app.clock())
        return admitted[1].id or 0


def pressed(fan_id: int, key: str, at: datetime = NOON) -> Interacted:
    return Interacted("telegram", key, fan_id, at, "press", "shop")


async def test_the_same_key_twice_is_one_interaction(app: App) -> None:
    fan_id = await a_fan(app)

    async with app.database.writing() as session:
        first = await interactions.record(session, [pressed(fan_id, "a"), pressed(fan_id, "a")], zone=app.settings.zone)
    async with app.database.writing() as session:
        again = await interactions.record(session, [pressed(fan_id, "a"), pressed(fan_id, "b")], zone=app.settings.zone)

    assert (first, again) == ({("telegram", "a")}, {("telegram", "b")})
    async with app.database.reading() as session:
        assert len(await session.all(select(Interaction.id))) == 2


async def test_the_day_is_the_communitys_own(app: App) -> None:
    fan_id = await a_fan(app)
    before_midnight_utc = datetime(2026, 3, 3, 23, 30, tzinfo=UTC)

    async with app.database.writing() as session:
        await interactions.record(session, [pressed(fan_id, "a", before_midnight_utc)], zone=app.settings.zone)

    async with app.database.reading() as session:
        assert await session.all(select(Interaction.day)) == [date(2026, 3, 4)]
        assert date(2026, 3, 4) in await session.all(select(DirtyDay.day))


async def test_the_timeline_pages_backwards_through_equal_moments(app: App) -> None:
    fan_id = await a_fan(app)
    facts = [pressed(fan_id, str(n), NOON - timedelta(hours=n // 3)) for n in range(9)]
    async with app.database.writing() as session:
        await interactions.record(session, facts, zone=app.settings.zone)

    seen: list[str] = []
    cursor: str | None = None
    async with app.database.reading() as session:
        for _ in range(5):
            page = await interactions.timeline(session, fan_id, cursor=cursor, limit=2)
            seen += [item.external_id for item in page.items]
            cursor = page.next

    assert sorted(seen) == [str(n) for n in range(9)]
    assert cursor is None


@pytest.mark.parametrize("word", ["", "Press", "a b", "x" * 33, "käse"])
def test_a_kind_is_a_short_plain_word(word: str) -> None:
    with pytest.raises(Invalid):
        interactions.valid_kind(word)
