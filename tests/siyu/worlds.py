"""An invented history of a few fans: kept in a database, and remembered in plain Python to hold it against."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select, text
from sqlmodel import col

from siyu import fans, interactions, points, purchases, referrals
from siyu.audit import Actor
from siyu.fans import Newcomer
from siyu.kit.clock import local_day
from siyu.kit.database import Database, WriteSession
from siyu.kit.money import STARS, Money
from siyu.segments import Draft, Run, change_thresholds, recompute, saved
from siyu.tables import (
    Coupon,
    CustomDimension,
    Fan,
    FanAttribute,
    FanDay,
    FanLevel,
    FanMetrics,
    FanTag,
    LevelChange,
    LevelSize,
    Offer,
    OfferKind,
    OfferState,
    Product,
    Purchase,
    PurchaseItem,
    Reach,
    Refund,
)

# Clocks change in Berlin, and a day of theirs is not a day of UTC.
ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
EURO = "EUR"
OPERATOR = Actor("operator:1", "Ada")
CATEGORIES = {"tea": "drinks", "cake": "sweets", "cup": ""}
Rule = Mapping[str, Any]  # Any: the contract's RULE


@dataclass(frozen=True)
class Deed:
    """One thing a fan did."""

    fan_id: int
    at: datetime
    kind: str = "message"
    detail: str | None = None


@dataclass
class Bought:
    """A purchase and what was given back of it."""

    id: int
    fan_id: int
    at: datetime
    amount: int
    currency: str
    coupon: bool = False
    category: str = ""
    refunds: list[tuple[datetime, int]] = field(default_factory=list)

    def paid_back(self, as_of: datetime) -> int:
        return sum(amount for at, amount in self.refunds if at <= as_of)

    def counts(self, as_of: datetime) -> bool:
        back = [amount for at, amount in self.refunds if at <= as_of]
        return self.at <= as_of and not (back and sum(back) >= self.amount)


@dataclass
class Opened:
    """An invoice."""

    fan_id: int
    at: datetime
    until: datetime
    payload: str
    paid: bool = False


@dataclass
class Kept:
    """A saved segment, as its owner would tell it."""

    rule: Rule
    frozen: bool = False


@dataclass
class Known:
    """Who a fan is."""

    telegram_id: int
    joined: datetime
    channel: str
    tags: set[str] = field(default_factory=set)
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass
class World:
    """Facts go in by the verbs; `recompute` works the levels out; `expected` says what they should be."""

    database: Database
    now: datetime = START
    fans: list[int] = field(default_factory=list)
    people: dict[int, Known] = field(default_factory=dict)
    referrer: dict[int, tuple[int, datetime]] = field(default_factory=dict)
    unreachable: set[int] = field(default_factory=set)
    did: list[Deed] = field(default_factory=list)
    bought: list[Bought] = field(default_factory=list)
    invoices: list[Opened] = field(default_factory=list)
    claimed: list[tuple[int, datetime]] = field(default_factory=list)
    pointed: list[tuple[int, datetime, int]] = field(default_factory=list)
    lots: dict[int, list[list[Any]]] = field(default_factory=dict)  # Any: points left, and until when
    thresholds: dict[str, dict[str, int]] = field(default_factory=dict)
    saved: dict[str, Kept] = field(default_factory=dict)
    custom: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # Any: levels with RULEs
    stood: dict[date, dict[tuple[str, int], str]] = field(default_factory=dict)  # at the end of each day with a run
    stocked: bool = False  # there are products
    _coupons: int = 0

    async def admit(self, *, brought_by: int | None = None, channel: str = "direct", talks: bool = True) -> int:
        """A newcomer, perhaps with somebody's link; or one who never talked to us."""
        telegram_id = 1000 + len(self.fans)
        async with self.database.writing() as session:
            newcomer = Newcomer(telegram_id, "Fan", source_channel=channel, talks=talks)
            admitted = (await fans.admit(session, [newcomer], zone=ZONE, now=self.now))[telegram_id]
            assert admitted.id is not None
            if brought_by is not None:
                older = await fans.get_fan_by_id(session, brought_by)
                await referrals.connect(session, admitted, older.referral_code, now=self.now)
                self.referrer[admitted.id] = (brought_by, self.now)
        self.fans.append(admitted.id)
        self.people[admitted.id] = Known(telegram_id, self.now, channel)
        if not talks:
            self.unreachable.add(admitted.id)
        return admitted.id

    async def interact(
        self, fan_id: int, *, at: datetime, times: int = 1, kind: str = "message", detail: str | None = None
    ) -> None:
        facts = [
            interactions.Interacted("test", str(len(self.did) + n), fan_id, at - timedelta(seconds=n), kind, detail)
            for n in range(times)
        ]
        async with self.database.writing() as session:
            await interactions.record(session, facts, zone=ZONE)
        self.did += [Deed(fan_id, fact.at, kind, detail) for fact in facts]

    async def look(self, fan_id: int, sku: str, *, at: datetime) -> None:
        """At a product."""
        await self.interact(fan_id, at=at, kind="view", detail=sku)

    async def answer(self, fan_id: int, words: str, *, at: datetime) -> None:
        await self.interact(fan_id, at=at, kind="answer", detail=words)

    async def buy(
        self, fan_id: int, *, at: datetime, amount: int = 1000, currency: str = EURO, coupon: bool = False,
        category: str = "",
    ) -> Bought:  # fmt: skip
        async with self.database.writing() as session:
            purchase = Purchase(
                source="test", external_id=str(len(self.bought)), fan_id=fan_id, paid_at=at, day=local_day(at, ZONE),
                amount_minor=amount, currency=currency, body_hash="", coupon_code="TEN" if coupon else None,
            )  # fmt: skip
            session.add(purchase)
            await session.flush()
            if category:
                session.add(PurchaseItem(purchase_id=purchase.id or 0, line=1, category=category, amount_minor=amount))
            await fans.mark_dirty(session, [(fan_id, purchase.day, at)])
        bought = Bought(purchase.id or 0, fan_id, at, amount, currency, coupon, category)
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

    async def stock(self) -> None:
        """Products to look at and to buy in chat, once."""
        async with self.database.writing() as session:
            if await session.first(select(Product).limit(1)) is None:
                for sku, category in CATEGORIES.items():
                    session.add(Product(sku=sku, title=sku, category=category, stars_price=100, created_at=START))
        self.stocked = True

    async def open_invoice(self, fan_id: int) -> Opened:
        await self.stock()
        async with self.database.writing() as session:
            fan = await fans.get_fan_by_id(session, fan_id)
            invoice = await purchases.open_checkout(session, fan, "cup", bare=True, zone=ZONE, now=self.now)
        opened = Opened(fan_id, self.now, self.now + timedelta(minutes=30), invoice.payload)
        self.invoices.append(opened)
        return opened

    async def pay(self, opened: Opened) -> None:
        """An invoice, in Stars; a second time changes nothing."""
        if opened.paid:
            return
        charge = f"charge {len(self.bought)}"
        async with self.database.writing() as session:
            fan = await fans.get_fan_by_id(session, opened.fan_id)
            payment = purchases.Payment(charge, opened.payload, Money(100, STARS), paid_at=self.now)
            await purchases.settle(session, fan, payment, zone=ZONE, now=self.now)
            purchase = await session.one(select(Purchase).where(col(Purchase.external_id) == charge))
        opened.paid = True
        self.bought.append(Bought(purchase.id or 0, opened.fan_id, self.now, 100, STARS))

    async def claim(self, fan_id: int, *, given: bool = False) -> None:
        """A coupon the fan takes; one that is only given says nothing."""
        self._coupons += 1
        key = f"issue:all:{fan_id}" if given else f"tap:{fan_id}"
        async with self.database.writing() as session:
            offer = await self._offer(session)
            session.add(
                Coupon(offer_id=offer.id or 0, fan_id=fan_id, serial=self._coupons, seq=self._coupons,
                       code=f"C{self._coupons}", claim_key=f"{key}:{self._coupons}", claimed_at=self.now,
                       day=local_day(self.now, ZONE), valid_until=self.now + timedelta(days=30))
            )  # fmt: skip
            await fans.mark_dirty(session, [(fan_id, local_day(self.now, ZONE), self.now)])
        if not given:
            self.claimed.append((fan_id, self.now))

    async def point(self, fan_id: int, amount: int) -> None:
        """Points given or taken by hand; what ran out is seen when somebody looks."""
        mine = self.lots.setdefault(fan_id, [])
        async with self.database.writing() as session:
            there = await points.balance(session, fan_id, now=self.now)
            assert there == sum(left for left, until in mine if until > self.now)
            amount = max(amount, -there)
            if amount:
                key = f"{self.now}"
                fan = await session.one(select(Fan).where(col(Fan.id) == fan_id))
                await points.adjust(session, OPERATOR, fan, amount, "because", key=key, now=self.now)
        if amount > 0:
            mine.append([amount, self.now + timedelta(days=365)])
        elif amount < 0:
            lost = sum(left for left, until in mine if until <= self.now)
            self.pointed += [(fan_id, self.now, -lost)]
            self._use_up(fan_id, -amount)
        self.pointed.append((fan_id, self.now, amount))

    def _use_up(self, fan_id: int, amount: int) -> None:
        """The oldest first: all of them run out after the same time."""
        mine = self.lots[fan_id] = [lot for lot in self.lots[fan_id] if lot[1] > self.now]
        for lot in mine:
            used = min(lot[0], amount)
            lot[0], amount = lot[0] - used, amount - used

    async def _offer(self, session: WriteSession) -> Offer:
        found = await session.first(select(Offer).limit(1))
        if found is None:
            found = Offer(
                code="spring", title="Spring", kind=OfferKind.AMOUNT, value=100, currency=EURO, stock=10_000,
                per_fan=10_000, ends_at=START + timedelta(days=9_000), state=OfferState.ACTIVE, created_at=START,
                created_by="operator:1",
            )  # fmt: skip
            session.add(found)
            await session.flush()
        return found

    async def block(self, fan_id: int) -> None:
        async with self.database.writing() as session:
            fan = await fans.get_fan_by_id(session, fan_id)
            await fans.change_reach(session, fan.telegram_id, Reach.BLOCKED, now=self.now)
        self.unreachable.add(fan_id)

    async def tag(self, fan_id: int, word: str) -> None:
        async with self.database.writing() as session:
            await session.run(
                session.insert(FanTag).values(fan_id=fan_id, tag=word, at=self.now).on_conflict_do_nothing()
            )
            await self._look_again(session, fan_id)
        self.people[fan_id].tags.add(word)

    async def untag(self, fan_id: int, word: str) -> None:
        async with self.database.writing() as session:
            await session.run(delete(FanTag).where(col(FanTag.fan_id) == fan_id, col(FanTag.tag) == word))
            await self._look_again(session, fan_id)
        self.people[fan_id].tags.discard(word)

    async def describe(self, fan_id: int, name: str, value: str) -> None:
        """Something that is known of a fan."""
        async with self.database.writing() as session:
            new = session.insert(FanAttribute).values(fan_id=fan_id, name=name, value=value)
            await session.run(new.on_conflict_do_update(index_elements=["fan_id", "name"], set_={"value": value}))
            await self._look_again(session, fan_id)
        self.people[fan_id].attributes[name] = value

    async def _look_again(self, session: WriteSession, fan_id: int) -> None:
        fan = await session.get(Fan, fan_id)
        assert fan is not None
        await fans.mark_dirty(session, [(fan_id, fan.joined_day, self.now)])

    async def set_threshold(self, dimension: str, **wanted: int) -> None:
        async with self.database.writing() as session:
            await change_thresholds(session, OPERATOR, dimension, wanted, now=self.now)
        self.thresholds.setdefault(dimension, {}).update(wanted)

    async def save(self, key: str, rule: Rule) -> None:
        """A segment of one's own, new or with another rule."""
        draft = Draft(key=key, label=key.title(), rule=rule)
        async with self.database.writing() as session:
            if key in self.saved:
                await saved.change(session, OPERATOR, draft, now=self.now)
            else:
                await saved.create(session, OPERATOR, draft, now=self.now)
        self.saved[key] = Kept(rule)

    async def freeze(self, key: str, *, frozen: bool = True) -> None:
        async with self.database.writing() as session:
            await saved.freeze(session, OPERATOR, key, frozen=frozen, now=self.now)
        self.saved[key].frozen = frozen

    async def forget(self, key: str) -> None:
        async with self.database.writing() as session:
            await saved.delete(session, OPERATOR, key, now=self.now)
        del self.saved[key]

    async def define(self, key: str, levels: list[dict[str, Any]]) -> None:  # Any: levels with RULEs
        """A dimension of one's own, new or otherwise than before."""
        row = {"key": key, "label": key, "levels": levels, "changed_at": self.now, "changed_by": OPERATOR.key}
        async with self.database.writing() as session:
            new = session.insert(CustomDimension).values(created_at=START, **row)
            await session.run(new.on_conflict_do_update(index_elements=["key"], set_=row))
        self.custom[key] = levels

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
                row.last_interaction_at, row.first_purchase_at, row.last_purchase_at, row.views, row.with_coupon,
            )
            for row in days
        },
        metrics={row.fan_id: _numbers(row, newest) for row in metrics},
        levels={(row.dimension, row.fan_id): row.level for row in levels},
        sizes={(row.dimension, row.level): (row.size, row.reachable) for row in sizes if row.size},
    )  # fmt: skip


def _numbers(row: FanMetrics, today: int) -> dict[str, object]:
    """Wanting is kept as it would have been at the start of 2026, and told as it is now."""
    numbers = row.model_dump(exclude={"fan_id", "intent_heat", "places"})
    weeks = (today - (date(2026, 1, 1) - date(1970, 1, 1)).days) / 7
    return numbers | {"intent_score": pytest.approx(row.intent_heat / 2**weeks, rel=1e-9, abs=1e-9)}


async def untold_moves(database: Database) -> Counter[tuple[str, str, date]]:
    """By level and day, how many changes the counts of who came and went have not told, or told twice.

    The first level of all is told by its stay alone: the one that goes on, or the first that was closed.
    """
    untold: Counter[tuple[str, str, date]] = Counter()
    async with database.reading() as session:
        changes = await session.all(select(LevelChange).order_by(col(LevelChange.id)))
        firsts = {
            (row.dimension, row.fan_id): (row.level, row.since_day) for row in await session.all(select(FanLevel))
        }
        for change in reversed(changes):
            untold[change.dimension, f"into {change.new_level}", change.day] += 1
            untold[change.dimension, f"out of {change.old_level}", change.day] += change.old_level is not None
            if change.old_level is not None and change.old_day is not None:
                firsts[change.dimension, change.fan_id] = (change.old_level, change.old_day)
            else:
                firsts.pop((change.dimension, change.fan_id), None)
        for (dimension, _), (level, day) in firsts.items():
            untold[dimension, f"into {level}", day] += 1
        for size in await session.all(select(LevelSize)):
            untold[size.dimension, f"into {size.level}", size.day] -= size.entered
            untold[size.dimension, f"out of {size.level}", size.day] -= size.left
    return Counter({where: count for where, count in untold.items() if count and not where[1].endswith(" out")})


def differences(found: Stand, wanted: Stand) -> list[tuple[object, ...]]:
    """Where two differ, with what each says: readable where whole worlds are not."""
    told: list[tuple[object, ...]] = []
    for part in ("days", "metrics", "levels", "sizes"):
        here, there = getattr(found, part), getattr(wanted, part)
        for key in sorted(here.keys() | there.keys(), key=str):
            mine, theirs = here.get(key), there.get(key)
            if isinstance(mine, dict) and isinstance(theirs, dict):
                names = [name for name in mine | theirs if mine.get(name) != theirs.get(name)]
                told += [(part, key, name, mine.get(name), theirs.get(name)) for name in names]
            elif mine != theirs:
                told.append((part, key, mine, theirs))
    return told
