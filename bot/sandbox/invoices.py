"""Checks an invoice, as Telegram would."""

from typing import Any

from bot.sandbox.parameters import Parameters
from bot.sandbox.payments import STARS
from bot.sandbox.refusals import bad_request
from bot.sandbox.shapes import Payload

_LIMITS = (("title", 1, 32, "TITLE"), ("description", 1, 255, "DESCRIPTION"))
_PAYLOAD_BYTES = 128


def read_invoice(parameters: Parameters) -> Payload:
    """The invoice as the message shows it; the payload stays between Telegram and the bot."""
    for name, least, most, word in _LIMITS:
        if not least <= len(parameters.text(name).strip()) <= most:
            raise bad_request(f"INVOICE_{word}_INVALID")
    if not 1 <= len(parameters.text("payload").encode()) <= _PAYLOAD_BYTES:
        raise bad_request("INVOICE_PAYLOAD_INVALID")
    currency = parameters.text("currency").upper()
    prices = [_price(price) for price in parameters.rows("prices")]
    _must_be_payable(currency, prices, provider=parameters.text("provider_token"))
    _must_begin_with_pay(parameters.data("reply_markup"))
    return {
        "title": parameters.text("title").strip(),
        "description": parameters.text("description").strip(),
        "start_parameter": parameters.text("start_parameter"),
        "currency": currency,
        "total_amount": sum(prices),
    }


# Any: JSON from the bot, checked here.
def _price(price: Any) -> int:
    if not isinstance(price, dict) or not isinstance(price.get("label"), str) or not price["label"]:
        raise bad_request("can't parse labeled price: field label must be of type String")
    try:
        return int(price["amount"])
    except (KeyError, TypeError, ValueError):
        raise bad_request("can't parse labeled price: field amount must be of type Number") from None


def _must_be_payable(currency: str, prices: list[int], *, provider: str) -> None:
    if len(currency) != 3 or not currency.isalpha():
        raise bad_request("CURRENCY_INVALID")
    if currency == STARS:
        if provider:
            raise bad_request("PAYMENT_PROVIDER_INVALID")
        if len(prices) != 1 or not 1 <= prices[0] <= 1_000_000:
            raise bad_request("STARS_INVOICE_INVALID")
        return
    if not provider:
        raise bad_request("PAYMENT_PROVIDER_INVALID")
    if not prices or sum(prices) <= 0:
        raise bad_request("CURRENCY_TOTAL_AMOUNT_INVALID")


# Any: JSON from the bot; its buttons are checked with the message.
def _must_begin_with_pay(markup: Any) -> None:
    rows = markup.get("inline_keyboard") if isinstance(markup, dict) else None
    if rows and not (rows[0] and isinstance(rows[0][0], dict) and rows[0][0].get("pay")):
        raise bad_request("REPLY_MARKUP_BUY_EMPTY")
