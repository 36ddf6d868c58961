"""Selling at the counter, in chat: whom, what, one tap, and ten minutes to take it back."""

import re
import secrets
from typing import NamedTuple

from aiogram.methods import SendMessage
from aiogram.types import (
    Contact,
    ForceReply,
    InaccessibleMessage,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    MessageOriginUser,
)

from bot.keyboards import in_rows, keyboard, press
from bot.routers import staff
from bot.routers.menu import unknown
from bot.routers.scene import Answer, Method, Scene
from siyu import catalogue, conversations, coupons, fans, operators, purchases
from siyu.catalogue import price_in_money
from siyu.kit.codes import is_well_formed, tidy
from siyu.kit.errors import Invalid, NotFound
from siyu.kit.money import Money, parse_money
from siyu.operators import Permission
from siyu.purchases import CounterSale
from siyu.tables import Fan, Operator, Product, Purchase, Reach

_ID = r"[1-9][0-9]{0,14}"  # 15 digits: two of them, a price and a key still fit into a button's 64 bytes
_PIECES, _MINOR, _KEY = r"[1-9][0-9]?", r"[1-9][0-9]{0,10}", r"[0-9a-f]{12}"
SHAPE = (
    rf"w|c:{_ID}:[0-9]{{1,4}}|a:{_ID}(?::{_ID})?|p:{_ID}:{_ID}(?::{_PIECES}:{_KEY})?"
    rf"|s:{_ID}:(?:0|{_ID}):{_PIECES}:{_MINOR}:{_KEY}|u:{_ID}"
)

ON_A_PAGE = 4  # two rows of two, and a third to turn the page
SHOWN_FANS = 4
MOST_PIECES = 99
TILL = "🏪"  # what our questions begin with: a reply to one of them is its answer
_ABOUT = re.compile(rf"{TILL} #({_ID})(?:·({_ID}))? ")
_PAYLOAD = re.compile(r"(?:.*start=)?([ri])_([A-Za-z0-9_-]+)")


class _Sale(NamedTuple):
    """What a button carries of a sale; product 0: a few words instead, which stand in the message above it."""

    fan: Fan
    product: Product | None
    words: str
    pieces: int
    total: Money
    key: str


async def sell(scene: Scene, words: str = "") -> Answer:
    """`/sell` asks to whom, `/sell MEI` looks for her, and as a reply it is for whoever the message is about."""
    if await staff.colleague(scene, Permission.OPERATE) is None:
        return await unknown(scene)
    if words.strip():
        return await _looked_for(scene, words.strip())
    about = await _about(scene, scene.replied) if scene.replied else None
    return await _choice(scene, about, 0) if about else _ask_whom(scene)


async def answered(scene: Scene, message: Message) -> Answer:
    """What somebody who works here wrote below a question of ours; None for any other message."""
    asked = message.reply_to_message
    is_ours = asked and asked.from_user and asked.from_user.is_bot and (asked.text or "").startswith(TILL)
    if not is_ours or await staff.colleague(scene, Permission.OPERATE) is None:
        return None
    if about := _ABOUT.match(asked.text or "" if asked else ""):
        return await _typed(scene, int(about[1]), int(about[2] or 0), message.text or "")
    named = await _about(scene, message)
    return await _choice(scene, named, 0) if named else await _looked_for(scene, (message.text or "").strip())


async def handed(scene: Scene, message: Message) -> Answer:
    """A contact that somebody who works here passes on; None for any other message, and for everybody else."""
    if message.contact is None or await staff.colleague(scene, Permission.OPERATE) is None:
        return None
    fan = await _of_contact(scene, message.contact)
    return await _choice(scene, fan, 0) if fan else _nobody(scene)


async def button_for_sender(scene: Scene, message: Message) -> list[InlineKeyboardButton]:
    """A way of selling to whoever wrote a forwarded message, where Telegram says who and we know them."""
    fan = await _of_origin(scene, message)
    return [button(scene, fan)] if fan else []


def button(scene: Scene, fan: Fan) -> InlineKeyboardButton:
    return press(scene._("🧾 Sell to %(name)s") % {"name": fan.name}, "k", "c", fan.id, 0)


async def pressed(scene: Scene, data: str) -> Answer:
    """Choose, count, sell, take back."""
    operator = await staff.must_be(scene, Permission.OPERATE)
    what, *rest = data.split(":")
    match what, rest:
        case "c", [fan_id, page]:
            return await _choice(scene, await _fan(scene, int(fan_id)), int(page))
        case "a", [fan_id, *product]:
            return await _ask_amount(scene, int(fan_id), int(product[0]) if product else 0)
        case "p", [fan_id, product_id, *more]:
            return await _counted(scene, int(fan_id), int(product_id), *more)
        case "s", _:
            return await _sell(scene, operator, await _carried(scene, rest))
        case "u", [purchase_id]:
            return await _take_back(scene, operator, int(purchase_id))
        case _:
            return _ask_whom(scene)


def _ask_whom(scene: Scene) -> Method:
    """A question whose answer Telegram brings back with it: nothing need be remembered."""
    said = scene._("To whom do you sell? A name, @name or number, the code or link of a coupon, or a contact.")
    return _asking(scene, f"{TILL} {said}", scene._("part of a name is enough"))


async def _ask_amount(scene: Scene, fan_id: int, product_id: int) -> Method:
    fan = await _fan(scene, fan_id)
    product = await catalogue.get_product(scene.session, product_id) if product_id else None
    about = f"#{fan_id}·{product_id} {fan.name} · {product.title}" if product else f"#{fan_id} {fan.name}"
    currency = scene.app.settings.currency
    said = scene._("What was paid, in %(currency)s? What for may follow after a blank.") % {"currency": currency}
    return _asking(scene, f"{TILL} {about}\n{said}", "128.50")


def _asking(scene: Scene, text: str, example: str) -> Method:
    board = ForceReply(force_reply=True, input_field_placeholder=example)
    return SendMessage(chat_id=scene.fan.telegram_id, text=text, reply_markup=board)


async def _looked_for(scene: Scene, words: str) -> Answer:
    found = await _found(scene, words)
    if not found:
        return _nobody(scene)
    if len(found) == 1:
        return await _choice(scene, found[0], 0)
    shown = [press(f"{one.name} · {one.telegram_id}", "k", "c", one.id, 0) for one in found[:SHOWN_FANS]]
    text = scene.voice.tell("sell_whom", words=words, more=len(found) > SHOWN_FANS)
    return scene.show(text, keyboard(*in_rows(shown, width=2), [_again(scene)]))


async def _found(scene: Scene, words: str) -> list[Fan]:
    """By what was scanned or copied, else by name."""
    if payload := _PAYLOAD.fullmatch(words):
        kind, code = payload.groups()
        fan = await (_holder(scene, code) if kind == "r" else fans.find_fan_by_referral_code(scene.session, code))
        return [fan] if fan else []
    if is_well_formed(tidy(words)) and (holder := await _holder(scene, words)):
        return [holder]
    return list((await fans.list_fans(scene.session, q=words, limit=SHOWN_FANS + 1)).items)


async def _holder(scene: Scene, code: str) -> Fan | None:
    carried = await coupons.carried_by_code(scene.session, tidy(code))
    return await fans.get_fan_by_id(scene.session, carried.coupon.fan_id) if carried else None


async def _about(scene: Scene, message: Message) -> Fan | None:
    """Whom a message is from that was passed on, whose contact it is, or of whom we gave notice with it."""
    if message.contact:
        return await _of_contact(scene, message.contact)
    if message.forward_origin:
        return await _of_origin(scene, message)
    return await conversations.fan_meant(scene.session, scene.fan.telegram_id, message.message_id)


async def _of_contact(scene: Scene, contact: Contact) -> Fan | None:
    return await fans.find_fan(scene.session, contact.user_id) if contact.user_id else None


async def _of_origin(scene: Scene, message: Message) -> Fan | None:
    """None also where the writer hides behind a forward: Telegram then tells a name only."""
    origin = message.forward_origin
    return await fans.find_fan(scene.session, origin.sender_user.id) if isinstance(origin, MessageOriginUser) else None


def _nobody(scene: Scene) -> Method:
    return scene.show(scene.voice.tell("sell_nobody"), keyboard([_again(scene)]))


def _again(scene: Scene) -> InlineKeyboardButton:
    return press(scene._("🔍 Search"), "k", "w")


async def _fan(scene: Scene, fan_id: int) -> Fan:
    """Whoever was forgotten is nobody's buyer."""
    fan = await fans.get_fan_by_id(scene.session, fan_id)
    if fan.telegram_id < 0:
        raise NotFound("there is no such fan")
    return fan


async def _choice(scene: Scene, fan: Fan, page: int) -> Answer:
    """The catalogue, and an amount for whatever is not in it."""
    products = await catalogue.list_products(scene.session, active_only=True)
    last = max(0, (len(products) - 1) // ON_A_PAGE)
    page = min(page, last)
    on_page = products[page * ON_A_PAGE : (page + 1) * ON_A_PAGE]
    prices = {one.sku: _price(scene, one) for one in on_page}
    text = scene.voice.tell("sell_choose", fan=fan, products=on_page, prices=prices)
    return scene.show(text, keyboard(*in_rows(_shelf(scene, fan, on_page), width=2), _turn(scene, fan, page, last)))


def _shelf(scene: Scene, fan: Fan, products: list[Product]) -> list[InlineKeyboardButton]:
    """What has no price in the main currency asks for one."""
    words = {one.sku: "p" if _price(scene, one) else "a" for one in products}
    return [press(one.title, "k", words[one.sku], fan.id, one.id) for one in products]


def _turn(scene: Scene, fan: Fan, page: int, last: int) -> list[InlineKeyboardButton]:
    before = [press("‹", "k", "c", fan.id, page - 1)] if page > 0 else []
    after = [press("›", "k", "c", fan.id, page + 1)] if page < last else []
    return [*before, press(scene._("✏️ An amount"), "k", "a", fan.id), *after]


def _price(scene: Scene, product: Product) -> Money | None:
    price = price_in_money(product)
    return price if price and price.currency == scene.app.settings.currency else None


async def _counted(scene: Scene, fan_id: int, product_id: int, pieces: str = "1", key: str = "") -> Answer:
    """So many of a product; counting on keeps the key, so that whatever is pressed sells once."""
    product = await catalogue.get_product(scene.session, product_id)
    price = _price(scene, product)
    if price is None or not product.active:
        raise NotFound("this product is not on sale any more")
    total = Money(price.minor * int(pieces), price.currency)
    return _card(scene, _Sale(await _fan(scene, fan_id), product, "", int(pieces), total, key or _new_key()))


async def _typed(scene: Scene, fan_id: int, product_id: int, text: str) -> Answer:
    """`128.50 two tins of tea`."""
    amount, _, words = " ".join(text.split()).partition(" ")
    total = parse_money(amount, scene.app.settings.currency)
    product = await catalogue.get_product(scene.session, product_id) if product_id else None
    words = words or scene._("At the counter")
    if len(words) > purchases.LONGEST_NAME:
        raise Invalid("takes %(least)s to %(most)s characters", least=1, most=purchases.LONGEST_NAME)
    if total.minor == 0:
        raise Invalid("write what was paid")
    return _card(scene, _Sale(await _fan(scene, fan_id), product, words, 1, total, _new_key()))


def _new_key() -> str:
    return secrets.token_hex(6)


def _card(scene: Scene, sale: _Sale) -> Method:
    """What is about to be sold; the line before the last says what, and is read again when it is."""
    what = _told(sale.product.title if sale.product else sale.words, sale.pieces)
    return scene.show(scene.voice.tell("sell_card", fan=sale.fan, what=what, total=sale.total), _board(scene, sale))


def _board(scene: Scene, sale: _Sale) -> InlineKeyboardMarkup:
    fan_id, product_id = sale.fan.id, sale.product.id if sale.product else 0
    told = scene._("✅ Sell · %(price)s") % {"price": scene.voice.money(sale.total)}
    yes = press(told, "k", "s", fan_id, product_id, sale.pieces, sale.total.minor, sale.key, style="success")
    is_counted = sale.product is not None and not sale.words
    counts = [n for n in (sale.pieces - 1, sale.pieces + 1) if 1 <= n <= MOST_PIECES] if is_counted else []
    steps = [press("−" if n < sale.pieces else "+", "k", "p", fan_id, product_id, n, sale.key) for n in counts]
    return keyboard([yes], steps, [press(scene._("‹ Back"), "k", "c", fan_id, 0)])


async def _carried(scene: Scene, parts: list[str]) -> _Sale:
    """At the price both saw, also if the catalogue's changed since."""
    fan_id, product_id, pieces, minor, key = parts
    product = await catalogue.get_product(scene.session, int(product_id)) if product_id != "0" else None
    words = "" if product else _words_above(scene)
    total = Money(int(minor), scene.app.settings.currency)
    return _Sale(await _fan(scene, int(fan_id)), product, words, int(pieces), total, key)


def _words_above(scene: Scene) -> str:
    message = scene.pressed.message if scene.pressed else None
    lines = [] if message is None or isinstance(message, InaccessibleMessage) else (message.text or "").split("\n")
    if len(lines) < 3:  # the buyer, what for, how much
        raise NotFound("this sale is not there any more: begin again with /sell")
    return lines[-2]


async def _sell(scene: Scene, operator: Operator, sale: _Sale) -> Answer:
    """Two taps are one sale, and one word to the buyer."""
    entered = CounterSale(sale.product.sku if sale.product else "", sale.words, sale.pieces, sale.total.minor)
    sold = await purchases.sell(
        scene.session,
        operators.actor_of(operator),
        sale.fan,
        entered,
        key=f"{operator.telegram_id}-{sale.key}",
        currency=sale.total.currency,
        zone=scene.app.settings.zone,
        now=scene.now,
    )
    what = _told(sale.product.title if sale.product else sale.words, sale.pieces)
    back = keyboard([press(scene._("↩️ Undo"), "k", "u", sold.purchase.id)])
    done = scene.show(scene.voice.tell("sell_done", fan=sale.fan, what=what, paid=sale.total), back)
    return [done, *_word(scene, sale.fan, "sold", what, sold.purchase)] if sold.is_new else done


async def _take_back(scene: Scene, operator: Operator, purchase_id: int) -> Answer:
    lines = await purchases.lines_of(scene.session, [purchase_id])
    purchase = await purchases.take_back(
        scene.session,
        operators.actor_of(operator),
        purchase_id,
        at_any_time=operators.may(operator.role, Permission.ADMINISTER),
        zone=scene.app.settings.zone,
        now=scene.now,
    )
    fan, (line,) = await fans.get_fan_by_id(scene.session, purchase.fan_id), lines[purchase_id]
    what = _told(line.name or line.sku, line.quantity)
    paid = Money(purchase.amount_minor, purchase.currency)
    done = scene.show(scene.voice.tell("sell_undone", fan=fan, what=what, paid=paid))
    return [done, *_word(scene, fan, "sold_back", what, purchase)]


def _word(scene: Scene, fan: Fan, template: str, what: str, purchase: Purchase) -> list[Method]:
    """To the buyer, in their language; whoever never talked to us or blocked us hears nothing."""
    if fan.reach is not Reach.REACHABLE:
        return []
    theirs = scene.heard_by(fan.chosen_language, fan.language)
    paid = Money(purchase.amount_minor, purchase.currency)
    return [theirs.say(theirs.voice.tell(template, what=what, paid=paid), to=fan.telegram_id)]


def _told(what: str, pieces: int) -> str:
    return what if pieces == 1 else f"{what} × {pieces}"
