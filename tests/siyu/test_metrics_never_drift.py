"""After any history, in whatever steps it was worked out, the numbers are what the definitions say."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from siyu.kit.database import Database
from siyu.kit.errors import Conflict, Invalid
from tests import servers
from tests.conftest import DATABASES
from tests.effort import examples
from tests.siyu.invented_rules import made_to_fit, rules
from tests.siyu.oracle import expected, remember
from tests.siyu.worlds import Rule, World, differences, standing, untold_moves

# Around the edges of every window and threshold, and far enough to be lost.
DAYS_AGO = st.one_of(
    st.sampled_from([0, 1, 6, 7, 13, 14, 29, 30, 53, 54, 59, 60, 61, 89, 90, 91, 179, 180, 181, 364, 365, 366]),
    st.integers(-3, 400),
)
SECONDS = st.integers(0, 86_399)
WHO = st.integers(0, 5)
CHANNELS = st.sampled_from(["direct", "search", "WeChat", "referral", ""])
ANSWERS = st.sampled_from(["soon", "later", "nps:10", "nps:7", "nps:0", "stars:5", "stars:3", "stars:1", "stars:9"])
ATTRIBUTES = st.sampled_from([
    ("need", "price"), ("need", "quality"), ("need", ""), ("gender", "female"), ("income", "low"), ("income", "huge"),
    ("geography", "local"), ("interests", "drinks; cars"), ("interests", ""), ("country", "DE"),
])  # fmt: skip
TAGS = st.sampled_from(["vip", "cold"])
THRESHOLDS = st.sampled_from([
    ("interaction_frequency", {"high": 6, "mid": 2}), ("interaction_frequency", {"high": 20, "mid": 5}),
    ("referral", {"hold_days": 0}), ("referral", {"join_days": 30, "hold_days": 14}), ("loyalty", {"at_risk_days": 30}),
    ("purchase_amount", {"high": 60, "mid": 20}), ("value", {"high": 67, "mid": 33}), ("feedback", {"days": 30}),
    ("purchase_intent", {"high": 4, "mid": 2}), ("need", {"coupon_share": 100}), ("lifecycle", {"new_days": 6}),
    ("decision_speed", {"fast_hours": 1, "mid_hours": 2}),
])  # fmt: skip
KEYS = st.sampled_from(["a", "b", "c"])
FACTS = (
    st.tuples(st.just("admit"), WHO, st.booleans(), CHANNELS, st.booleans()),
    st.tuples(st.just("interact"), WHO, DAYS_AGO, SECONDS, st.sampled_from([1, 4, 5, 16])),
    st.tuples(
        st.just("buy"),
        WHO,
        DAYS_AGO,
        SECONDS,
        st.integers(0, 9),
        st.sampled_from(["EUR", "EUR", "XTR"]),
        st.booleans(),
        st.sampled_from(["", "sweets"]),
    ),
    st.tuples(st.just("buy"), WHO, DAYS_AGO, SECONDS, st.integers(0, 9), st.just("EUR"), st.booleans(), st.just("")),
    st.tuples(st.just("pay_back"), WHO, st.integers(0, 20), SECONDS, st.sampled_from([None, None, 1, 2, 5])),
    st.tuples(st.just("look"), WHO, DAYS_AGO, SECONDS, st.sampled_from(["tea", "cake", "cup", "nothing"])),
    st.tuples(st.just("answer"), WHO, DAYS_AGO, SECONDS, ANSWERS),
    st.tuples(st.just("open_invoice"), WHO),
    st.tuples(st.just("pay"), WHO),
    st.tuples(st.just("claim"), WHO, st.booleans()),
    st.tuples(st.just("point"), WHO, st.integers(-9, 9)),
    st.tuples(st.just("tag"), WHO, TAGS),
    st.tuples(st.just("untag"), WHO, TAGS),
    st.tuples(st.just("describe"), WHO, ATTRIBUTES),
    st.tuples(st.just("block"), WHO),
    st.tuples(st.just("wait"), st.sampled_from([0, 1, 6, 7, 14, 24, 30, 31, 32, 60, 91, 366]), SECONDS),
    st.tuples(st.just("wait"), st.integers(0, 31), SECONDS),
    st.tuples(st.just("recompute"), st.sampled_from(["auto", "auto", "window", "full"])),
)
EDITS = (
    st.tuples(st.just("set_threshold"), THRESHOLDS),
    st.tuples(st.just("save"), KEYS, rules(depth=2)),
    st.tuples(st.just("save"), KEYS, rules(depth=2)),
    st.tuples(st.just("freeze"), KEYS, st.booleans()),
    st.tuples(st.just("forget"), KEYS),
    st.tuples(st.just("define"), st.sampled_from(["mood", "size"]), rules(depth=2), rules(depth=1)),
)


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


PHASES = (Phase.explicit, Phase.generate) if "QUICKLY" in os.environ else tuple(Phase)
# Each is a database of its own, and a new rule costs half a second to compile.
EXAMPLES = {"sqlite": examples(6), "postgresql": examples(3)}


@pytest.mark.parametrize("kind", DATABASES)
def test_incremental_runs_and_the_definitions_agree_after_any_history(kind: str) -> None:
    _hold(kind, st.lists(st.one_of(*FACTS), min_size=4, max_size=24))


@pytest.mark.parametrize("kind", DATABASES)
def test_they_agree_while_the_rules_are_rewritten_too(kind: str) -> None:
    _hold(kind, st.lists(st.one_of(*FACTS, *EDITS), min_size=4, max_size=16))


def _hold(kind: str, histories: st.SearchStrategy[list[tuple[object, ...]]]) -> None:
    @settings(max_examples=EXAMPLES[kind], deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(histories)
    def after(history: list[tuple[object, ...]]) -> None:
        with fresh(kind) as url:
            asyncio.run(_live_through(url, history))

    after()


async def _live_through(url: str, history: list[tuple[object, ...]]) -> None:
    database = Database(url)
    try:
        world = World(database)
        await world.stock()
        await world.admit()
        for verb, *details in history:
            await STEP[str(verb)](world, *details)
        await _work_out(world, "auto")
        overall = await world.recompute(mode="full")
        assert overall.changed == 0
        assert not differences(await standing(database), expected(world, world.now))
        assert not await untold_moves(database)
    finally:
        await database.close()


async def _admit(world: World, who: int, brought: bool, channel: str, talks: bool) -> None:
    await world.admit(brought_by=_fan(world, who) if brought else None, channel=channel, talks=talks)


async def _interact(world: World, who: int, days: int, seconds: int, times: int) -> None:
    await world.interact(_fan(world, who), at=_ago(world, days, seconds), times=times)


async def _buy(
    world: World, who: int, days: int, seconds: int, amount: int, currency: str, coupon: bool, category: str
) -> None:
    at = _ago(world, days, seconds)
    await world.buy(_fan(world, who), at=at, amount=amount, currency=currency, coupon=coupon, category=category)


async def _pay_back(world: World, which: int, days: int, seconds: int, amount: int | None) -> None:
    if world.bought:
        bought = world.bought[-1 - which % len(world.bought)]
        await world.pay_back(bought, at=bought.at + timedelta(days=days, seconds=seconds), amount=amount)


async def _look(world: World, who: int, days: int, seconds: int, sku: str) -> None:
    await world.look(_fan(world, who), sku, at=_ago(world, days, seconds))


async def _answer(world: World, who: int, days: int, seconds: int, words: str) -> None:
    await world.answer(_fan(world, who), words, at=_ago(world, days, seconds))


async def _open_invoice(world: World, who: int) -> None:
    await world.open_invoice(_fan(world, who))
    await _wait(world, 0, 1)


async def _pay(world: World, which: int) -> None:
    if world.invoices:
        await world.pay(world.invoices[-1 - which % len(world.invoices)])
        await _wait(world, 0, 1)


async def _claim(world: World, who: int, given: bool) -> None:
    await world.claim(_fan(world, who), given=given)
    await _wait(world, 0, 1)


async def _point(world: World, who: int, amount: int) -> None:
    await world.point(_fan(world, who), amount)
    await _wait(world, 0, 1)


async def _tag(world: World, who: int, word: str) -> None:
    await world.tag(_fan(world, who), word)


async def _untag(world: World, who: int, word: str) -> None:
    await world.untag(_fan(world, who), word)


async def _describe(world: World, who: int, told: tuple[str, str]) -> None:
    await world.describe(_fan(world, who), *told)


async def _block(world: World, who: int) -> None:
    await world.block(_fan(world, who))


async def _set_threshold(world: World, wanted: tuple[str, dict[str, int]]) -> None:
    dimension, numbers = wanted
    await world.set_threshold(dimension, **numbers)


async def _save(world: World, key: str, rule: Rule) -> None:
    """Or let it be, where the rule asks for what is not there, or leads back to itself."""
    if not (key in world.saved and world.saved[key].frozen):
        with suppress(Invalid):
            await world.save(key, made_to_fit(rule, world))


async def _freeze(world: World, key: str, frozen: bool) -> None:
    if key in world.saved:
        await world.freeze(key, frozen=frozen)


async def _forget(world: World, key: str) -> None:
    if key in world.saved:
        with suppress(Conflict):
            await world.forget(key)


async def _define(world: World, key: str, first: Rule, second: Rule) -> None:
    wanted = [made_to_fit(rule, world, within=key) for rule in (first, second)]
    levels = [{"key": f"l{n}", "label": f"L{n}", "rule": rule} for n, rule in enumerate(wanted)]
    await world.define(key, [*levels, {"key": "rest", "label": "Rest"}])


async def _wait(world: World, days: int, seconds: int) -> None:
    world.now += timedelta(days=days, seconds=seconds)


async def _work_out(world: World, mode: str) -> None:
    await world.recompute(mode=mode)
    assert not differences(await standing(world.database), expected(world, world.now))
    remember(world)
    # The next run is another moment: of two in the same second the later overwrites what stood in between.
    await _wait(world, 0, 1)


STEP: dict[str, Callable[..., Awaitable[None]]] = {
    "admit": _admit, "interact": _interact, "buy": _buy, "pay_back": _pay_back, "look": _look, "answer": _answer,
    "open_invoice": _open_invoice, "pay": _pay, "claim": _claim, "point": _point, "tag": _tag, "untag": _untag,
    "describe": _describe, "block": _block, "set_threshold": _set_threshold, "save": _save, "freeze": _freeze,
    "forget": _forget, "define": _define, "wait": _wait, "recompute": _work_out,
}  # fmt: skip


def _fan(world: World, who: int) -> int:
    return world.fans[who % len(world.fans)]


def _ago(world: World, days: int, seconds: int) -> datetime:
    return world.now - timedelta(days=days, seconds=seconds)
