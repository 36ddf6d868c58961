"""Traits: what rules ask beside the numbers is found once; more of it than fits into a table is asked rule by rule."""

import pytest
from sqlmodel import col, select

from siyu.app import App
from siyu.segments import traits
from siyu.segments.rules import Attribute, Channel, Did, Leaf, Tagged
from siyu.tables import FanAttribute, FanLevel
from tests.siyu.worlds import START, World


@pytest.fixture
def world(app: App) -> World:
    return World(app.database)


async def in_segment(world: World, key: str) -> list[int]:
    async with world.database.reading() as session:
        mine = select(FanLevel.fan_id).where(col(FanLevel.dimension) == key).order_by(col(FanLevel.fan_id))
        return list(await session.all(mine))


def test_what_several_rules_ask_for_is_found_once() -> None:
    leaves: list[Leaf] = [
        Tagged("vip"), Attribute("city", value="Bern"), Tagged("vip"), Attribute("city", value="Oslo"),
        Did("view", days=7), Did("view", days=7, at_least=3), Did("view", days=30), Channel(("search",)),
    ]  # fmt: skip

    assert traits.asked_for(leaves) == (
        ("attribute", "city", 0), ("channel", "", 0), ("did", "view", 7), ("did", "view", 30), ("tag", "vip", 0),
    )  # fmt: skip


def test_no_more_is_found_at_once_than_a_table_holds() -> None:
    words: list[Leaf] = [Attribute(f"a{n:04}") for n in range(1_000)]
    kinds: list[Leaf] = [Did("x" * (n + 1), days=7) for n in range(30)]

    assert len(traits.asked_for(words)) == 500
    assert len(traits.asked_for(kinds)) == 20
    assert len(traits.asked_for(kinds * 2 + [Tagged("vip")])) == 21


@pytest.mark.parametrize("mode", ["auto", "full"])
async def test_seventy_kinds_of_deeds_in_one_rule_are_all_counted(world: World, mode: str) -> None:
    """SQLite joins 64 tables at most."""
    kinds = ["k" * n for n in range(1, 29)] + ["z" * n for n in range(1, 29)] + ["q" * n for n in range(1, 15)]
    first, last, never = [await world.admit() for _ in range(3)]
    await world.save("all_sorts", {"any": [{"did": kind, "days": 30, "at_least": 2} for kind in kinds]})
    await world.recompute()
    for fan, kind in ((first, kinds[0]), (last, kinds[-1])):
        await world.interact(fan, at=START, kind=kind, times=2)
    await world.interact(never, at=START, kind=kinds[0])

    await world.recompute(mode=mode)

    assert await in_segment(world, "all_sorts") == [first, last]


@pytest.mark.parametrize("mode", ["auto", "full"])
async def test_more_attributes_than_a_row_has_columns_are_all_asked(world: World, mode: str) -> None:
    names = [[f"{part}_attribute_{n:03}" for n in range(180)] for part in range(4)]
    fan, other, neither = [await world.admit() for _ in range(3)]
    async with world.database.writing() as session:
        session.add(*(FanAttribute(fan_id=neither, name=name, value="no") for part in names for name in part))
    for n, part in enumerate(names):
        await world.save(f"part_{n}", {"any": [{"attribute": name, "op": "=", "value": "yes"} for name in part]})
        await world.recompute()
    await world.describe(fan, names[3][-1], "yes")
    await world.describe(other, names[0][0], "yes")

    await world.recompute(mode=mode)

    assert [await in_segment(world, f"part_{n}") for n in range(4)] == [[other], [], [], [fan]]
