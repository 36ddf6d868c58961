"""Requests for money back: a fan asks once, an operator answers."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import col

from siyu import audit
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, NotFound
from siyu.tables import Fan, Purchase, RefundRequest


async def ask_refund(session: WriteSession, fan: Fan, purchase_id: int, *, now: datetime) -> bool:
    """The fan wants the money back; False when they had asked before. Somebody else's purchase is not found."""
    purchase = await session.get(Purchase, purchase_id)
    if purchase is None or purchase.fan_id != fan.id:
        raise NotFound("there is no such purchase")
    if purchase.refunded_minor == purchase.amount_minor:
        raise Conflict("this purchase was refunded already", reason="refunded")
    asked = session.insert(RefundRequest).values(purchase_id=purchase_id, asked_at=now).on_conflict_do_nothing()
    return bool(await session.returning(asked.returning(col(RefundRequest.purchase_id))))


async def decline_refund(session: WriteSession, actor: Actor, purchase_id: int, *, now: datetime) -> Purchase:
    """Say no, once."""
    unanswered = update(RefundRequest).where(
        col(RefundRequest.purchase_id) == purchase_id, col(RefundRequest.answered_at).is_(None)
    )
    if await session.run(unanswered.values(answered_at=now, answer="declined")) != 1:
        raise Conflict("this request was answered already", reason="answered")
    await audit.note(session, actor, "purchase.refund_declined", "purchase", purchase_id, now=now)
    return await session.one(select(Purchase).where(col(Purchase.id) == purchase_id))


async def open_requests(session: ReadSession, *, limit: int = 50) -> list[tuple[RefundRequest, Purchase, Fan]]:
    """Who waits for an answer, the longest first."""
    joined = (
        select(RefundRequest, Purchase, Fan)
        .join(Purchase, col(Purchase.id) == col(RefundRequest.purchase_id))
        .join(Fan, col(Fan.id) == col(Purchase.fan_id))
        .where(col(RefundRequest.answered_at).is_(None))
        .order_by(col(RefundRequest.asked_at), col(RefundRequest.purchase_id))
        .limit(limit)
    )
    return [(request, purchase, fan) for request, purchase, fan in await session.rows(joined)]


async def requests_of(session: ReadSession, purchase_ids: Iterable[int]) -> dict[int, RefundRequest]:
    """The requests about these purchases."""
    wanted = select(RefundRequest).where(col(RefundRequest.purchase_id).in_(list(purchase_ids)))
    return {request.purchase_id: request for request in await session.all(wanted)}
