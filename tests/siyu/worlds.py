"""An invented history of a few fans: kept in a database, and told again in plain Python to hold it against."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select, text

from siyu import fans, interactions, referrals
from siyu.kit.clock import local_day
from siyu.kit.database import Database
from siyu.segments import Run, recompute
from siyu.tables import FanDay, FanLevel, FanMetrics, LevelChange, LevelSize, Purchase, Reach, Refund

# Clocks change in Berlin, and a day of theirs is not a day of UTC.
ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
EURO = "EUR"


@dataclass
class Bought:
    """A purchase and what was given back of it."""

    id: int
    fan_id: int
    at: datetime
    amount: int
    currency: str
    refunds: list[tuple[datetime, int]] = field(default_factory=list)

    def paid_back(self, as_of: datetime) -> int:
        return sum(amount for at, amount in self.refunds if at <= as_of)

    def counts(self, as_of: datetime) -> bool:
        back = [amount for at, amount in self.refunds if at <= as_of]
        return self.at <= as_of and not (back and sum(back) >= self.amount)


@dataclass
class World:
    """Facts go in by the verbs; `recompute` works the levels out; `expected` says what they should be."""

    database: Database
    now: datetime = START
    fans: list[int] = field(default_factory=list)
    joined: dict[int, datetime] = field(default_factory=dict)
    referrer: dict[int, tuple[int, datetime]] = field(default_factory=dict)
    unreachable: set[int] = field(default_factory=set)
    did: list[tuple[int, datetime]] = field(default_factory=list)
    bought: list[Bought] = field(default_factory=list)

    async def admit(self, *, brought_by: int | None = None) -> int:
        """A newcomer, perhaps with somebody's link."""
        telegram_id = 1000 + len(self.fans)
        async with self.database.writing() as session:
            admitted = await fans.admit(session, [fans.Newcomer(telegram_id, "Fan")], zone=ZONE, now=self.now)
            newcomer = admitted[telegram_id]
            assert newcomer.id is not None
            if brought_by is not None:
                older = await fans.get_fan_by_id(session, brought_by)
                await referrals.connect(session, newcomer, older.referral_code, now=self.now)
                self.referrer[newcomer.id] = (brought_by, self.now)
        self.fans.append(newcomer.id)
        self.joined[newcomer.id] = self.now
        return newcomer.id

    async def interact(self, fan_id: int, *, at: datetime, times: int = 1) -> None:
        facts = [
            interactions.Interacted("test", str(len(self.did) + n), fan_id, at - timedelta(seconds=n), "message")
            for n in range(times)
        ]
        async with self.database.writing() as session:
            await interactions.record(session, facts, zone=ZONE)
        self.did += [(fan_id, fact.at) for fact in facts]

    async def buy(self, fan_id: int, *, at: datetime, amount: int = 1000, currency: str = EURO) -> Bought:
        async with self.database.writing() as session:
            purchase = Purchase(
                source="test", external_id=str(len(self.bought)), fan_id=fan_id, paid_at=at, day=local_day(at, ZONE),
                amount_minor=amount, currency=currency, body_hash="",
            )  # fmt: skip
            session.add(purchase)
            await session.flush()
            await fans.mark_dirty(session, [(fan_id, purchase.day, at)])
        bought = Bought(purchase.id or 0, fan_id, at, amount, currency)
        self.bought.append(bought)
        return bought

    async def pay_back(self, bought: Bought, *, at: datetime, amount: int | None = None) -> None:
        left = bought.amount - sum(amount for _, amount in bought.refunds)
        amount = left if amount is None else min(amount, left)
        async with self.database.writing() as session:
            key = f"{bought.id}-{len(bought.refunds)}"
            session.add(
                Refund(source="test", refund_key=key, purchase_id=bought.id, amount_minor=amount, refunded_at=at,
                       day=local_day(at, ZONE))
            )  # fmt: skip
            await fans.mark_dirty(session, [(bought.fan_id, local_day(bought.at, ZONE), at)])
        bought.refunds.append((at, amount))

    async def block(self, fan_id: int) -> None:
        async with self.database.writing() as session:
            fan = await fans.get_fan_by_id(session, fan_id)
            await fans.change_reach(session, fan.telegram_id, Reach.BLOCKED, now=self.now)
        self.unreachable.add(fan_id)

    async def recompute(self, **how: object) -> Run:
        return await recompute(self.database, zone=ZONE, currency=EURO, now=self.now, **how)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Stand:
    """Everything that is derived, as comparable values."""

    days: dict[tuple[int, date], tuple[object, ...]]
    metrics: dict[int, dict[str, object]]
    levels: dict[tuple[str, int], str]
    sizes: dict[tuple[str, str], tuple[int, int]]


async def standing(database: Database) -> Stand:
    """What the database says."""
    async with database.reading() as session:
        days = await session.all(select(FanDay))
        metrics = await session.all(select(FanMetrics))
        levels = await session.all(select(FanLevel))
        newest = (await session.rows(text("SELECT day FROM as_of")))[0][0]
        sizes = [size for size in await session.all(select(LevelSize)) if (size.day - date(1970, 1, 1)).days == newest]
    return Stand(
        days={
            (row.fan_id, row.day): (
                row.interactions, row.purchases, row.spend_minor,
                row.last_interaction_at, row.first_purchase_at, row.last_purchase_at,
            )
            for row in days
        },
        metrics={row.fan_id: row.model_dump(exclude={"fan_id"}) for row in metrics},
        levels={(row.dimension, row.fan_id): row.level for row in levels},
        sizes={(row.dimension, row.level): (row.size, row.reachable) for row in sizes if row.size},
    )  # fmt: skip


async def untold_moves(database: Database) -> Counter[tuple[str, str, date]]:
    """By level and day, how many changes the counts of who came and went have not told, or told twice."""
    untold: Counter[tuple[str, str, date]] = Counter()
    async with database.reading() as session:
        for change in await session.all(select(LevelChange)):
            untold[change.dimension, f"into {change.new_level}", change.day] += 1
            untold[change.dimension, f"out of {change.old_level}", change.day] += change.old_level is not None
        for size in await session.all(select(LevelSize)):
            untold[size.dimension, f"into {size.level}", size.day] -= size.entered
            untold[size.dimension, f"out of {size.level}", size.day] -= size.left
    return Counter({where: count for where, count in untold.items() if count})


def expected(world: World, as_of: datetime) -> Stand:
    """What the definitions say, fan by fan, without a database."""
    today = local_day(as_of, ZONE)
    days = {(fan_id, day): _day(world, fan_id, day, as_of) for fan_id, day in _active_days(world, as_of)}
    metrics = {fan_id: _metrics(world, fan_id, today, as_of) for fan_id in world.fans}
    for fan_id in world.fans:
        metrics[fan_id] |= _referred(world, metrics, fan_id, today, as_of)
    levels = {
        (dimension, fan_id): level
        for fan_id in world.fans
        for dimension, level in _levels(metrics[fan_id], today).items()
    }
    everyone = Counter((dimension, level) for (dimension, _), level in levels.items())
    reached = Counter((d, level) for (d, fan_id), level in levels.items() if fan_id not in world.unreachable)
    return Stand(days, metrics, levels, {key: (count, reached[key]) for key, count in everyone.items()})


def _active_days(world: World, as_of: datetime) -> set[tuple[int, date]]:
    did = {(fan_id, local_day(at, ZONE)) for fan_id, at in world.did if at <= as_of}
    return did | {(buy.fan_id, local_day(buy.at, ZONE)) for buy in world.bought if buy.counts(as_of)}


def _day(world: World, fan_id: int, day: date, as_of: datetime) -> tuple[object, ...]:
    did = [at for who, at in world.did if who == fan_id and at <= as_of and local_day(at, ZONE) == day]
    bought = [buy for buy in _purchases(world, fan_id, as_of) if local_day(buy.at, ZONE) == day]
    moments = [buy.at for buy in bought]
    return (
        len(did), len(bought), _spent(bought, as_of),
        max(did, default=None), min(moments, default=None), max(moments, default=None),
    )  # fmt: skip


def _purchases(world: World, fan_id: int, as_of: datetime) -> list[Bought]:
    mine = [buy for buy in world.bought if buy.fan_id == fan_id and buy.counts(as_of)]
    return sorted(mine, key=lambda buy: (buy.at, buy.id))


def _spent(bought: Sequence[Bought], as_of: datetime) -> int:
    return sum(buy.amount - buy.paid_back(as_of) for buy in bought if buy.currency == EURO)


def _metrics(world: World, fan_id: int, today: date, as_of: datetime) -> dict[str, object]:
    did = [at for who, at in world.did if who == fan_id and at <= as_of]
    bought = _purchases(world, fan_id, as_of)

    def acts(window: int) -> int:
        return sum((today - local_day(at, ZONE)).days < window for at in did)

    def buys(window: int) -> list[Bought]:
        return [buy for buy in bought if (today - local_day(buy.at, ZONE)).days < window]

    moments = [buy.at for buy in bought]
    first, last, active = min(moments, default=None), max(moments, default=None), max(did, default=None)
    return {
        **{f"interactions_{window}d": acts(window) for window in (7, 30, 90)},
        "interactions_total": len(did),
        **{f"purchases_{window}d": len(buys(window)) for window in (30, 90, 365)},
        "purchases_total": len(bought),
        **{f"spend_{window}d": _spent(buys(window), as_of) for window in (30, 90, 365)},
        "spend_total": _spent(bought, as_of),
        "orders_total": len({local_day(at, ZONE) for at in moments}),
        "first_purchase_at": first,
        "first_purchase_day": first and local_day(first, ZONE),
        "last_purchase_at": last,
        "last_purchase_day": last and local_day(last, ZONE),
        "last_interaction_at": active,
        "last_interaction_day": active and local_day(active, ZONE),
        "reachable": fan_id not in world.unreachable,
    }


def _referred(
    world: World, metrics: dict[int, dict[str, object]], fan_id: int, today: date, as_of: datetime
) -> dict[str, object]:
    friends = [who for who, (by, at) in world.referrer.items() if by == fan_id and at <= as_of]
    spend = [metrics[friend]["spend_365d"] for friend in friends]
    return {
        "referrals_total": len(friends),
        "referrals_qualified": sum(_qualifies(world, friend, today, as_of) for friend in friends),
        "referred_spend_365d": sum(amount for amount in spend if isinstance(amount, int)),
    }


def _qualifies(world: World, friend: int, today: date, as_of: datetime) -> bool:
    bought = _purchases(world, friend, as_of)
    if not bought:
        return False
    day = local_day(bought[0].at, ZONE)
    soon = 0 <= (day - local_day(world.joined[friend], ZONE)).days <= 7
    paid_back_in_hold = any(at <= as_of and (local_day(at, ZONE) - day).days < 14 for at, _ in bought[0].refunds)
    return soon and (today - day).days >= 14 and not paid_back_in_hold


def _levels(metrics: dict[str, object], today: date) -> dict[str, str]:
    acts, buys, life = (metrics[name] for name in ("interactions_30d", "purchases_365d", "purchases_total"))
    qualified, last, active = (
        metrics[name] for name in ("referrals_qualified", "last_purchase_day", "last_interaction_day")
    )
    for count in (acts, buys, life, qualified):
        assert isinstance(count, int)
    since_purchase = (today - last).days if isinstance(last, date) else None
    silent = (today - active).days if isinstance(active, date) else None
    frequency = "high" if acts >= 20 else "mid" if acts >= 5 else "low" if acts >= 1 else "none"
    if since_purchase is None:
        loyalty = "none"
    elif since_purchase > 365:
        loyalty = "lost"
    elif (life >= 2 and since_purchase > 90) or (silent is not None and silent > 60):
        loyalty = "at_risk"
    elif buys >= 3 and frequency in {"high", "mid"}:
        loyalty = "loyal"
    else:
        loyalty = "growing" if buys >= 2 else "casual"
    referral = "ambassador" if qualified >= 3 else "referrer" if qualified >= 1 else "none"
    return {
        "interaction_frequency": frequency,
        "purchase_frequency": _purchase_frequency(metrics["purchases_90d"]),
        "loyalty": loyalty,
        "lifecycle": _lifecycle(metrics, today),
        "purchase_stage": "loyal" if life >= 5 else "repeat" if life >= 2 else "first" if life else "potential",
        "referral": referral,
    }


def _purchase_frequency(buys: object) -> str:
    assert isinstance(buys, int)
    return "high" if buys >= 4 else "mid" if buys >= 2 else "low" if buys == 1 else "none"


def _lifecycle(metrics: dict[str, object], today: date) -> str:
    first, last = metrics["first_purchase_day"], metrics["last_purchase_day"]
    if not isinstance(first, date) or not isinstance(last, date):
        return "potential"
    if (today - first).days <= 30:
        return "new"
    ago = (today - last).days
    return "active" if ago <= 90 else "dormant" if ago <= 180 else "lost"
