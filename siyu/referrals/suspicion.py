"""Suspicion: what makes somebody of the house look at a reward before it is given, and what they decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam, exists, func, type_coerce, update
from sqlalchemy import select as sa_select
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from siyu import audit
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict
from siyu.kit.wording import phrase
from siyu.tables import Fan, Interaction, Purchase, Referral, RewardGrant, RewardRule, RewardState

BURST_SECONDS, BURST = 60, 3  # joins of one referrer
MANY_SECONDS, MANY = 86_400, 10
PAID_BACK = 2  # purchases of their friends

REASONS = {
    "burst": phrase("several friends joined within a minute"),
    "many": phrase("very many friends joined within a day"),
    "silent": phrase("the friend did nothing after the first day"),
    "paid_back": phrase("purchases of other friends were paid back"),
    "day_cap": phrase("more friends in a day than the programme rewards"),
    "month_cap": phrase("more friends in a month than the programme rewards"),
}


@dataclass(frozen=True)
class Doubt:
    """A reward that waits for somebody's decision, or was stopped by a cap."""

    grant: RewardGrant
    fan: Fan
    friend: Fan | None

    @property
    def reasons(self) -> list[str]:
        """Message ids."""
        return [REASONS[word] for word in self.grant.reasons.split()]


async def judge(session: WriteSession, referee_ids: Sequence[int | None], *, at_the_end: bool) -> None:
    """Write the reasons beside what is promised for these friends; silence is a reason once the hold is over."""
    if not referee_ids:
        return
    friend = aliased(Fan)
    asked = sa_select(col(Referral.referee_id), *_signs(friend)).join(friend, col(friend.id) == Referral.referee_id)
    rows = await session.rows(asked.where(col(Referral.referee_id).in_(referee_ids)))
    told = [{"one": row.referee_id, "why": " ".join(_words(row, at_the_end=at_the_end))} for row in rows]
    noted = update(RewardGrant).where(
        col(RewardGrant.referee_id) == bindparam("one"),
        col(RewardGrant.state) == RewardState.PENDING,
        col(RewardGrant.reviewed_by).is_(None),
    )
    await session.run_many(noted.values(reasons=bindparam("why")), [one for one in told if one["why"]])


async def doubts(session: ReadSession, *, limit: int = 100) -> list[Doubt]:
    """What waits for a decision, the oldest first."""
    fan, friend = aliased(Fan), aliased(Fan)
    rows = sa_select(RewardGrant, fan, friend).join(fan, col(fan.id) == RewardGrant.fan_id)
    rows = rows.outerjoin(friend, col(friend.id) == RewardGrant.referee_id).where(*_IS_OPEN)
    return [Doubt(*row) for row in await session.rows(rows.order_by(col(RewardGrant.id)).limit(limit))]


async def count_doubts(session: ReadSession) -> int:
    return await session.one(select(func.count()).select_from(RewardGrant).where(*_IS_OPEN))


async def release(session: WriteSession, actor: Actor, grant_id: int, *, now: datetime) -> None:
    """It is given when its hold is over, caps or not. Raises Conflict where somebody decided already."""
    await _decide(session, actor, grant_id, "released", {"state": RewardState.PENDING, "ended_at": None}, now=now)


async def block(session: WriteSession, actor: Actor, grant_id: int, *, now: datetime) -> None:
    """It is never given. Raises Conflict where somebody decided already."""
    await _decide(session, actor, grant_id, "blocked", {"state": RewardState.BLOCKED, "ended_at": now}, now=now)


async def _decide(
    session: WriteSession, actor: Actor, grant_id: int, how: str, values: dict[str, Any], *, now: datetime
) -> None:
    decided = update(RewardGrant).where(col(RewardGrant.id) == grant_id, *_IS_OPEN)
    if not await session.run(decided.values(reviewed_by=actor.name, **values)):
        raise Conflict("somebody decided this already", reason="decided")
    await audit.note(session, actor, f"reward.{how}", "reward", grant_id, now=now)


# Blocked by a cap is a decision of the programme's, not of a person: it can be released, too.
_IS_OPEN = (
    col(RewardGrant.state).in_([RewardState.PENDING, RewardState.BLOCKED]),
    col(RewardGrant.reasons) != "",
    col(RewardGrant.reviewed_by).is_(None),
)


def _signs(friend: Any) -> list[ColumnElement[Any]]:  # Any: an alias of Fan
    later = exists().where(col(Interaction.fan_id) == friend.id, col(Interaction.day) > friend.joined_day)
    bought_later = exists().where(col(Purchase.fan_id) == friend.id, col(Purchase.day) > friend.joined_day)
    back = aliased(RewardGrant)
    paid_back = sa_select(func.count()).where(
        col(back.fan_id) == col(Referral.referrer_id),
        col(back.rule) == RewardRule.REFERRER,
        col(back.state) == RewardState.REVERSED,
    )
    return [
        _joined_within(BURST_SECONDS).label("burst"),
        _joined_within(MANY_SECONDS).label("many"),
        (later | bought_later).label("lively"),
        paid_back.correlate(Referral).scalar_subquery().label("paid_back"),
    ]


def _joined_within(seconds: int) -> ColumnElement[int]:
    """Friends of the same referrer, this one among them, so near in time."""
    other = aliased(Referral)
    apart = func.abs(type_coerce(other.at, BigInteger) - type_coerce(Referral.at, BigInteger))
    near = sa_select(func.count()).where(col(other.referrer_id) == col(Referral.referrer_id), apart < seconds)
    return near.correlate(Referral).scalar_subquery()


def _words(row: Any, *, at_the_end: bool) -> list[str]:  # Any: a row of the signs
    signs = {
        "burst": row.burst >= BURST,
        "many": row.many > MANY,
        "silent": at_the_end and not row.lively,
        "paid_back": row.paid_back >= PAID_BACK,
    }
    return [word for word, seen in signs.items() if seen]
