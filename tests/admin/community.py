"""A few fans with habits, for pages to show."""

from datetime import timedelta
from itertools import count

from siyu import fans, purchases, referrals, segments
from siyu.app import App
from siyu.fans import Newcomer
from siyu.kit.money import Money
from siyu.purchases import Line, Sale
from siyu.tables import Fan
from tests.people import given_fan, given_interactions

_keys = count(1)
TEA = Money(3880, "CNY")


async def given_purchase(
    app: App,
    fan: Fan,
    *,
    days_ago: float = 0,
    amount: Money = TEA,
    what: str = "Spring tea",
    source: str = "shop",
) -> int:
    """Something the fan paid for; its row."""
    line = Line("tea", what, "tea", 1, amount.minor)
    at = app.clock() - timedelta(days=days_ago)
    sale = Sale(source, f"s{next(_keys)}", fan.id or 0, at, amount, (line,))
    async with app.database.writing() as session:
        await purchases.record(session, [sale], zone=app.settings.zone)
        newest = await purchases.purchases_of(session, fan.id or 0, limit=100)
    return next(row.id or 0 for row in newest.items if row.external_id == sale.external_id)


async def given_regular(app: App, name: str = "Mei", **fields: object) -> Fan:
    """Writes often and buys again and again: loyal."""
    fan = await given_fan(app, name=name, **fields)
    await given_interactions(app, fan, 24, days_ago=1)
    for days_ago in (60, 30, 10):
        await given_purchase(app, fan, days_ago=days_ago)
    return fan


async def given_friend(app: App, of: Fan, name: str = "Friend") -> Fan:
    """Somebody whom the other fan brought, this very moment."""
    friend = await given_fan(app, name=name)
    async with app.database.writing() as session:
        await referrals.connect(session, friend, of.referral_code, now=app.clock())
    return friend


async def given_many(app: App, number: int, *, name: str = "Fan") -> None:
    """So many newcomers with numbers in their names."""
    newcomers = [Newcomer(8_000_000 + n, f"{name} {n:03}") for n in range(number)]
    async with app.database.writing() as session:
        await fans.admit(session, newcomers, zone=app.settings.zone, now=app.clock())


async def recomputed(app: App) -> None:
    """Levels are worked out as of now."""
    await segments.recompute(app.database, zone=app.settings.zone, currency=app.settings.currency, now=app.clock())
