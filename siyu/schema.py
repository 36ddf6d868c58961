"""The schema's door: bring the database to the newest migration, or say how it stands."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from siyu.kit.database import prepare_sqlite, sync_url

HERE = Path(__file__).resolve().parent


def upgrade(url: str, *, to: str = "head") -> None:
    """Apply what is missing up to a migration, all of it or none; a second process waits for the first."""
    path = sync_url(url).database
    if path and sync_url(url).get_backend_name() == "sqlite":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    command.upgrade(_config(url), to)


async def upgrade_in_thread(url: str) -> None:
    """The same from a running loop."""
    await asyncio.to_thread(upgrade, url)


def current(url: str) -> str | None:
    """The migration the database stands at; None when it is empty."""
    engine = create_engine(sync_url(url), poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        prepare_sqlite(engine)
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest(url: str) -> str | None:
    """The migration this version of Siyu brings."""
    return ScriptDirectory.from_config(_config(url)).get_current_head()


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_migrations()))
    config.set_main_option("sqlalchemy.url", sync_url(url).render_as_string(hide_password=False).replace("%", "%%"))
    return config


def _migrations() -> Path:
    """Beside the package in a checkout, inside it once installed."""
    checkout = HERE.parent / "migrations"
    return checkout if checkout.is_dir() else HERE / "_assets" / "migrations"
