"""What tests of points begin with: a programme that is on, rules as the test wants them, and what fans have."""

from dataclasses import replace

from siyu import points
from siyu.app import App
from siyu.tables import Fan, PointsAccount, PointsKind
from tests.trading import BOSS


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
