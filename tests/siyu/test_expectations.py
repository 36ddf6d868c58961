"""The models through the product: fitted weekly, everybody scored nightly, or why not; and how long deciding takes."""

import io
from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest
from sqlmodel import func, select

from siyu import expectations, jobs, models
from siyu.app import App
from siyu.metrics.sums import EXPECTED
from siyu.models import Fit
from siyu.tables import DirtyDay, Fan, FanLevel, FanMetrics, FanScore, JobRun, ModelFit
from siyu.transfer.importing import Kind, Setting, bring_in, open_sheet
from tests.admin.community import given_purchase
from tests.clocks import FakeClock
from tests.people import given_fan
from tests.siyu.buying import CALIBRATION_END, Orders, cdnow

# CDNOW's last day of calibration is the day before today: the models only know how long ago something was.
SHIFT = date(2026, 3, 4).toordinal() - CALIBRATION_END


async def bought(app: App, log: Orders) -> None:
    """The log comes in as a file, dollars and all."""
    known = log.days <= CALIBRATION_END
    rows = zip(log.fans[known].tolist(), log.days[known].tolist(), log.spend[known].tolist(), strict=True)
    lines = [
        f"{n},{fan},{date.fromordinal(day + SHIFT)}T10:00:00,{cents / 100:.2f},CNY"
        for n, (fan, day, cents) in enumerate(rows)
    ]
    file = io.BytesIO("\n".join(["external_id,telegram_id,purchased_at,amount,currency", *lines]).encode())
    setting = Setting("shop", app.settings.zone, "CNY", app.clock())
    async for _ in bring_in(open_sheet(file, Kind.PURCHASES), Kind.PURCHASES, app.database.writing, setting):
        pass


def some(log: Orders, fans: int) -> Orders:
    """The first so many of them."""
    few = log.fans <= fans
    return Orders(log.fans[few], log.days[few], log.spend[few])


async def fits(app: App) -> list[ModelFit]:
    async with app.database.reading() as session:
        return list(await session.all(select(ModelFit).order_by(ModelFit.id)))


async def test_cdnow_comes_in_is_fitted_and_scored_and_everybody_has_a_level(app: App, clock: FakeClock) -> None:
    clock.now = clock.now.replace(hour=15)  # 23:00 in Shanghai: the day is over
    await bought(app, cdnow())
    await jobs.run_job(app, "recompute")
    fitting = await jobs.run_job(app, "fit")
    async with app.database.reading() as session:
        waiting = await session.one(select(func.count()).select_from(DirtyDay))
    await jobs.run_job(app, "recompute")

    (row,) = await fits(app)
    assert row.parameters is not None
    fit = Fit.from_dict(row.parameters)
    told = [*(getattr(fit.mbg_nbd, name) for name in ("r", "alpha", "a", "b")), fit.gamma_gamma.gamma]
    assert told == pytest.approx([0.525, 6.183, 0.891, 1.614, 1544], abs=0.5)
    assert [round(getattr(fit.bg_nbd, name), 3) for name in ("r", "alpha", "a", "b")] == [0.243, 4.414, 0.793, 2.426]
    assert (fitting and fitting.touched, fitting and fitting.changed, waiting) == (2357, 2357, 2357)

    buyers = cdnow().read(as_of_day=CALIBRATION_END)
    scores = models.score(buyers, fit)
    async with app.database.reading() as session:
        metrics = {
            telegram_id: (alive, spend)
            for telegram_id, alive, spend in await session.rows(
                select(Fan.telegram_id, FanMetrics.p_alive, FanMetrics.expected_spend_90d).join(
                    FanMetrics, FanMetrics.fan_id == Fan.id
                )
            )
        }
        levels = await session.all(select(FanLevel).where(FanLevel.dimension.in_(["churn_risk", "predicted_value"])))
    wanted = dict(zip(scores.fan_id.tolist(), zip(scores.p_alive, scores.expected_spend_90d, strict=True), strict=True))
    assert metrics.keys() == wanted.keys()
    assert all(metrics[fan][0] == pytest.approx(alive, rel=1e-9) for fan, (alive, _) in wanted.items())
    assert all(abs(metrics[fan][1] - spend) <= 0.5 for fan, (_, spend) in wanted.items())

    counted = Counter((level.dimension, level.level) for level in levels)
    alive = scores.p_alive
    assert {level: counted["churn_risk", level] for level in ("high", "mid", "low", "none")} == {
        "high": int((alive < 0.3).sum()), "mid": int(((alive >= 0.3) & (alive < 0.7)).sum()),
        "low": int((alive >= 0.7).sum()), "none": 0,
    }  # fmt: skip
    spend = scores.expected_spend_90d.round()
    worse = np.searchsorted(np.sort(spend), spend) / len(spend)
    assert {level: counted["predicted_value", level] for level in ("high", "mid", "low", "none")} == {
        "high": int((worse >= 0.8).sum()), "mid": int(((worse >= 0.4) & (worse < 0.8)).sum()),
        "low": int((worse < 0.4).sum()), "none": 0,
    }  # fmt: skip


async def test_without_enough_buyers_it_is_said_why_once(app: App, clock: FakeClock) -> None:
    await bought(app, some(cdnow(), 40))
    await jobs.run_job(app, "recompute")
    for _ in range(3):
        await jobs.run_job(app, "fit")
        clock.pass_(days=1)

    (row,) = await fits(app)
    assert (row.parameters, row.why_not, row.fitted_at) == (None, "buyers", clock() - timedelta(days=1))
    async with app.database.reading() as session:
        outlook = await expectations.outlook(session)
        assert await session.first(select(FanScore)) is None
    assert (outlook.installed, outlook.fit, outlook.why_not, outlook.buyers) == (True, None, "buyers", 40)


async def test_it_is_fitted_once_a_week_and_scored_every_night(app: App, clock: FakeClock) -> None:
    await bought(app, some(cdnow(), 600))
    await jobs.run_job(app, "recompute")
    for _ in range(9):
        clock.pass_(days=1)
        await jobs.run_job(app, "full")
        await jobs.run_job(app, "fit")
        await jobs.run_job(app, "score")

    first, second = await fits(app)
    assert second.fitted_at - first.fitted_at == timedelta(days=7)
    async with app.database.reading() as session:
        lines = await session.all(select(JobRun).where(JobRun.job == "score").order_by(JobRun.id))
    # On the days of a fit everybody was scored with it already; on the others every chance is another.
    assert [run.changed for run in lines] == [0, *[600] * 6, 0, 600]


async def test_scores_are_written_in_short_turns_and_nobody_is_touched_twice(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expectations, "WRITTEN_AT_ONCE", 70)
    monkeypatch.setattr(expectations, "READ_AT_ONCE", 130)
    await bought(app, some(cdnow(), 600))
    await jobs.run_job(app, "recompute")
    await jobs.run_job(app, "fit")

    again = await expectations.score_everybody(app.database, now=app.clock())

    async with app.database.reading() as session:
        assert await session.one(select(func.count()).select_from(FanScore)) == 600
        assert await session.one(select(func.count()).select_from(DirtyDay)) == 600
    assert again == 0


async def test_whoever_stops_being_a_buyer_has_no_score_any_more(app: App, clock: FakeClock) -> None:
    await bought(app, some(cdnow(), 600))
    await jobs.run_job(app, "recompute")
    await jobs.run_job(app, "fit")
    stranger = await given_fan(app)
    async with app.database.writing() as session:
        session.add(FanScore(fan_id=stranger.id or 0, p_alive=0.5, expected_purchases_90d=1, expected_spend_90d=9))

    changed = await expectations.score_everybody(app.database, now=clock())
    async with app.database.writing() as session:
        session.add(ModelFit(fitted_at=clock(), why_not="buyers"))
    off = await expectations.score_everybody(app.database, now=clock())
    await jobs.run_job(app, "recompute")

    assert (changed, off) == (1, 600)
    async with app.database.reading() as session:
        assert await session.first(select(FanScore)) is None
        rows = await session.all(select(FanMetrics))
        levels = await session.all(select(FanLevel.level).where(FanLevel.dimension == "churn_risk"))
    assert {getattr(row, name) for row in rows for name in EXPECTED} == {None}
    assert set(levels) == {"none"}


async def test_half_of_a_channel_has_bought_after_so_long(app: App, clock: FakeClock) -> None:
    for hours in (5, 30, 30, None, None):
        fan = await given_fan(app, source_channel="ads")
        if hours is not None:
            clock.pass_(hours=hours)
            await given_purchase(app, fan)
            clock.pass_(hours=-hours)
    for _ in range(3):
        await given_fan(app, source_channel="social")
    clock.pass_(days=20)
    await jobs.run_job(app, "full")

    async with app.database.reading() as session:
        found = {one.level: one for one in await expectations.time_to_decide(session, "source_channel")}

    assert (found["ads"].median, found["ads"].bought, found["ads"].waiting) == (30.0, 3, 2)
    assert (found["social"].median, found["social"].bought, found["social"].waiting) == (None, 0, 3)
    assert found.keys() == {"ads", "social"}
