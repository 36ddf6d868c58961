"""The forms of the counter: a purchase that somebody enters, and money that went back."""

from pydantic import BaseModel

from admin.forms import Reading, amount_or_none, number
from siyu.kit.errors import Invalid
from siyu.purchases import CounterSale


class SaleForm(BaseModel):
    """The form as it came; `key` was made with it, so that it counts once."""

    key: str = ""
    sku: str = ""
    name: str = ""
    quantity: str = "1"
    amount: str = ""
    coupon: str = ""


class ReturnForm(BaseModel):
    """How much went back; empty: all that is left."""

    key: str = ""
    amount: str = ""


def read_sale(form: SaleForm, currency: str) -> tuple[CounterSale, list[Invalid]]:
    """The sale, and everything in it that could not be read."""
    reading = Reading()
    sale = CounterSale(
        sku=form.sku,
        name=form.name.strip(),
        quantity=reading.take(lambda: number(form.quantity, "quantity"), 1),
        amount_minor=reading.take(lambda: amount_or_none(form.amount, currency, "amount_minor"), None),
        coupon_code=form.coupon.strip(),
    )
    return sale, reading.mistakes
