"""What a change would do is exactly what it does, for every dimension and every kind of change."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from siyu import segments
from siyu.app import App
from siyu.audit import Actor
from siyu.segments import custom, definitions, saved, thresholds
from siyu.segments.shipped import GRID_25, GRID_27
from siyu.tables import FanLevel
from tests.siyu.worlds import START, World

ADA = Actor("operator:1", "Ada")
DAY = timedelta(days=1)


async def lively(app: App) -> World:
    """Forty fans who differ in all that is counted."""
    world = World(app.database)
    for n in range(40):
        world.now = START - (40 - n) * DAY
        fan = await world.admit(brought_by=world.fans[n // 3] if n % 3 == 2 else None)
        if n % 2:
            for k in range(n % 5 + 1):
                await world.buy(fan, at=world.now + k * 3 * DAY, amount=500 + 130 * (n * 7 % 11) + k)
        await world.interact(fan, at=START - (n % 9) * 5 * DAY, times=n % 13 + 1)
    world.now = START
    await world.recompute()
    return world


async def sizes(app: App) -> dict[tuple[str, str], int]:
    async with app.database.reading() as session:
        rows = await session.all(select(FanLevel))
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        found[row.dimension, row.level] = found.get((row.dimension, row.level), 0) + 1
    return found


@pytest.mark.parametrize(
    ("key", "numbers", "own", "moved"),
    [
        ("interaction_frequency", {"high": 8, "mid": 3}, {}, {"interaction_frequency", "loyalty", "regulars"}),
        ("purchase_amount", {"high": 65, "mid": 33}, {}, {"purchase_amount"}),
        ("rfm", {}, {"grid": thresholds.cells_of(GRID_27)}, {"rfm"}),
        ("loyalty", {"at_risk_days": 20, "lost_days": 30}, {}, {"loyalty", "regulars"}),
        ("referral", {"hold_days": 0, "join_days": 30}, {}, {"referral"}),
        ("lifecycle", {}, {"names": {"new": "Fresh"}}, set()),
    ],
)
async def test_what_is_foreseen_is_what_comes(
    app: App, key: str, numbers: dict[str, object], own: dict[str, object], moved: set[str]
) -> None:
    world = await lively(app)
    async with app.database.writing() as session:
        draft = segments.Draft("regulars", "Regulars", {"dimension": "loyalty", "in": ["at_risk", "lost"]})
        await saved.create(session, ADA, draft, now=START)
    await world.recompute()
    before = await sizes(app)

    async with app.database.reading() as session:
        plan = await thresholds.plan(session, key, thresholds=numbers, own=own)
        foreseen = await segments.foresee(session, plan.before_text, plan.after_text)
    async with app.database.writing() as session:
        await thresholds.change(session, ADA, key, thresholds=numbers, own=own, now=START)
    run = await world.recompute()

    after = await sizes(app)
    told = {(one.dimension.key, row.level.key): (row.before, row.after) for one in foreseen for row in one.levels}
    assert {one.dimension.key for one in foreseen} == moved
    assert told == {place: (before.get(place, 0), after.get(place, 0)) for place in told}
    assert {place for place in {*before, *after} if before.get(place) != after.get(place)} <= set(told)
    assert sum(one.moving for one in foreseen) == run.changed
    assert (run.changed > 0) is bool(moved)


async def test_before_the_first_run_nothing_is_foreseen(app: App) -> None:
    async with app.database.reading() as session:
        plan = await thresholds.plan(session, "loyalty", thresholds={"lost_days": 500}, own={})

        assert await segments.foresee(session, plan.before_text, plan.after_text) == []


async def test_a_dimension_that_is_not_there_yet_is_foreseen(app: App) -> None:
    world = await lively(app)
    levels: list[dict[str, Any]] = [
        {"key": "often", "label": "Often", "rule": {"metric": "interactions_30d", "op": ">=", "value": 7}},
        {"key": "rest", "label": "The rest"},
    ]
    draft = segments.CustomDraft("visits", "Visits", levels)

    async with app.database.reading() as session:
        plan = await custom.plan(session, draft)
        (foreseen,) = await segments.foresee(session, plan.before, plan.after)
    async with app.database.writing() as session:
        await custom.create(session, ADA, draft, now=START)
    await world.recompute()

    after = await sizes(app)
    assert {(row.level.key, row.before, row.after) for row in foreseen.levels} == {
        ("often", 0, after["visits", "often"]), ("rest", 0, after["visits", "rest"])
    }  # fmt: skip
    assert foreseen.moving == 40


async def test_both_grids_name_each_cell_once() -> None:
    assert thresholds.cells_of(GRID_25).keys() == {f"{r}{f}" for r in range(1, 6) for f in range(1, 6)}
    assert sum(len(cells) for cells in GRID_25.values()) == 25
    assert thresholds.cells_of(GRID_27).keys() == {
        f"{r}{f}{m}" for r in range(1, 4) for f in range(1, 4) for m in range(1, 4)
    }
    assert sum(len(cells) for cells in GRID_27.values()) == 27


async def test_the_text_of_definitions_is_the_same_by_either_way(app: App) -> None:
    own: dict[str, object] = {"home": {"country": "CN", "region": "上海"}}
    async with app.database.writing() as session:
        plan = await thresholds.plan(session, "geography", thresholds={}, own=own)
        await thresholds.change(session, ADA, "geography", thresholds={}, own=own, now=START)

        assert await definitions.in_force(session) == plan.after_text != plan.before_text
