"""What every command does first: read the settings, set up the log, open the app, and close it again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from siyu.app import App

Result = TypeVar("Result")


def within(work: "Callable[[App], Awaitable[Result]]", *, upgrade: bool = True) -> Result:
    """Run `work` in an app over the configured database, brought to the newest schema first."""
    from siyu import logs, schema
    from siyu.app import open_app
    from siyu.settings import read_settings

    settings = read_settings()
    logs.set_up(settings, quiet=True)
    if upgrade:
        schema.upgrade(settings.database_url)

    async def inside() -> Result:
        app = open_app(settings)
        try:
            return await work(app)
        finally:
            await app.close()

    return asyncio.run(inside())
