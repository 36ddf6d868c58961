"""The page of referrals: terms kept, doubts decided by who may."""

from sqlmodel import col, select

from siyu import jobs, points, referrals
from siyu.app import App
from siyu.referrals import Programme
from siyu.tables import RewardGrant, RewardState, Role
from tests.admin.seen import seen
from tests.admin.visitors import browser
from tests.clocks import FakeClock
from tests.trading import BOSS, a_fan, a_sale, records

TERMS = {"is_on": "1", "day_cap": "2", "month_cap": "9", "milestones": "3: 100\n10：500"}


async def test_the_programme_is_switched_on_with_its_terms(app: App) -> None:
    async with browser(app, Role.ADMIN) as admin:
        saved = await admin.post("/referrals", data=TERMS)
        wrong = await admin.post("/referrals", data={**TERMS, "day_cap": "many", "milestones": "3 100"})
        page = await admin.get("/referrals")

    async with app.database.reading() as session:
        terms = await referrals.programme(session)
    assert saved.status_code == 303
    assert wrong.status_code == 422
    assert (terms.is_on, terms.day_cap, terms.milestones) == (True, 2, {3: 100, 10: 500})
    assert "buys within 7 days and keeps it for 14 days" in seen(page.text)


async def test_a_doubt_is_decided_on_the_page_by_who_may(app: App, clock: FakeClock) -> None:
    async with app.database.writing() as session:
        await points.switch_on(session, BOSS, currency="CNY", now=clock())
        await referrals.change_programme(session, BOSS, Programme(is_on=True), now=clock())
    mei, bo = await a_fan(app, "Mei <b>"), await a_fan(app, "Bo")
    async with app.database.writing() as session:
        await referrals.connect(session, bo, mei.referral_code, now=clock())
    await records(app, a_sale(app, bo))
    await jobs.run_job(app, "rewards")
    clock.pass_(days=14)
    await jobs.run_job(app, "rewards")
    async with app.database.reading() as session:
        first, second = await session.all(select(RewardGrant).order_by(col(RewardGrant.id)))

    async with browser(app, Role.VIEWER) as viewer:
        page = await viewer.get("/referrals")
        refused = await viewer.post(f"/referrals/{first.id}/release")
    async with browser(app, Role.OPERATOR) as operator:
        await operator.post(f"/referrals/{first.id}/release")
        await operator.post(f"/referrals/{second.id}/block")
        after = await operator.get("/referrals")

    assert "the friend did nothing after the first day" in seen(page.text)
    assert "Mei <b>" in seen(page.text)
    assert refused.status_code == 403
    assert "Nothing suspicious" in seen(after.text)
    async with app.database.reading() as session:
        states = await session.all(select(RewardGrant.state).order_by(col(RewardGrant.id)))
    assert list(states) == [RewardState.PENDING, RewardState.BLOCKED]
