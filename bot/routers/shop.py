"""The shop in chat: one living message from the shelves to the product, then an invoice."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from aiogram.methods import SendInvoice
from aiogram.types import InlineKeyboardButton, LabeledPrice

from bot.keyboards import in_rows, keyboard, press
from bot.routers.scene import Answer, Scene
from siyu import catalogue, purchases
from siyu.kit.errors import NotFound
from siyu.kit.money import STARS
from siyu.purchases import Fit, Invoice
from siyu.tables import Product

_SKU = catalogue.SKU.pattern
SHAPE = rf"l:(?:-|[0-9a-f]{{8}}):[0-9]{{1,4}}|c|[pun]:{_SKU}|b:{_SKU}(?::[1-9][0-9]{{0,17}})?"

EVERYTHING = "-"
ON_A_PAGE = 4  # two rows of two, and a third to turn the page
SHOWN_CATEGORIES = 6
SHOWN_COUPONS = 4


class Viewed(NamedTuple):
    """A look at the shelves, or at one product."""

    sku: str | None


def viewed(data: str) -> Viewed | None:
    """Whether a press of the shop only looks; buying is more than that."""
    what, _, rest = data.partition(":")
    return Viewed(rest if what in "pu" else None) if what in "lcpu" else None


async def shop(scene: Scene, _rest: str = "") -> Answer:
    """The first page of everything."""
    return await _shelves(scene, EVERYTHING, 0)


async def pressed(scene: Scene, data: str) -> Answer:
    """Turn a page, open a product, choose a coupon, buy."""
    what, _, rest = data.partition(":")
    match what:
        case "l":
            category, _, page = rest.partition(":")
            return await _shelves(scene, category, int(page))
        case "c":
            return await _categories(scene)
        case "p":
            return await _product(scene, rest)
        case "u":
            return await _coupons(scene, rest)
        case "n":
            return _bill(
                scene,
                await purchases.open_checkout(
                    scene.session, scene.fan, rest, bare=True, zone=scene.app.settings.zone, now=scene.now
                ),
            )
        case _:
            return await _buy(scene, rest)


async def _shelves(scene: Scene, category: str, page: int) -> Answer:
    products = await catalogue.list_products(scene.session, active_only=True)
    names = _category_names(products)
    name = next((name for name in names if _short(name) == category), None)
    shown = [product for product in products if name is None or product.category == name]
    last = max(0, (len(shown) - 1) // ON_A_PAGE)
    page = min(page, last)
    on_page = shown[page * ON_A_PAGE : (page + 1) * ON_A_PAGE]
    text = scene.voice.tell("shelves", products=on_page, category=name, page=page + 1, pages=last + 1)
    turn = _turn(scene, category if name else EVERYTHING, page, last, several=len(names) > 1)
    return scene.show(text, keyboard(*in_rows([_shelf_button(one) for one in on_page], width=2), turn))


async def _categories(scene: Scene) -> Answer:
    names = _category_names(await catalogue.list_products(scene.session, active_only=True))
    buttons = [press(name or scene._("Other"), "s", "l", _short(name), 0) for name in names[:SHOWN_CATEGORIES]]
    everything = press(scene._("Everything"), "s", "l", EVERYTHING, 0)
    return scene.show(scene.voice.tell("categories"), keyboard(*in_rows(buttons, width=3), [everything]))


async def _product(scene: Scene, sku: str) -> Answer:
    product = await _on_sale(scene, sku)
    fits = await purchases.fits(scene.session, scene.fan, product, now=scene.now)
    best = fits[0] if fits else None
    text = scene.voice.tell("product", product=product, best=best, worth=best and scene.voice.worth(best.carried.offer))
    return scene.show(text, keyboard(_buy_row(scene, product, best), _choice_row(scene, product, fits), [_back(scene)]))


async def _coupons(scene: Scene, sku: str) -> Answer:
    product = await _on_sale(scene, sku)
    fits = await purchases.fits(scene.session, scene.fan, product, now=scene.now)
    buttons = [_coupon_button(scene, product, fit) for fit in fits[:SHOWN_COUPONS]]
    without = press(scene._("Without a coupon"), "s", "n", product.sku)
    back = press(scene._("‹ Back"), "s", "p", product.sku)
    text = scene.voice.tell("choose_coupon", product=product)
    return scene.show(text, keyboard(*in_rows(buttons, width=2), [without, back]))


async def _buy(scene: Scene, data: str) -> Answer:
    sku, _, coupon = data.partition(":")
    chosen = int(coupon) if coupon else None
    return _bill(
        scene,
        await purchases.open_checkout(
            scene.session, scene.fan, sku, coupon_id=chosen, zone=scene.app.settings.zone, now=scene.now
        ),
    )


def _bill(scene: Scene, invoice: Invoice) -> Answer:
    """One price with the coupon netted in, as Stars want it."""
    product = invoice.product
    title = product.title
    return SendInvoice(
        chat_id=scene.fan.telegram_id,
        title=title,
        description=_description(scene, invoice),
        payload=invoice.payload,
        provider_token="",
        currency=STARS,
        prices=[LabeledPrice(label=title, amount=invoice.total.minor)],
        # Without it a forwarded copy could be paid by somebody else.
        start_parameter="shop",
    )


def _description(scene: Scene, invoice: Invoice) -> str:
    """Plain text, within what Telegram takes."""
    said = invoice.product.description or invoice.product.title
    if invoice.discount:
        saved = scene.voice.stars(invoice.discount)
        note = scene._("With your coupon you save %(saved)s.") % {"saved": saved}
        room = catalogue.LONGEST_DESCRIPTION - len(note) - 1
        said = f"{said[:room]}\n{note}"
    return said


async def _on_sale(scene: Scene, sku: str) -> Product:
    product = await catalogue.find_product(scene.session, sku)
    if product is None or not product.active:
        raise NotFound("this product is not on sale any more")
    return product


def _buy_row(scene: Scene, product: Product, best: Fit | None) -> list[InlineKeyboardButton]:
    if product.stock == 0:
        return []
    price = scene.voice.stars(product.stars_price - (best.discount if best else 0))
    return [press(scene._("Buy · %(price)s") % {"price": price}, "s", "b", product.sku, style="success")]


def _choice_row(scene: Scene, product: Product, fits: Sequence[Fit]) -> list[InlineKeyboardButton]:
    return [press(scene._("🎟 Choose a coupon"), "s", "u", product.sku)] if fits and product.stock != 0 else []


def _coupon_button(scene: Scene, product: Product, fit: Fit) -> InlineKeyboardButton:
    price = scene.voice.stars(product.stars_price - fit.discount)
    worth = scene.voice.worth(fit.carried.offer)
    return press(f"{worth} · {price}", "s", "b", product.sku, fit.carried.coupon.id)


def _back(scene: Scene) -> InlineKeyboardButton:
    return press(scene._("‹ Back"), "s", "l", EVERYTHING, 0)


def _shelf_button(product: Product) -> InlineKeyboardButton:
    return press(product.title, "s", "p", product.sku)


def _turn(scene: Scene, category: str, page: int, last: int, *, several: bool) -> list[InlineKeyboardButton]:
    before = [press("‹", "s", "l", category, page - 1)] if page > 0 else []
    after = [press("›", "s", "l", category, page + 1)] if page < last else []
    return [*before, *([press(scene._("Categories"), "s", "c")] if several else []), *after]


def _category_names(products: Sequence[Product]) -> list[str]:
    return sorted({product.category for product in products})


def _short(category: str) -> str:
    """A category in eight signs: its name may be longer than a button can carry, its place in the list moves."""
    return hashlib.sha256(category.encode()).hexdigest()[:8]
