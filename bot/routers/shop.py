"""The shop in chat: one living message from the shelves to the product, then an invoice and the receipts."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from aiogram.methods import SendInvoice, SendMessage
from aiogram.types import ForceReply, InlineKeyboardButton, LabeledPrice, Message

from bot.keyboards import in_rows, keyboard, press
from bot.routers.scene import Answer, Scene
from siyu import catalogue, purchases
from siyu.kit.errors import Conflict, NotFound
from siyu.kit.money import STARS, Money
from siyu.purchases import Fit, Invoice
from siyu.tables import Product, Purchase, PurchaseItem

_SKU = catalogue.SKU.pattern
SHAPE = (
    rf"l:(?:-|[0-9a-f]{{8}}):[0-9]{{1,4}}|c(?::[0-9]{{1,3}})?|f|[pun]:{_SKU}|b:{_SKU}(?::[1-9][0-9]{{0,17}})?"
    r"|q:[0-9]{1,4}:.{1,50}|h(?::[A-Za-z0-9_=.-]{1,44})?|r:[1-9][0-9]{0,17}"
)

EVERYTHING = "-"
ON_A_PAGE = 4  # two rows of two, and a third to turn the page
SHOWN_CATEGORIES = 6
SHOWN_COUPONS = 4
SHOWN_RECEIPTS = 4
# What a button can carry of a search beside its own words.
LONGEST_SEARCH_BYTES = 50
GLASS = "🔍"  # what our question begins with: a reply to it is a search


class Viewed(NamedTuple):
    """A look at the shelves, or at one product."""

    sku: str | None


def viewed(data: str) -> Viewed | None:
    """Whether a press of the shop only looks; buying is more than that."""
    what, _, rest = data.partition(":")
    return Viewed(rest if what in "pu" else None) if what in "lcpuqfhr" else None


async def shop(scene: Scene, rest: str = "") -> Answer:
    """The first page of everything; `/shop jasmine` looks for it."""
    return await _found(scene, rest, 0) if rest.strip() else await _shelves(scene, EVERYTHING, 0)


async def looked_for(scene: Scene, message: Message) -> Answer:
    """What a fan wrote below our question what they look for; None for any other message."""
    asked = message.reply_to_message
    is_ours = asked and asked.from_user and asked.from_user.is_bot and (asked.text or "").startswith(GLASS)
    return await _found(scene, message.text or "", 0) if is_ours and (message.text or "").strip() else None


async def pressed(scene: Scene, data: str) -> Answer:
    """Turn a page, open a product, choose a coupon, buy."""
    what, _, rest = data.partition(":")
    match what:
        case "l":
            category, _, page = rest.partition(":")
            return await _shelves(scene, category, int(page))
        case "c":
            return await _categories(scene, int(rest or 0))
        case "f":
            return _ask(scene)
        case "q":
            page, _, word = rest.partition(":")
            return await _found(scene, word, int(page))
        case "h":
            return await _history(scene, rest or None)
        case "r":
            return await _receipt(scene, int(rest))
        case "p":
            return await _product(scene, rest)
        case "u":
            return await _coupons(scene, rest)
        case "n":
            return await _buy(scene, rest, bare=True)
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
    turn = _turn(scene, ("l", category if name else EVERYTHING), page, last)
    return scene.show(text, keyboard(*in_rows([_shelf_button(one) for one in on_page], width=2), turn))


async def _found(scene: Scene, word: str, page: int) -> Answer:
    """What carries the word in its title, description or category."""
    word = " ".join(word.split()).encode()[:LONGEST_SEARCH_BYTES].decode(errors="ignore")
    shown = catalogue.matching(await catalogue.list_products(scene.session, active_only=True), word)
    last = max(0, (len(shown) - 1) // ON_A_PAGE)
    page = min(page, last)
    on_page = shown[page * ON_A_PAGE : (page + 1) * ON_A_PAGE]
    text = scene.voice.tell("found", products=on_page, word=word, page=page + 1, pages=last + 1)
    before = [press("‹", "s", "q", page - 1, word)] if page > 0 else []
    after = [press("›", "s", "q", page + 1, word)] if page < last else []
    turn = [*before, _glass(scene), _back(scene), *after]
    return scene.show(text, keyboard(*in_rows([_shelf_button(one) for one in on_page], width=2), turn))


def _ask(scene: Scene) -> Answer:
    """A question whose answer Telegram brings back with it: nothing need be remembered."""
    return SendMessage(
        chat_id=scene.fan.telegram_id,
        text=scene._("🔍 What are you looking for?"),
        reply_markup=ForceReply(force_reply=True, input_field_placeholder=scene._("a word is enough")),
    )


async def _categories(scene: Scene, page: int) -> Answer:
    names = _category_names(await catalogue.list_products(scene.session, active_only=True))
    last = max(0, (len(names) - 1) // SHOWN_CATEGORIES)
    page = min(page, last)
    shown = names[page * SHOWN_CATEGORIES : (page + 1) * SHOWN_CATEGORIES]
    buttons = [press(name or scene._("Other"), "s", "l", _short(name), 0) for name in shown]
    before = [press("‹", "s", "c", page - 1)] if page > 0 else []
    after = [press("›", "s", "c", page + 1)] if page < last else []
    everything = press(scene._("Everything"), "s", "l", EVERYTHING, 0)
    more = [*before, everything, _glass(scene), press(scene._("🧾 My purchases"), "s", "h"), *after]
    return scene.show(scene.voice.tell("categories"), keyboard(*in_rows(buttons, width=3), more))


async def _history(scene: Scene, cursor: str | None) -> Answer:
    """What the fan bought anywhere, the newest first; each opens its receipt."""
    page = await purchases.purchases_of(scene.session, scene.fan.id or 0, cursor=cursor, limit=SHOWN_RECEIPTS)
    lines = await purchases.lines_of(scene.session, [one.id or 0 for one in page.items])
    told = [(one, _named(lines.get(one.id or 0, [])), _paid(one)) for one in page.items]
    buttons = [press(name[:24], "s", "r", one.id) for one, name, _amount in told]
    newer = [press("‹", "s", "h")] if cursor else []
    older = [press("›", "s", "h", page.next)] if page.next else []
    text = scene.voice.tell("purchases", told=told)
    return scene.show(text, keyboard(*in_rows(buttons, width=2), [*newer, _back(scene), *older]))


async def _receipt(scene: Scene, purchase_id: int) -> Answer:
    """One of the fan's own purchases, with its lines."""
    purchase = await purchases.get_purchase(scene.session, purchase_id)
    if purchase.fan_id != scene.fan.id:
        raise NotFound("there is no such purchase")
    lines = (await purchases.lines_of(scene.session, [purchase_id])).get(purchase_id, [])
    back = press(scene._("‹ Back"), "s", "h")
    text = scene.voice.tell("purchase", purchase=purchase, lines=lines, money=Money)
    return scene.show(text, keyboard([back]))


async def _product(scene: Scene, sku: str) -> Answer:
    product = await _on_sale(scene, sku)
    fits = await purchases.fits(scene.session, scene.fan, product, now=scene.now)
    best = fits[0] if fits else None
    price = catalogue.price_in_chat(product)
    lower = Money(price.minor - best.discount, price.currency) if price and best else None
    text = scene.voice.tell(
        "product",
        product=product,
        price=price,
        lower=lower,
        best=best,
        worth=best and scene.voice.worth(best.carried.offer),
        at_counter=not _is_paid_here(scene, product),
    )
    rows = [_buy_row(scene, product, lower or price), _choice_row(scene, product, fits), [_back(scene)]]
    return scene.show(text, keyboard(*rows), picture=product.photo)


async def _coupons(scene: Scene, sku: str) -> Answer:
    product = await _on_sale(scene, sku)
    fits = await purchases.fits(scene.session, scene.fan, product, now=scene.now)
    buttons = [_coupon_button(scene, product, fit) for fit in fits[:SHOWN_COUPONS]]
    without = press(scene._("Without a coupon"), "s", "n", product.sku)
    back = press(scene._("‹ Back"), "s", "p", product.sku)
    text = scene.voice.tell("choose_coupon", product=product)
    return scene.show(text, keyboard(*in_rows(buttons, width=2), [without, back]))


async def _buy(scene: Scene, data: str, *, bare: bool = False) -> Answer:
    sku, _, coupon = data.partition(":")
    _must_be_paid_here(scene, await _on_sale(scene, sku))
    chosen = int(coupon) if coupon else None
    zone = scene.app.settings.zone
    invoice = await purchases.open_checkout(
        scene.session, scene.fan, sku, coupon_id=chosen, bare=bare, zone=zone, now=scene.now
    )
    return _bill(scene, invoice)


def _bill(scene: Scene, invoice: Invoice) -> Answer:
    """One price with the coupon netted in, as Stars want it; money goes through the provider."""
    product = invoice.product
    title = product.title
    token = scene.app.settings.payment_provider_token
    return SendInvoice(
        chat_id=scene.fan.telegram_id,
        title=title,
        description=_description(scene, invoice),
        payload=invoice.payload,
        provider_token="" if invoice.currency == STARS or token is None else token.get_secret_value(),
        currency=invoice.currency,
        prices=[LabeledPrice(label=title, amount=invoice.total.minor)],
        # Without it a forwarded copy could be paid by somebody else.
        start_parameter="shop",
    )


def _description(scene: Scene, invoice: Invoice) -> str:
    """Plain text, within what Telegram takes."""
    said = invoice.product.description or invoice.product.title
    if invoice.discount:
        saved = scene.voice.money(Money(invoice.discount, invoice.currency))
        note = scene._("With your coupon you save %(saved)s.") % {"saved": saved}
        room = catalogue.LONGEST_DESCRIPTION - len(note) - 1
        said = f"{said[:room]}\n{note}"
    return said


async def _on_sale(scene: Scene, sku: str) -> Product:
    product = await catalogue.find_product(scene.session, sku)
    if product is None or not product.active:
        raise NotFound("this product is not on sale any more")
    return product


def _is_paid_here(scene: Scene, product: Product) -> bool:
    """Stars always; money only where a provider takes it, otherwise at the counter."""
    price = catalogue.price_in_chat(product)
    return price is not None and (price.currency == STARS or scene.app.settings.payment_provider_token is not None)


def _must_be_paid_here(scene: Scene, product: Product) -> None:
    if not _is_paid_here(scene, product):
        raise Conflict("you pay this at the counter", reason="counter")


def _buy_row(scene: Scene, product: Product, price: Money | None) -> list[InlineKeyboardButton]:
    if product.stock == 0 or price is None or not _is_paid_here(scene, product):
        return []
    told = scene._("Buy · %(price)s") % {"price": scene.voice.money(price)}
    return [press(told, "s", "b", product.sku, style="success")]


def _choice_row(scene: Scene, product: Product, fits: Sequence[Fit]) -> list[InlineKeyboardButton]:
    can_choose = fits and product.stock != 0 and _is_paid_here(scene, product)
    return [press(scene._("🎟 Choose a coupon"), "s", "u", product.sku)] if can_choose else []


def _coupon_button(scene: Scene, product: Product, fit: Fit) -> InlineKeyboardButton:
    whole = catalogue.price_in_chat(product) or Money(0, STARS)
    price = scene.voice.money(Money(whole.minor - fit.discount, whole.currency))
    worth = scene.voice.worth(fit.carried.offer)
    return press(f"{worth} · {price}", "s", "b", product.sku, fit.carried.coupon.id)


def _back(scene: Scene) -> InlineKeyboardButton:
    return press(scene._("‹ Back"), "s", "l", EVERYTHING, 0)


def _shelf_button(product: Product) -> InlineKeyboardButton:
    return press(product.title, "s", "p", product.sku)


def _turn(scene: Scene, shelf: tuple[str, str], page: int, last: int) -> list[InlineKeyboardButton]:
    before = [press("‹", "s", *shelf, page - 1)] if page > 0 else []
    after = [press("›", "s", *shelf, page + 1)] if page < last else []
    return [*before, press(scene._("☰ More"), "s", "c"), *after]


def _glass(scene: Scene) -> InlineKeyboardButton:
    return press(scene._("🔍 Search"), "s", "f")


def _named(lines: Sequence[PurchaseItem]) -> str:
    return ", ".join(line.name or line.sku for line in lines) or "–"


def _paid(purchase: Purchase) -> Money:
    return Money(purchase.amount_minor, purchase.currency)


def _category_names(products: Sequence[Product]) -> list[str]:
    return sorted({product.category for product in products})


def _short(category: str) -> str:
    """A category in eight signs: its name may be longer than a button can carry, its place in the list moves."""
    return hashlib.sha256(category.encode()).hexdigest()[:8]
