"""What operators see: sizes, trends, members, history, reasons."""

from datetime import timedelta

import pytest

from siyu import segments
from siyu.app import App
from siyu.fans import get_fan_by_id
from siyu.kit.errors import Invalid, NotFound
from siyu.kit.wording import ENGLISH, words
from siyu.segments import Group, Leaf
from siyu.segments.reasons import facts_of, level_of
from siyu.segments.rules import Metric, Op
from siyu.segments.shipped import DIMENSIONS
from siyu.tables import AsOf, Fan
from tests.siyu.worlds import START, World


@pytest.fixture
def world(app: App) -> World:
    return World(app.database)


async def test_before_the_first_run_every_segment_is_there_and_empty(world: World) -> None:
    async with world.database.reading() as session:
        found = await segments.list_segments(session)

    assert [segment.key for segment in found[:4]] == [
        "interaction_frequency.high", "interaction_frequency.mid", "interaction_frequency.low",
        "interaction_frequency.none",
    ]  # fmt: skip
    assert {(segment.size, segment.computed_at) for segment in found} == {(0, None)}


async def test_a_segment_shows_its_share_its_trend_and_what_it_was(world: World) -> None:
    for _ in range(4):
        await world.admit()
    await world.recompute()
    world.now += timedelta(days=3)
    await world.interact(world.fans[0], at=world.now)
    await world.recompute()

    async with world.database.reading() as session:
        none = await segments.get_segment(session, "interaction_frequency.none")

    assert (none.size, none.share, none.previous) == (3, 0.75, 4)
    assert none.trend == (4, 4, 4, 3)


async def test_members_come_the_latest_to_enter_first_page_by_page(world: World) -> None:
    for _ in range(5):
        await world.admit()
        await world.recompute()
        world.now += timedelta(minutes=1)

    seen = []
    cursor = None
    async with world.database.reading() as session:
        while True:
            page = await segments.members(session, "loyalty.none", cursor=cursor, limit=2)
            seen += [member.fan_id for member in page.items]
            cursor = page.next
            if cursor is None:
                break

    assert seen == world.fans[::-1]


async def test_members_are_found_by_name_username_or_telegram_id(world: World) -> None:
    for _ in range(3):
        await world.admit()
    async with world.database.writing() as session:
        fan = await session.get(Fan, world.fans[1])
        assert fan is not None
        fan.name, fan.username = "王小明 100%", "Xiaoming"
    await world.recompute()

    async with world.database.reading() as session:
        found = {
            q: [m.fan_id for m in (await segments.members(session, "loyalty.none", q=q)).items]
            for q in ("小明", "xiaoMING", "1001", "100%", "%", "nobody")
        }

    one = [world.fans[1]]
    assert found == {"小明": one, "xiaoMING": one, "1001": one, "100%": one, "%": one, "nobody": []}


async def test_a_page_link_nobody_gave_and_a_segment_nobody_knows_are_refused(world: World) -> None:
    async with world.database.reading() as session:
        with pytest.raises(Invalid):
            await segments.members(session, "loyalty.none", cursor="bm8")
        for key in ("loyalty.nobody", "nothing.none", "loyalty", ""):
            with pytest.raises(NotFound):
                await segments.audience(session, key)


async def test_history_counts_who_entered_and_who_left_each_day(world: World) -> None:
    fan = await world.admit()
    await world.recompute()
    world.now += timedelta(days=1)
    await world.interact(fan, at=world.now)
    await world.recompute()

    async with world.database.reading() as session:
        low = await segments.history(session, "interaction_frequency.low", days=3)
        none = await segments.history(session, "interaction_frequency.none", days=3)

    assert [(day.entered, day.left) for day in low] == [(0, 0), (0, 0), (1, 0)]
    assert [(day.entered, day.left) for day in none] == [(0, 0), (1, 0), (0, 1)]


async def test_a_member_is_told_the_facts_that_put_them_there(world: World) -> None:
    fan = await world.admit()
    await world.buy(fan, at=START - timedelta(days=120))
    await world.buy(fan, at=START - timedelta(days=100))
    await world.recompute()

    async with world.database.reading() as session:
        told = await segments.explain(session, "loyalty.at_risk", 1000)
        levels = await segments.levels_of(session, await get_fan_by_id(session, fan))

    assert (told.holds, told.rule.holds, told.level) == (True, True, "at_risk")
    twice, long_ago = "bought 2 times in all (needs 2 or more)", "last bought 100 days ago (needs more than 90)"
    assert levels["loyalty"].why == f"{twice}; {long_ago}"
    assert levels["interaction_frequency"].why == "did not interact in 30 days"


async def test_somebody_outside_is_told_what_is_missing(world: World) -> None:
    fan = await world.admit()
    for days in (1, 2):
        await world.buy(fan, at=START - timedelta(days=days))
    await world.recompute()

    async with world.database.reading() as session:
        told = await segments.explain(session, "loyalty.loyal", 1000)

    assert (told.holds, told.rule.holds, told.level) == (False, False, "growing")
    missing = [leaf for leaf in leaves(told.rule) if leaf.rule == Metric("purchases_365d", Op.AT_LEAST, 3)]
    assert [(leaf.holds, leaf.fact, leaf.threshold) for leaf in missing] == [(False, 2, 3)]
    assert missing[0].sentence.said(words(ENGLISH)) == "bought 2 times in 365 days (needs 3 or more)"


async def test_a_fan_who_never_did_something_has_no_number_and_the_condition_is_false(world: World) -> None:
    await world.admit()
    await world.recompute()

    async with world.database.reading() as session:
        told = await segments.explain(session, "loyalty.lost", 1000)

    since = next(leaf for leaf in leaves(told.rule) if leaf.rule == Metric("days_since_purchase", Op.MORE, 365))
    assert (since.fact, since.holds) == (None, False)
    assert str(since.sentence) == "never bought (needs more than 365)"


async def test_reasons_and_levels_agree_for_everybody(world: World) -> None:
    for n in range(12):
        fan = await world.admit(brought_by=world.fans[0] if n else None)
        await world.interact(fan, at=START - timedelta(days=9 * n), times=2 * n + 1)
        for k in range(n % 5):
            await world.buy(fan, at=START - timedelta(days=31 * k + 14 * n))
    world.now += timedelta(days=20)
    await world.recompute()

    async with world.database.reading() as session:
        as_of = await session.get(AsOf, 1)
        assert as_of is not None
        asked = [level.rule for dimension in DIMENSIONS for level in dimension.levels if level.rule is not None]
        for fan_id in world.fans:
            fan = await get_fan_by_id(session, fan_id)
            facts = await facts_of(session, fan, as_of, asked)
            told = {d.key: level_of(d, facts).key for d in facts.whole.dimensions}
            found = await segments.levels_of(session, fan)
            assert told == {dimension: level.level for dimension, level in found.items()}
            telegram_id = 1000 + world.fans.index(fan_id)
            explained = [
                await segments.explain(session, s.key, telegram_id) for s in await segments.list_segments(session)
            ]
            assert all(one.holds == one.rule.holds for one in explained)
            assert sum(one.holds for one in explained) == len(DIMENSIONS)


def leaves(node: Group | Leaf) -> list[Leaf]:
    return [node] if isinstance(node, Leaf) else [leaf for part in node.of for leaf in leaves(part)]
