"""Rewards under attack: one for a cause, no more in a day or a month than was said, and a forest, whoever races."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from siyu import referrals
from siyu.app import App
from siyu.tables import Fan, PointsEntry, PointsKind, Referral, RewardRule
from tests import racing, servers
from tests.clocks import FakeClock
from tests.conftest import DATABASES
from tests.forks import Child, in_processes, starting_line
from tests.pointing import balance_of
from tests.siyu.test_referral_rewards import BLOCKED, GRANTED, PENDING, a_round, brings, buys, rewarding, states
from tests.trading import a_fan, breaches, many_fans

PROCESSES, MONTH_CAP = 8, 3
HOLD = timedelta(days=14)

on_postgres = pytest.mark.skipif("postgresql" not in DATABASES, reason="PostgreSQL was left out by TEST_DATABASES")


async def test_fifty_rounds_at_once_give_every_reward_once_and_keep_the_caps(app: App, clock: FakeClock) -> None:
    mei = await with_friends_of_two_days(app, clock)

    clock.now += HOLD - timedelta(days=1)
    await _fifty(app, racing.reward)
    first = sorted(await states(app))
    clock.pass_(days=1)
    await _fifty(app, racing.reward)

    assert first == [BLOCKED] * 2 + [GRANTED] * 2 + [PENDING] * 4
    await must_be_rewarded_within_the_caps(app, mei)


async def test_a_wrong_writer_rewards_too_many_so_the_race_is_real(app: App, clock: FakeClock) -> None:
    await with_friends_of_two_days(app, clock)

    clock.now += HOLD
    await _fifty(app, racing.reward_wrongly)

    granted = (await states(app)).count(GRANTED)
    assert granted > racing.DAY_CAP
    assert await _times_paid(app) > granted
    assert await breaches(app) != []


@on_postgres
async def test_rounds_of_many_processes_give_every_reward_once_and_keep_the_caps() -> None:
    clock = FakeClock()
    async with servers.postgres_app(clock) as (url, app):
        mei = await with_friends_of_two_days(app, clock)

        for days in (13, 1):
            clock.pass_(days=days)
            await _in_processes(url, racing.reward, clock)

        await must_be_rewarded_within_the_caps(app, mei)


@on_postgres
async def test_processes_with_a_wrong_writer_reward_too_many() -> None:
    clock = FakeClock()
    async with servers.postgres_app(clock) as (url, app):
        await with_friends_of_two_days(app, clock)

        clock.now += HOLD
        await _in_processes(url, racing.reward_wrongly, clock)

        assert await _times_paid(app) > racing.DAY_CAP
        assert await breaches(app) != []


async def test_who_say_of_each_other_that_they_were_brought_leave_a_forest(app: App) -> None:
    people = await many_fans(app, 50)
    pairs = list(zip(people[::2], people[1::2], strict=True))

    async with asyncio.TaskGroup() as group:
        for one, other in pairs:
            for _ in range(2):
                group.create_task(_connects(app, one, other))
                group.create_task(_connects(app, other, one))

    async with app.database.reading() as session:
        edges = await session.rows(select(col(Referral.referrer_id), col(Referral.referee_id)))
    assert sorted(map(tuple, edges)) == [(older.id, newer.id) for older, newer in pairs]
    assert await breaches(app) == []


async def with_friends_of_two_days(app: App, clock: FakeClock) -> Fan:
    """Four who came and bought yesterday, and four today; for each of them there will be a reward to race for."""
    await rewarding(app, day_cap=racing.DAY_CAP, month_cap=MONTH_CAP)
    mei = await a_fan(app)
    for n in range(8):
        await buys(app, await brings(app, mei, name=f"Friend {n}"), f"o-{n}")
        clock.pass_(minutes=10)
        if n == 3:
            clock.pass_(days=1)
    await a_round(app)
    return mei


async def must_be_rewarded_within_the_caps(app: App, mei: Fan) -> None:
    """Two on the first day, and one more in that month; their friends are no fewer for it."""
    assert sorted(await states(app)) == [BLOCKED] * 5 + [GRANTED] * MONTH_CAP
    assert await states(app, RewardRule.NEWCOMER) == [GRANTED] * 8
    assert await _times_paid(app) == MONTH_CAP
    assert await balance_of(app, mei) == MONTH_CAP * 100
    assert await breaches(app) == []


async def _fifty(app: App, tries: racing.Reward) -> None:
    async with asyncio.TaskGroup() as group:
        for n in range(50):
            group.create_task(tries(app, f"t{n}", app.clock()))


async def _in_processes(url: str, tries: racing.Reward, clock: FakeClock) -> None:
    start, rounds = starting_line(PROCESSES), racing.rewards_of_a_process
    await in_processes([Child(rounds, url, tries, f"p{n}", clock.now, start) for n in range(PROCESSES)])


async def _times_paid(app: App) -> int:
    async with app.database.reading() as session:
        return await session.one(select(func.count()).where(col(PointsEntry.kind) == PointsKind.REFERRER))


async def _connects(app: App, referee: Fan, referrer: Fan) -> None:
    """As two first messages at once would; who comes second finds the edge there."""
    with suppress(IntegrityError):
        async with app.database.writing() as session:
            await referrals.connect(session, referee, referrer.referral_code, now=app.clock())
