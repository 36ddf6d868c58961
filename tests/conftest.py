"""What every test may ask for: a database of each kind, an app over it, a clock that stands still."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from siyu.app import App
from siyu.kit.database import Database
from siyu.settings import Settings
from tests import servers, statements
from tests.clocks import FakeClock

DATABASES = os.environ.get("TEST_DATABASES", "sqlite,postgresql").split(",")


@pytest.fixture(scope="session", autouse=True)
def _one_memory_of_statements() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        statements.share(patch)
        yield


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, migrated database; every test that asks runs once on each kind."""
    if request.param == "sqlite":
        yield servers.fresh_sqlite(tmp_path)
        return
    url = servers.fresh_postgres()
    yield url
    servers.give_back(url)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def app(database_url: str, clock: FakeClock) -> AsyncIterator[App]:
    settings = Settings(database_url=database_url, bot_token="42:SANDBOX")
    app = App(settings=settings, database=Database(database_url), clock=clock)
    yield app
    await app.close()
