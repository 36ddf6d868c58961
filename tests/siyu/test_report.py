"""The community report, held against plain Python over a small invented history with days without a run."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlmodel import select

from siyu import report, segments
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.kit.clock import local_day
from siyu.kit.errors import Invalid, NotFound
from siyu.report import Period
from siyu.segments import Draft, saved
from siyu.tables import FanLevel, LevelChange
from tests.siyu.worlds import ZONE, World

BUYERS = Draft("buyers", "Buyers 100 %", {"metric": "purchases_90d", "op": ">=", "value": 1})
Stays = list[tuple[int, str, date, date | None]]


@pytest.fixture
def world(app: App) -> World:
    return World(app.database)


async def test_sizes_shares_and_flows_are_those_of_the_days_own_runs(world: World) -> None:
    seen = await _history(world)

    for period in _periods(world):
        found = await _report(world, period)
        before, after = _latest(seen, period.start), _latest(seen, period.end)
        for dimension in found.dimensions:
            for one in dimension.levels:
                size, then = after[one.dimension, one.level], before[one.dimension, one.level]
                assert (one.size, one.before or 0) == (size, then), (period, one.segment)
                assert one.share == (size / found.fans if found.fans else 0)
                assert one.entered - one.left == size - then


async def test_what_happened_before_anything_was_known_is_not_zero_but_unknown(world: World) -> None:
    await _history(world)
    today = local_day(world.now, ZONE)

    long_ago = await _report(world, Period(today - timedelta(days=500), today))

    assert long_ago.fans_before is None
    assert {one.before for one in long_ago.everything} == {None}
    assert long_ago.moves == ()


async def test_the_matrix_is_what_every_fan_s_own_stays_say(world: World) -> None:
    await _history(world)

    for key in ("loyalty", "interaction_frequency", "rfm", "purchase_stage", "buyers"):
        stays = await _stays(world, key)
        for period in _periods(world):
            async with world.database.reading() as session:
                found = await report.migration(session, key, period)
            first, last = _standing(stays, period.start), _standing(stays, period.end)
            plain = Counter((first.get(fan), last.get(fan)) for fan in first.keys() | last.keys())
            assert dict(found.counts) == dict(plain), (key, period)


async def test_the_matrix_adds_up_to_the_sizes_of_both_days(world: World) -> None:
    await _history(world)

    for period in _periods(world):
        async with world.database.reading() as session:
            found = await report.migration(session, "loyalty", period)
            sizes = await report.report(session, period)
        loyalty = next(one for one in sizes.dimensions if one.key == "loyalty")
        assert {one.level: one.before or 0 for one in loyalty.levels} == {
            one.level: found.before.get(one.level, 0) for one in loyalty.levels
        }
        assert {one.level: one.size for one in loyalty.levels} == {
            one.level: found.after.get(one.level, 0) for one in loyalty.levels
        }


async def test_causes_count_every_change_of_the_period(world: World) -> None:
    await _history(world)
    period = next(_periods(world))

    async with world.database.reading() as session:
        found = await report.migration(session, "interaction_frequency", period)
        changes = await session.all(select(LevelChange))
    counted = Counter(
        one.cause
        for one in changes
        if one.dimension == "interaction_frequency" and period.start < one.day <= period.end
    )

    assert dict(found.causes) == dict(counted)
    assert {"fact", "time"} <= set(counted)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [("loyalty", "interaction_frequency"), ("buyers", "rfm"), ("rfm", "buyers"), ("buyers", "buyers")],
)
async def test_a_cross_counts_each_fan_once_in_each_pair(world: World, rows: str, columns: str) -> None:
    await _history(world)

    async with world.database.reading() as session:
        found = await report.cross(session, rows, columns)
        levels = await session.all(select(FanLevel))
    stands = {(one.dimension, one.fan_id): one.level for one in levels}

    def level(key: str, fan_id: int) -> str:
        return stands.get((key, fan_id), "out")

    plain = Counter((level(rows, fan), level(columns, fan)) for fan in world.fans)
    assert dict(found.counts) == dict(plain)
    assert sum(found.totals.values()) == len(world.fans)
    assert all(
        sum(found.count(row.key, column.key) for column in found.columns.marks) == found.totals.get(row.key, 0)
        for row in found.rows.marks
    )


async def test_a_cell_s_rule_fits_exactly_the_people_it_counts(world: World) -> None:
    await _history(world)

    async with world.database.reading() as session:
        found = await report.cross(session, "buyers", "loyalty")
        for row in found.rows.marks:
            for column in found.columns.marks:
                rule = await saved.checked(session, found.rule(row, column))
                preview = await segments.preview(session, rule)
                assert preview.count == found.count(row.key, column.key), (row.key, column.key)


async def test_a_report_tells_in_words_what_moved(world: World) -> None:
    for _ in range(4):
        await world.admit()
    await world.recompute()
    world.now += timedelta(days=1)
    for fan in world.fans[:3]:
        await world.buy(fan, at=world.now - timedelta(hours=1))
        await world.buy(fan, at=world.now - timedelta(hours=2))
        await world.buy(fan, at=world.now - timedelta(hours=3))
        await world.interact(fan, at=world.now, times=25)
    await world.recompute()

    found = await _report(world, Period(local_day(world.now, ZONE) - timedelta(days=1), local_day(world.now, ZONE)))

    assert [str(sentence) for sentence in found.told] == [
        "The community has 4 fans, as before.",
        "3 fans became “Loyal”.",
    ]
    assert "loyalty.loyal" in [one.segment for one in found.moves]
    assert [abs(one.moved) for one in found.moves] == sorted((abs(one.moved) for one in found.moves), reverse=True)


async def test_before_the_first_run_there_is_nothing_to_report(world: World) -> None:
    today = local_day(world.now, ZONE)

    async with world.database.reading() as session:
        found = await report.report(session, await report.period_of(session, today=today))

    assert (found.computed_at, found.fans, found.told, found.moves) == (None, 0, (), ())
    assert {one.size for one in found.everything} == {0}


async def test_a_period_ends_where_knowledge_does_and_must_have_a_length(world: World) -> None:
    await world.admit()
    await world.recompute()
    today = local_day(world.now, ZONE)

    async with world.database.reading() as session:
        found = await report.period_of(session, days=7, end=today + timedelta(days=9), today=today)
        with pytest.raises(Invalid):
            await report.period_of(session, start=today, today=today)
        for refused in ("nonsense", "loyalty.loyal"):
            with pytest.raises(NotFound):
                await report.cross(session, refused, "loyalty")
            with pytest.raises(NotFound):
                await report.migration(session, refused, found)

    assert found == Period(today - timedelta(days=7), today)


async def _history(world: World) -> dict[date, Counter[tuple[str, str]]]:
    """Eight fans over ten weeks, looked at on some days only; who stood where after each run."""
    async with world.database.writing() as session:
        await saved.create(session, COMMAND_LINE, BUYERS, now=world.now)
    seen: dict[date, Counter[tuple[str, str]]] = {}
    for week in range(10):
        for number in range(8):
            if week == 0 or (week == 4 and number < 2):
                await world.admit()
        for number, fan in enumerate(world.fans):
            if (week + number) % 3 == 0:
                await world.interact(fan, at=world.now - timedelta(hours=3), times=1 + 9 * (number % 3))
            if (week * number) % 5 == 2:
                await world.buy(fan, at=world.now - timedelta(hours=2), amount=1000 * (1 + number))
        await world.recompute()
        seen[local_day(world.now, ZONE)] = await _sizes(world)
        if week % 3 == 1:  # twice on the same day: the later counts
            await world.interact(world.fans[week % 8], at=world.now, times=20)
            await world.recompute()
            seen[local_day(world.now, ZONE)] = await _sizes(world)
        world.now += timedelta(days=5 + week % 4, hours=week)
    world.now -= timedelta(days=1)
    await world.recompute()
    seen[local_day(world.now, ZONE)] = await _sizes(world)
    return seen


def _periods(world: World) -> Iterator[Period]:
    today = local_day(world.now, ZONE)
    for end in (0, 1, 3, 10, 31):
        for days in (40, 1, 7, 20, 90):
            yield Period(today - timedelta(days=end + days), today - timedelta(days=end))


async def _report(world: World, period: Period) -> report.Report:
    async with world.database.reading() as session:
        return await report.report(session, period)


async def _sizes(world: World) -> Counter[tuple[str, str]]:
    async with world.database.reading() as session:
        return Counter((row.dimension, row.level) for row in await session.all(select(FanLevel)))


def _latest(seen: dict[date, Counter[tuple[str, str]]], day: date) -> Counter[tuple[str, str]]:
    """What the last run up to a day left."""
    known = [one for one in seen if one <= day]
    return seen[max(known)] if known else Counter()


async def _stays(world: World, key: str) -> Stays:
    async with world.database.reading() as session:
        going_on = [row for row in await session.all(select(FanLevel)) if row.dimension == key]
        changes = [row for row in await session.all(select(LevelChange)) if row.dimension == key]
    closed: Stays = [
        (row.fan_id, row.old_level, row.old_day, row.day)
        for row in changes
        if row.old_level not in (None, "out") and row.old_day is not None
    ]
    return [*closed, *((row.fan_id, row.level, row.since_day, None) for row in going_on)]


def _standing(stays: Stays, day: date) -> dict[int, str]:
    return {fan: level for fan, level, first, until in stays if first <= day and (until is None or day < until)}
