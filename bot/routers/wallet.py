"""The wallet in chat: the coupons a fan holds, each with its code and how long it is good."""

from collections.abc import Sequence

from aiogram.enums import ParseMode
from aiogram.methods import SendPhoto
from aiogram.types import BufferedInputFile, InlineKeyboardButton

from bot.keyboards import copy, in_rows, keyboard, press
from bot.routers.scene import Answer, Method, Scene
from siyu import coupons
from siyu.coupons import Carried, Entered, Standing
from siyu.kit import qr
from siyu.kit.errors import NotFound
from siyu.kit.money import STARS
from siyu.tables import OfferKind

SHAPE = r"l:[0-9]{1,4}|[cq]:[1-9][0-9]{0,17}|code"

ON_A_PAGE = 4
LONGEST_CODE = 64  # characters, blanks and all


async def wallet(scene: Scene, rest: str = "") -> Answer:
    """What is usable, by how soon it ends; then what was. `/wallet SPRING` enters a code."""
    return await enter(scene, rest) if rest else await _page(scene, 0)


async def pressed(scene: Scene, data: str) -> Answer:
    """Turn a page, open one coupon, show it as a code to scan, or ask for a code."""
    if data == "code":
        return await _ask(scene)
    what, _, number = data.partition(":")
    verbs = {"l": _page, "c": _open, "q": _picture}
    return await verbs[what](scene, int(number))


async def typed(scene: Scene, text: str | None) -> Answer:
    """A plain message that is a code: because we asked for one, or because it cannot be anything else."""
    if not text or len(text) > LONGEST_CODE:
        return None
    asked = await coupons.was_asked(scene.session, scene.fan, now=scene.now)
    if asked or coupons.looks_printed(text) or await coupons.is_shared(scene.session, text):
        return await enter(scene, text)
    return None


async def enter(scene: Scene, text: str) -> Answer:
    """The coupon of a code, or one kind sentence for whatever was wrong with it."""
    zone = scene.app.settings.zone
    came: Entered = await coupons.enter(scene.session, scene.fan, text, zone=zone, now=scene.now)
    if came.carried is not None:
        return card(scene, came.carried, fresh=came.is_new)
    said = scene.voice.refusal(came.refusal or NotFound("there is no coupon here any more"))
    again = keyboard([_code_button(scene)], [press(scene._("‹ My coupons"), "w", "l", 0)])
    return scene.say(scene.voice.tell("refusal", said=said), again)


async def _ask(scene: Scene) -> Answer:
    await coupons.ask(scene.session, scene.fan, now=scene.now)
    return scene.show(scene.voice.tell("ask_code"), keyboard([press(scene._("‹ My coupons"), "w", "l", 0)]))


def _code_button(scene: Scene) -> InlineKeyboardButton:
    return press(scene._("⌨️ I have a code"), "w", "code")


def card(scene: Scene, carried: Carried, *, fresh: bool = False) -> Method:
    """One coupon: what it gives, until when, its code with a button that copies it."""
    standing = carried.standing(scene.now)
    _ = scene._
    in_shop = coupons.is_good_in(carried.offer, STARS) and carried.offer.kind is not OfferKind.GIFT
    worth = scene.voice.worth(carried.offer)
    text = scene.voice.tell("coupon", carried=carried, standing=standing, fresh=fresh, worth=worth, in_shop=in_shop)
    back = press(_("‹ My coupons"), "w", "l", 0)
    if standing is not Standing.USABLE:
        return scene.show(text, keyboard([back]))
    use = [press(_("🛍 Use it in the shop"), "m", "shop", style="primary")] if in_shop else []
    code = [copy(_("📋 Copy the code"), carried.coupon.code), press(_("🔳 QR code"), "w", "q", carried.coupon.id)]
    return scene.show(text, keyboard(code, use, [back]))


async def _page(scene: Scene, page: int) -> Answer:
    held = await coupons.wallet(scene.session, scene.fan, now=scene.now)
    last = max(0, (len(held.usable) - 1) // ON_A_PAGE)
    page = min(page, last)
    shown = held.usable[page * ON_A_PAGE : (page + 1) * ON_A_PAGE]
    told = [(carried, scene.voice.worth(carried.offer)) for carried in shown]
    text = scene.voice.tell("wallet", held=held, told=told, page=page + 1, pages=last + 1)
    return scene.show(text, keyboard(*in_rows(_buttons(shown), width=2), _turn(scene, page, last)))


async def _open(scene: Scene, coupon_id: int) -> Answer:
    return card(scene, await _mine(scene, coupon_id))


async def _picture(scene: Scene, coupon_id: int) -> Answer:
    """Staff scan it with any camera: it opens this bot, which knows them."""
    carried = await _mine(scene, coupon_id)
    if carried.standing(scene.now) is not Standing.USABLE:
        return card(scene, carried)
    code = carried.coupon.code
    picture = BufferedInputFile(qr.png(scene.link(f"r_{code}")), f"{code}.png")
    told = scene.voice.tell("coupon_qr", carried=carried)
    return SendPhoto(chat_id=scene.fan.telegram_id, photo=picture, caption=told, parse_mode=ParseMode.HTML)


async def _mine(scene: Scene, coupon_id: int) -> Carried:
    held = await coupons.wallet(scene.session, scene.fan, now=scene.now)
    for carried in (*held.usable, *held.used, *held.expired, *held.withdrawn):
        if carried.coupon.id == coupon_id:
            return carried
    raise NotFound("this coupon is not in your wallet")


def _buttons(shown: Sequence[Carried]) -> list[InlineKeyboardButton]:
    return [press(f"🎟 {carried.offer.title}", "w", "c", carried.coupon.id) for carried in shown]


def _turn(scene: Scene, page: int, last: int) -> list[InlineKeyboardButton]:
    before = [press("‹", "w", "l", page - 1)] if page > 0 else []
    after = [press("›", "w", "l", page + 1)] if page < last else []
    return [*before, press(scene._("🛍 Shop"), "m", "shop"), _code_button(scene), *after]
