"""Drift: whatever stands otherwise than the facts say, in whichever way, a full run finds it and puts it right."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import ColumnElement, delete, update
from sqlmodel import col, select

from siyu.app import App
from siyu.kit.database import WriteSession
from siyu.tables import FanDay, FanLevel, FanMetrics, ScoreCut
from tests.siyu.oracle import expected
from tests.siyu.worlds import START, World, standing

YESTERDAY = START - timedelta(days=1)
Spoil = Callable[[WriteSession, Sequence[int]], Awaitable[None]]


@pytest.fixture
async def world(app: App) -> World:
    """Three who talk, of whom the first two buy and are in a segment of their own; the third looks and rates."""
    world = World(app.database)
    for n in range(3):
        fan = await world.admit()
        await world.interact(fan, at=START, times=n + 1)
        await world.interact(fan, at=YESTERDAY)
        if n < 2:
            await world.buy(fan, at=START, amount=1000 * (n + 1), coupon=n == 0)
    await world.look(fan, "tea", at=START)
    await world.look(fan, "tea", at=START)
    await world.answer(fan, "stars:5", at=START)
    await world.save("buyers", {"metric": "purchases_total", "op": ">=", "value": 1})
    await world.recompute()
    return world


def _level(fan: int, dimension: str = "buyers") -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(FanLevel.fan_id) == fan, col(FanLevel.dimension) == dimension


async def _wrong_level(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(update(FanLevel).where(*_level(who[0], "loyalty")).values(level="lost"))


async def _no_level(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(delete(FanLevel).where(*_level(who[0], "loyalty")))


async def _left_out(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(delete(FanLevel).where(*_level(who[0])))


async def _let_in(session: WriteSession, who: Sequence[int]) -> None:
    row = await session.get(FanLevel, ("buyers", who[0]))
    assert row is not None
    session.add(FanLevel(**{**row.model_dump(), "fan_id": who[2]}))


async def _one_for_another(session: WriteSession, who: Sequence[int]) -> None:
    """As many as there should be, but somebody else."""
    await session.run(update(FanLevel).where(*_level(who[0])).values(fan_id=who[2]))


async def _unheard_of(session: WriteSession, who: Sequence[int]) -> None:
    """A level there is none of; in a segment, for somebody who is not in it."""
    await session.run(update(FanLevel).where(*_level(who[0], "loyalty")).values(level="nonsense"))
    row = await session.get(FanLevel, ("buyers", who[0]))
    assert row is not None
    session.add(FanLevel(**{**row.model_dump(), "fan_id": who[2], "level": "nonsense"}))


async def _nowhere(session: WriteSession, who: Sequence[int]) -> None:
    """Without any level at all."""
    await session.run(delete(FanLevel).where(col(FanLevel.fan_id) == who[0]))


def _day(fan: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(FanDay.fan_id) == fan, col(FanDay.day) == START.date()


async def _miscounted(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(update(FanDay).where(*_day(who[0])).values(interactions=9))


async def _unseen(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(update(FanDay).where(*_day(who[0])).values(views=3))


async def _no_moment(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(update(FanDay).where(*_day(who[0])).values(last_interaction_at=None))


async def _mispriced(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(update(FanDay).where(*_day(who[1])).values(spend_minor=1))


async def _unsold(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(update(FanDay).where(*_day(who[1])).values(purchases=0))


async def _full_price(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(update(FanDay).where(*_day(who[0])).values(with_coupon=0))


async def _cooled(session: WriteSession, who: Sequence[int]) -> None:
    """Somebody's wanting is forgotten, and their rating."""
    await session.run(update(FanDay).where(*_day(who[2])).values(heat=0, feedback=None))


async def _warmed(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(update(FanDay).where(*_day(who[1])).values(heat=50))


async def _rated(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(update(FanDay).where(*_day(who[1])).values(feedback=4))


async def _no_day(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(delete(FanDay).where(*_day(who[0])))


async def _a_day_out_of_nothing(session: WriteSession, who: Sequence[int]) -> None:
    session.add(FanDay(fan_id=who[2], day=(START - timedelta(days=40)).date(), interactions=4, purchases=1))


async def _a_day_elsewhere(session: WriteSession, who: Sequence[int]) -> None:
    """As many days as there should be, but another."""
    await session.run(update(FanDay).where(*_day(who[2])).values(day=(START - timedelta(days=40)).date()))


async def _wrong_number(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(update(FanMetrics).where(col(FanMetrics.fan_id) == who[0]).values(interactions_30d=99))


async def _wrong_word(session: WriteSession, who: Sequence[int]) -> None:
    await session.run(update(FanMetrics).where(col(FanMetrics.fan_id) == who[0]).values(places="z"))


async def _wrong_cuts(session: WriteSession, _: Sequence[int]) -> None:
    await session.run(update(ScoreCut).values(value=7, below=1, upto=1, buyers=1))


async def _no_cuts(session: WriteSession, _: Sequence[int]) -> None:
    await session.run(delete(ScoreCut))


SPOILT = (
    _wrong_level, _no_level, _left_out, _let_in, _one_for_another, _unheard_of, _nowhere, _miscounted, _unseen,
    _no_moment, _mispriced, _unsold, _full_price, _cooled, _warmed, _rated, _no_day, _a_day_out_of_nothing,
    _a_day_elsewhere, _wrong_number, _wrong_word, _wrong_cuts, _no_cuts,
)  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILT)
async def test_a_full_run_puts_right_whatever_stands_wrong(world: World, spoil: Spoil) -> None:
    underneath = await _underneath(world)
    assert await standing(world.database) == expected(world, world.now)
    async with world.database.writing() as session:
        await spoil(session, world.fans)
    assert (await standing(world.database), await _underneath(world)) != (expected(world, world.now), underneath)

    await world.recompute(mode="full")

    assert (await standing(world.database), await _underneath(world)) == (expected(world, world.now), underneath)


async def _underneath(world: World) -> dict[str, object]:
    """What nobody sees: cuts among the buyers, words, and what a day's signals weigh."""
    async with world.database.reading() as session:
        return {
            "cuts": {tuple(cut.model_dump().values()) for cut in await session.all(select(ScoreCut))},
            "words": {row.fan_id: row.places for row in await session.all(select(FanMetrics))},
            "signals": {(d.fan_id, d.day): (d.heat, d.feedback) for d in await session.all(select(FanDay))},
        }
