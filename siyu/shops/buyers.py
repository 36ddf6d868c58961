"""Who bought: the fan a shop means by a Telegram id or a phone number."""

import re
from datetime import datetime
from enum import StrEnum
from functools import reduce
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, SQLColumnExpression, func
from sqlmodel import col, select

from siyu.kit.database import ReadSession, WriteSession
from siyu.shops.orders import Paid
from siyu.tables import Fan
from siyu.transfer.people import known_by_import

# What people write between the digits.
_BETWEEN = " -().+/\u00a0"
# Without the country's own digits: shorter numbers belong to several people.
ENOUGH_DIGITS = 8


class Nobody(StrEnum):
    """Why no fan was found."""

    NO_CONTACT = "no_contact"  # neither an id nor a number
    STRANGER = "stranger"  # nobody has this number
    SEVERAL = "several"  # more than one has it
    FORGOTTEN = "forgotten"  # asked to be forgotten: only they themselves can come back


async def find(session: WriteSession, paid: Paid, *, zone: ZoneInfo, now: datetime) -> int | Nobody:
    """The fan's own id. A Telegram id nobody knew makes a fan known by import, as it does everywhere."""
    buyer = paid.buyer
    if buyer.telegram_id is not None:
        people = await known_by_import(session, [(buyer.telegram_id, paid.at)], zone=zone, now=now)
        fan = people.get(buyer.telegram_id)
        return (fan.id or 0) if fan else Nobody.FORGOTTEN
    return await _by_phone(session, buyer.phone)


async def _by_phone(session: ReadSession, phone: str) -> int | Nobody:
    digits = _digits(phone)
    if len(digits) < ENOUGH_DIGITS:
        return Nobody.NO_CONTACT
    ends_alike = _bare(col(Fan.phone)).endswith(digits[-ENOUGH_DIGITS:], autoescape=True)
    rows = await session.rows(select(col(Fan.id), col(Fan.phone)).where(ends_alike))
    same = [fan_id for fan_id, known in rows if _are_the_same(digits, _digits(known or ""))]
    return same[0] if len(same) == 1 else Nobody.SEVERAL if same else Nobody.STRANGER


def _are_the_same(one: str, other: str) -> bool:
    """`138 0013 8000` and `+86 13800138000`: one with its country, one without."""
    shorter, longer = sorted((one, other), key=len)
    return len(shorter) >= ENOUGH_DIGITS and longer.endswith(shorter)


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone).lstrip("0")


def _bare(phone: SQLColumnExpression[str | None]) -> ColumnElement[str]:
    return reduce(lambda so_far, sign: func.replace(so_far, sign, ""), _BETWEEN, func.coalesce(phone, ""))
