"""The app: everything a face is handed, made once at the door and passed down."""

import asyncio
from dataclasses import dataclass, field
from functools import cached_property

from siyu.kit.clock import Clock, system_clock
from siyu.kit.database import Database
from siyu.pace import Pace
from siyu.settings import Settings


@dataclass(frozen=True)
class Bells:
    """Rung after a commit that left work, so that nobody in this process has to poll quickly.

    Other processes look at the tables every half second; a lost ring costs that, never the work.
    """

    inbox: asyncio.Event = field(default_factory=asyncio.Event)
    outbox: asyncio.Event = field(default_factory=asyncio.Event)
    broadcasts: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class App:
    """Settings, the database and the clock."""

    settings: Settings
    database: Database
    clock: Clock = system_clock
    bells: Bells = field(default_factory=Bells)

    @cached_property
    def pace(self) -> Pace:
        """The bot's one pace: whoever sends in this process waits for the same."""
        return Pace(self.database, self.settings.bot_id, self.settings.send_rate)

    async def close(self) -> None:
        await self.database.close()


def open_app(settings: Settings, *, clock: Clock = system_clock) -> App:
    """An app over the settings' database; nothing is connected before it is first used."""
    return App(settings=settings, database=Database(settings.database_url), clock=clock)
