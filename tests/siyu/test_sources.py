"""Source links: who came by which, what they bought since, what it cost, and what to do about it."""

from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from siyu import fans, segments, sources
from siyu.app import App
from siyu.fans import Newcomer
from siyu.kit.clock import local_day
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.money import Money
from siyu.purchases import Sale
from siyu.sources import Overview, Result, Verdict, advise
from siyu.tables import Source
from tests.trading import BOSS, records, refunds

TODAY = date(2026, 7, 1)


async def given_link(app: App, code: str = "window", channel: str = "offline", *, cost: Money | None = None) -> Source:
    async with app.database.writing() as session:
        link = await sources.create_source(
            session, BOSS, title=code.title(), channel=channel, code=code, now=app.clock()
        )
    if cost:
        await books(app, cost, code=code)
    return link


async def books(app: App, money: Money, *, code: str = "window", key: str = "bill") -> None:
    async with app.database.writing() as session:
        await sources.book_cost(session, BOSS, code, money, key=key, zone=app.settings.zone, now=app.clock())


async def given_newcomers(
    app: App, number: int, payload: str, channel: str, *, days_ago: float = 20, spend: int | None = None, first: int = 1
) -> None:
    """So many came by a payload; with `spend`, each bought once for it, ten days later."""
    at = app.clock() - timedelta(days=days_ago)
    people = [
        Newcomer(first + n, f"Fan {first + n}", joined_at=at, source=payload, source_channel=channel)
        for n in range(number)
    ]
    async with app.database.writing() as session:
        known = await fans.admit(session, people, zone=app.settings.zone, now=app.clock())
    if spend is not None:
        paid = at + timedelta(days=10)
        await records(
            app, *(Sale("shop", f"o{fan}", row.id or 0, paid, Money(spend, "CNY")) for fan, row in known.items())
        )


async def seen(app: App, days: int | None = 90) -> Overview:
    """After a recompute, as a moment later in the house."""
    settings = app.settings
    await segments.recompute(app.database, zone=settings.zone, currency=settings.currency, now=app.clock())
    async with app.database.reading() as session:
        today = local_day(app.clock(), app.settings.zone)
        return await sources.overview(session, days=days, currency="CNY", today=today)


async def test_a_link_is_told_what_its_fans_bought_less_what_was_refunded(app: App) -> None:
    await given_link(app, cost=Money(10_000, "CNY"))
    await given_newcomers(app, 2, "s_window", "offline", spend=8_000)
    await given_newcomers(app, 1, "s_window", "offline", first=10)
    await given_newcomers(app, 1, "", "direct", spend=5_000, first=20)
    await refunds(app, "o1", amount=3_000)

    overview = await seen(app)

    window = overview.links[0].result
    assert (window.joined, window.buyers, window.orders, window.revenue_minor) == (3, 2, 2, 13_000)
    assert window.roi == pytest.approx(0.3)
    assert [(one.channel, one.result.revenue_minor) for one in overview.channels] == [
        ("offline", 13_000), ("direct", 5_000),
    ]  # fmt: skip
    assert overview.everybody.joined == 4


async def test_a_purchase_that_was_wholly_refunded_makes_no_buyer(app: App) -> None:
    await given_link(app)
    await given_newcomers(app, 1, "s_window", "offline", spend=8_000)
    await refunds(app, "o1")

    window = (await seen(app)).links[0].result

    assert (window.joined, window.buyers, window.orders, window.revenue_minor) == (1, 0, 0, 0)


@pytest.mark.parametrize(("days_ago", "counted"), [(29, 1), (30, 0)])
async def test_a_period_ends_exactly_with_its_last_day(app: App, days_ago: int, counted: int) -> None:
    await given_link(app)
    await given_newcomers(app, 1, "s_window", "offline", days_ago=days_ago)

    assert (await seen(app, 30)).links[0].result.joined == counted
    assert (await seen(app, None)).links[0].result.joined == 1


async def test_costs_in_another_currency_stand_beside_and_are_never_converted(app: App) -> None:
    await given_link(app, cost=Money(10_000, "CNY"))
    await books(app, Money(500, "EUR"), key="another")
    await given_newcomers(app, 1, "s_window", "offline", spend=50_000)

    overview = await seen(app)

    window = overview.links[0].result
    assert (window.cost_minor, window.other_costs, window.roi) == (10_000, (Money(500, "EUR"),), None)
    assert overview.channels[0].result.other_costs == (Money(500, "EUR"),)


async def test_a_cost_is_booked_once_and_deleted_once(app: App) -> None:
    await given_link(app, cost=Money(700, "CNY"))
    await books(app, Money(700, "CNY"))
    async with app.database.reading() as session:
        costs = await sources.costs_of(session, "window")
    for _ in range(2):
        async with app.database.writing() as session:
            await sources.delete_cost(session, BOSS, "window", costs[0].id or 0, now=app.clock())

    assert len(costs) == 1
    assert (await seen(app)).links[0].result.cost_minor == 0


@pytest.mark.parametrize("amount", [0, -1, 1_000_000_001])
async def test_a_cost_of_nothing_or_of_too_much_is_refused(app: App, amount: int) -> None:
    await given_link(app)
    with pytest.raises(Invalid):
        await books(app, Money(amount, "CNY"))


async def test_a_code_is_given_once_and_an_unknown_link_costs_nothing(app: App) -> None:
    await given_link(app)
    with pytest.raises(Conflict):
        await given_link(app)
    with pytest.raises(NotFound):
        await books(app, Money(100, "CNY"), code="nowhere")
    with pytest.raises(Invalid):
        await given_link(app, "no spaces")


async def test_a_retired_link_still_counts_who_comes(app: App) -> None:
    await given_link(app)
    async with app.database.writing() as session:
        await sources.retire(session, BOSS, "window", now=app.clock())
    await given_newcomers(app, 1, "s_window", "offline")

    link = (await seen(app)).links[0]

    assert link.source.retired_at == app.clock()
    assert link.result.joined == 1


@dataclass(frozen=True)
class Case:
    told: str
    result: Result
    verdict: Verdict


def brought(joined: int, buyers: int, revenue: int = 0, cost: int = 0, *, active: int = 0, days: int = 30) -> Result:
    return Result(joined, active, buyers, buyers, revenue, cost, first_day=TODAY - timedelta(days=days))


EVERYBODY = brought(10_000, 2_000, active=5_000)
CASES = (
    Case("29 are too few", brought(29, 29), Verdict.WAIT),
    Case("30 are enough", brought(30, 20), Verdict.INVEST),
    Case("13 days are too short", brought(100, 90, days=13), Verdict.WAIT),
    Case("14 days are enough", brought(100, 90, days=14), Verdict.INVEST),
    Case("a fifth on top", brought(100, 5, 1_200, 1_000), Verdict.INVEST),
    Case("a little less", brought(100, 5, 1_199, 1_000), Verdict.ADJUST),
    Case("half came back", brought(100, 5, 500, 1_000), Verdict.ADJUST),
    Case("less than half", brought(100, 5, 499, 1_000), Verdict.RETIRE),
    Case("four buyers are luck", brought(100, 4, 9_000, 1_000), Verdict.WAIT),
    Case("as many buy as elsewhere", brought(100, 22), Verdict.WAIT),
    Case("few buy, but they take part", brought(200, 10, active=50), Verdict.ADJUST),
    Case("few buy and few take part", brought(200, 10, active=49), Verdict.RETIRE),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.told)
def test_advice_waits_for_enough_and_turns_at_its_edges(case: Case) -> None:
    advice = advise(case.result, EVERYBODY, TODAY)

    assert advice.verdict == case.verdict
    assert "%(" not in advice.reason % advice.values


def test_a_cost_in_another_currency_is_judged_by_who_buys() -> None:
    result = Result(100, 90, 90, 90, 1, 1_000, (Money(5, "EUR"),), TODAY - timedelta(days=30))

    assert advise(result, EVERYBODY, TODAY).verdict == Verdict.INVEST
