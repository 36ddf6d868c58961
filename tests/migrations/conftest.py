"""Databases nobody has migrated yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.conftest import DATABASES


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database nobody has migrated yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    url = servers.empty_postgres()
    yield url
    servers.drop_postgres(url)
