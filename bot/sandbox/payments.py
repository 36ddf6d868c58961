"""Paying with pretend Stars: from the invoice to the receipt and back."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from bot.sandbox.messages import ChatMessage
from bot.sandbox.refusals import bad_request
from bot.sandbox.shapes import Payload

if TYPE_CHECKING:
    from bot.sandbox.people import Person
    from bot.sandbox.world import World

STARS = "XTR"


class PaymentOutcome(StrEnum):
    """How an attempt to pay ended."""

    PAID = "paid"
    REFUSED = "refused"  # the bot said no at pre-checkout
    TIMED_OUT = "timed_out"  # the bot said nothing in time
    TOO_POOR = "too_poor"  # not enough Stars


@dataclass(frozen=True)
class Payment:
    """The end of one attempt to pay."""

    outcome: PaymentOutcome
    charge_id: str | None = None
    error: str | None = None


@dataclass(slots=True)
class Charge:
    """A payment that was made."""

    charge_id: str
    person: "Person"
    currency: str
    amount: int
    invoice_payload: str
    refunded: bool = False


@dataclass(slots=True)
class Till:
    """All charges and Star transactions of the bot, oldest first, and the questions still open."""

    charges: dict[str, Charge] = field(default_factory=dict)
    transactions: list[Payload] = field(default_factory=list)
    balance: int = 0
    open_checkouts: dict[str, asyncio.Future[tuple[bool, str]]] = field(default_factory=dict)

    def answer_checkout(self, query_id: str, *, ok: bool, error: str) -> None:
        """The bot's word on a pre-checkout question."""
        waiting = self.open_checkouts.pop(query_id, None)
        if waiting is None or waiting.done():
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        waiting.set_result((ok, error))

    def refund(self, person: "Person", charge_id: str) -> Charge:
        """Give a payment back."""
        charge = self.charges.get(charge_id)
        if charge is None or charge.person is not person or charge.currency != STARS:
            raise bad_request("CHARGE_NOT_FOUND")
        if charge.refunded:
            raise bad_request("CHARGE_ALREADY_REFUNDED")
        charge.refunded = True
        person.stars += charge.amount
        self._enter(charge, sign=-1)
        return charge

    def collect(self, charge: Charge) -> None:
        """Move the money of a new payment."""
        self.charges[charge.charge_id] = charge
        if charge.currency == STARS:
            charge.person.stars -= charge.amount
            self._enter(charge, sign=1)

    def _enter(self, charge: Charge, *, sign: int) -> None:
        partner = {
            "type": "user",
            "transaction_type": "invoice_payment",
            "user": charge.person.user,
            "invoice_payload": charge.invoice_payload,
        }
        side = "source" if sign > 0 else "receiver"
        self.balance += sign * charge.amount
        self.transactions.append(
            {"id": charge.charge_id, "amount": charge.amount, "date": int(time.time()), side: partner}
        )


async def pay(world: "World", person: "Person", message: ChatMessage) -> Payment:
    """Ask the bot, wait for its word, move the Stars and tell the bot."""
    invoice = message.invoice or {}
    if invoice["currency"] == STARS and person.stars < invoice["total_amount"]:
        return Payment(PaymentOutcome.TOO_POOR, error="Not enough Stars")
    answer = await _ask(world, person, message)
    if answer is None:
        return Payment(PaymentOutcome.TIMED_OUT, error="The bot didn't respond in time")
    ok, error = answer
    if not ok:
        return Payment(PaymentOutcome.REFUSED, error=error)
    return Payment(PaymentOutcome.PAID, charge_id=_settle(world, person, message))


async def _ask(world: "World", person: "Person", message: ChatMessage) -> tuple[bool, str] | None:
    query_id = str(10**17 + secrets.randbelow(9 * 10**17))
    waiting = world.till.open_checkouts[query_id] = asyncio.get_running_loop().create_future()
    world.push_update({"pre_checkout_query": {"id": query_id, "from": person.user, **world.invoice_terms(message)}})
    try:
        return await asyncio.wait_for(waiting, world.options.checkout_patience)
    except TimeoutError:
        return None
    finally:
        world.till.open_checkouts.pop(query_id, None)


def _settle(world: "World", person: "Person", message: ChatMessage) -> str:
    terms = world.invoice_terms(message)
    charge_id = f"stx{secrets.token_urlsafe(30)}"
    world.till.collect(Charge(charge_id, person, terms["currency"], terms["total_amount"], terms["invoice_payload"]))
    message.charge_id = charge_id
    world.changed(person, message)
    paid = {**terms, "telegram_payment_charge_id": charge_id, "provider_payment_charge_id": secrets.token_hex(8)}
    world.receive(person, {"successful_payment": paid})
    return charge_id
