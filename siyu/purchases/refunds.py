"""Refunds: money given back, each once, never more than was paid; a full one gives back the coupon and the piece."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, func, select, update
from sqlmodel import col

from siyu import audit, catalogue, coupons, fans, mailroom, points, referrals
from siyu.audit import Actor
from siyu.kit.clock import local_day
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict
from siyu.kit.money import STARS
from siyu.purchases.sales import Verdict, get_purchase, lines_of
from siyu.tables import Fan, Outbox, OutboxState, Purchase, Refund, RefundRequest

TELEGRAM = "telegram"
STAFF = "staff"


async def refund(
    session: WriteSession,
    *,
    source: str,
    external_id: str,
    refund_id: str,
    amount_minor: int | None,
    at: datetime,
    zone: ZoneInfo,
    now: datetime,
) -> Verdict:
    """Book money given back; None: all that is left. Beyond what was paid it is rejected."""
    purchase = await _lock(session, source, external_id)
    if purchase is None:
        return Verdict.REJECTED
    booked = await _booked(session, source, refund_id)
    if booked is not None:
        same = booked.purchase_id == purchase.id and amount_minor in (None, booked.amount_minor)
        return Verdict.DUPLICATE if same else Verdict.REJECTED
    left = purchase.amount_minor - purchase.refunded_minor
    amount = left if amount_minor is None else amount_minor
    if not 0 < amount <= left:
        return Verdict.REJECTED
    await _book(
        session, _Booking(source, refund_id, purchase, amount, at, local_day(at, zone), full=amount == left), now=now
    )
    return Verdict.CREATED


async def refund_stars(session: WriteSession, actor: Actor, purchase_id: int, *, now: datetime) -> None:
    """Ask Telegram to give the Stars back; it is booked when Telegram agrees (`note_refund_agreed`)."""
    purchase = await get_purchase(session, purchase_id)
    if purchase.source != TELEGRAM or purchase.currency != STARS:
        raise Conflict("only purchases paid in Stars can be refunded from here", reason="not_stars")
    if purchase.refunded_minor == purchase.amount_minor:
        raise Conflict("this purchase was refunded already", reason="refunded")
    charge_id = purchase.external_id
    fan = await session.get(Fan, purchase.fan_id)
    payload = {"user_id": fan.telegram_id if fan else 0, "telegram_payment_charge_id": charge_id}
    cause = f"refund:{charge_id}:{await _failures(session, charge_id)}"
    await mailroom.send(session, "refundStarPayment", payload, cause=cause, lane=mailroom.ANSWER, now=now)
    await audit.note(session, actor, "purchase.refund_asked", "purchase", purchase.id, now=now, charge=charge_id)


async def note_refund_agreed(session: WriteSession, charge_id: str, *, zone: ZoneInfo, now: datetime) -> Verdict:
    """Telegram gave the Stars back: its answer and its service message both land here, and book once."""
    return await refund(
        session,
        source=TELEGRAM,
        external_id=charge_id,
        refund_id=f"stars:{charge_id}",
        amount_minor=None,
        at=now,
        zone=zone,
        now=now,
    )


async def _lock(session: WriteSession, source: str, external_id: str) -> Row[Any] | None:
    """The purchase's row, ours until the end of the transaction, so that what is read of it stands still."""
    statement = update(Purchase).where(col(Purchase.source) == source, col(Purchase.external_id) == external_id)
    columns = (col(Purchase.id), col(Purchase.fan_id), col(Purchase.day))
    amounts = (col(Purchase.amount_minor), col(Purchase.refunded_minor))
    touched = statement.values(refunded_minor=col(Purchase.refunded_minor)).returning(*columns, *amounts)
    return next(iter(await session.returning(touched)), None)


async def _booked(session: ReadSession, source: str, refund_id: str) -> Refund | None:
    return await session.first(select(Refund).where(col(Refund.source) == source, col(Refund.refund_key) == refund_id))


@dataclass(frozen=True)
class _Booking:
    source: str
    refund_id: str
    purchase: Row[Any]
    amount: int
    at: datetime
    day: date
    full: bool


async def _book(session: WriteSession, booking: _Booking, *, now: datetime) -> None:
    purchase = booking.purchase
    session.add(
        Refund(
            source=booking.source,
            refund_key=booking.refund_id,
            purchase_id=purchase.id,
            amount_minor=booking.amount,
            refunded_at=booking.at,
            day=booking.day,
        )
    )
    given = update(Purchase).where(col(Purchase.id) == purchase.id)
    await session.run(given.values(refunded_minor=col(Purchase.refunded_minor) + booking.amount))
    if booking.full:
        # Rewards before offers and accounts: the order in which they are granted, too.
        await referrals.reverse_for(session, purchase.id, now=now)
        await coupons.reverse(session, purchase.id, now=now)
        await _put_back(session, booking)
    so_far = purchase.refunded_minor + booking.amount
    await points.take_back_for(session, purchase.id, refunded_minor=so_far, paid_minor=purchase.amount_minor, now=now)
    answered = update(RefundRequest).where(
        col(RefundRequest.purchase_id) == purchase.id, col(RefundRequest.answered_at).is_(None)
    )
    await session.run(answered.values(answered_at=now, answer="refunded"))
    # Both days are counted again: the purchase's is worth less, the refund's holds a fact.
    days = {purchase.day, booking.day}
    await fans.mark_dirty(session, [(purchase.fan_id, day, booking.at) for day in sorted(days)])


async def _put_back(session: WriteSession, booking: _Booking) -> None:
    """Only what we sold ourselves came out of our stock; money for nothing has no lines."""
    if booking.source in (TELEGRAM, STAFF):
        lines = await lines_of(session, [booking.purchase.id])
        for line in lines.get(booking.purchase.id, []):
            await catalogue.put_back(session, line.sku, line.quantity)


async def _failures(session: ReadSession, charge_id: str) -> int:
    """A call that failed may be made again; one that waits, runs or was agreed to may not."""
    failed = select(func.count()).where(
        col(Outbox.cause).startswith(f"refund:{charge_id}:", autoescape=True),
        col(Outbox.state).in_([OutboxState.FAILED, OutboxState.UNKNOWN]),
    )
    return await session.one(failed)
