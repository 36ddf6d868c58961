"""Who came into a segment and who went, day by day, and what made them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, or_, select
from sqlmodel import col

from siyu.kit.database import ReadSession
from siyu.segments import definitions
from siyu.tables import AsOf, LevelChange


@dataclass(frozen=True)
class Coming:
    """So many entered and left on a day for one cause: fact · time · rule · peers · look."""

    day: date
    cause: str
    entered: int = 0
    left: int = 0


async def comings(session: ReadSession, key: str, *, days: int = 30) -> Sequence[Coming]:
    """The newest day first. Whoever was there from the first run of all did not come."""
    as_of = await session.get(AsOf, 1)
    dimension, level = definitions.applied(as_of).place(key)
    if as_of is None:
        return ()
    change = LevelChange
    entered = func.count().filter(col(change.new_level) == level.key)
    left = func.count().filter(col(change.old_level) == level.key)
    rows = await session.rows(
        select(col(change.day), col(change.cause), entered, left)
        .where(
            col(change.dimension) == dimension.key,
            col(change.day).between(as_of.day - timedelta(days=days - 1), as_of.day),
            or_(col(change.new_level) == level.key, col(change.old_level) == level.key),
        )
        .group_by(col(change.day), col(change.cause))
        .order_by(col(change.day).desc(), col(change.cause))
    )
    return [Coming(day, cause, came, went) for day, cause, came, went in rows]
