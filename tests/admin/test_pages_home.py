"""Home tells what needs somebody today, the most urgent first, and how the community stands."""

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col

from siyu import broadcasts, home, segments
from siyu.app import App
from siyu.kit.money import Money
from siyu.purchases import ask_refund
from siyu.tables import (
    BotAccount,
    Broadcast,
    BroadcastState,
    Delivery,
    DeliveryState,
    Fan,
    FollowUp,
    Inbox,
    InboxState,
    JobRun,
    Offer,
    RewardGrant,
    RewardRule,
    Role,
)
from tests.admin.community import given_friend, given_purchase, given_regular, recomputed
from tests.admin.seen import forms, links, seen
from tests.admin.visitors import browser
from tests.broadcasting import MEI, composed
from tests.clocks import FakeClock
from tests.people import given_fan, given_interactions
from tests.trading import an_offer


async def test_a_first_visit_teaches_how_fans_come(app: App) -> None:
    async with app.database.writing() as session:
        session.add(BotAccount(bot_id=42, username="tea_bot", name="Tea", seen_at=app.clock()))

    async with browser(app, Role.OWNER) as visitor:
        page = await visitor.get("/")

    assert "Nobody is here yet" in seen(page.text)
    assert "https://t.me/tea_bot" in seen(page.text)
    assert "siyu import fans fans.csv" in seen(page.text)
    assert "<path" in page.text.split('role="img"')[1].split("</div>")[0]


async def test_before_the_bot_ran_once_it_says_how_to_make_one(app: App) -> None:
    async with browser(app, Role.OWNER) as visitor:
        page = await visitor.get("/")

    assert "@BotFather" in seen(page.text)
    assert "t.me" not in page.text


async def test_a_quiet_day_says_so(app: App) -> None:
    await given_fan(app)

    async with browser(app, Role.OWNER) as visitor:
        page = await visitor.get("/")

    assert "Nothing waits for you" in seen(page.text)


async def test_what_waits_is_told_the_most_urgent_first(app: App, clock: FakeClock) -> None:
    await _given_a_bad_morning(app, clock)

    async with browser(app, Role.OWNER) as visitor:
        words = seen((await visitor.get("/")).text)

    told = [
        "1 message from Telegram could not be handled",
        "1 follow-up is overdue",
        "“Anniversary” waits for a second person",
        "“Held” stopped by itself",
        "“Doubt”: nobody knows whether it arrived",
        "Mei wants the money back",
        "1 reward for a friend looks odd",
        "The job “Everything counted again from the facts” failed",
        "1 fan slipped into “At risk” this week",
        "“Spring” is nearly over",
        "Thank Rui: now “Referrer”",
    ]
    assert [sentence for sentence in told if sentence in words] == told
    assert sorted(told, key=words.index) == told


async def test_the_navigation_counts_what_waits_behind_it(app: App, clock: FakeClock) -> None:
    await _given_a_bad_morning(app, clock)

    async with app.database.reading() as session:
        waiting = await home.waiting(session)

    assert waiting == {"home": 1, "quarantine": 1, "followups": 1, "broadcasts": 3}


async def test_a_viewer_is_told_but_not_asked_to_act(app: App, clock: FakeClock) -> None:
    await _given_a_bad_morning(app, clock)

    async with browser(app, Role.VIEWER) as visitor:
        page = await visitor.get("/")

    assert "slipped into “At risk”" in seen(page.text)
    assert "could not be handled" not in seen(page.text)
    assert not [href for href in links(page.text) if "new" in href or "quarantine" in href or "jobs" in href]


async def test_a_fan_who_came_back_is_no_longer_news(app: App, clock: FakeClock) -> None:
    fan = await _given_a_fan_who_slipped(app, clock)
    await given_interactions(app, fan)
    await given_purchase(app, fan)
    await recomputed(app)

    async with app.database.reading() as session:
        today = await home.today(session, zone=app.settings.zone, now=app.clock())

    assert today.slipped == []


async def test_a_fan_first_seen_in_a_bad_level_did_not_slip(app: App) -> None:
    fan = await given_fan(app)
    for days_ago in (200, 150):
        await given_purchase(app, fan, days_ago=days_ago)
    await recomputed(app)

    async with app.database.reading() as session:
        assert (await segments.get_segment(session, "loyalty.at_risk")).size == 1
        today = await home.today(session, zone=app.settings.zone, now=app.clock())

    assert today.slipped == []


async def test_an_unknown_delivery_that_was_left_waits_no_longer(app: App) -> None:
    doubt = await _given_a_doubtful_broadcast(app)
    async with app.database.writing() as session:
        await session.run(update(Delivery).where(col(Delivery.broadcast_id) == doubt).values(reason="left"))

    async with app.database.reading() as session:
        assert await home.waiting(session) == {}


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"ends_at_days": 2}, True),
        ({"ends_at_days": 30}, False),
        ({"ends_at_days": 30, "stock": 10, "claimed": 9}, True),
        ({"ends_at_days": 30, "stock": 10, "claimed": 8}, False),
        ({"ends_at_days": -1}, False),
    ],
)
async def test_an_offer_is_told_of_when_it_ends_soon_or_is_nearly_gone(
    app: App, terms: dict[str, int], told: bool
) -> None:
    offer = await an_offer(app, stock=terms.get("stock", 100))
    ends_at = app.clock() + timedelta(days=terms["ends_at_days"])
    async with app.database.writing() as session:
        row = update(Offer).where(col(Offer.id) == offer.id)
        await session.run(row.values(claimed=terms.get("claimed", 0), ends_at=ends_at))

    async with app.database.reading() as session:
        today = await home.today(session, zone=app.settings.zone, now=app.clock())

    assert [found.id for found in today.offers] == ([offer.id] if told else [])


async def test_the_calm_numbers_stand_beside_those_of_the_period_before(app: App) -> None:
    old = await given_fan(app, joined_at=app.clock() - timedelta(days=40))
    new = await given_fan(app)
    await given_interactions(app, old, days_ago=9)
    await given_interactions(app, new, 3, days_ago=0)
    await given_interactions(app, old, days_ago=3)
    await given_purchase(app, old, days_ago=45)
    await given_purchase(app, old, days_ago=2)
    await given_purchase(app, new, days_ago=0)
    await recomputed(app)

    async with app.database.reading() as session:
        standing = await home.standing(session, zone=app.settings.zone, now=app.clock())

    assert standing.fans == home.Figure(2, 1)
    assert standing.reachable == 2
    assert standing.active == home.Figure(2, 1)
    assert standing.bought == home.Figure(2, 1)
    assert standing.bought.change == 1.0


async def test_a_growth_from_nothing_has_no_ratio() -> None:
    assert home.Figure(7, 0).change is None


async def test_every_page_says_when_another_time_is_shown_and_leads_back(app: App, clock: FakeClock) -> None:
    await given_regular(app)
    zone, currency = app.settings.zone, app.settings.currency
    then = app.clock() - timedelta(days=20)
    await segments.recompute(app.database, zone=zone, currency=currency, now=app.clock(), as_of=then)

    async with browser(app, Role.OPERATOR) as visitor:
        held = await visitor.get("/fans")
        assert "Segments and levels show Feb 12, 2026" in seen(held.text)
        assert "/segments/recompute" in forms(held.text)

        await visitor.post("/segments/recompute", data={"next": "/fans"})
        back = await visitor.get("/fans")

    assert "Segments and levels show" not in seen(back.text)


async def _given_a_bad_morning(app: App, clock: FakeClock) -> None:
    """One of everything that can wait for somebody."""
    await _given_a_thankworthy_fan(app, clock)
    await _given_a_fan_who_slipped(app, clock)
    await _given_a_doubtful_broadcast(app)
    held = await composed(app, title="Held")
    waits = await composed(app, title="Anniversary")
    fan = await given_fan(app, name="Mei")
    paid = await given_purchase(app, fan, amount=Money(68, "XTR"), source="telegram")
    async with app.database.writing() as session:
        await ask_refund(session, fan, paid, now=app.clock())
        await broadcasts.submit(session, waits.id or 0, actor=MEI, now=app.clock())
        now = app.clock()
        session.add(
            FollowUp(fan_id=fan.id or 0, why="stars:1", opened_by="us", opened_at=now, due_at=now, reminded_at=now),
            RewardGrant(
                rule=RewardRule.REFERRER, fan_id=fan.id or 0, cause="friend:7", due_day=now.date(), opened_at=now,
                reasons="burst",
            ),
        )  # fmt: skip
        stopped = {"state": BroadcastState.PAUSED, "state_reason": "unauthorized"}
        await session.run(update(Broadcast).where(col(Broadcast.id) == held.id).values(stopped))
        session.add(
            Inbox(bot_id=42, update_id=1, payload="{}", received_at=app.clock(), state=InboxState.QUARANTINED),
            JobRun(job="full", started_at=app.clock(), milliseconds=3, error="OSError: the disk is full"),
        )
    await an_offer(app, ends_at=app.clock() + timedelta(days=1))


async def _given_a_fan_who_slipped(app: App, clock: FakeClock) -> Fan:
    """Bought twice; today it is 91 days since the last time."""
    fan = await given_fan(app, name="Lin")
    for days_ago in (120, 89):
        await given_purchase(app, fan, days_ago=days_ago)
    await recomputed(app)
    clock.pass_(days=2)
    await recomputed(app)
    return fan


async def _given_a_thankworthy_fan(app: App, clock: FakeClock) -> None:
    """Brought a friend who bought, and the purchase stood for two weeks."""
    rui = await given_fan(app, name="Rui")
    friend = await given_friend(app, of=rui)
    await given_purchase(app, friend)
    await recomputed(app)
    clock.pass_(days=15)
    await recomputed(app)


async def _given_a_doubtful_broadcast(app: App) -> int:
    fan = await given_fan(app, name="Bo")
    doubt = await composed(app, title="Doubt")
    async with app.database.writing() as session:
        session.add(
            Delivery(broadcast_id=doubt.id or 0, fan_id=fan.id or 0, state=DeliveryState.UNKNOWN, reason="interrupted")
        )
    return doubt.id or 0
