"""The pages of referrals and of source links: terms kept, doubts decided, what a link brought."""

from datetime import timedelta

from sqlmodel import col, select

from siyu import fans, jobs, mailroom, points, referrals, sources
from siyu.app import App
from siyu.fans import Newcomer
from siyu.referrals import Programme
from siyu.sources import Outcome
from siyu.tables import RewardGrant, RewardState, Role
from tests.admin.seen import seen
from tests.admin.visitors import browser, program
from tests.clocks import FakeClock
from tests.trading import BOSS, a_fan, a_sale, records

TERMS = {"is_on": "1", "day_cap": "2", "month_cap": "9", "milestones": "3: 100\n10：500"}


async def given_source(app: App, **told: object) -> str:
    usual: dict[str, object] = {"title": "Poster", "channel": "offline"}
    async with app.database.writing() as session:
        made = await sources.create_source(session, BOSS, now=app.clock(), **{**usual, **told})  # type: ignore[arg-type]
        await mailroom.remember_bot(session, 5, "siyu_bot", "Siyu", now=app.clock())
    return made.code


async def given_newcomers(app: App, code: str, number: int, *, buyers: int = 0, amount: int = 1000) -> None:
    people = [Newcomer(700_000 + n, f"N {n}", source=f"s_{code}", source_channel="offline") for n in range(number)]
    async with app.database.writing() as session:
        admitted = await fans.admit(session, people, zone=app.settings.zone, now=app.clock())
    await records(app, *(a_sale(app, fan, f"n-{fan.id}", amount=amount) for fan in list(admitted.values())[:buyers]))
    await jobs.run_job(app, "full")


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


async def test_a_link_is_made_shown_as_a_code_and_told_what_it_brought(app: App) -> None:
    code = await given_source(app, cost_minor=10_000, currency="CNY", campaign="Spring")
    await given_newcomers(app, code, 40, buyers=10, amount=3000)

    async with browser(app, Role.OPERATOR) as operator:
        page = await operator.get("/sources")
        made = await operator.post("/sources", data={"title": "Ad", "channel": "ads", "cost": "12.50"})
        wrong = await operator.post("/sources", data={"title": "", "channel": "ads", "cost": "x"})
        poster = await operator.get(f"/sources/{code}")
        picture = await operator.get(f"/sources/{code}/qr.png")
        nowhere = await operator.get("/sources/nothing")

    assert "Poster Offline · Spring" in seen(page.text)
    assert "+200%" in seen(page.text)
    assert "newcomers bought for at least twice what the link cost" in seen(page.text)
    assert (made.status_code, wrong.status_code, nowhere.status_code) == (303, 422, 404)
    assert f"https://t.me/siyu_bot?start=s_{code}" in seen(poster.text)
    assert picture.content.startswith(b"\x89PNG")


async def test_only_newcomers_of_the_period_count(app: App, clock: FakeClock) -> None:
    code = await given_source(app)
    await given_newcomers(app, code, 3)
    today = clock().date()

    async with app.database.reading() as session:
        (now,) = await sources.judged(session, start=today - timedelta(days=1), end=today, currency="CNY")
        (before,) = await sources.judged(
            session, start=today - timedelta(days=9), end=today - timedelta(days=1), currency="CNY"
        )

    assert (now.outcome.joined, before.outcome.joined) == (3, 0)


def test_advice_waits_for_enough_data_and_follows_the_money() -> None:
    few, rich = Outcome(29, 9, 9, 9, 90_000, 100), Outcome(30, 9, 9, 9, 200, 100)
    poor, middling = Outcome(30, 9, 9, 9, 49, 100), Outcome(30, 9, 9, 9, 50, 100)

    assert [one.advice(0.3).word for one in (few, rich, poor, middling)] == ["wait", "invest", "retire", "adjust"]


def test_without_a_cost_the_share_of_buyers_decides() -> None:
    shares = [Outcome(100, 0, buyers, 0, 0).advice(0.2).word for buyers in (30, 29, 10, 9)]

    assert shares == ["invest", "adjust", "adjust", "retire"]


async def test_programs_make_links_and_list_them(app: App) -> None:
    async with program(app) as shop:
        made = await shop.post(
            "/api/v1/sources", json={"title": "Ad", "channel": "ads", "campaign": "May", "cost_minor": 500}
        )
        free = await shop.post("/api/v1/sources", json={"title": "Post", "channel": "social"})
        wrong = await shop.post("/api/v1/sources", json={"title": "Post", "channel": "smoke"})
        blank = await shop.post("/api/v1/sources", json={"title": " ", "channel": "social"})
        listed = (await shop.get("/api/v1/sources")).json()["items"]

    assert made.json().items() >= {"title": "Ad", "campaign": "May", "cost_minor": 500, "currency": "CNY"}.items()
    assert free.json()["currency"] == ""
    assert (wrong.status_code, blank.status_code) == (422, 422)
    assert {one["code"] for one in listed} == {made.json()["code"], free.json()["code"]}
