"""The books of referrals: a forest, one living reward per friend and side, and what was granted is really there."""

from sqlalchemy import Executable, String, cast, func, literal, select
from sqlmodel import col

from siyu.kit.books import Breach, breaches
from siyu.kit.database import ReadSession
from siyu.kit.wording import phrase
from siyu.tables import Coupon, PointsEntry, PointsKind, Referral, RewardGrant, RewardRule, RewardState


async def books(session: ReadSession) -> list[Breach]:
    """Every breach; an empty list is what it should be."""
    return await breaches(session, _CHECKS)


_live = col(RewardGrant.state).in_([RewardState.PENDING, RewardState.GRANTED])
_granted = col(RewardGrant.state) == RewardState.GRANTED
_reward = literal("reward"), col(RewardGrant.id)
_cause = literal("reward:").concat(cast(col(RewardGrant.id), String))
_kinds = col(PointsEntry.kind).in_([PointsKind.REFERRER, PointsKind.NEWCOMER])
_given = (
    select(func.coalesce(func.sum(col(PointsEntry.delta) - col(PointsEntry.owed)), 0))
    .where(_kinds, col(PointsEntry.cause) == _cause)
    .correlate(RewardGrant)
    .scalar_subquery()
)
_CHECKS: tuple[tuple[str, Executable], ...] = (
    (
        phrase("the older brings the newer: a forest"),
        select(literal("referee"), col(Referral.referee_id), col(Referral.referrer_id), col(Referral.referee_id)).where(
            col(Referral.referrer_id) >= col(Referral.referee_id)
        ),
    ),
    (
        phrase("one living reward for a friend and a side"),
        select(col(RewardGrant.rule), col(RewardGrant.referee_id), func.count(), literal(1))
        .where(_live, col(RewardGrant.referee_id).is_not(None))
        .group_by(col(RewardGrant.rule), col(RewardGrant.referee_id))
        .having(func.count() > 1),
    ),
    (
        phrase("points of a reward = their entry"),
        select(*_reward, col(RewardGrant.points), _given).where(_granted, col(RewardGrant.points) != _given),
    ),
    (
        phrase("a reward goes to whom the friend's edge names"),
        select(*_reward, col(RewardGrant.fan_id), col(Referral.referrer_id))
        .join(Referral, col(Referral.referee_id) == col(RewardGrant.referee_id))
        .where(col(RewardGrant.rule) == RewardRule.REFERRER, col(RewardGrant.fan_id) != col(Referral.referrer_id)),
    ),
    (
        phrase("the coupon of a reward is its fan's"),
        select(*_reward, col(RewardGrant.fan_id), col(Coupon.fan_id))
        .join(Coupon, col(Coupon.id) == col(RewardGrant.coupon_id))
        .where(col(Coupon.fan_id) != col(RewardGrant.fan_id)),
    ),
)

# What is checked, for people who want to know what "no breach" means.
RULES = tuple(rule for rule, _ in _CHECKS)
