"""Progress: how far a fan's friends are, and the board of those who bring most, by choice and masked."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlmodel import col

from siyu.kit.database import ReadSession, WriteSession
from siyu.tables import Fan, Referral, ReferralBoard, RewardGrant, RewardRule, RewardState

ON_THE_BOARD = 10


@dataclass(frozen=True)
class Progress:
    """`next_day` is when the next pending reward is due; what waits for a look of the house is pending, too."""

    joined: int
    pending: int
    rewarded: int
    next_day: date | None
    points: int
    on_board: bool
    own_pending: date | None  # the fan's own, for having come by a friend


@dataclass(frozen=True)
class Place:
    name: str  # masked
    friends: int
    is_mine: bool


async def progress(session: ReadSession, fan_id: int) -> Progress:
    joined = await session.one(select(func.count()).select_from(Referral).where(col(Referral.referrer_id) == fan_id))
    mine = col(RewardGrant.fan_id) == fan_id
    by_state = select(
        col(RewardGrant.rule), col(RewardGrant.state), func.count(), func.min(col(RewardGrant.due_day)),
        func.sum(col(RewardGrant.points)),
    ).where(mine).group_by(col(RewardGrant.rule), col(RewardGrant.state))  # fmt: skip
    found = {(row[0], row[1]): row for row in await session.rows(by_state)}
    pending = found.get((RewardRule.REFERRER, RewardState.PENDING))
    granted = found.get((RewardRule.REFERRER, RewardState.GRANTED))
    own = found.get((RewardRule.NEWCOMER, RewardState.PENDING))
    return Progress(
        joined,
        pending[2] if pending else 0,
        granted[2] if granted else 0,
        pending[3] if pending else None,
        sum(int(row[4]) for (_, state), row in found.items() if state is RewardState.GRANTED),
        await session.get(ReferralBoard, fan_id) is not None,
        own[3] if own else None,
    )


async def join_board(session: WriteSession, fan: Fan, *, now: datetime) -> None:
    await session.run(session.insert(ReferralBoard).on_conflict_do_nothing(), {"fan_id": fan.id, "at": now})


async def leave_board(session: WriteSession, fan: Fan) -> None:
    row = await session.get(ReferralBoard, fan.id)
    if row is not None:
        await session.delete(row)


async def board(session: ReadSession, fan_id: int) -> list[Place]:
    """The ten who brought most rewarded friends, of those who want to be seen."""
    friends = func.count(col(RewardGrant.id))
    granted = (
        (col(RewardGrant.fan_id) == col(ReferralBoard.fan_id))
        & (col(RewardGrant.rule) == RewardRule.REFERRER)
        & (col(RewardGrant.state) == RewardState.GRANTED)
    )
    rows = (
        select(col(Fan.id), col(Fan.name), friends)
        .select_from(ReferralBoard)
        .join(Fan, col(Fan.id) == col(ReferralBoard.fan_id))
        .join(RewardGrant, granted)
        .group_by(col(Fan.id), col(Fan.name))
        .order_by(friends.desc(), col(Fan.id))
        .limit(ON_THE_BOARD)
    )
    return [Place(_masked(name), number, one == fan_id) for one, name, number in await session.rows(rows)]


async def totals(session: ReadSession) -> dict[RewardState, int]:
    """Rewards of either side by their state."""
    by_state = select(col(RewardGrant.state), func.count()).group_by(col(RewardGrant.state))
    return dict.fromkeys(RewardState, 0) | {row[0]: row[1] for row in await session.rows(by_state)}


def _masked(name: str) -> str:
    """The first character tells friends enough."""
    return f"{name.strip()[:1] or '?'}••"
