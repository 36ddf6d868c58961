"""The migrations lead exactly to the tables the code declares, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from siyu import schema
from siyu.kit.database import sync_url
from siyu.tables import metadata


def test_the_migrated_database_stands_at_the_newest_migration(database_url: str) -> None:
    assert schema.current(database_url) == schema.newest(database_url)


def test_the_migrations_build_what_the_tables_say(database_url: str) -> None:
    engine = create_engine(sync_url(database_url))

    with engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()

    assert difference == []


def test_upgrading_twice_changes_nothing(database_url: str) -> None:
    schema.upgrade(database_url)

    assert schema.current(database_url) == schema.newest(database_url)


def test_every_constraint_has_a_name() -> None:
    nameless = [c for table in metadata.tables.values() for c in table.constraints if not c.name]

    assert nameless == []
