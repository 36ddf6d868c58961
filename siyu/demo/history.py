"""Writes an invented community into the books: the same verbs as real life, at the moments it happened."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar
from zoneinfo import ZoneInfo

from siyu import attributes, catalogue, fans, interactions, purchases, referrals, sources, tags
from siyu.app import App
from siyu.audit import SIYU, Actor
from siyu.catalogue import NewProduct
from siyu.demo.community import Person
from siyu.demo.names import LINKS, PRODUCTS
from siyu.fans import Newcomer
from siyu.interactions import Interacted
from siyu.kit.database import WriteSession
from siyu.kit.money import Money
from siyu.purchases import Line, Sale
from siyu.tables import Fan, Reach

SOURCE = "demo"
CHUNK = 2_000
OWNER = "林掌柜 · Lin"
TEA_HOUSE = Actor("operator:1", OWNER)  # taken in before all others

Item = TypeVar("Item")
Fans = dict[int, Fan]


async def write(app: App, people: Sequence[Person]) -> Fans:
    """Everybody and everything they did; the fans by Telegram id."""
    async with app.database.writing() as session:
        await _stock_the_shop(session, people[0].joined_at)
        await _hand_out_links(session, app, people[0].joined_at)
        known = await _admit(session, people, zone=app.settings.zone)
    await _write_deeds(app, people, known)
    await _write_purchases(app, people, known)
    async with app.database.writing() as session:
        await _part(session, people, known)
    return known


async def _stock_the_shop(session: WriteSession, opened_at: datetime) -> None:
    for product in PRODUCTS:
        draft = NewProduct(
            product.sku,
            product.title,
            product.stars,
            product.description,
            product.category,
            price_minor=product.fen,
            currency="CNY",
        )
        await catalogue.create_product(session, TEA_HOUSE, draft, now=opened_at)


async def _hand_out_links(session: WriteSession, app: App, opened_at: datetime) -> None:
    paid_at, zone = app.clock() - timedelta(days=60), app.settings.zone
    for code, link in LINKS.items():
        told = {"title": link.title, "channel": link.channel, "campaign": link.campaign}
        await sources.create_source(session, TEA_HOUSE, **told, code=code, now=opened_at)
        if link.spent:
            money = Money(link.spent, app.settings.currency)
            await sources.book_cost(session, TEA_HOUSE, code, money, key=f"demo:{code}", zone=zone, now=paid_at)


def _came_by(person: Person) -> str:
    """The start payload: three of four who came by a channel came by a link of it."""
    links = [code for code, link in LINKS.items() if link.channel == person.channel]
    number = person.telegram_id // 7
    return f"s_{links[number % len(links)]}" if links and number % 4 else ""


async def _admit(session: WriteSession, people: Sequence[Person], *, zone: ZoneInfo) -> Fans:
    known: Fans = {}
    for person in people:
        newcomer = Newcomer(
            telegram_id=person.telegram_id,
            name=person.name,
            username=person.username,
            language=person.language,
            joined_at=person.joined_at,
            source=_came_by(person),
            source_channel=person.channel,
        )
        known |= await fans.admit(session, [newcomer], zone=zone, now=person.joined_at)
        if person.brought_by:
            friend = known[person.brought_by.telegram_id]
            await referrals.connect(session, known[person.telegram_id], friend.referral_code, now=person.joined_at)
        fan = known[person.telegram_id]
        await attributes.keep(session, [(fan, person.told)], now=person.joined_at)
        await tags.hang(session, SIYU, [(fan, person.tags)], now=person.joined_at)
    return known


async def _write_deeds(app: App, people: Iterable[Person], known: Fans) -> None:
    deeds = (
        Interacted(SOURCE, f"{person.telegram_id}:{number}", _id(known, person), deed.at, deed.kind, deed.detail)
        for person in people
        for number, deed in enumerate(person.deeds)
    )
    for chunk in _chunks(deeds):
        async with app.database.writing() as session:
            await interactions.record(session, chunk, zone=app.settings.zone)


async def _write_purchases(app: App, people: Sequence[Person], known: Fans) -> None:
    for chunk in _chunks(_sales(people, known, app.settings.currency)):
        async with app.database.writing() as session:
            await purchases.record(session, chunk, zone=app.settings.zone)
    async with app.database.writing() as session:
        for person in people:
            for number, basket in enumerate(person.baskets):
                if basket.refunded:
                    await purchases.refund(
                        session,
                        source=SOURCE,
                        external_id=f"{person.telegram_id}:{number}",
                        refund_id=f"back:{person.telegram_id}:{number}",
                        amount_minor=None,
                        at=basket.at + timedelta(minutes=50),
                        zone=app.settings.zone,
                        now=basket.at + timedelta(minutes=50),
                    )


def _sales(people: Iterable[Person], known: Fans, currency: str) -> Iterator[Sale]:
    for person in people:
        for number, basket in enumerate(person.baskets):
            product = basket.product
            line = Line(product.sku, product.title, product.category, basket.quantity, basket.amount_minor)
            yield Sale(
                source=SOURCE,
                external_id=f"{person.telegram_id}:{number}",
                fan_id=_id(known, person),
                paid_at=basket.at,
                amount=Money(basket.amount_minor, currency),
                items=(line,),
            )


async def _part(session: WriteSession, people: Iterable[Person], known: Fans) -> None:
    for person in people:
        if person.blocked_at:
            await fans.change_reach(session, person.telegram_id, Reach.BLOCKED, now=person.blocked_at)
        elif person.muted_at:
            fan = await fans.get_fan(session, person.telegram_id)
            await fans.mute(session, fan, now=person.muted_at)


def _id(known: Fans, person: Person) -> int:
    return known[person.telegram_id].id or 0


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
