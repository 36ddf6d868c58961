"""What tests of buying and coupons begin with: fans, offers and products whose details do not matter."""

from datetime import timedelta
from itertools import count

from sqlmodel import col, select

from siyu import catalogue, coupons, fans, purchases
from siyu.app import App
from siyu.audit import Actor
from siyu.catalogue import NewProduct
from siyu.coupons import NewOffer, Use
from siyu.fans import Newcomer
from siyu.kit.money import STARS, Money
from siyu.purchases import Invoice, Payment, Sale, Verdict
from siyu.tables import Coupon, Fan, Offer, OfferKind, Product

BOSS = Actor("operator:1", "Boss")
_ids = count(1001)


async def a_fan(app: App, name: str = "Mei", *, telegram_id: int | None = None) -> Fan:
    telegram_id = telegram_id or next(_ids)
    async with app.database.writing() as session:
        newcomer = Newcomer(telegram_id=telegram_id, name=name)
        admitted = await fans.admit(session, [newcomer], zone=app.settings.zone, now=app.clock())
    return admitted[telegram_id]


async def many_fans(app: App, number: int) -> list[Fan]:
    newcomers = [Newcomer(telegram_id=next(_ids), name=f"Fan {n}") for n in range(number)]
    async with app.database.writing() as session:
        admitted = await fans.admit(session, newcomers, zone=app.settings.zone, now=app.clock())
    return [admitted[newcomer.telegram_id] for newcomer in newcomers]


def a_draft(app: App, **terms: object) -> NewOffer:
    usual: dict[str, object] = {
        "title": "Spring",
        "kind": OfferKind.PERCENT,
        "value": 20,
        "currency": "CNY",
        "stock": 100,
        "budget_minor": 10_000_000,
        "ends_at": app.clock() + timedelta(days=30),
    }
    return NewOffer(**{**usual, **terms})  # type: ignore[arg-type]  # a test names what it changes


async def an_offer(app: App, *, active: bool = True, **terms: object) -> Offer:
    async with app.database.writing() as session:
        offer = await coupons.create(session, BOSS, a_draft(app, **terms), now=app.clock())
        if active:
            await coupons.activate(session, BOSS, offer.id or 0, now=app.clock())
    return offer


async def a_product(app: App, sku: str = "tea", **terms: object) -> Product:
    draft = NewProduct(**{"sku": sku, "title": sku.title(), "stars_price": 100, **terms})  # type: ignore[arg-type]
    async with app.database.writing() as session:
        return await catalogue.create_product(session, BOSS, draft, now=app.clock())


async def claims(app: App, offer: Offer, fan: Fan, *, key: str = "tap") -> Coupon:
    async with app.database.writing() as session:
        claimed = await coupons.claim(session, offer, fan, claim_key=key, zone=app.settings.zone, now=app.clock())
    return claimed.coupon


def at_the_till(amount: int = 5000, currency: str = "CNY", *, key: str = "slip", **terms: object) -> Use:
    return Use(amount=Money(amount, currency), channel="staff", key=key, **terms)  # type: ignore[arg-type]


async def redeems(app: App, code: str, use: Use) -> coupons.Redeemed:
    async with app.database.writing() as session:
        return await coupons.redeem(session, code, use, now=app.clock())


async def opens(app: App, fan: Fan, sku: str = "tea", **choice: object) -> Invoice:
    async with app.database.writing() as session:
        return await purchases.open_checkout(session, fan, sku, zone=app.settings.zone, now=app.clock(), **choice)  # type: ignore[arg-type]


async def is_allowed(app: App, fan: Fan, payload: str, stars: int, *, currency: str = STARS) -> None:
    async with app.database.writing() as session:
        await purchases.check_before_payment(session, fan, payload, Money(stars, currency), now=app.clock())


async def pays(
    app: App, fan: Fan, payload: str, stars: int, *, charge: str = "charge-1"
) -> purchases.Settled | purchases.SettledOddly | purchases.Again:
    payment = Payment(charge, payload, Money(stars, STARS), paid_at=app.clock())
    async with app.database.writing() as session:
        return await purchases.settle(session, fan, payment, zone=app.settings.zone, now=app.clock())


def a_sale(app: App, fan: Fan, external_id: str = "o-1", *, amount: int = 1990, **told: object) -> Sale:
    usual: dict[str, object] = {"source": "shop", "paid_at": app.clock(), "amount": Money(amount, "CNY")}
    return Sale(external_id=external_id, fan_id=fan.id or 0, **{**usual, **told})  # type: ignore[arg-type]


async def records(app: App, *sales: Sale) -> list[Verdict]:
    async with app.database.writing() as session:
        return await purchases.record(session, sales, zone=app.settings.zone)


async def refunds(
    app: App,
    external_id: str,
    *,
    source: str = "shop",
    key: str = "r1",
    amount: int | None = None,
) -> purchases.Verdict:
    async with app.database.writing() as session:
        return await purchases.refund(
            session,
            source=source,
            external_id=external_id,
            refund_id=key,
            amount_minor=amount,
            at=app.clock(),
            zone=app.settings.zone,
            now=app.clock(),
        )


async def reread(app: App, offer: Offer) -> Offer:
    async with app.database.reading() as session:
        return await coupons.get_offer(session, offer.id or 0)


async def coupon_of(app: App, code: str) -> Coupon:
    async with app.database.reading() as session:
        return await session.one(select(Coupon).where(col(Coupon.code) == code))


async def breaches(app: App) -> list[coupons.Breach]:
    async with app.database.reading() as session:
        return await purchases.books(session)
