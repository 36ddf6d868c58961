"""What each link and each channel brought: those who came by it in a period, and all they did since."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, reduce

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Mapped
from sqlmodel import col

from siyu.kit.database import ReadSession
from siyu.kit.money import Money
from siyu.sources.advice import Advice, advise
from siyu.sources.links import list_sources
from siyu.tables import Fan, FanMetrics, Source, SourceCost

PERIODS = (30, 90, 365)  # days; beside them, everything


@dataclass(frozen=True)
class Result:
    """Newcomers of a period and what they did until now; money in minor units of the main currency.

    Numbers are those the fans' own pages show: true for the last recompute, a second ago.
    """

    joined: int = 0
    active: int = 0  # did something in the last 30 days
    buyers: int = 0
    orders: int = 0  # days with a purchase
    revenue_minor: int = 0  # less what was refunded
    cost_minor: int = 0
    other_costs: tuple[Money, ...] = ()  # in other currencies: shown, never converted
    first_day: date | None = None

    @property
    def active_share(self) -> float | None:
        return self.active / self.joined if self.joined else None

    @property
    def buyer_share(self) -> float | None:
        return self.buyers / self.joined if self.joined else None

    @property
    def roi(self) -> float | None:
        """What came back for each unit spent, less that unit; None where the cost is not known in this currency."""
        if not self.cost_minor or self.other_costs:
            return None
        return (self.revenue_minor - self.cost_minor) / self.cost_minor

    def __add__(self, other: "Result") -> "Result":
        days = [day for day in (self.first_day, other.first_day) if day]
        return Result(
            self.joined + other.joined, self.active + other.active, self.buyers + other.buyers,
            self.orders + other.orders, self.revenue_minor + other.revenue_minor, self.cost_minor + other.cost_minor,
            _added(self.other_costs + other.other_costs), min(days, default=None),
        )  # fmt: skip


@dataclass(frozen=True)
class LinkResult:
    """A link, what it brought, and what to do about it."""

    source: Source
    result: Result
    advice: Advice


@dataclass(frozen=True)
class ChannelResult:
    """A channel: its links and whoever came by it without one."""

    channel: str
    result: Result
    advice: Advice


@dataclass(frozen=True)
class Overview:
    """Everybody who came in a period, by link and by channel."""

    days: int | None
    links: list[LinkResult]
    channels: list[ChannelResult]
    everybody: Result


@dataclass(frozen=True)
class _Counted:
    """By link code (empty: none) and channel."""

    groups: Mapping[tuple[str, str], Result] = field(default_factory=dict)

    @cached_property
    def everybody(self) -> Result:
        return _sum(self.groups.values())

    @property
    def channels(self) -> list[str]:
        return sorted({channel for _, channel in self.groups})

    def by_link(self, code: str) -> Result:
        return _sum(result for (of, _), result in self.groups.items() if of == code)

    def by_channel(self, channel: str) -> Result:
        return _sum(result for (_, of), result in self.groups.items() if of == channel)


async def overview(session: ReadSession, *, days: int | None, currency: str, today: date) -> Overview:
    """Links in the order they were made, channels by how many they brought; `days` None is since the beginning."""
    known = await list_sources(session)
    counted = await _counted(session, known, days, currency, today)
    everybody = counted.everybody
    links = [_link(source, counted.by_link(source.code), everybody, today) for source in known]
    channels = [_channel(channel, counted.by_channel(channel), everybody, today) for channel in counted.channels]
    return Overview(days, links, sorted(channels, key=lambda one: -one.result.joined), everybody)


async def result_of(
    session: ReadSession, source: Source, *, days: int | None, currency: str, today: date
) -> LinkResult:
    """One link, held against everybody of the same period."""
    counted = await _counted(session, [source], days, currency, today)
    return _link(source, counted.by_link(source.code), counted.everybody, today)


def _link(source: Source, result: Result, everybody: Result, today: date) -> LinkResult:
    return LinkResult(source, result, advise(result, everybody, today))


def _channel(channel: str, result: Result, everybody: Result, today: date) -> ChannelResult:
    return ChannelResult(channel, result, advise(result, everybody, today))


async def _counted(
    session: ReadSession, known: Iterable[Source], days: int | None, currency: str, today: date
) -> _Counted:
    groups = await _people(session, days, today)
    costs = await _costs(session, days, currency, today)
    for source in known:
        key = (source.code, source.channel)
        if source.code in costs:
            groups[key] = groups.get(key, Result()) + costs[source.code]
    return _Counted(groups)


async def _people(session: ReadSession, days: int | None, today: date) -> dict[tuple[str, str], Result]:
    # A friend's link is everybody's own: grouped as it stands, there were as many groups as referrers.
    code = case((col(Fan.source).startswith("s_", autoescape=True), func.substr(col(Fan.source), 3)), else_="")
    known = select(
        code, col(Fan.source_channel), func.count(),
        _how_many(col(FanMetrics.interactions_30d) > 0), _how_many(col(FanMetrics.purchases_total) > 0),
        _summed(col(FanMetrics.orders_total)), _summed(col(FanMetrics.spend_total)),
        func.min(col(Fan.joined_day)),
    ).outerjoin_from(Fan, FanMetrics, col(FanMetrics.fan_id) == col(Fan.id))  # fmt: skip
    rows = await session.rows(known.where(*_within(col(Fan.joined_day), days, today)).group_by(code, "source_channel"))
    return {(code, channel): _read(*numbers) for code, channel, *numbers in rows}


def _read(joined: int, active: int, buyers: int, orders: int, revenue: int, first_day: date) -> Result:
    """PostgreSQL sums whole numbers as decimals."""
    return Result(joined, int(active), int(buyers), int(orders), int(revenue), first_day=first_day)


async def _costs(session: ReadSession, days: int | None, currency: str, today: date) -> dict[str, Result]:
    place = (col(SourceCost.code), col(SourceCost.currency))
    spent = select(*place, func.sum(col(SourceCost.amount_minor))).group_by(*place)
    costs: dict[str, Result] = {}
    for code, of, minor in await session.rows(spent.where(*_within(col(SourceCost.day), days, today))):
        cost = Result(cost_minor=int(minor)) if of == currency else Result(other_costs=(Money(int(minor), of),))
        costs[code] = costs.get(code, Result()) + cost
    return costs


def _within(day: Mapped[date], days: int | None, today: date) -> list[ColumnElement[bool]]:
    return [day > today - timedelta(days=days)] if days else []


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return _summed(case((condition, 1), else_=0))


def _summed(column: ColumnElement[int] | Mapped[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(column), 0)


def _sum(results: Iterable[Result]) -> Result:
    return reduce(Result.__add__, results, Result())


def _added(costs: Iterable[Money]) -> tuple[Money, ...]:
    sums: dict[str, int] = {}
    for cost in costs:
        sums[cost.currency] = sums.get(cost.currency, 0) + cost.minor
    return tuple(Money(minor, currency) for currency, minor in sorted(sums.items()))
