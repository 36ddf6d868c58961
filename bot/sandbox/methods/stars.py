"""The methods around pretend Stars."""

from bot.sandbox.parameters import Parameters
from bot.sandbox.payments import STARS
from bot.sandbox.shapes import Payload
from bot.sandbox.world import World


def refund_star_payment(world: World, parameters: Parameters) -> bool:
    """Give a payment back; the person and the bot both see it in the chat."""
    person = world.find_person(parameters.text("user_id"))
    charge = world.till.refund(person, parameters.text("telegram_payment_charge_id"))
    refunded = {
        "currency": STARS,
        "total_amount": charge.amount,
        "invoice_payload": charge.invoice_payload,
        "telegram_payment_charge_id": charge.charge_id,
    }
    world.receive(person, {"refunded_payment": refunded})
    return True


def get_star_transactions(world: World, parameters: Parameters) -> Payload:
    """Payments and refunds, oldest first."""
    offset = max(0, parameters.number("offset"))
    limit = min(100, max(1, parameters.number("limit", 100)))
    return {"transactions": world.till.transactions[offset : offset + limit]}


def get_my_star_balance(world: World, parameters: Parameters) -> Payload:
    """The Stars the bot has earned."""
    return {"amount": world.till.balance}
