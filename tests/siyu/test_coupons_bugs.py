"""Twenty mistakes put into the coupons on purpose: any history finds eighteen, a table of edges the rest."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import ColumnElement, or_, true, update
from sqlmodel import col

from siyu import idempotency
from siyu.app import App
from siyu.coupons import claims, holds, redemption
from siyu.kit.errors import Conflict
from siyu.kit.money import Money
from siyu.tables import Coupon, CouponState, Offer, OfferKind, OfferState
from tests.hunting import is_found
from tests.siyu.test_coupons_histories import OneOffer
from tests.trading import a_fan, an_offer, at_the_till, redeems
from tests.trading import claims as claims_of

Patch = pytest.MonkeyPatch
Bug = Callable[[Patch], None]


def taking(*, guards: Callable[..., list[Any]], step: int = 1) -> Callable[..., Any]:
    """A claim whose guard is not what it should be."""

    def take(offer_id: int, pieces: int, _today: object, now: datetime) -> Any:
        wanted = update(Offer).where(col(Offer.id) == offer_id, *guards(pieces, now))
        return wanted.values(claimed=col(Offer.claimed) + pieces * step).returning(*claims._TERMS)

    return take


def open_(_pieces: int, _now: datetime) -> Any:
    return col(Offer.state) == OfferState.ACTIVE


def in_stock(pieces: int, _now: datetime) -> Any:
    return col(Offer.claimed) + pieces <= col(Offer.stock)


def in_time(_pieces: int, now: datetime) -> Any:
    return col(Offer.ends_at) > now


def guarded_by(*guards: Callable[[int, datetime], Any], step: int = 1) -> Bug:
    def listed(pieces: int, now: datetime) -> list[Any]:
        return [guard(pieces, now) for guard in guards]

    return lambda patch: patch.setattr(claims, "_take", taking(guards=listed, step=step))


def lasting(end: Callable[[Any, datetime], datetime]) -> Bug:
    def valid_until(offer: Any, *, zone: object, now: datetime) -> datetime:
        return end(offer, now)

    return lambda patch: patch.setattr(claims, "_valid_until", valid_until)


def a_day_longer(patch: Patch) -> None:
    right = claims._valid_until

    def late(offer: Any, *, zone: Any, now: datetime) -> datetime:
        return min(right(offer, zone=zone, now=now) + timedelta(days=1), offer.ends_at)

    patch.setattr(claims, "_valid_until", late)


def holds_forget_whose(patch: Patch) -> None:
    patch.setattr(claims, "_held", _nothing_held)


async def _nothing_held(*_given: object) -> dict[int, dict[str, str]]:
    return {}


def good_at_its_last_second(patch: Patch) -> None:
    def is_good(now: Any) -> ColumnElement[bool]:
        return (col(Coupon.state) == CouponState.ACTIVE) & (col(Coupon.valid_until) >= now)

    right = redemption._must_be_usable

    def usable(coupon: Coupon, use: Any, *, now: datetime) -> None:
        right(coupon, use, now=now - timedelta(seconds=1) if coupon.valid_until == now else now)

    still_free = holds.is_free_for(redemption._CHECKOUT, redemption._MOMENT)
    patch.setattr(redemption, "_AS_USED", redemption._used_if(is_good(redemption._MOMENT), still_free))
    patch.setattr(holds, "is_good", is_good)
    patch.setattr(redemption, "_must_be_usable", usable)


def holds_are_ignored(patch: Patch) -> None:
    patch.setattr(redemption, "_AS_USED", redemption._used_if(holds.is_good(redemption._MOMENT)))
    patch.setattr(redemption, "_must_be_usable", _used_or_over)


def _used_or_over(coupon: Coupon, _use: Any, *, now: datetime) -> None:
    if coupon.state is CouponState.REDEEMED:
        raise Conflict("used", reason="used")
    if coupon.valid_until <= now:
        raise Conflict("expired", reason="expired")


def a_hold_can_be_taken_over(patch: Patch) -> None:
    patch.setattr(holds, "is_free_for", lambda _checkout, _now: true())


def counting(redeemed: int, guard: Callable[[int], Any], spent: Callable[[int], Any]) -> Bug:
    async def count_up(session: Any, offer: Offer, discount: int, _currency: str) -> None:
        values = {"redeemed": col(Offer.redeemed) + redeemed, "spent_minor": spent(discount)}
        if await session.run(update(Offer).where(col(Offer.id) == offer.id, guard(discount)).values(**values)) != 1:
            raise Conflict("budget", reason="budget")

    return lambda patch: patch.setattr(redemption, "_count_up", count_up)


def within(discount: int) -> Any:
    return or_(col(Offer.budget_minor).is_(None), col(Offer.spent_minor) + discount <= col(Offer.budget_minor))


def strictly_within(discount: int) -> Any:
    return or_(col(Offer.budget_minor).is_(None), col(Offer.spent_minor) + discount < col(Offer.budget_minor))


def spent(discount: int) -> Any:
    return col(Offer.spent_minor) + discount


def a_coupon_stays_usable(patch: Patch) -> None:
    async def mark_used(*_given: object, **_named: object) -> bool:
        return True

    patch.setattr(redemption, "_mark_used", mark_used)


def dearer_than(patch: Patch) -> None:
    right = redemption.quote

    def quote(offer: Offer, amount: Money, goods: Any = None) -> int:
        if amount.minor == offer.min_spend_minor:
            raise Conflict("min_spend", reason="min_spend")
        return right(offer, amount, goods)

    patch.setattr(redemption, "quote", quote)


def every_key_is_new(patch: Patch) -> None:
    async def nothing(*_given: object, **_named: object) -> None:
        return None

    patch.setattr(idempotency, "once", nothing)
    patch.setattr(idempotency, "settle", nothing)
    patch.setattr(redemption, "_answered", lambda _shown, _asked: None)


def a_refund_keeps_the_budget(patch: Patch) -> None:
    right = redemption._spent
    patch.setattr(redemption, "_spent", lambda discount, currency: right(max(0, discount), currency))


def dearer_than_the_price(patch: Patch) -> None:
    patch.setattr(redemption, "quote", lambda offer, amount, goods=None: redemption._worth(offer, amount.minor))


FOUND_BY_HISTORY: dict[str, Bug] = {
    "stock ignored": guarded_by(open_, in_time),
    "end of the offer ignored": guarded_by(open_, in_stock),
    "pause ignored": guarded_by(in_stock, in_time),
    "claims counted double": guarded_by(open_, in_stock, in_time, step=2),
    "good beyond the offer": lasting(lambda offer, now: offer.ends_at + timedelta(seconds=1)),
    "days ignored": lasting(lambda offer, now: offer.ends_at),
    "days by the hour": lasting(lambda offer, now: min(now + timedelta(days=offer.valid_days), offer.ends_at)),
    "a day too long": a_day_longer,
    "per fan ignored": holds_forget_whose,
    "good at its last second": good_at_its_last_second,
    "holds ignored": holds_are_ignored,
    "a hold taken over": a_hold_can_be_taken_over,
    "budget ignored": counting(1, lambda _discount: true(), spent),
    "uses not counted": counting(0, within, spent),
    "used twice": a_coupon_stays_usable,
    "from more than": dearer_than,
    "replayed anew": every_key_is_new,
    "a refund keeps the budget": a_refund_keeps_the_budget,
}
FOUND_AT_THE_EDGE: dict[str, Bug] = {
    "a budget is never used up": counting(1, strictly_within, spent),
    "more off than the price": dearer_than_the_price,
}
QUICK = ("budget ignored", "stock ignored")


@pytest.mark.parametrize("name", QUICK)
def test_some_history_finds_what_is_wrong(monkeypatch: Patch, name: str) -> None:
    FOUND_BY_HISTORY[name](monkeypatch)

    assert is_found(OneOffer)


@pytest.mark.torture
@pytest.mark.parametrize("name", [name for name in FOUND_BY_HISTORY if name not in QUICK])
def test_some_history_finds_every_mistake(monkeypatch: Patch, name: str) -> None:
    FOUND_BY_HISTORY[name](monkeypatch)

    assert is_found(OneOffer)


async def stays_within_its_edges(app: App) -> bool:
    """The edges no history comes to: a budget used up to the last unit, a price below the discount."""
    mei, bo = await a_fan(app), await a_fan(app, "Bo")
    exact = await an_offer(app, kind=OfferKind.AMOUNT, value=400, budget_minor=400)
    large = await an_offer(app, kind=OfferKind.AMOUNT, value=400)
    one, other = await claims_of(app, exact, mei), await claims_of(app, large, bo)
    try:
        first = await redeems(app, one.code, at_the_till(5000, key="1"))
        second = await redeems(app, other.code, at_the_till(300, key="2"))
    except Conflict:
        return False
    return (first.discount_minor, second.discount_minor) == (400, 300)


async def test_without_a_mistake_the_edges_hold(app: App) -> None:
    assert await stays_within_its_edges(app)


@pytest.mark.parametrize("name", FOUND_AT_THE_EDGE)
async def test_the_edges_find_the_rest(app: App, monkeypatch: Patch, name: str) -> None:
    FOUND_AT_THE_EDGE[name](monkeypatch)

    assert not await stays_within_its_edges(app)


def test_they_are_twenty() -> None:
    assert (len(FOUND_BY_HISTORY), len(FOUND_AT_THE_EDGE)) == (18, 2)
