"""The forms of source links: a new one with what it cost, and a cost booked later."""

from pydantic import BaseModel

from siyu.kit.errors import Invalid
from siyu.kit.money import Money, parse_money


class SourceForm(BaseModel):
    """The form as it came: all text."""

    title: str = ""
    channel: str = "social"
    campaign: str = ""
    cost: str = ""
    currency: str = ""
    key: str = ""  # of this form, and the code of a new link: sent twice, it is one link and one cost


def read_cost(form: SourceForm) -> Money | None:
    """None where the field is empty. Raises Invalid with its place."""
    if not form.cost.strip():
        return None
    try:
        return parse_money(form.cost.replace(",", ""), form.currency.strip().upper())
    except Invalid as mistake:
        mistake.where = ("currency",) if mistake.reason == "unknown_currency" else ("cost",)
        raise
