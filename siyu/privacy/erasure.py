"""Erasure: a fan is forgotten, in one transaction; what books add up from stays, of somebody without a name."""

import secrets
from datetime import datetime

from sqlalchemy import delete, insert, literal, or_, update
from sqlmodel import col, select

from siyu import operators, tombstones
from siyu.audit import Actor, note
from siyu.kit.columns import Instant
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict
from siyu.privacy.records import PERSONAL, people_in, table
from siyu.tables import (
    AuditEntry,
    Checkout,
    CheckoutState,
    ConversationNotice,
    Coupon,
    CouponState,
    Delivery,
    DeliveryState,
    DirtyDay,
    Fan,
    FanDay,
    Inbox,
    InboxState,
    Outbox,
    OutboxState,
    Reach,
)

NAMELESS = "—"


async def must_be_free_to_go(session: ReadSession, fan: Fan, *, now: datetime) -> None:
    """Raises Conflict while money is on its way from this fan, and for people who work here."""
    paying = select(Checkout).where(
        Checkout.fan_id == fan.id, Checkout.state == CheckoutState.APPROVED, col(Checkout.hold_until) > now
    )
    if await session.first(paying.limit(1)) is not None:
        raise Conflict("a payment of yours is under way: please try again in a quarter of an hour", reason="paying")
    operator = await operators.find_operator(session, fan.telegram_id)
    if operator is not None and operator.disabled_at is None:
        raise Conflict("somebody who works here cannot be forgotten: an admin has to let them go first", reason="staff")


async def forget(session: WriteSession, actor: Actor, fan: Fan, *, now: datetime) -> None:
    """Erase who this is and what they did; raises Conflict as above. Not even the audit keeps their name.

    The row stays under a number of its own: purchases, coupons and deliveries still add up. Nobody can be written to
    under it, no file brings the person back, and whoever comes back by themselves is new.
    """
    await must_be_free_to_go(session, fan, now=now)
    await tombstones.put_up(session, fan.telegram_id, now=now)
    await _count_their_days_again(session, fan, now=now)
    await _let_go_of_what_waits(session, fan)
    await _clear_the_post(session, fan)
    for name in PERSONAL:
        for column in people_in(table(name)):
            await session.run(delete(table(name)).where(column == fan.id))
    await _make_nameless(session, fan, now=now)
    await note(session, actor, "fan.forgotten", "fan", fan.telegram_id, now=now)


async def _count_their_days_again(session: WriteSession, fan: Fan, *, now: datetime) -> None:
    days = select(col(FanDay.fan_id), col(FanDay.day), literal(now, Instant())).where(col(FanDay.fan_id) == fan.id)
    await session.run(insert(DirtyDay).from_select(["fan_id", "day", "due"], days))
    session.add(DirtyDay(fan_id=fan.id or 0, day=fan.joined_day, due=now))


async def _let_go_of_what_waits(session: WriteSession, fan: Fan) -> None:
    """Their invoices end, their coupons cannot be used, and no broadcast waits for them."""
    pending = col(Checkout.fan_id) == fan.id, col(Checkout.state) == CheckoutState.PENDING
    await session.run(update(Checkout).where(*pending).values(state=CheckoutState.EXPIRED))
    usable = col(Coupon.fan_id) == fan.id, col(Coupon.state) == CouponState.ACTIVE
    await session.run(
        update(Coupon).where(*usable).values(state=CouponState.REVOKED, hold_checkout_id=None, hold_until=None)
    )
    planned = col(Delivery.fan_id) == fan.id, col(Delivery.state) == DeliveryState.PENDING
    await session.run(
        update(Delivery).where(*planned).values(state=DeliveryState.SKIPPED, reason="gone", not_before=None)
    )


async def _clear_the_post(session: WriteSession, fan: Fan) -> None:
    """Raw updates, messages, and the copies of their words that went to people who work here; what is in somebody's
    hand just now goes with the next pruning."""
    read = col(Inbox.person_id) == fan.telegram_id, col(Inbox.state) != InboxState.WAITING
    await session.run(delete(Inbox).where(*read))
    shown = select(ConversationNotice.cause).where(ConversationNotice.fan_id == fan.id)
    theirs = or_(col(Outbox.person_id) == fan.telegram_id, col(Outbox.cause).in_(shown))
    await session.run(delete(Outbox).where(theirs, col(Outbox.state) != OutboxState.SENDING))


async def _make_nameless(session: WriteSession, fan: Fan, *, now: datetime) -> None:
    told = col(AuditEntry.subject_kind).in_(["fan", "conversation"]), col(AuditEntry.subject) == str(fan.telegram_id)
    fan.telegram_id = -(fan.id or 0)
    await session.run(update(AuditEntry).where(*told).values(subject=str(fan.telegram_id), details={}))
    fan.name, fan.username, fan.language, fan.chosen_language, fan.phone = NAMELESS, None, None, None, None
    fan.source, fan.referral_code = "", secrets.token_urlsafe(9)
    fan.reach, fan.reach_changed_at = Reach.GONE, now
    fan.muted_at = fan.rests_until = fan.zone = fan.quiet_from = fan.quiet_to = None
    session.add(fan)
    await session.flush()
