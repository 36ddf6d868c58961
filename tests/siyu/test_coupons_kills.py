"""A process that redeems is killed at any moment: what it said was redeemed is, and the books are right."""

import asyncio
import os
from datetime import datetime
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import select
from sqlmodel import col

from siyu import coupons
from siyu.app import open_app
from siyu.settings import Settings
from siyu.tables import Coupon, CouponState
from tests import servers
from tests.conftest import DATABASES
from tests.forks import Child
from tests.trading import an_offer, at_the_till, breaches, many_fans


def redeem_on(url: str, acknowledged: str, now: datetime) -> None:
    """One coupon after another; each is written down once its commit has returned."""

    async def run() -> None:
        app = open_app(Settings(database_url=url), clock=lambda: now)
        async with app.database.reading() as session:
            codes = await session.all(select(col(Coupon.code)).where(col(Coupon.state) == CouponState.ACTIVE))
        told = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for code in codes:
            async with app.database.writing() as session:
                await coupons.redeem(session, code, at_the_till(key=code), now=now)
            os.write(told, f"{code}\n".encode())
        await app.close()

    asyncio.run(run())


async def is_killed_at_work(url: str, acknowledged: Path, now: datetime, *, after: float) -> bool:
    """So many seconds after it redeemed its first; False if it had come to an end by then."""
    before = size_of(acknowledged)
    child = Child(redeem_on, url, str(acknowledged), now)
    for _ in range(600):
        if size_of(acknowledged) > before:
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(after)
    ended = child.has_ended()
    child.kill()
    return not ended


def size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


async def survives(url: str, folder: Path, *, kills: int) -> None:
    app, dice, acknowledged = open_app(Settings(database_url=url)), Random(5), folder / "acknowledged"
    now = app.clock()
    offer, people = await an_offer(app, stock=20_000), await many_fans(app, 300 * kills)
    async with app.database.writing() as session:
        ids = [fan.id or 0 for fan in people]
        await coupons.issue(session, offer.id or 0, ids, key="all", zone=app.settings.zone, now=now)
    killed = 0
    for _ in range(kills):
        killed += await is_killed_at_work(url, acknowledged, now, after=dice.random() / 2)
    said = acknowledged.read_text().split() if acknowledged.exists() else []
    async with app.database.reading() as session:
        redeemed = set(await session.all(select(Coupon.code).where(Coupon.state == CouponState.REDEEMED)))
    found = await breaches(app)
    await app.close()

    assert killed == kills
    assert said
    assert len(said) == len(set(said))
    assert set(said) <= redeemed
    assert found == []


@pytest.mark.parametrize("kind", DATABASES)
async def test_a_kill_loses_no_redemption_that_was_acknowledged(kind: str, tmp_path: Path) -> None:
    url = servers.fresh_sqlite(tmp_path) if kind == "sqlite" else servers.fresh_postgres()

    await survives(url, tmp_path, kills=2)


@pytest.mark.torture
@pytest.mark.parametrize("kind", DATABASES)
async def test_twenty_kills_lose_no_redemption_that_was_acknowledged(kind: str, tmp_path: Path) -> None:
    url = servers.fresh_sqlite(tmp_path) if kind == "sqlite" else servers.fresh_postgres()

    await survives(url, tmp_path, kills=20)
