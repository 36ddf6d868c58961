"""Killed at any statement, a migration leaves nothing half done, and the next start completes it."""

import multiprocessing
import os
import signal

import pytest
from sqlalchemy import Engine, create_engine, event, inspect
from sqlalchemy.pool import NullPool

from siyu import schema
from siyu.kit.database import sync_url
from siyu.tables import metadata

FORK = multiprocessing.get_context("fork")


def upgrade_and_die(url: str, statement: int) -> None:
    """Runs in a child: SIGKILL just before this statement."""
    seen = 0

    @event.listens_for(Engine, "before_cursor_execute")
    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    schema.upgrade(url)


def is_killed_at(url: str, statement: int) -> bool:
    child = FORK.Process(target=upgrade_and_die, args=(url, statement))
    child.start()
    child.join(60)
    return child.exitcode == -signal.SIGKILL


def tables_of(url: str) -> set[str]:
    engine = create_engine(sync_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        return set(inspect(connection).get_table_names()) - {"alembic_version"}


def kills(url: str, statements: range) -> int:
    """How many of these statements a migration was killed at; checked after each."""
    killed = 0
    for statement in statements:
        if not is_killed_at(url, statement):
            break
        killed += 1
        assert tables_of(url) in (set(), set(metadata.tables)), f"half a schema after statement {statement}"
    return killed


def test_a_killed_migration_is_completed_by_the_next_start(empty_url: str) -> None:
    assert kills(empty_url, range(1, 100, 9)) >= 8

    schema.upgrade(empty_url)

    assert tables_of(empty_url) == set(metadata.tables)


@pytest.mark.torture
def test_a_migration_may_be_killed_at_every_statement(empty_url: str) -> None:
    assert kills(empty_url, range(1, 1000)) >= 60

    schema.upgrade(empty_url)

    assert tables_of(empty_url) == set(metadata.tables)


def test_two_processes_that_start_together_migrate_once(empty_url: str) -> None:
    children = [FORK.Process(target=schema.upgrade, args=(empty_url,)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)

    assert [child.exitcode for child in children] == [0, 0, 0]
    assert schema.current(empty_url) == schema.newest(empty_url)
