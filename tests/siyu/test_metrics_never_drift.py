"""After any history, in whatever steps it was worked out, the numbers are what the definitions say."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siyu.kit.database import Database
from tests import servers
from tests.conftest import DATABASES
from tests.siyu.worlds import World, expected, standing, untold_moves

# Around the edges of every window and threshold, and far enough to be lost.
DAYS_AGO = st.one_of(
    st.sampled_from([0, 1, 6, 7, 13, 14, 29, 30, 59, 60, 61, 89, 90, 91, 364, 365, 366]),
    st.integers(-3, 400),
)
SECONDS = st.integers(0, 86_399)
WHO = st.integers(0, 5)
STEPS = st.one_of(
    st.tuples(st.just("admit"), WHO, st.booleans()),
    st.tuples(st.just("interact"), WHO, DAYS_AGO, SECONDS, st.sampled_from([1, 4, 5, 16])),
    st.tuples(st.just("buy"), WHO, DAYS_AGO, SECONDS, st.integers(0, 9), st.sampled_from(["EUR", "EUR", "XTR"])),
    st.tuples(st.just("pay_back"), WHO, st.integers(0, 20), SECONDS, st.sampled_from([None, None, 1, 2, 5])),
    st.tuples(st.just("block"), WHO),
    st.tuples(st.just("wait"), st.sampled_from([0, 1, 6, 7, 14, 24, 30, 31, 32, 60, 91, 366]), SECONDS),
    st.tuples(st.just("wait"), st.integers(0, 31), SECONDS),
    st.tuples(st.just("recompute"), st.sampled_from(["auto", "auto", "window", "full"])),
)
HISTORIES = st.lists(STEPS, min_size=4, max_size=16)


@contextmanager
def fresh(kind: str) -> Iterator[str]:
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield servers.fresh_sqlite(Path(folder))
        return
    url = servers.fresh_postgres()
    try:
        yield url
    finally:
        servers.give_back(url)


@pytest.mark.parametrize("kind", DATABASES)
def test_incremental_runs_and_the_definitions_agree_after_any_history(kind: str) -> None:
    @settings(max_examples=25 if kind == "sqlite" else 6, deadline=None, suppress_health_check=list(HealthCheck))
    @given(HISTORIES)
    def after(history: list[tuple[object, ...]]) -> None:
        with fresh(kind) as url:
            asyncio.run(_live_through(url, history))

    after()


async def _live_through(url: str, history: list[tuple[object, ...]]) -> None:
    database = Database(url)
    try:
        world = World(database)
        await world.admit()
        for verb, *details in history:
            await STEP[str(verb)](world, *details)
        await _work_out(world, "auto")
        overall = await world.recompute(mode="full")
        assert overall.changed == 0
        assert await standing(database) == expected(world, world.now)
        assert not await untold_moves(database)
    finally:
        await database.close()


async def _admit(world: World, who: int, brought: bool) -> None:
    await world.admit(brought_by=_fan(world, who) if brought else None)


async def _interact(world: World, who: int, days: int, seconds: int, times: int) -> None:
    await world.interact(_fan(world, who), at=_ago(world, days, seconds), times=times)


async def _buy(world: World, who: int, days: int, seconds: int, amount: int, currency: str) -> None:
    await world.buy(_fan(world, who), at=_ago(world, days, seconds), amount=amount, currency=currency)


async def _pay_back(world: World, which: int, days: int, seconds: int, amount: int | None) -> None:
    if world.bought:
        bought = world.bought[-1 - which % len(world.bought)]
        await world.pay_back(bought, at=bought.at + timedelta(days=days, seconds=seconds), amount=amount)


async def _block(world: World, who: int) -> None:
    await world.block(_fan(world, who))


async def _wait(world: World, days: int, seconds: int) -> None:
    world.now += timedelta(days=days, seconds=seconds)


async def _work_out(world: World, mode: str) -> None:
    await world.recompute(mode=mode)
    assert await standing(world.database) == expected(world, world.now)


STEP: dict[str, Callable] = {
    "admit": _admit, "interact": _interact, "buy": _buy, "pay_back": _pay_back, "block": _block, "wait": _wait,
    "recompute": _work_out,
}  # fmt: skip


def _fan(world: World, who: int) -> int:
    return world.fans[who % len(world.fans)]


def _ago(world: World, days: int, seconds: int):
    return world.now - timedelta(days=days, seconds=seconds)
