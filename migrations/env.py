"""Alembic's door: one process migrates at a time, and every migration is all or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from siyu.kit.database import prepare_sqlite, sync_url
from siyu.tables import metadata

# Any number, the same in every process: PostgreSQL's word for "this house is being rebuilt".
ADVISORY_LOCK = 5_199_042_112

PLAIN_TYPES = {
    "BigKey": "sa.BigInteger().with_variant(sa.Integer(), 'sqlite')",
    "Instant": "sa.BigInteger()",
    "Day": "sa.Integer()",
    "Word": "sa.String()",
    "AutoString": "sa.String()",
}


def migrate() -> None:
    engine = create_engine(sync_url(context.config.get_main_option("sqlalchemy.url") or ""), poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        prepare_sqlite(engine)
    with engine.connect() as connection, _alone(connection):
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=True,
            compare_type=True,
            transactional_ddl=True,  # true on SQLite too: our own BEGIN IMMEDIATE opens every transaction
            render_item=_render_item,
        )
        context.run_migrations()


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """One transaction around everything; BEGIN IMMEDIATE or an advisory lock keeps others waiting."""
    with connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        yield


def _render_item(kind: str, item: Any, autogen: AutogenContext) -> str | bool:  # Any: whatever Alembic renders
    """Write plain column types, so that a migration never changes when our code does."""
    return PLAIN_TYPES.get(type(item).__name__, False) if kind == "type" else False


migrate()
