"""What a broadcast brought about: who pressed, who bought and what they paid, beside those who were held out."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy import BigInteger, ColumnElement, case, exists, func, not_, select, type_coerce
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import col

from siyu.broadcasts.comparing import CONTROL, HELD_OUT, Uplift, has_test, shares, uplift, waits_for_winner
from siyu.broadcasts.composing import get_broadcast
from siyu.kit.database import ReadSession
from siyu.kit.money import Money
from siyu.tables import Broadcast, BroadcastClick, Delivery, DeliveryState, Purchase

DAY_SECONDS = 86_400

SENT, HOLDOUT = DeliveryState.SENT, DeliveryState.HOLDOUT
# Whoever it was tried with: among the held out are as many who block the bot in silence, and nobody knows whom.
TRIED = (SENT, DeliveryState.FAILED, DeliveryState.BLOCKED, DeliveryState.UNKNOWN)

_compared_with = col(Delivery.state).in_([*TRIED, HOLDOUT])
_kept_minor = col(Purchase.amount_minor) - col(Purchase.refunded_minor)


@dataclass(frozen=True)
class Group:
    """Fans of one state and one version; of the held out also why. They are all of the ledger, each once."""

    state: DeliveryState
    variant: str | None
    why: str | None
    fans: int
    clicks: int
    buyers: int
    last_planned_at: datetime | None
    tested: bool = True  # their version was drawn by lot; the others got the winner


@dataclass(frozen=True)
class Version:
    """What one version did; `against_main` compares who did what the winner is found by, with its interval."""

    key: str
    fans: int
    sent: int
    clicks: int
    purchases: int
    against_main: Uplift | None = None


@dataclass(frozen=True)
class Results:
    """A broadcast with its numbers; the counts always add up to the audience."""

    broadcast: Broadcast
    groups: Sequence[Group]

    @cached_property
    def counts(self) -> dict[DeliveryState, int]:
        found = Counter(dict.fromkeys(DeliveryState, 0))
        for group in self.groups:
            found[group.state] += group.fans
        return dict(found)

    @property
    def audience(self) -> int:
        return sum(group.fans for group in self.groups)

    @property
    def clicks(self) -> int:
        """Fans who pressed a button, each once."""
        return sum(group.clicks for group in self.groups)

    @property
    def purchases(self) -> int:
        """Fans who got it and bought within the days of attribution, each once."""
        return sum(group.buyers for group in self.groups if group.state is SENT)

    @property
    def counts_until(self) -> datetime | None:
        """When the last fan's days of attribution are over; None where nobody was planned."""
        moments = [group.last_planned_at for group in self.groups if group.last_planned_at]
        return max(moments) + timedelta(days=self.broadcast.attribution_days) if moments else None

    @property
    def uplift(self) -> Uplift | None:
        """Against the fans held out of this broadcast; None where nobody was."""
        return self._against(HELD_OUT)

    @property
    def uplift_over_control(self) -> Uplift | None:
        """Against the fans who get no broadcast at all; None where there are none."""
        return self._against(CONTROL)

    @property
    def versions(self) -> list[Version]:
        """Each with its numbers, the main one first; none where there is but one text."""
        if not self.broadcast.variants:
            return []
        by_purchases = self.broadcast.winner_by == "purchases"
        keys = [key for key, _ in shares(self.broadcast.variants)]
        main, *others = (self._version(key, self.groups) for key in keys)
        # Who got the winner afterwards was never drawn against the others, and had less time.
        drawn, *tested = (self._version(key, [group for group in self.groups if group.tested]) for key in keys)
        against = (_against(one, drawn, by_purchases=by_purchases) for one in tested)
        return [main, *(replace(other, against_main=found) for other, found in zip(others, against, strict=True))]

    def _against(self, why: str) -> Uplift | None:
        held = [group for group in self.groups if group.state is HOLDOUT and group.why == why]
        tried = [group for group in self.groups if group.state in TRIED]
        if not held:
            return None
        return uplift(_fans(tried), _buyers(tried), _fans(held), _buyers(held))

    def _version(self, key: str, groups: Sequence[Group]) -> Version:
        own = [group for group in groups if group.variant == key]
        sent = [group for group in own if group.state is SENT]
        return Version(key, _fans(own), _fans(sent), sum(group.clicks for group in own), _buyers(sent))


@dataclass(frozen=True)
class Earned:
    """What those who got it paid within the days of attribution, refunds taken off; by version too."""

    total: Sequence[Money]
    by_variant: dict[str, Sequence[Money]]


@dataclass(frozen=True)
class Speed:
    """From the first message to the last; `rate` a second, where there were two moments."""

    first_at: datetime | None
    last_at: datetime | None
    rate: float | None


@dataclass(frozen=True)
class Pressed:
    """A button, by its place or its word, and how many fans pressed it."""

    button: str
    fans: int


async def results(session: ReadSession, broadcast_id: int) -> Results:
    """Counted in one statement, so that no number can be from another moment: 0.2 s for 100,000 fans."""
    broadcast = await get_broadcast(session, broadcast_id)
    why = case((col(Delivery.state) == HOLDOUT, col(Delivery.reason)))
    keys = (col(Delivery.state), col(Delivery.variant), why)
    numbers = (
        func.count(),
        func.count(col(Delivery.clicked_at)),
        func.count().filter(has_bought(broadcast.attribution_days)),
        func.max(col(Delivery.planned_at)),
    )
    drawn = [not_(waits_for_winner(broadcast, col(Delivery.fan_id)))] if has_test(broadcast) else []
    of_this = col(Delivery.broadcast_id) == broadcast_id
    statement = select(*keys, *numbers, *drawn).where(of_this).group_by(*keys, *drawn)
    return Results(broadcast, [Group(*row) for row in await session.rows(statement)])


async def earned(session: ReadSession, broadcast_id: int) -> Earned:
    """Money by currency, the most first."""
    broadcast = await get_broadcast(session, broadcast_id)
    kept = func.sum(_kept_minor)
    found = await session.rows(
        select(col(Delivery.variant), col(Purchase.currency), kept)
        .join(Purchase, col(Purchase.fan_id) == col(Delivery.fan_id))
        .where(col(Delivery.broadcast_id) == broadcast_id, col(Delivery.state) == SENT)
        .where(*bought_within(broadcast.attribution_days))
        .group_by(col(Delivery.variant), col(Purchase.currency))
    )
    variants = {variant for variant, _, _ in found if variant is not None}
    return Earned(
        _summed(Counter({(one, currency): int(minor) for one, currency, minor in found})),
        {
            key: _summed(Counter({(one, cur): int(minor) for one, cur, minor in found if one == key}))
            for key in variants
        },
    )


async def paid_by(session: ReadSession, broadcast: Broadcast, fan_ids: Collection[int]) -> dict[int, Sequence[Money]]:
    """What each of these fans paid within the days of attribution, refunds taken off, if they did."""
    found = await session.rows(
        select(col(Delivery.fan_id), col(Purchase.currency), func.sum(_kept_minor))
        .join(Purchase, col(Purchase.fan_id) == col(Delivery.fan_id))
        .where(col(Delivery.broadcast_id) == broadcast.id, col(Delivery.fan_id).in_(fan_ids), _compared_with)
        .where(*bought_within(broadcast.attribution_days))
        .group_by(col(Delivery.fan_id), col(Purchase.currency))
    )
    paid: dict[int, list[Money]] = {}
    for fan_id, currency, minor in found:
        paid.setdefault(fan_id, []).append(Money(int(minor), currency))
    return dict(paid)


async def speed(session: ReadSession, broadcast_id: int) -> Speed:
    of_this = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.sent_at).is_not(None))
    ((first, last, sent),) = await session.rows(
        select(func.min(col(Delivery.sent_at)), func.max(col(Delivery.sent_at)), func.count()).where(*of_this)
    )
    seconds = (last - first).total_seconds() if sent else 0
    return Speed(first, last, (sent - 1) / seconds if seconds else None)


async def clicks_per_button(session: ReadSession, broadcast_id: int) -> list[Pressed]:
    """Every button that anybody pressed, the most pressed first."""
    fans = func.count().label("fans")
    statement = (
        select(col(BroadcastClick.button), fans)
        .where(col(BroadcastClick.broadcast_id) == broadcast_id)
        .group_by(col(BroadcastClick.button))
        .order_by(fans.desc(), col(BroadcastClick.button))
    )
    return [Pressed(*row) for row in await session.rows(statement)]


def has_bought(days: int) -> ColumnElement[bool]:
    """Over Delivery: whether the fan bought within so many days, of whoever got it or is compared with them."""
    return _compared_with & exists().where(col(Purchase.fan_id) == col(Delivery.fan_id), *bought_within(days))


def bought_within(days: int | SQLCoreOperations[int]) -> tuple[ColumnElement[bool], ...]:
    """The purchases in so many days from the moment planned for a fan, whether they got it or were held out."""
    return *within(type_coerce(col(Purchase.paid_at), BigInteger), days), is_kept()


def within(paid_at: ColumnElement[int], days: int | SQLCoreOperations[int]) -> tuple[ColumnElement[bool], ...]:
    """Paid in those days, in seconds."""
    opens = type_coerce(func.coalesce(col(Delivery.planned_at), col(Delivery.sent_at)), BigInteger)
    return paid_at >= opens, paid_at <= opens + days * DAY_SECONDS


def is_kept() -> ColumnElement[bool]:
    """Not given back in full."""
    return (col(Purchase.refunded_minor) == 0) | (col(Purchase.refunded_minor) < col(Purchase.amount_minor))


def _fans(groups: Sequence[Group]) -> int:
    return sum(group.fans for group in groups)


def _buyers(groups: Sequence[Group]) -> int:
    return sum(group.buyers for group in groups)


def _against(version: Version, main: Version, *, by_purchases: bool) -> Uplift:
    did, main_did = (one.purchases if by_purchases else one.clicks for one in (version, main))
    return uplift(version.sent, did, main.sent, main_did)


def _summed(amounts: Counter[tuple[str | None, str]]) -> list[Money]:
    total = Counter[str]()
    for (_, currency), minor in amounts.items():
        total[currency] += minor
    return [Money(minor, currency) for currency, minor in total.most_common()]
