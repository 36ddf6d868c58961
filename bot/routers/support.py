"""Help with a payment: a fan asks for the money back, an operator answers in their own chat."""

from dataclasses import dataclass

from aiogram.types import InlineKeyboardButton

from bot.keyboards import keyboard, press
from bot.routers import staff
from bot.routers.scene import Answer, Method, Scene
from siyu import fans, operators, purchases
from siyu.kit.money import STARS, Money
from siyu.operators import Permission
from siyu.tables import Fan, Operator, Purchase, PurchaseItem, RefundRequest

SHAPE = r"r:[1-9][0-9]{0,17}"
ANSWER_SHAPE = r"[yn]:[1-9][0-9]{0,17}"

SHOWN = 3  # purchases, one row of buttons each


async def paysupport(scene: Scene, _rest: str = "") -> Answer:
    """How to get help, and the latest purchases, each with a way to ask for the money back."""
    return await _page(scene)


async def pressed(scene: Scene, data: str) -> Answer:
    """The fan asks for the money of one purchase; the people who may decide are told."""
    purchase_id = int(data.removeprefix("r:"))
    is_new = await purchases.ask_refund(scene.session, scene.fan, purchase_id, now=scene.now)
    toast = scene.toast(scene._("We have your request and will answer you here."), alert=True)
    notices = await _notices(scene, purchase_id) if is_new else []
    return [toast, await _page(scene), *notices]


async def answered(scene: Scene, data: str) -> Answer:
    """An operator's yes or no under such a notice."""
    operator = await staff.must_be(scene, Permission.ADMINISTER)
    answer, _, number = data.partition(":")
    actor = operators.actor_of(operator)
    if answer == "y":
        await purchases.refund_stars(scene.session, actor, int(number), now=scene.now)
        return scene.show(scene.voice.tell("refund_under_way"))
    purchase = await purchases.decline_refund(scene.session, actor, int(number), now=scene.now)
    return [scene.show(scene.voice.tell("refund_declined")), await _tell_declined(scene, purchase)]


async def _page(scene: Scene) -> Method:
    page = await purchases.purchases_of(scene.session, scene.fan.id or 0, source=purchases.TELEGRAM, limit=SHOWN)
    ids = [purchase.id or 0 for purchase in page.items]
    lines = await purchases.lines_of(scene.session, ids)
    requests = await purchases.requests_of(scene.session, ids)
    told = [_Bought(one, title(lines.get(one.id or 0, [])), requests.get(one.id or 0)) for one in page.items]
    rows = [_ask(scene, one) for one in told if one.may_ask]
    return scene.show(scene.voice.tell("paysupport", told=told), keyboard(*rows))


def title(lines: list[PurchaseItem]) -> str:
    """What was bought, in a few words."""
    return ", ".join(line.name or line.sku for line in lines) or "–"


@dataclass(frozen=True)
class _Bought:
    """A purchase as its buyer sees it."""

    purchase: Purchase
    name: str
    request: RefundRequest | None

    @property
    def paid(self) -> Money:
        return _paid(self.purchase)

    @property
    def is_refunded(self) -> bool:
        return self.purchase.refunded_minor >= self.purchase.amount_minor

    @property
    def may_ask(self) -> bool:
        return self.request is None and not self.is_refunded and self.purchase.currency == STARS


def _paid(purchase: Purchase) -> Money:
    return Money(purchase.amount_minor, purchase.currency)


def _ask(scene: Scene, bought: _Bought) -> list[InlineKeyboardButton]:
    asking = scene._("↩️ Ask for the money back: %(name)s") % {"name": bought.name}
    return [press(asking, "p", "r", bought.purchase.id)]


async def _notices(scene: Scene, purchase_id: int) -> list[Method]:
    purchase = await purchases.get_purchase(scene.session, purchase_id)
    lines = await purchases.lines_of(scene.session, [purchase_id])
    name = title(lines.get(purchase_id, []))
    colleagues = [
        one
        for one in await operators.list_operators(scene.session)
        if one.disabled_at is None and operators.may(one.role, Permission.ADMINISTER)
    ]
    return [await _notice(scene, one, purchase, name) for one in colleagues]


async def _notice(scene: Scene, operator: Operator, purchase: Purchase, name: str) -> Method:
    theirs = await staff.in_language_of(scene, operator)
    text = theirs.voice.tell("refund_request", fan=scene.fan, purchase=purchase, paid=_paid(purchase), name=name)
    answers = [
        press(theirs._("↩️ Refund"), "f", "y", purchase.id, style="danger"),
        press(theirs._("Decline"), "f", "n", purchase.id),
    ]
    return theirs.say(text, keyboard(answers), to=operator.telegram_id)


async def _tell_declined(scene: Scene, purchase: Purchase) -> Method:
    fan: Fan = await fans.get_fan_by_id(scene.session, purchase.fan_id)
    theirs = scene.heard_by(fan.chosen_language, fan.language)
    return theirs.say(theirs.voice.tell("refund_refused", paid=_paid(purchase)), to=fan.telegram_id)
