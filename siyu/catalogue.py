"""The catalogue: what fans can buy, digital goods for Telegram Stars and physical ones for money."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, select

from siyu.audit import Actor, note
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.money import LARGEST_MAJOR, STARS, Money, exponent
from siyu.tables import Product, ProductKind

# A button carries 64 bytes: the SKU must fit beside what the button means.
SKU = re.compile(r"[A-Za-z0-9._-]{1,32}")
# What an invoice takes, as Telegram counts: a longer title would make the product impossible to buy.
LONGEST_TITLE = 32
LONGEST_DESCRIPTION = 255
LONGEST_CATEGORY = 32
DEAREST = 10_000
LARGEST_STOCK = 10_000_000
PHOTO = re.compile(r"https://[^\s\"'<>]{4,500}")


@dataclass(frozen=True)
class NewProduct:
    """What an operator fills in."""

    sku: str
    title: str
    stars_price: int | None = None
    description: str = ""
    category: str = ""
    stock: int | None = None  # None: as many as asked
    active: bool = True
    kind: ProductKind = ProductKind.DIGITAL
    price_minor: int | None = None
    currency: str = ""
    photo: str = ""


def price_in_chat(product: Product) -> Money | None:
    """What it costs where Telegram takes the payment: Stars for what is digital, money for all else."""
    if product.kind is ProductKind.DIGITAL:
        return None if product.stars_price is None else Money(product.stars_price, STARS)
    return price_in_money(product)


def price_in_money(product: Product) -> Money | None:
    return None if product.price_minor is None else Money(product.price_minor, product.currency)


async def list_products(
    session: ReadSession, *, active_only: bool = False, category: str | None = None
) -> list[Product]:
    """All of them by category and title; a catalogue in chat is short, so there are no pages here."""
    statement = select(Product).order_by(Product.category, Product.title, col(Product.id))
    if active_only:
        statement = statement.where(col(Product.active))
    if category is not None:
        statement = statement.where(Product.category == category)
    return list(await session.all(statement))


def matching(products: Iterable[Product], words: str) -> list[Product]:
    """Those that carry every one of the words somewhere; a title counts before a description."""
    wanted = words.casefold().split()
    told = [(one, f"{one.title}\n{one.category}\n{one.sku}\n{one.description}".casefold()) for one in products]
    found = [one for one, text in told if wanted and all(word in text for word in wanted)]
    return sorted(found, key=lambda one: not any(word in one.title.casefold() for word in wanted))


async def find_product(session: ReadSession, sku: str) -> Product | None:
    return await session.first(select(Product).where(Product.sku == sku))


async def get_product(session: ReadSession, product_id: int) -> Product:
    product = await session.get(Product, product_id)
    if product is None:
        raise NotFound("there is no such product")
    return product


async def create_product(session: WriteSession, actor: Actor, draft: NewProduct, *, now: datetime) -> Product:
    """On sale at once, unless it is said to be inactive."""
    _check(draft)
    if await find_product(session, draft.sku):
        raise Conflict("there is a product %(sku)s already", reason="sku_taken", sku=draft.sku)
    product = Product(created_at=now, **asdict(_tidied(draft)))
    session.add(product)
    await session.flush()
    await note(session, actor, "product.created", "product", product.id, now=now, **asdict(draft))
    return product


async def change_product(
    session: WriteSession, actor: Actor, product_id: int, draft: NewProduct, *, now: datetime
) -> Product:
    """Rewrite it. An invoice opened before a change of price is refused at the till; the SKU stays for good."""
    product = await get_product(session, product_id)
    if draft.sku != product.sku:
        raise Conflict("a SKU cannot change: purchases carry it", reason="sku_fixed")
    _check(draft)
    for name, value in asdict(_tidied(draft)).items():
        setattr(product, name, value)
    session.add(product)
    await session.flush()
    await note(session, actor, "product.changed", "product", product.id, now=now, **asdict(draft))
    return product


async def add_stubs(session: WriteSession, named: Iterable[NewProduct], *, now: datetime) -> None:
    """What another shop sold and we never heard of: known by its SKU from now on, without a price and not on sale."""
    rows = {
        one.sku: {
            "sku": one.sku, "title": (one.title or one.sku)[:LONGEST_TITLE],
            "category": one.category[:LONGEST_CATEGORY], "description": "", "kind": ProductKind.PHYSICAL,
            "currency": "", "photo": "", "active": False, "created_at": now,
        }
        for one in named
        if SKU.fullmatch(one.sku)
    }  # fmt: skip
    insert = session.insert(Product).on_conflict_do_nothing(index_elements=["sku"])
    await session.run_many(insert, list(rows.values()))


async def take_from_stock(session: WriteSession, product_id: int, pieces: int = 1) -> bool:
    """So many pieces less; False when there were not enough. Products without a stock never run out."""
    counted = col(Product.id) == product_id, col(Product.stock).is_not(None)
    enough = update(Product).where(*counted, col(Product.stock) >= pieces)
    if await session.run(enough.values(stock=col(Product.stock) - pieces)):
        return True
    return not await session.all(select(col(Product.id)).where(*counted))


async def put_back(session: WriteSession, sku: str, pieces: int = 1) -> None:
    """Pieces that were given back can be sold again."""
    counted = update(Product).where(col(Product.sku) == sku, col(Product.stock).is_not(None))
    await session.run(counted.values(stock=col(Product.stock) + pieces))


def _tidied(draft: NewProduct) -> NewProduct:
    texts = {name: getattr(draft, name).strip() for name in ("sku", "title", "description", "category", "photo")}
    return NewProduct(**{**asdict(draft), **texts})


def _check(draft: NewProduct) -> None:
    if not SKU.fullmatch(draft.sku.strip()):
        raise Invalid("a SKU takes 1 to 32 of A-Z a-z 0-9 . _ -", where=("sku",))
    _length("title", draft.title, 1, LONGEST_TITLE)
    _length("description", draft.description, 0, LONGEST_DESCRIPTION)
    _length("category", draft.category, 0, LONGEST_CATEGORY)
    _prices(draft)
    if draft.photo.strip() and not PHOTO.fullmatch(draft.photo.strip()):
        raise Invalid("a picture is an address that begins with https://", where=("photo",))
    if draft.stock is not None:
        _between("stock", draft.stock, 0, LARGEST_STOCK)


def _prices(draft: NewProduct) -> None:
    """What is on sale has the price its kind is paid with; any price lies within what there is."""
    digital = draft.kind is ProductKind.DIGITAL
    if draft.active and digital and draft.stars_price is None:
        raise Invalid("digital goods are paid with Stars: write their price in Stars", where=("stars_price",))
    if draft.active and not digital and draft.price_minor is None:
        raise Invalid("physical goods are paid with money: write their price", where=("price_minor",))
    if draft.stars_price is not None:
        _between("stars_price", draft.stars_price, 1, DEAREST)
    if draft.price_minor is not None:
        _between("price_minor", draft.price_minor, 1, LARGEST_MAJOR * 10 ** exponent(draft.currency))


def _length(name: str, text: str, least: int, most: int) -> None:
    if not least <= len(text.strip()) <= most:
        raise Invalid("takes %(least)s to %(most)s characters", where=(name,), least=least, most=most)


def _between(name: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise Invalid("must lie between %(least)s and %(most)s", where=(name,), least=least, most=most)
