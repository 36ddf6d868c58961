"""What people who work here do in chat: sign in, and redeem a coupon that a fan shows."""

from collections.abc import Sequence

from aiogram.types import InlineKeyboardMarkup

from bot.keyboards import keyboard, link, press
from bot.routers.menu import unknown
from bot.routers.scene import Answer, Method, Scene
from bot.wording import own_commands
from siyu import coupons, fans, operators
from siyu.coupons import Carried, Redeemed, Standing, Use
from siyu.kit.codes import tidy
from siyu.kit.errors import Conflict, Forbidden
from siyu.kit.money import Money, parse_money
from siyu.operators import Permission
from siyu.tables import Fan, OfferKind, Operator

SHAPE = r"[0-9A-Z]{10}"
UNDO_SHAPE = r"[0-9]{1,18}"


async def admin(scene: Scene, _rest: str = "") -> Answer:
    """A one-time sign-in link; to anybody else this command does not exist."""
    operator = await colleague(scene)
    if operator is None:
        return await unknown(scene)
    ticket = await operators.issue_ticket(scene.session, operator, now=scene.now)
    url = f"{scene.app.settings.site}/login?t={ticket}"
    # Telegram takes links to the open web only as buttons; at home the address stands in the text.
    is_public = url.startswith("https://")
    button = keyboard([link(scene._("🔑 Sign in"), url)]) if is_public else None
    text = scene.voice.tell("admin", operator=operator, url=None if is_public else url)
    return [scene.say(text, button), *await own_menu(scene)]


async def own_menu(scene: Scene) -> Sequence[Method]:
    """The list of commands of this very chat, as it should be now."""
    works_here = await colleague(scene) is not None
    return own_commands(scene.fan.telegram_id, staff=works_here, chosen=scene.fan.chosen_language)


async def redeem(scene: Scene, rest: str) -> Answer:
    """`/redeem CODE` shows the coupon, `/redeem CODE 128.50` uses it."""
    operator = await colleague(scene, Permission.OPERATE)
    if operator is None:
        return await unknown(scene)
    code, _, amount = rest.partition(" ")
    if not code:
        return scene.say(scene.voice.tell("how_to_redeem"))
    if not amount.strip():
        return await _card(scene, code)
    carried = await _must_be_known(scene, code)
    paid = parse_money(amount, carried.offer.currency)
    return await _use(scene, operator, carried, paid, key=f"staff:{scene.cause}")


async def pressed(scene: Scene, code: str) -> Answer:
    """The button under a coupon that needs no amount."""
    operator = await must_be(scene, Permission.OPERATE)
    carried = await _must_be_known(scene, code)
    return await _use(scene, operator, carried, _least(carried), key=f"staff:button:{code}:{_place(scene)}")


async def undone(scene: Scene, redemption_id: str) -> Answer:
    """The button under a receipt: what was redeemed by mistake never was, and the fan hears of that too."""
    operator = await must_be(scene, Permission.OPERATE)
    actor, at_any_time = operators.actor_of(operator), operators.may(operator.role, Permission.ADMINISTER)
    coupon = await coupons.undo(scene.session, actor, int(redemption_id), at_any_time=at_any_time, now=scene.now)
    carried = await _must_be_known(scene, coupon.code)
    fan = await fans.get_fan_by_id(scene.session, coupon.fan_id)
    theirs = scene.heard_by(fan.chosen_language, fan.language)
    told = theirs.say(theirs.voice.tell("undone", carried=carried), to=fan.telegram_id)
    return [scene.show(scene.voice.tell("staff_undone", carried=carried, fan=fan)), told]


async def card_for_staff(scene: Scene, code: str) -> Answer:
    """The coupon behind a scanned link; None for everybody else, who learn nothing."""
    return await _card(scene, code) if await colleague(scene, Permission.OPERATE) else None


async def colleague(scene: Scene, permission: Permission = Permission.VIEW) -> Operator | None:
    """Who writes, if they work here and may do this."""
    operator = await operators.find_operator(scene.session, scene.fan.telegram_id)
    if operator is None or operator.disabled_at is not None or not operators.may(operator.role, permission):
        return None
    return operator


async def must_be(scene: Scene, permission: Permission) -> Operator:
    operator = await colleague(scene, permission)
    if operator is None:
        raise Forbidden("this is for people who work here")
    return operator


async def in_language_of(scene: Scene, operator: Operator) -> Scene:
    """The same scene as that operator reads it: their own choice, else what Telegram tells of them."""
    known = await fans.find_fan(scene.session, operator.telegram_id)
    told = (known.chosen_language, known.language) if known else ()
    return scene.heard_by(operator.language, *told)


async def _card(scene: Scene, code: str) -> Answer:
    """Who, what, how long, from how much; and how to go on."""
    carried = await _must_be_known(scene, code)
    fan = await fans.get_fan_by_id(scene.session, carried.coupon.fan_id)
    standing = carried.standing(scene.now)
    needs_amount = _needs_amount(carried)
    text = scene.voice.tell(
        "staff_coupon",
        carried=carried,
        fan=fan,
        standing=standing,
        worth=scene.voice.worth(carried.offer),
        needs_amount=needs_amount,
    )
    return scene.say(text, None if needs_amount else _button(scene, carried, standing))


def _button(scene: Scene, carried: Carried, standing: Standing) -> InlineKeyboardMarkup | None:
    if standing is not Standing.USABLE:
        return None
    return keyboard([press(scene._("✅ Redeem"), "r", carried.coupon.code, style="success")])


async def _use(scene: Scene, operator: Operator, carried: Carried, amount: Money, *, key: str) -> Answer:
    use = Use(amount=amount, channel="staff", staff=operators.actor_of(operator).key, key=key)
    redeemed = await coupons.redeem(scene.session, carried.coupon.code, use, now=scene.now)
    back = keyboard([press(scene._("↩️ Undo"), "u", redeemed.redemption_id)])
    done = scene.show(scene.voice.tell("staff_redeemed", redeemed=redeemed, amount_known=scene.pressed is None), back)
    if redeemed.replayed:
        return done
    return [done, await _tell_fan(scene, redeemed)]


async def _tell_fan(scene: Scene, redeemed: Redeemed) -> Method:
    fan: Fan = await fans.get_fan_by_id(scene.session, redeemed.fan_id)
    theirs = scene.heard_by(fan.chosen_language, fan.language)
    return theirs.say(theirs.voice.tell("redeemed", redeemed=redeemed), to=fan.telegram_id)


async def _must_be_known(scene: Scene, code: str) -> Carried:
    carried = await coupons.carried_by_code(scene.session, tidy(code))
    if carried is None:
        raise Conflict("there is no coupon with this code", reason="unknown")
    return carried


def _needs_amount(carried: Carried) -> bool:
    return carried.offer.kind in (OfferKind.PERCENT, OfferKind.EXCHANGE) or carried.offer.min_spend_minor > 0


def _least(carried: Carried) -> Money:
    """Where no amount is asked for, the price is at least what the coupon takes off."""
    if _needs_amount(carried):
        raise Conflict("this coupon needs the amount: /redeem CODE AMOUNT", reason="amount")
    return Money(carried.offer.value, carried.offer.currency)


def _place(scene: Scene) -> str:
    """Which message was pressed: two taps on one button are one redemption."""
    message = scene.pressed.message if scene.pressed else None
    return f"{message.chat.id}:{message.message_id}" if message else scene.cause
