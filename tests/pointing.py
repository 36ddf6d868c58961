"""What tests of points begin with: a programme that is on, rules as the test wants them, and what fans have."""

from dataclasses import replace

from siyu import coupons, points
from siyu.app import App
from siyu.points import CheckedIn, NewTier
from siyu.tables import Fan, Offer, PointsAccount, PointsKind
from tests.trading import BOSS, an_offer


async def given_programme(app: App) -> None:
    async with app.database.writing() as session:
        await points.switch_on(session, BOSS, currency=app.settings.currency, now=app.clock())


async def sets(app: App, kind: str, **terms: object) -> None:
    async with app.database.writing() as session:
        rule = (await points.rules(session))[PointsKind(kind)]
        await points.change_rule(session, BOSS, replace(rule, **terms), now=app.clock())  # type: ignore[arg-type]


async def earns(app: App, fan: Fan, rule: str, cause: str) -> int:
    async with app.database.writing() as session:
        return await points.earn(session, fan.id or 0, rule, cause, now=app.clock())


async def checks_in(app: App, fan: Fan) -> CheckedIn:
    async with app.database.writing() as session:
        return await points.check_in(session, fan.id or 0, zone=app.settings.zone, now=app.clock())


async def spends(app: App, fan: Fan, amount: int, cause: str) -> bool:
    async with app.database.writing() as session:
        return await points.spend(session, fan.id or 0, amount, cause, now=app.clock())


async def takes_back(app: App, rule: str, cause: str) -> int:
    async with app.database.writing() as session:
        return await points.take_back(session, rule, cause, now=app.clock())


async def balance_of(app: App, fan: Fan) -> int:
    async with app.database.reading() as session:
        return await points.balance(session, fan.id or 0, now=app.clock())


async def owes(app: App, fan: Fan) -> int:
    async with app.database.reading() as session:
        account = await session.get(PointsAccount, fan.id)
    return account.owed if account else 0


async def given_tiers(
    app: App, *minimums: int, multiplier: int = 100, window_days: int = 365, grace_days: int = 30
) -> None:
    drafts = [
        NewTier({"en": f"Step {n}", "zh_CN": f"第{n}级"}, minimum, multiplier, {"en": "Tea", "zh_CN": "茶"})
        for n, minimum in enumerate(minimums, start=1)
    ]
    async with app.database.writing() as session:
        await points.change_tiers(
            session, BOSS, drafts, window_days=window_days, grace_days=grace_days, now=app.clock()
        )


async def given_reward(app: App, cost: int, **terms: object) -> Offer:
    """An offer that can be had for so many points."""
    offer = await an_offer(app, **terms)
    async with app.database.writing() as session:
        await coupons.set_cost(session, BOSS, offer.id or 0, cost, now=app.clock())
    return offer
