"""Buying in chat: an invoice is opened, held against its terms, and settled once."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlmodel import col

from siyu import audit, catalogue, coupons, fans
from siyu.audit import SIYU
from siyu.coupons import Carried
from siyu.kit.clock import local_day
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, NotFound, SiyuError
from siyu.kit.money import STARS, Money
from siyu.purchases.refunds import TELEGRAM, refund_stars
from siyu.purchases.sales import Line, Sale, Verdict, record
from siyu.tables import Checkout, CheckoutState, Coupon, CouponState, Fan, Offer, Product, ProductKind, Purchase

# How long an invoice keeps its coupon; opening the product again renews it.
INVOICE_HOLD = timedelta(minutes=30)
# After our yes the money comes within seconds; Telegram keeps the question itself for 150.
PAYMENT_HOLD = timedelta(minutes=15)
# Of Stars or of a currency's smallest unit: Telegram knows no invoice over nothing.
LEAST = 1


@dataclass(frozen=True)
class Fit:
    """A coupon, and what it takes off a price."""

    carried: Carried
    discount: int


@dataclass(frozen=True)
class Invoice:
    """What the fan is asked to pay, and the word by which we know it again."""

    product: Product
    payload: str
    price: int
    discount: int
    coupon: Carried | None
    currency: str

    @property
    def total(self) -> Money:
        return Money(self.price - self.discount, self.currency)


@dataclass(frozen=True)
class Payment:
    """What Telegram told: money arrived."""

    charge_id: str
    payload: str
    amount: Money
    paid_at: datetime


@dataclass(frozen=True)
class Settled:
    """Bought: what, for how much, with which coupon."""

    product: Product
    amount: Money
    discount: int
    coupon: str | None

    @property
    def saved(self) -> Money:
        return Money(self.discount, self.amount.currency)


@dataclass(frozen=True)
class SettledOddly:
    """The money came, but there is nothing to give for it: `paid_before`, `sold_out` or `unknown`.

    Stars go back at once; other money only people can give back.
    """

    why: str
    amount: Money


@dataclass(frozen=True)
class Again:
    """The payment was settled before."""


async def fits(session: ReadSession, fan: Fan, product: Product, *, now: datetime) -> list[Fit]:
    """The fan's coupons that make this product cheaper, the best first; something always stays to be paid."""
    price = catalogue.price_in_chat(product)
    if price is None:
        return []
    goods = [coupons.Good(product.sku, product.category, price.minor)]
    usable = await coupons.usable_for(session, fan, price, goods=goods, now=now)
    return [Fit(carried, off) for carried, full in usable if (off := min(full, price.minor - LEAST)) > 0]


async def open_checkout(
    session: WriteSession,
    fan: Fan,
    sku: str,
    *,
    coupon_id: int | None = None,
    bare: bool = False,
    zone: ZoneInfo,
    now: datetime,
) -> Invoice:
    """An invoice for one piece, with the best coupon, the chosen one, or (`bare`) none; the coupon is held for it.

    It is a signal of wanting to buy, at once and once more when it was left unpaid.
    """
    product = await _on_sale(session, sku)
    price = catalogue.price_in_chat(product)
    if price is None:
        raise NotFound("this product is not on sale any more")
    fit = None if bare else _choose(await fits(session, fan, product, now=now), coupon_id)
    async with session.savepoint():
        checkout = Checkout(
            payload=secrets.token_urlsafe(24),
            fan_id=fan.id or 0,
            product_id=product.id or 0,
            coupon_id=fit.carried.coupon.id if fit else None,
            price_minor=price.minor,
            discount_minor=fit.discount if fit else 0,
            currency=price.currency,
            created_at=now,
            day=local_day(now, zone),
            hold_until=now + INVOICE_HOLD,
        )
        session.add(checkout)
        await session.flush()
        await _hold(session, checkout, now=now)
        await fans.mark_dirty(session, [(fan.id or 0, checkout.day, due) for due in (now, checkout.hold_until)])
    carried = fit.carried if fit else None
    return Invoice(product, checkout.payload, checkout.price_minor, checkout.discount_minor, carried, checkout.currency)


async def check_before_payment(session: WriteSession, fan: Fan, payload: str, amount: Money, *, now: datetime) -> None:
    """Yes to a payment, in one guarded UPDATE; raises Conflict with the reason for a no.

    Yes means: the fan's own invoice, not paid, product on sale at this price, coupon still held for it and within
    its budget. The hold is extended, so that it outlasts the payment.
    """
    until = now + PAYMENT_HOLD
    approved = (
        update(Checkout)
        .where(
            col(Checkout.payload) == payload,
            col(Checkout.fan_id) == fan.id,
            col(Checkout.state).in_([CheckoutState.PENDING, CheckoutState.APPROVED]),
            col(Checkout.price_minor) - col(Checkout.discount_minor) == amount.minor,
            col(Checkout.currency) == amount.currency,
            _still_on_sale(),
            or_(col(Checkout.coupon_id).is_(None), _still_held(now)),
        )
        .values(state=CheckoutState.APPROVED, hold_until=until)
    )
    for row in await session.returning(
        approved.returning(col(Checkout.id), col(Checkout.coupon_id), col(Checkout.day))
    ):
        await fans.mark_dirty(session, [(fan.id or 0, row.day, until)])
        if row.coupon_id is not None:
            await coupons.hold(session, row.coupon_id, checkout_id=row.id, until=until, now=now)
        return
    raise await _refusal(session, fan, payload, now=now)


async def settle(
    session: WriteSession, fan: Fan, payment: Payment, *, zone: ZoneInfo, now: datetime
) -> Settled | SettledOddly | Again:
    """Money arrived: record the purchase once, use the coupon, take the piece; what cannot be given is paid back."""
    if await _is_known(session, payment.charge_id):
        return Again()
    checkout = await find_checkout(session, payment.payload, fan)
    if checkout is None:
        return await _pay_back(session, fan, payment, "unknown", zone=zone, now=now)
    if not await _mark_paid(session, checkout):
        return await _pay_back(session, fan, payment, "paid_before", zone=zone, now=now)
    # On its own day the invoice is no longer one that was left unpaid.
    await fans.mark_dirty(session, [(fan.id or 0, checkout.day, now)])
    if not await catalogue.take_from_stock(session, checkout.product_id):
        await coupons.release(session, checkout.id or 0)
        return await _pay_back(session, fan, payment, "sold_out", zone=zone, now=now)
    return await _hand_over(session, fan, payment, checkout, zone=zone, now=now)


async def find_checkout(session: ReadSession, payload: str, fan: Fan) -> Checkout | None:
    """The fan's own invoice with this word, as it stands in the database now."""
    mine = select(Checkout).where(col(Checkout.payload) == payload, col(Checkout.fan_id) == fan.id)
    return await session.first(mine.execution_options(populate_existing=True))


async def _on_sale(session: ReadSession, sku: str) -> Product:
    product = await catalogue.find_product(session, sku)
    if product is None or not product.active:
        raise NotFound("this product is not on sale any more")
    if product.stock == 0:
        raise Conflict("sorry, this is sold out", reason="sold_out")
    return product


def _choose(usable: list[Fit], coupon_id: int | None) -> Fit | None:
    if coupon_id is None:
        return usable[0] if usable else None
    for fit in usable:
        if fit.carried.coupon.id == coupon_id:
            return fit
    raise Conflict("this coupon cannot be used here", reason="unfit")


async def _hold(session: WriteSession, checkout: Checkout, *, now: datetime) -> None:
    """The coupon moves here from the fan's older invoice, unless that one is being paid this very moment."""
    if checkout.coupon_id is None:
        return
    older = update(Checkout).where(
        col(Checkout.coupon_id) == checkout.coupon_id,
        col(Checkout.state) == CheckoutState.PENDING,
        col(Checkout.id) != checkout.id,
    )
    for row in await session.returning(older.values(state=CheckoutState.EXPIRED).returning(col(Checkout.id))):
        await coupons.release(session, row.id)
    held = await coupons.hold(
        session, checkout.coupon_id, checkout_id=checkout.id or 0, until=checkout.hold_until, now=now
    )
    if not held:
        raise Conflict("this coupon is part of a payment under way; try again in a few minutes", reason="held")


def _still_on_sale() -> ColumnElement[bool]:
    return exists().where(
        col(Product.id) == col(Checkout.product_id),
        col(Product.active),
        or_(
            and_(
                col(Product.kind) == ProductKind.DIGITAL,
                col(Checkout.currency) == STARS,
                col(Product.stars_price) == col(Checkout.price_minor),
            ),
            and_(
                col(Product.kind) == ProductKind.PHYSICAL,
                col(Checkout.currency) == col(Product.currency),
                col(Product.price_minor) == col(Checkout.price_minor),
            ),
        ),
        or_(col(Product.stock).is_(None), col(Product.stock) > 0),
    )


def _still_held(now: datetime) -> ColumnElement[bool]:
    spent = col(Offer.spent_minor) + col(Checkout.discount_minor)
    return exists().where(
        col(Coupon.id) == col(Checkout.coupon_id),
        col(Coupon.state) == CouponState.ACTIVE,
        col(Coupon.valid_until) > now,
        col(Coupon.hold_checkout_id) == col(Checkout.id),
        col(Coupon.hold_until) > now,
        col(Offer.id) == col(Coupon.offer_id),
        or_(
            col(Offer.budget_minor).is_(None),
            col(Offer.currency) != col(Checkout.currency),
            spent <= col(Offer.budget_minor),
        ),
    )


async def _refusal(session: ReadSession, fan: Fan, payload: str, *, now: datetime) -> SiyuError:
    """Why not, in the order a fan would want to know it."""
    checkout = await session.first(select(Checkout).where(col(Checkout.payload) == payload))
    if checkout is None or checkout.fan_id != fan.id:
        return Conflict("this invoice is not yours; open the /shop to get your own", reason="foreign")
    if checkout.state is CheckoutState.PAID:
        return Conflict("this invoice is paid already", reason="paid")
    product = await catalogue.get_product(session, checkout.product_id)
    if not product.active or product.stock == 0:
        return Conflict("sorry, this is sold out", reason="sold_out")
    if catalogue.price_in_chat(product) != Money(checkout.price_minor, checkout.currency):
        return Conflict("the price has changed; open it in the /shop again", reason="price_changed")
    return Conflict("this invoice has expired; open it in the /shop again", reason="expired")


async def _is_known(session: ReadSession, charge_id: str) -> bool:
    known = select(func.count()).where(col(Purchase.source) == TELEGRAM, col(Purchase.external_id) == charge_id)
    return await session.one(known) > 0


async def _mark_paid(session: WriteSession, checkout: Checkout) -> bool:
    """Also an expired one: the money is here, and only a second charge finds the door closed."""
    unpaid = update(Checkout).where(col(Checkout.id) == checkout.id, col(Checkout.state) != CheckoutState.PAID)
    return await session.run(unpaid.values(state=CheckoutState.PAID)) == 1


async def _hand_over(
    session: WriteSession, fan: Fan, payment: Payment, checkout: Checkout, *, zone: ZoneInfo, now: datetime
) -> Settled | Again:
    product = await catalogue.get_product(session, checkout.product_id)
    coupon = await session.get(Coupon, checkout.coupon_id) if checkout.coupon_id else None
    sale = Sale(
        source=TELEGRAM,
        external_id=payment.charge_id,
        fan_id=fan.id or 0,
        paid_at=payment.paid_at,
        amount=payment.amount,
        items=(Line(product.sku, product.title, product.category, 1, payment.amount.minor),),
        coupon_code=coupon.code if coupon else None,
        discount_minor=checkout.discount_minor,
    )
    if await record(session, [sale], zone=zone) != [Verdict.CREATED]:
        return Again()
    if coupon:
        await _use(session, coupon, checkout, payment, now=now)
    return Settled(product, payment.amount, checkout.discount_minor, sale.coupon_code)


async def _use(session: WriteSession, coupon: Coupon, checkout: Checkout, payment: Payment, *, now: datetime) -> None:
    """The coupon was held for this; were it lost all the same, the fan keeps the price and the audit tells it."""
    use = coupons.Use(
        amount=Money(checkout.price_minor, checkout.currency),
        channel="chat",
        key=f"{TELEGRAM}:{payment.charge_id}",
        fan_id=checkout.fan_id,
        purchase_id=await _purchase_id(session, payment.charge_id),
        checkout_id=checkout.id,
        agreed_minor=checkout.discount_minor,
    )
    try:
        await coupons.redeem(session, coupon.code, use, now=now)
    except Conflict as lost:
        await audit.note(session, SIYU, "coupon.lost", "coupon", coupon.code, now=now, why=lost.reason)


async def _pay_back(
    session: WriteSession, fan: Fan, payment: Payment, why: str, *, zone: ZoneInfo, now: datetime
) -> SettledOddly | Again:
    """It is a fact that the money came, so it is recorded; and it goes back."""
    sale = Sale(TELEGRAM, payment.charge_id, fan.id or 0, payment.paid_at, payment.amount)
    if await record(session, [sale], zone=zone) != [Verdict.CREATED]:
        return Again()
    purchase_id = await _purchase_id(session, payment.charge_id)
    await audit.note(session, SIYU, "purchase.unserved", "purchase", purchase_id, now=now, why=why)
    if payment.amount.currency == STARS:
        await refund_stars(session, SIYU, purchase_id, now=now)
    return SettledOddly(why, payment.amount)


async def _purchase_id(session: ReadSession, charge_id: str) -> int:
    statement = select(col(Purchase.id)).where(col(Purchase.source) == TELEGRAM, col(Purchase.external_id) == charge_id)
    return await session.one(statement) or 0
