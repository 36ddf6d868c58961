"""The counter: what people who work here sell, take back within minutes, and give money back for."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from siyu import audit, catalogue, coupons, idempotency
from siyu.audit import Actor
from siyu.kit.codes import tidy
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid
from siyu.kit.money import LARGEST_MAJOR, STARS, Money, exponent
from siyu.purchases.refunds import STAFF, TELEGRAM, refund
from siyu.purchases.sales import Line, Sale, Verdict, find_purchase, get_purchase, record
from siyu.tables import Fan, Product, Purchase

# So long whoever sold may take it back; afterwards only who administers the house.
UNDO_MINUTES = 10
LONGEST_NAME = 64
LARGEST_QUANTITY = 10_000
SHORTEST_KEY, LONGEST_KEY = 8, 64


@dataclass(frozen=True)
class CounterSale:
    """What somebody enters: a product or a few words, and the full price in the main currency.

    Without an amount the product's own price counts, once for each piece.
    """

    sku: str = ""
    name: str = ""
    quantity: int = 1
    amount_minor: int | None = None
    coupon_code: str = ""


class Sold(NamedTuple):
    """The purchase, and whether it was made just now."""

    purchase: Purchase
    is_new: bool


async def sell(
    session: WriteSession, actor: Actor, fan: Fan, sale: CounterSale, *, key: str, currency: str, zone: ZoneInfo,
    now: datetime,
) -> Sold:  # fmt: skip
    """One purchase for each key that the form made; the same form sent again gives the same purchase.

    Raises Invalid at a field, Conflict `sold_out`, `key_reused`, or whatever is wrong with the coupon.
    """
    _check(sale, key)
    async with session.savepoint():
        body = json.dumps([fan.id, currency, asdict(sale)], ensure_ascii=False)
        is_new = await idempotency.once(session, f"sale:{key}", body, now=now) is None
        if is_new:
            await _sell_now(session, actor, fan, sale, key=key, currency=currency, zone=zone, now=now)
    return Sold(await find_purchase(session, STAFF, key), is_new)


async def take_back(
    session: WriteSession, actor: Actor, purchase_id: int, *, at_any_time: bool, zone: ZoneInfo, now: datetime
) -> Purchase:
    """What was sold at the counter by mistake goes back whole: money, coupon, pieces and points.

    Raises Conflict `not_ours` for what came another way, `refunded`, or `late` after ten minutes.
    """
    purchase = await get_purchase(session, purchase_id)
    if purchase.source != STAFF:
        raise Conflict("only what was sold at the counter can be undone", reason="not_ours")
    if not (at_any_time or purchase.paid_at > now - timedelta(minutes=UNDO_MINUTES)):
        raise Conflict("after %(minutes)d minutes only an admin can undo this", reason="late", minutes=UNDO_MINUTES)
    await _must_be_booked(session, purchase, f"undo:{purchase.external_id}", None, zone=zone, now=now)
    await audit.note(session, actor, "purchase.undone", "purchase", purchase_id, now=now)
    return purchase


async def give_back(
    session: WriteSession, actor: Actor, purchase_id: int, amount_minor: int | None, *, key: str, zone: ZoneInfo,
    now: datetime,
) -> Purchase:  # fmt: skip
    """Note that money went back outside Telegram, in part or (None) all that is left; once for each key.

    Raises Conflict `stars` for what Telegram itself gives back, `refunded` where not so much is left.
    """
    purchase = await get_purchase(session, purchase_id)
    if purchase.source == TELEGRAM and purchase.currency == STARS:
        raise Conflict("Stars go back through Telegram, and only whole", reason="stars")
    if await _booked(session, purchase, f"counter:{key}", amount_minor, zone=zone, now=now):
        given = purchase.amount_minor if amount_minor is None else amount_minor
        await audit.note(session, actor, "purchase.refunded", "purchase", purchase_id, now=now, amount=given)
    return purchase


def can_be_undone(purchase: Purchase, *, at_any_time: bool, now: datetime) -> bool:
    """Whether somebody who may do so within ten minutes, or at any time, can still take it back."""
    is_ours = purchase.source == STAFF and purchase.refunded_minor < purchase.amount_minor
    return is_ours and (at_any_time or purchase.paid_at > now - timedelta(minutes=UNDO_MINUTES))


def _check(sale: CounterSale, key: str) -> None:
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise Invalid("this form is broken: open it again", where=("key",))
    if not 1 <= sale.quantity <= LARGEST_QUANTITY:
        raise Invalid("must lie between %(least)s and %(most)s", where=("quantity",), least=1, most=LARGEST_QUANTITY)
    if not sale.sku and not 1 <= len(sale.name) <= LONGEST_NAME:
        raise Invalid("choose a product, or say in a few words what was sold", where=("name",))


async def _sell_now(
    session: WriteSession, actor: Actor, fan: Fan, sale: CounterSale, *, key: str, currency: str, zone: ZoneInfo,
    now: datetime,
) -> None:  # fmt: skip
    product = await _product(session, sale)
    price = _price(sale, product, currency)
    if product and not await catalogue.take_from_stock(session, product.id or 0, sale.quantity):
        raise Conflict("sorry, this is sold out", reason="sold_out")
    discount = await _discount(session, actor, fan, sale, product, price, key=key, now=now)
    paid = Money(price.minor - discount, currency)
    told = Sale(
        source=STAFF,
        external_id=key,
        fan_id=fan.id or 0,
        paid_at=now,
        amount=paid,
        items=(_line(sale, product, paid),),
        coupon_code=tidy(sale.coupon_code) or None,
        discount_minor=discount,
    )
    if await record(session, [told], zone=zone) != [Verdict.CREATED]:
        raise Conflict("this key was used for something else", reason="key_reused")
    details = {"fan": fan.telegram_id, "amount": paid.minor, "currency": currency, "sku": sale.sku}
    purchase = await find_purchase(session, STAFF, key)
    await audit.note(session, actor, "purchase.sold", "purchase", purchase.id, now=now, **details)


async def _product(session: ReadSession, sale: CounterSale) -> Product | None:
    if not sale.sku:
        return None
    product = await catalogue.find_product(session, sale.sku)
    if product is None:
        raise Invalid("there is no such product", where=("sku",))
    return product


def _price(sale: CounterSale, product: Product | None, currency: str) -> Money:
    amount = sale.amount_minor
    own = catalogue.price_in_money(product) if product else None
    if amount is None and own and own.currency == currency:
        amount = own.minor * sale.quantity
    if amount is None:
        raise Invalid("write what was paid", where=("amount_minor",))
    most = LARGEST_MAJOR * 10 ** exponent(currency)
    if not 0 < amount <= most:
        raise Invalid("must lie between %(least)s and %(most)s", where=("amount_minor",), least=0, most=LARGEST_MAJOR)
    return Money(amount, currency)


async def _discount(
    session: WriteSession,
    actor: Actor,
    fan: Fan,
    sale: CounterSale,
    product: Product | None,
    price: Money,
    *,
    key: str,
    now: datetime,
) -> int:
    """What the fan's coupon takes off; the purchase finds its redemption by the code."""
    if not sale.coupon_code.strip():
        return 0
    use = coupons.Use(
        amount=price,
        channel="staff",
        key=f"sale:{key}",
        staff=actor.key,
        fan_id=fan.id,
        goods=[coupons.Good(sale.sku, product.category if product else "", price.minor)],
    )
    redeemed = await coupons.redeem(session, sale.coupon_code, use, now=now)
    return redeemed.discount_minor


def _line(sale: CounterSale, product: Product | None, paid: Money) -> Line:
    if product is None:
        return Line("", sale.name, "", sale.quantity, paid.minor)
    return Line(product.sku, product.title, product.category, sale.quantity, paid.minor)


async def _must_be_booked(
    session: WriteSession, purchase: Purchase, key: str, amount: int | None, *, zone: ZoneInfo, now: datetime
) -> None:
    if not await _booked(session, purchase, key, amount, zone=zone, now=now):
        raise Conflict("this purchase was refunded already", reason="refunded")


async def _booked(
    session: WriteSession, purchase: Purchase, key: str, amount: int | None, *, zone: ZoneInfo, now: datetime
) -> bool:
    """Whether it was news."""
    verdict = await refund(
        session, source=purchase.source, external_id=purchase.external_id, refund_id=key, amount_minor=amount,
        at=now, zone=zone, now=now,
    )  # fmt: skip
    if verdict is Verdict.REJECTED:
        raise Conflict("so much is not left of this purchase", reason="refunded")
    return verdict is Verdict.CREATED
