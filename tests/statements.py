"""One memory of compiled statements for all engines of the suite.

Every test opens engines of its own, and each would compile a recompute's statements anew: 0.25 s, five times as long
as running them. SQLAlchemy keeps them by dialect, so later engines take the dialect of the first that has connected.
"""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine

from siyu.kit import database

STATEMENTS = 10_000
_FIRST: dict[type, Engine] = {}


def share(patch: pytest.MonkeyPatch) -> None:
    for name in ("create_engine", "create_async_engine"):
        patch.setattr(database, name, _sharing(getattr(database, name)))


def _sharing(make: Callable[..., Engine | AsyncEngine]) -> Callable[..., Engine | AsyncEngine]:
    def made(*given: Any, **options: Any) -> Engine | AsyncEngine:  # Any: whatever an engine is made with
        found = make(*given, query_cache_size=STATEMENTS, **options)
        engine = found.sync_engine if isinstance(found, AsyncEngine) else found
        first = _FIRST.get(type(engine.dialect))
        if first is None:
            event.listen(engine, "connect", lambda *_: _FIRST.setdefault(type(engine.dialect), engine))
        else:
            engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
        return found

    return made
