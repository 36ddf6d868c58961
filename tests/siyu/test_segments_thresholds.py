"""Thresholds operators change: checked, kept, audited, and applied by the next run."""

import pytest
from sqlmodel import select

from siyu import segments
from siyu.app import App
from siyu.audit import Actor
from siyu.fans import get_fan_by_id
from siyu.kit.errors import Invalid, NotFound
from siyu.segments.thresholds import change
from siyu.tables import AuditEntry, DimensionRule
from tests.siyu.worlds import START, World

OPERATOR = Actor("operator:1", "Ada")


@pytest.mark.parametrize(
    ("dimension", "wanted", "place"),
    [
        ("interaction_frequency", {"highest": 3}, "highest"),
        ("interaction_frequency", {"mid": 20}, "high"),
        ("interaction_frequency", {"high": 5}, "high"),
        ("interaction_frequency", {"mid": 1}, "mid"),
        ("interaction_frequency", {"mid": True}, "mid"),
        ("interaction_frequency", {"mid": "7"}, "mid"),
        ("interaction_frequency", {"high": 100_001}, "high"),
        ("loyalty", {"lost_days": 90}, "lost_days"),
        ("loyalty", {"growing_purchases": 3}, "loyal_purchases"),
        ("referral", {"hold_days": -1}, "hold_days"),
        ("referral", {"ambassador": 2.5}, "ambassador"),
    ],
)
async def test_a_wrong_threshold_is_refused_with_its_place(
    app: App, dimension: str, wanted: dict[str, object], place: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        async with app.database.writing() as session:
            await segments.change_thresholds(session, OPERATOR, dimension, wanted, now=START)

    assert refusal.value.where == ("thresholds", place)
    async with app.database.reading() as session:
        assert await session.first(select(DimensionRule)) is None
        assert await session.first(select(AuditEntry)) is None


async def test_an_unknown_dimension_is_not_found(app: App) -> None:
    with pytest.raises(NotFound):
        async with app.database.writing() as session:
            await segments.change_thresholds(session, OPERATOR, "luck", {}, now=START)


async def test_a_changed_threshold_moves_fans_and_is_named_in_the_reason(app: App) -> None:
    world = World(app.database)
    fan = await world.admit()
    await world.interact(fan, at=START, times=8)
    await world.recompute()

    async with app.database.writing() as session:
        wanted = {"high": 8}
        after = await segments.change_thresholds(session, OPERATOR, "interaction_frequency", wanted, now=START)
    async with app.database.reading() as session:
        meanwhile = (await segments.levels_of(session, await get_fan_by_id(session, fan)))["interaction_frequency"]
    await world.recompute()

    assert after == {"high": 8, "mid": 5}
    assert (meanwhile.level, meanwhile.why) == ("mid", "interacted 8 times in 30 days (needs 5 or more)")
    async with app.database.reading() as session:
        level = (await segments.levels_of(session, await get_fan_by_id(session, fan)))["interaction_frequency"]
        entry = await session.one(select(AuditEntry))
    assert (level.level, level.why) == ("high", "interacted 8 times in 30 days (needs 8 or more)")
    assert (entry.action, entry.details["before"]["high"], entry.details["after"]["high"]) == (
        "dimension.changed",
        20,
        8,
    )


async def test_the_hold_of_referrals_is_adjustable_too(app: App) -> None:
    world = World(app.database)
    older = await world.admit()
    friend = await world.admit(brought_by=older)
    await world.buy(friend, at=START)
    await world.recompute()

    async with app.database.writing() as session:
        await segments.change_thresholds(session, OPERATOR, "referral", {"hold_days": 0}, now=START)
    await world.recompute()

    async with app.database.reading() as session:
        assert (await segments.levels_of(session, await get_fan_by_id(session, older)))["referral"].level == "referrer"


async def test_setting_what_already_is_changes_nothing(app: App) -> None:
    async with app.database.writing() as session:
        await segments.change_thresholds(session, OPERATOR, "loyalty", {"lost_days": 365}, now=START)

    async with app.database.reading() as session:
        assert await session.first(select(AuditEntry)) is None


GRID = {f"{r}{f}": "champions" for r in range(1, 6) for f in range(1, 6)}


@pytest.mark.parametrize(
    ("grid", "place"),
    [
        ({cell: name for cell, name in GRID.items() if cell != "33"}, ("grid", "33")),
        ({**GRID, "66": "loyal"}, ("grid", "66")),
        ({**{cell: name for cell, name in GRID.items() if cell != "33"}, "333": "loyal"}, ("grid", "11")),
        ({**GRID, "33": "greatest"}, ("grid", "33")),
        ({**GRID, "33": "none"}, ("grid", "33")),
        ("champions", ("grid",)),
    ],
)
async def test_a_grid_with_gaps_or_strange_cells_is_refused_with_its_place(
    app: App, grid: object, place: tuple[str, ...]
) -> None:
    with pytest.raises(Invalid) as refusal:
        async with app.database.writing() as session:
            await change(session, OPERATOR, "rfm", thresholds={}, own={"grid": grid}, now=START)

    assert refusal.value.where == place
    async with app.database.reading() as session:
        assert await session.first(select(DimensionRule)) is None
