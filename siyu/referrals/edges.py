"""The edges: who brought whom, fixed at the newcomer's first contact."""

from datetime import datetime

from sqlmodel import col, select

from siyu import fans
from siyu.kit.database import ReadSession, WriteSession
from siyu.tables import Fan, Referral


async def connect(session: WriteSession, referee: Fan, code: str, *, now: datetime) -> Fan | None:
    """Write down who brought this newcomer; None for an unknown code or one's own.

    Only for a fan admitted this very moment: somebody already known cannot be brought.
    """
    referrer = await fans.find_fan_by_referral_code(session, code)
    if referrer is None or referrer.id is None or referee.id is None or referrer.id >= referee.id:
        return None
    session.add(Referral(referee_id=referee.id, referrer_id=referrer.id, at=now))
    await fans.mark_dirty(session, [(referee.id, referee.joined_day, now)])
    return referrer


async def referrer_of(session: ReadSession, fan_id: int) -> Fan | None:
    """Who brought this fan, if anybody."""
    joined = select(Fan).join(Referral, col(Referral.referrer_id) == col(Fan.id))
    return await session.first(joined.where(Referral.referee_id == fan_id))


async def brought_by(session: ReadSession, fan_id: int) -> list[Fan]:
    """Whom this fan brought, the newest first."""
    joined = select(Fan).join(Referral, col(Referral.referee_id) == col(Fan.id))
    found = await session.all(joined.where(Referral.referrer_id == fan_id).order_by(col(Referral.at).desc()))
    return list(found)
