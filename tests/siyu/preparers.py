"""A process that prepares broadcasts, to be killed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from siyu.app import open_app
from siyu.broadcasts import preparing
from siyu.kit.database import WriteSession
from siyu.settings import Settings
from siyu.tables import Broadcast

FANS_AT_ONCE = 20
# Whoever is to kill it may be late: by itself it gets no further.
MOST_STEPS = 4


_steps = count(1)


@dataclass(frozen=True)
class Found:
    bad: dict[int, str]
    counts: dict[str, int] = field(default_factory=dict)


def prepare_slowly(database_url: str, now: datetime) -> None:
    """As the sender does, in small steps that take their time."""
    preparing.CHUNK = FANS_AT_ONCE  # in this process only
    asyncio.run(_prepare(database_url, now))


async def _prepare(database_url: str, now: datetime) -> None:
    app = open_app(Settings(database_url=database_url))
    async with app.database.reading() as session:
        due = await preparing.due(session, now=now)
    for broadcast_id in due:
        more = True
        while more:
            async with app.database.writing() as session:
                more = await preparing.advance(session, broadcast_id, now=now, zone=app.settings.zone, check=_slowly)
    await app.close()


async def _slowly(session: WriteSession, broadcast: Broadcast, fan_ids: Sequence[int]) -> Found:
    await asyncio.sleep(0.03 if next(_steps) <= MOST_STEPS else 3600)
    return Found({fan_id: "no_name" for fan_id in fan_ids if fan_id % 3 == 0})
