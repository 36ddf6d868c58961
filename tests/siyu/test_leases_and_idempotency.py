"""One leader at a time, and one answer per key."""

from datetime import timedelta

import pytest

from siyu import idempotency, leases
from siyu.app import App
from siyu.kit.errors import Conflict
from tests.clocks import NOON


async def test_a_lease_is_one_owners_until_it_runs_out(app: App) -> None:
    async with app.database.writing() as session:
        assert await leases.hold(session, "recompute", "a", now=NOON, seconds=10)
        assert not await leases.hold(session, "recompute", "b", now=NOON, seconds=10)
        assert await leases.hold(session, "recompute", "a", now=NOON + timedelta(seconds=5), seconds=10)
        assert not await leases.hold(session, "recompute", "b", now=NOON + timedelta(seconds=12), seconds=10)

        assert await leases.hold(session, "recompute", "b", now=NOON + timedelta(seconds=16), seconds=10)
        assert await leases.holder(session, "recompute", now=NOON + timedelta(seconds=16)) == "b"


async def test_a_released_lease_is_free_at_once(app: App) -> None:
    async with app.database.writing() as session:
        await leases.hold(session, "recompute", "a", now=NOON, seconds=10)
        await leases.release(session, "recompute", "somebody else")
        assert not await leases.hold(session, "recompute", "b", now=NOON, seconds=10)

        await leases.release(session, "recompute", "a")

        assert await leases.hold(session, "recompute", "b", now=NOON, seconds=10)


async def test_the_same_key_gives_the_first_answer(app: App) -> None:
    async with app.database.writing() as session:
        assert await idempotency.once(session, "k", "body", now=NOON) is None
        await idempotency.remember(session, "k", "answer")

    async with app.database.writing() as session:
        assert await idempotency.once(session, "k", "body", now=NOON) == "answer"
        with pytest.raises(Conflict):
            await idempotency.once(session, "k", "another body", now=NOON)
