"""The canary: a broadcast's first messages have to pass before the others leave; later it holds where many fail."""

from collections import deque
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, func, select
from sqlmodel import col

from siyu.broadcasts.composing import get_broadcast
from siyu.broadcasts.editions import edition_for, pieces_of
from siyu.kit.database import ReadSession, WriteSession
from siyu.tables import Broadcast, Delivery, DeliveryState, Fan

# So many of our messages have to be accepted before more than these are under way.
FIRST = 20
# Of the latest answers, more than a quarter failed: that is no longer about single fans.
LATEST = 40
MOST_FAILED = 10
# Enough to find twenty of every version and language that is read at all.
SAMPLE = 2000

SENDING, SENT = DeliveryState.SENDING, DeliveryState.SENT

Reader = tuple[str | None, str | None]  # a variant and a language


class Watch:
    """What one sender remembers of its broadcasts: which are past their first, and how the latest answers were."""

    def __init__(self) -> None:
        self._past: set[int] = set()
        self._latest: dict[int, deque[bool]] = {}

    async def room(self, session: WriteSession, broadcast_id: int, wanted: int) -> int:
        """How many may be taken in hand: until the first have passed, not more than these are under way."""
        if broadcast_id in self._past:
            return wanted
        # Two senders at once would both find room. Whoever is second comes again.
        alone = select(col(Broadcast.id)).where(col(Broadcast.id) == broadcast_id)
        if not await session.rows(alone.with_for_update(skip_locked=True)):
            return 0
        passed: int
        under_way: int
        ((passed, under_way),) = await session.rows(
            select(_counted(broadcast_id, SENT), _counted(broadcast_id, SENDING))
        )
        if passed >= FIRST:
            self._past.add(broadcast_id)
            return wanted
        return max(0, min(wanted, FIRST - passed - under_way))

    def is_failing(self, broadcast_id: int, failed: Collection[bool]) -> bool:
        """Whether too many of the latest failed; then it is forgotten, for whoever resumes means it."""
        latest = self._latest.setdefault(broadcast_id, deque(maxlen=LATEST))
        latest.extend(failed)
        if sum(latest) <= MOST_FAILED:
            return False
        del self._latest[broadcast_id]
        return True


async def is_tried(session: ReadSession, broadcast_id: int, readers: Collection[Reader]) -> bool:
    """Whether what these readers get was accepted for the first twenty of the broadcast, and of each such edition."""
    broadcast = await get_broadcast(session, broadcast_id)
    pieces = pieces_of(broadcast)
    passed = [edition_for(pieces, *one).where for one in await _accepted(session, broadcast_id)]
    wanted = {edition_for(pieces, *one).where for one in readers}
    return len(passed) >= FIRST and all(passed.count(edition) >= FIRST for edition in wanted)


async def _accepted(session: ReadSession, broadcast_id: int) -> Sequence[Reader]:
    sent = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.state) == SENT)
    some = select(col(Delivery.fan_id), col(Delivery.variant)).where(*sent).limit(SAMPLE).subquery()
    language = func.coalesce(col(Fan.chosen_language), col(Fan.language))
    rows = await session.rows(select(some.c.variant, language).join(Fan, col(Fan.id) == some.c.fan_id))
    return [(variant, language) for variant, language in rows]


def _counted(broadcast_id: int, state: DeliveryState) -> ColumnElement[int]:
    """Up to twenty: nobody reads on."""
    of_this = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.state) == state)
    some = select(col(Delivery.fan_id)).where(*of_this).limit(FIRST).subquery()
    return select(func.count()).select_from(some).scalar_subquery()
