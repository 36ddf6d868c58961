"""Referrals: promised when a friend buys, given once the purchase has stood, taken back with its money."""

import asyncio

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from siyu import fans, jobs, referrals
from siyu.app import App
from siyu.fans import Newcomer
from siyu.kit.errors import Conflict, Invalid
from siyu.referrals import Programme
from siyu.tables import Coupon, CouponState, Fan, FanMetrics, Outbox, Referral, RewardGrant, RewardRule, RewardState
from tests.clocks import FakeClock
from tests.people import given_interactions
from tests.pointing import balance_of, given_programme
from tests.trading import BOSS, a_fan, a_sale, an_offer, breaches, records, refunds

PENDING, GRANTED, REVERSED, BLOCKED = (
    RewardState.PENDING,
    RewardState.GRANTED,
    RewardState.REVERSED,
    RewardState.BLOCKED,
)


async def rewarding(app: App, **terms: object) -> None:
    """The programme is on, and so are points."""
    await given_programme(app)
    async with app.database.writing() as session:
        wanted = Programme(**{"is_on": True, **terms})  # type: ignore[arg-type]  # a test names what it changes
        await referrals.change_programme(session, BOSS, wanted, now=app.clock())


async def brings(app: App, referrer: Fan, *, name: str = "Bo") -> Fan:
    """A newcomer by this fan's link, who comes again the next day, so that they look like a person."""
    friend = await a_fan(app, name)
    async with app.database.writing() as session:
        await referrals.connect(session, friend, referrer.referral_code, now=app.clock())
    await given_interactions(app, friend, days_ago=-1)
    return friend


async def buys(app: App, fan: Fan, key: str = "o-1", **told: object) -> None:
    await records(app, a_sale(app, fan, key, **told))


async def a_round(app: App) -> None:
    await jobs.run_job(app, "rewards")


async def states(app: App, rule: RewardRule = RewardRule.REFERRER) -> list[RewardState]:
    async with app.database.reading() as session:
        mine = select(RewardGrant.state).where(col(RewardGrant.rule) == rule).order_by(col(RewardGrant.id))
        return list(await session.all(mine))


async def qualified(app: App, fan: Fan) -> int:
    """What the metric says, counted again."""
    await jobs.run_job(app, "full")
    async with app.database.reading() as session:
        return await session.one(select(FanMetrics.referrals_qualified).where(col(FanMetrics.fan_id) == fan.id))


async def earned(app: App, fan: Fan) -> int:
    """By referrals alone: a purchase gives 19 of its own."""
    async with app.database.reading() as session:
        mine = select(RewardGrant.points).where(col(RewardGrant.fan_id) == fan.id, col(RewardGrant.state) == GRANTED)
        return sum(await session.all(mine))


async def test_both_are_rewarded_once_the_purchase_has_stood_for_fourteen_days(app: App, clock: FakeClock) -> None:
    await rewarding(app)
    mei = await a_fan(app)
    bo = await brings(app, mei)
    await buys(app, bo)

    await a_round(app)
    async with app.database.reading() as session:
        seen = await referrals.progress(session, mei.id or 0)
    clock.pass_(days=13)
    await a_round(app)
    early = await states(app), await qualified(app, mei)
    clock.pass_(days=1)
    await a_round(app)
    await a_round(app)

    assert (seen.joined, seen.pending, seen.rewarded) == (1, 1, 0)
    assert early == ([PENDING], 0)
    assert await states(app) == await states(app, RewardRule.NEWCOMER) == [GRANTED]
    assert await qualified(app, mei) == 1
    assert (await earned(app, mei), await earned(app, bo)) == (100, 50)
    assert await balance_of(app, mei) == 100
    assert await breaches(app) == []


@pytest.mark.parametrize(("days", "promised"), [(7, 1), (8, 0)])
async def test_only_a_purchase_within_seven_days_counts(app: App, clock: FakeClock, days: int, promised: int) -> None:
    await rewarding(app)
    mei = await a_fan(app)
    bo = await brings(app, mei)
    clock.pass_(days=days)

    await buys(app, bo)
    await a_round(app)
    clock.pass_(days=14)

    assert len(await states(app)) == promised
    assert await qualified(app, mei) == promised


async def test_a_refund_before_the_hold_is_over_ends_the_promise(app: App, clock: FakeClock) -> None:
    await rewarding(app)
    mei = await a_fan(app)
    await buys(app, await brings(app, mei))
    await a_round(app)

    clock.pass_(days=3)
    await refunds(app, "o-1", amount=1)
    clock.pass_(days=20)
    await a_round(app)

    assert await states(app) == await states(app, RewardRule.NEWCOMER) == [REVERSED]
    assert (await balance_of(app, mei), await qualified(app, mei)) == (0, 0)
    assert await breaches(app) == []


async def test_a_refund_after_the_reward_takes_everything_back_at_once(app: App, clock: FakeClock) -> None:
    offer = await an_offer(app)
    await rewarding(app, newcomer_offer_id=offer.id, milestones={1: 500})
    mei = await a_fan(app)
    bo = await brings(app, mei)
    await buys(app, bo)
    await a_round(app)
    clock.pass_(days=14)
    await a_round(app)
    before = await balance_of(app, mei)

    await refunds(app, "o-1")

    assert before == 600
    assert (await balance_of(app, mei), await balance_of(app, bo)) == (0, 0)
    assert await states(app) == await states(app, RewardRule.MILESTONE) == [REVERSED]
    async with app.database.reading() as session:
        assert await session.all(select(Coupon.state)) == [CouponState.REVOKED]
    assert await breaches(app) == []


async def test_a_milestone_that_went_with_a_refund_is_given_again_with_another_friend(
    app: App, clock: FakeClock
) -> None:
    await rewarding(app, milestones={2: 500})
    mei = await a_fan(app)
    balances = []
    for n in range(4):
        await buys(app, await brings(app, mei, name=f"Friend {n}"), f"o-{n}")
        await a_round(app)
        clock.pass_(days=14)
        await a_round(app)
        await releases_all(app)  # after two refunds somebody looks first
        await a_round(app)
        balances.append(await balance_of(app, mei))
        if n in (1, 2):  # the second friend gives the money back, and the third
            await refunds(app, f"o-{n}", key=f"r-{n}")

    # A friend is 100, and two at once 500 more.
    assert balances == [100, 700, 700, 700]
    assert await states(app, RewardRule.MILESTONE) == [REVERSED, REVERSED, GRANTED]
    assert await breaches(app) == []


async def releases_all(app: App) -> None:
    async with app.database.writing() as session:
        for doubt in await referrals.doubts(session):
            await referrals.release(session, BOSS, doubt.grant.id or 0, now=app.clock())


async def test_after_a_refund_the_next_purchase_within_the_week_counts_instead(app: App, clock: FakeClock) -> None:
    await rewarding(app)
    mei = await a_fan(app)
    bo = await brings(app, mei)
    await buys(app, bo)
    await a_round(app)
    await refunds(app, "o-1")
    clock.pass_(days=2)
    await buys(app, bo, "o-2")
    await a_round(app)
    clock.pass_(days=14)
    await a_round(app)

    assert await states(app) == [REVERSED, GRANTED]
    assert (await earned(app, mei), await qualified(app, mei)) == (100, 1)
    assert await breaches(app) == []


@pytest.mark.parametrize(
    ("terms", "word"), [({"day_cap": 2, "month_cap": 9}, "day_cap"), ({"day_cap": 2, "month_cap": 2}, "month_cap")]
)
async def test_the_third_friend_is_beyond_a_cap_of_two(
    app: App, clock: FakeClock, terms: dict[str, int], word: str
) -> None:
    await rewarding(app, **terms)
    mei = await a_fan(app)
    for n in range(3):
        await buys(app, await brings(app, mei, name=f"Friend {n}"), f"o-{n}")
        clock.pass_(minutes=10)
    await a_round(app)
    clock.pass_(days=14)
    await a_round(app)

    async with app.database.reading() as session:
        (doubt,) = await referrals.doubts(session)
    assert await states(app) == [GRANTED, GRANTED, BLOCKED]
    assert await states(app, RewardRule.NEWCOMER) == [GRANTED] * 3
    assert doubt.grant.reasons == word

    async with app.database.writing() as session:
        await referrals.release(session, BOSS, doubt.grant.id or 0, now=clock())
    await a_round(app)

    assert await states(app) == [GRANTED] * 3
    assert await breaches(app) == []


async def test_several_joins_within_a_minute_wait_for_somebodys_decision(app: App, clock: FakeClock) -> None:
    await rewarding(app)
    mei = await a_fan(app)
    for n in range(3):
        await buys(app, await brings(app, mei, name=f"Friend {n}"), f"o-{n}")
        clock.pass_(seconds=20)
    await a_round(app)
    clock.pass_(days=14)
    await a_round(app)
    async with app.database.reading() as session:
        found = await referrals.doubts(session)
    held = [doubt.grant.id or 0 for doubt in found if doubt.grant.rule is RewardRule.REFERRER]

    assert {doubt.grant.reasons for doubt in found} == {"burst"}
    assert await states(app) == [PENDING] * 3
    async with app.database.writing() as session:
        await referrals.release(session, BOSS, held[0], now=clock())
        await referrals.block(session, BOSS, held[1], now=clock())
    with pytest.raises(Conflict):
        async with app.database.writing() as session:
            await referrals.release(session, BOSS, held[1], now=clock())
    await a_round(app)

    assert await states(app) == [GRANTED, BLOCKED, PENDING]
    assert await balance_of(app, mei) == 100


async def test_a_friend_who_did_nothing_after_the_first_day_is_looked_at(app: App, clock: FakeClock) -> None:
    await rewarding(app)
    mei, bo = await a_fan(app), await a_fan(app, "Bo")
    async with app.database.writing() as session:
        await referrals.connect(session, bo, mei.referral_code, now=clock())
    await buys(app, bo)
    await a_round(app)
    clock.pass_(days=14)
    await a_round(app)

    async with app.database.reading() as session:
        found = await referrals.doubts(session)
    assert {doubt.grant.reasons for doubt in found} == {"silent"}
    assert await balance_of(app, mei) == 0


async def test_a_thousand_scripted_accounts_earn_nothing(app: App, clock: FakeClock) -> None:
    await rewarding(app)
    mei = await a_fan(app)
    async with app.database.writing() as session:
        crowd = [Newcomer(telegram_id=800_000 + n, name=f"Bot {n}") for n in range(1000)]
        admitted = await fans.admit(session, crowd, zone=app.settings.zone, now=clock())
        for friend in admitted.values():
            await referrals.connect(session, friend, mei.referral_code, now=clock())

    for _ in range(3):
        await a_round(app)
        clock.pass_(days=14)

    assert await states(app) == []
    assert await balance_of(app, mei) == 0
    async with app.database.reading() as session:
        assert (await referrals.progress(session, mei.id or 0)).joined == 1000


async def test_nobody_is_brought_by_somebody_newer(app: App) -> None:
    mei = await a_fan(app)
    bo = await brings(app, mei)

    async with app.database.writing() as session:
        assert await referrals.connect(session, mei, bo.referral_code, now=app.clock()) is None
    with pytest.raises(IntegrityError):
        async with app.database.writing() as session:
            session.add(Referral(referee_id=mei.id, referrer_id=bo.id, at=app.clock()))


async def test_friends_from_before_the_programme_earn_nobody_anything(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    bo = await brings(app, mei)
    clock.pass_(hours=1)
    await rewarding(app)
    await buys(app, bo)
    await a_round(app)

    assert await states(app) == []


async def test_rewards_reach_one_level_only(app: App, clock: FakeClock) -> None:
    await rewarding(app)
    mei = await a_fan(app)
    bo = await brings(app, mei)
    await buys(app, await brings(app, bo, name="Cy"))
    await a_round(app)
    clock.pass_(days=14)
    await a_round(app)

    assert (await balance_of(app, mei), await balance_of(app, bo)) == (0, 100)


async def test_two_workers_at_once_give_every_reward_once(app: App, clock: FakeClock) -> None:
    await rewarding(app, day_cap=4)
    mei = await a_fan(app)
    for n in range(6):
        await buys(app, await brings(app, mei, name=f"Friend {n}"), f"o-{n}")
        clock.pass_(minutes=10)
    await asyncio.gather(*(a_round(app) for _ in range(4)))
    clock.pass_(days=14)
    await asyncio.gather(*(a_round(app) for _ in range(4)))

    assert sorted(await states(app)) == [BLOCKED] * 2 + [GRANTED] * 4
    assert await balance_of(app, mei) == 400
    assert await breaches(app) == []


async def test_a_reward_is_told_once_and_not_at_night(app: App, clock: FakeClock) -> None:
    await rewarding(app)
    mei = await a_fan(app)
    async with app.database.writing() as session:
        row = await session.get(Fan, mei.id)
        assert row is not None
        row.quiet_from, row.quiet_to = 11 * 60, 13 * 60
    await buys(app, await brings(app, mei))
    await a_round(app)
    clock.pass_(days=14)
    await a_round(app)

    async def told() -> list[str]:
        async with app.database.reading() as session:
            found = await session.all(
                select(Outbox).where(col(Outbox.method) == "sendMessage").order_by(col(Outbox.id))
            )
        return [one.payload["text"] for one in found if one.person_id == mei.telegram_id]

    asleep = await told()
    clock.pass_(hours=2)
    await a_round(app)
    await a_round(app)

    assert asleep == []
    (text,) = await told()
    assert "A friend you invited bought something" in text
    assert "+100 points." in text


@pytest.mark.parametrize("terms", [{"day_cap": 0}, {"day_cap": 5, "month_cap": 4}, {"milestones": {0: 5}}])
async def test_terms_that_cannot_be_are_refused(app: App, terms: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        await rewarding(app, **terms)
