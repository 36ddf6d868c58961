"""The catalogue: what fans can buy in chat, priced in Telegram Stars."""

import re
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, select

from siyu.audit import Actor, note
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.tables import Product

# A button carries 64 bytes: the SKU must fit beside what the button means.
SKU = re.compile(r"[A-Za-z0-9._-]{1,32}")
# What an invoice takes, as Telegram counts: a longer title would make the product impossible to buy.
LONGEST_TITLE = 32
LONGEST_DESCRIPTION = 255
LONGEST_CATEGORY = 32
DEAREST = 10_000
LARGEST_STOCK = 10_000_000


@dataclass(frozen=True)
class NewProduct:
    """What an operator fills in."""

    sku: str
    title: str
    stars_price: int
    description: str = ""
    category: str = ""
    stock: int | None = None  # None: as many as asked
    active: bool = True


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


async def take_from_stock(session: WriteSession, product_id: int) -> bool:
    """One piece less; False when none was left. Products without a stock never run out."""
    counted = col(Product.id) == product_id, col(Product.stock).is_not(None)
    if await session.run(update(Product).where(*counted, col(Product.stock) > 0).values(stock=col(Product.stock) - 1)):
        return True
    return not await session.all(select(col(Product.id)).where(*counted))


async def put_back(session: WriteSession, sku: str) -> None:
    """A piece that was given back can be sold again."""
    counted = update(Product).where(col(Product.sku) == sku, col(Product.stock).is_not(None))
    await session.run(counted.values(stock=col(Product.stock) + 1))


def _tidied(draft: NewProduct) -> NewProduct:
    texts = {name: getattr(draft, name).strip() for name in ("sku", "title", "description", "category")}
    return NewProduct(**{**asdict(draft), **texts})


def _check(draft: NewProduct) -> None:
    if not SKU.fullmatch(draft.sku.strip()):
        raise Invalid("a SKU takes 1 to 32 of A-Z a-z 0-9 . _ -", where=("sku",))
    _length("title", draft.title, 1, LONGEST_TITLE)
    _length("description", draft.description, 0, LONGEST_DESCRIPTION)
    _length("category", draft.category, 0, LONGEST_CATEGORY)
    _between("stars_price", draft.stars_price, 1, DEAREST)
    if draft.stock is not None:
        _between("stock", draft.stock, 0, LARGEST_STOCK)


def _length(name: str, text: str, least: int, most: int) -> None:
    if not least <= len(text.strip()) <= most:
        raise Invalid("takes %(least)s to %(most)s characters", where=(name,), least=least, most=most)


def _between(name: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise Invalid("must lie between %(least)s and %(most)s", where=(name,), least=least, most=most)
