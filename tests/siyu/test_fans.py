"""Fans are one person once, however often and by whatever way they appear."""

from datetime import timedelta

import pytest
from sqlmodel import select

from siyu import fans, referrals
from siyu.app import App
from siyu.fans import Newcomer
from siyu.kit.errors import NotFound
from siyu.tables import DirtyDay, Fan, Reach
from tests.clocks import NOON, FakeClock


async def admit(app: App, *newcomers: Newcomer) -> fans.Admitted:
    async with app.database.writing() as session:
        return await fans.admit(session, newcomers, zone=app.settings.zone, now=app.clock())


async def test_somebody_new_becomes_a_fan_with_a_day_to_count(app: App) -> None:
    admitted = await admit(app, Newcomer(7_777_777_777, "雨桐"))

    async with app.database.reading() as session:
        fan = await fans.get_fan(session, 7_777_777_777)
        assert admitted.newcomers == {7_777_777_777}
        assert (fan.name, fan.reach, fan.joined_at) == ("雨桐", Reach.REACHABLE, NOON)
        assert await session.all(select(DirtyDay.fan_id)) == [fan.id]


async def test_somebody_known_is_brought_up_to_date_and_stays_the_same_fan(app: App, clock: FakeClock) -> None:
    first = await admit(app, Newcomer(1, "Mei", username="mei", source="s_x", source_channel="ads"))
    clock.pass_(days=3)

    second = await admit(app, Newcomer(1, "Mei Lin", source="other", source_channel="social"))

    assert (second[1].id, second[1].name, second[1].username) == (first[1].id, "Mei Lin", "mei")
    assert (second[1].source, second[1].source_channel, second[1].joined_at) == ("s_x", "ads", NOON)
    assert second.newcomers == frozenset()


async def test_a_fan_known_from_a_file_becomes_reachable_by_talking(app: App) -> None:
    await admit(app, Newcomer(1, "Mei", talks=False))
    await admit(app, Newcomer(1, "Mei", talks=False))
    async with app.database.reading() as session:
        assert (await fans.get_fan(session, 1)).reach is Reach.IMPORTED

    await admit(app, Newcomer(1, "Mei"))

    async with app.database.reading() as session:
        assert (await fans.get_fan(session, 1)).reach is Reach.REACHABLE


async def test_an_earlier_fact_moves_the_first_contact_of_an_imported_fan(app: App) -> None:
    earlier = NOON - timedelta(days=40)
    await admit(app, Newcomer(1, "Mei", talks=False))

    await admit(app, Newcomer(1, "Mei", talks=False, joined_at=earlier))

    async with app.database.reading() as session:
        assert (await fans.get_fan(session, 1)).joined_at == earlier


async def test_blocking_and_muting_are_kept_apart(app: App) -> None:
    await admit(app, Newcomer(1, "A"), Newcomer(2, "B"), Newcomer(3, "C"))

    async with app.database.writing() as session:
        await fans.change_reach(session, 1, Reach.BLOCKED, now=NOON)
        await fans.mute(session, await fans.get_fan(session, 2), now=NOON)

    async with app.database.reading() as session:
        assert await session.all(select(Fan.telegram_id).where(fans.can_be_reached())) == [3]


@pytest.mark.parametrize("q", ["雨", "yut", "@yut", "77", "YUTONG"])
async def test_a_fan_is_found_by_name_username_or_id(app: App, q: str) -> None:
    await admit(app, Newcomer(77, "徐雨桐", username="yutong"), Newcomer(8, "100%_sure"))

    async with app.database.reading() as session:
        assert [fan.telegram_id for fan in (await fans.list_fans(session, q=q)).items] == [77]


async def test_wildcards_in_a_search_are_only_letters(app: App) -> None:
    await admit(app, Newcomer(1, "abc"), Newcomer(2, "a%c"))

    async with app.database.reading() as session:
        assert [fan.name for fan in (await fans.list_fans(session, q="%")).items] == ["a%c"]


async def test_pages_follow_each_other_without_gap_or_repeat(app: App) -> None:
    await admit(app, *(Newcomer(number, str(number)) for number in range(1, 8)))

    async with app.database.reading() as session:
        first = await fans.list_fans(session, limit=4)
        second = await fans.list_fans(session, limit=4, cursor=first.next)

    assert [fan.telegram_id for fan in (*first.items, *second.items)] == [7, 6, 5, 4, 3, 2, 1]
    assert second.next is None


async def test_an_unknown_fan_is_said_to_be_unknown(app: App) -> None:
    async with app.database.reading() as session:
        with pytest.raises(NotFound, match="404"):
            await fans.get_fan(session, 404)


async def test_a_friend_is_brought_once_and_only_by_somebody_older(app: App) -> None:
    admitted = await admit(app, Newcomer(1, "old"), Newcomer(2, "new"))
    old, new = admitted[1], admitted[2]

    async with app.database.writing() as session:
        assert await referrals.connect(session, old, new.referral_code, now=NOON) is None
        assert await referrals.connect(session, new, new.referral_code, now=NOON) is None
        assert await referrals.connect(session, new, "no such code", now=NOON) is None
        assert (await referrals.connect(session, new, old.referral_code, now=NOON)) is not None

    async with app.database.reading() as session:
        assert [fan.telegram_id for fan in await referrals.brought_by(session, old.id or 0)] == [2]
        referrer = await referrals.referrer_of(session, new.id or 0)
        assert referrer is not None
        assert referrer.telegram_id == 1
