"""Stars held against Telegram's own list, every night: what was missed is booked, and thanked for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from siyu import fans, mailroom
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import SiyuError
from siyu.kit.money import STARS, Money
from siyu.purchases.checkouts import Payment, find_checkout, settle
from siyu.purchases.receipts import Late, send_receipts
from siyu.purchases.refunds import TELEGRAM, note_refund_agreed
from siyu.purchases.sales import Verdict
from siyu.tables import Purchase, StarCheck

PAGE = 100  # what Telegram gives at once
# What came in this lately may still wait in our own inbox.
YOUNG = timedelta(minutes=10)


@dataclass(frozen=True)
class _Entry:
    """One line of Telegram's list about a fan's payment; `back`: the Stars went back."""

    charge_id: str
    telegram_id: int
    payload: str
    amount: int
    at: datetime
    back: bool


async def ask_for_stars(session: WriteSession, *, now: datetime) -> None:
    """Have Telegram tell what stands behind the last line we read."""
    offset = await _next_offset(session)
    payload = {"offset": offset, "limit": PAGE}
    cause = f"stars:{offset}:{int(now.timestamp())}"
    await mailroom.send(session, "getStarTransactions", payload, lane=mailroom.ANSWER, cause=cause, now=now)


async def reconcile_stars(
    session: WriteSession, answer: object, *, offset: int, zone: ZoneInfo, now: datetime
) -> StarCheck | None:
    """Book what we had missed of this page and ask for the next one; None where it was read before or holds nothing.

    Who paid gets the receipt, unless the same page gave the money back.
    """
    if offset != await _next_offset(session):
        return None
    told = _old_enough(answer, now=now)
    if not told:
        return None
    check = StarCheck(at=now, offset_from=offset, seen=len(told), recorded=0, refunded=0, odd=[])
    late: dict[str, Late] = {}
    for line in told:
        if entry := _entry(line):
            await _mend(session, check, late, entry, zone=zone, now=now)
    await send_receipts(session, late.values(), zone=zone, now=now)
    session.add(check)
    await session.flush()
    if len(told) == PAGE:
        await ask_for_stars(session, now=now)
    return check


async def star_checks(session: ReadSession, *, limit: int = 10) -> list[StarCheck]:
    """The last pages that were read, the newest first."""
    return list(await session.all(select(StarCheck).order_by(col(StarCheck.id).desc()).limit(limit)))


async def _next_offset(session: ReadSession) -> int:
    last = await star_checks(session, limit=1)
    return last[0].offset_from + last[0].seen if last else 0


# Any: JSON from outside, read with care.
def _old_enough(answer: object, *, now: datetime) -> list[Any]:
    """The lines up to the first that is young: the list goes from old to new."""
    lines = answer.get("transactions") if isinstance(answer, dict) else None
    old: list[Any] = []
    for line in lines if isinstance(lines, list) else []:
        if not isinstance(line, dict) or _moment(line) > now - YOUNG:
            break
        old.append(line)
    return old


def _entry(line: dict[str, Any]) -> _Entry | None:
    """A payment of an invoice or its way back; gifts, withdrawals and the like are not purchases."""
    back = "receiver" in line
    side = "receiver" if back else "source"
    match line.get(side):
        case {"type": "user", "transaction_type": "invoice_payment", "user": {"id": int(telegram_id)}}:
            payload = str(line[side].get("invoice_payload", ""))
        case _:
            return None
    amount = line.get("amount")
    if not isinstance(amount, int) or amount <= 0:
        return None
    return _Entry(str(line.get("id", "")), telegram_id, payload, amount, _moment(line), back)


def _moment(line: dict[str, Any]) -> datetime:
    date = line.get("date")
    return datetime.fromtimestamp(date if isinstance(date, int) else 0, tz=UTC)


async def _mend(
    session: WriteSession, check: StarCheck, late: dict[str, Late], entry: _Entry, *, zone: ZoneInfo, now: datetime
) -> None:
    """One line; what cannot be booked is told instead, and stops none of the others."""
    try:
        async with session.savepoint():
            if entry.back:
                check.refunded += await _missed_refund(session, entry, zone=zone, now=now)
                late.pop(entry.charge_id, None)
            elif missed := await _missed_payment(session, entry, zone=zone, now=now):
                check.recorded += 1
                late[entry.charge_id] = missed
    except SiyuError as odd:
        told = {"charge": entry.charge_id, "amount": entry.amount, "back": entry.back, "why": odd.reason}
        check.odd = [*check.odd, told]


async def _missed_payment(session: WriteSession, entry: _Entry, *, zone: ZoneInfo, now: datetime) -> Late | None:
    """Only an invoice of ours is settled: what another program once sold with this bot is none of our business."""
    booked = await _booked(session, entry.charge_id)
    if booked is not None:
        if (booked.amount_minor, booked.currency) != (entry.amount, STARS):
            raise SiyuError("the amounts differ", reason="amount")
        return None
    fan = await fans.get_fan(session, entry.telegram_id)
    if await find_checkout(session, entry.payload, fan) is None:
        raise SiyuError("there is no such invoice", reason="invoice")
    payment = Payment(entry.charge_id, entry.payload, Money(entry.amount, STARS), entry.at)
    return Late(entry.charge_id, fan, await settle(session, fan, payment, zone=zone, now=now))


async def _missed_refund(session: WriteSession, entry: _Entry, *, zone: ZoneInfo, now: datetime) -> bool:
    if await _booked(session, entry.charge_id) is None:
        raise SiyuError("there is no such purchase", reason="purchase")
    return await note_refund_agreed(session, entry.charge_id, zone=zone, now=now) is Verdict.CREATED


async def _booked(session: ReadSession, charge_id: str) -> Purchase | None:
    ours = select(Purchase).where(col(Purchase.source) == TELEGRAM, col(Purchase.external_id) == charge_id)
    return await session.first(ours)
