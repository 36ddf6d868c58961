"""Payments: Telegram's question before the money, its word that the money came, and that it went back."""

from datetime import datetime
from typing import assert_never

from aiogram.methods import AnswerPreCheckoutQuery
from aiogram.types import PreCheckoutQuery, RefundedPayment, SuccessfulPayment

from bot.keyboards import keyboard, press
from bot.routers.scene import Answer, Scene
from siyu import purchases
from siyu.kit.errors import SiyuError
from siyu.kit.money import Money
from siyu.purchases import Again, Payment, Settled, SettledOddly


async def may_be_paid(scene: Scene, query: PreCheckoutQuery) -> Answer:
    """Yes, or no with the reason in the fan's language."""
    amount = Money(query.total_amount, query.currency)
    try:
        await purchases.check_before_payment(scene.session, scene.fan, query.invoice_payload, amount, now=scene.now)
    except SiyuError as no:
        return AnswerPreCheckoutQuery(pre_checkout_query_id=query.id, ok=False, error_message=scene.voice.refusal(no))
    return AnswerPreCheckoutQuery(pre_checkout_query_id=query.id, ok=True)


async def paid(scene: Scene, told: SuccessfulPayment, *, at: datetime) -> Answer:
    """The receipt; or the apology when there is nothing to give and the money goes back."""
    payment = Payment(
        charge_id=told.telegram_payment_charge_id,
        payload=told.invoice_payload,
        amount=Money(told.total_amount, told.currency),
        paid_at=at,
    )
    settled = await purchases.settle(scene.session, scene.fan, payment, zone=scene.app.settings.zone, now=scene.now)
    match settled:
        case Settled():
            return scene.say(
                scene.voice.tell("receipt", settled=settled),
                keyboard([press(scene._("🛍 Shop"), "m", "+shop"), press(scene._("🎟 My coupons"), "m", "+wallet")]),
            )
        case SettledOddly():
            return scene.say(scene.voice.tell("paid_back", settled=settled))
        case Again():
            return None
        case _ as never:
            assert_never(never)


async def refunded(scene: Scene, told: RefundedPayment) -> Answer:
    """Telegram gave the Stars back; it is booked once, whoever asked for it."""
    charge = told.telegram_payment_charge_id
    await purchases.note_refund_agreed(scene.session, charge, zone=scene.app.settings.zone, now=scene.now)
    return scene.say(scene.voice.tell("refunded", amount=Money(told.total_amount, told.currency)))
