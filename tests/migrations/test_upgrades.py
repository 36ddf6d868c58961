"""Houses that were built with an earlier version come up to date with what they hold."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from siyu import schema
from siyu.kit.database import sync_url
from siyu.tables import metadata

REACH = "ix_fan_reach ON fan (reach, muted_at)"
OUT_OF_REACH = "ix_fan_out_of_reach ON fan (reach, muted_at) WHERE reach <> 'reachable' OR muted_at IS NOT NULL"
FAN = (
    "INSERT INTO fan (id, telegram_id, name, joined_at, joined_day, source, source_channel, referral_code, reach)"
    " VALUES (1, 1, 'Mei', 0, 20000, '', 'direct', 'A', 'reachable')"
)
SIZES = "INSERT INTO level_size VALUES ('loyalty', 'casual', 20000, 0, 0), ('loyalty', 'loyal', 20000, 1, 1)"
CHANGES = (
    "INSERT INTO level_change (id, fan_id, dimension, old_level, new_level, at, day, cause) VALUES"
    " (1, 1, 'loyalty', NULL, 'casual', 0, 20000, 'fact'), (2, 1, 'loyalty', 'casual', 'loyal', 9, 20000, 'fact')"
)


@pytest.mark.parametrize("index", [REACH, OUT_OF_REACH], ids=["first", "second"])
def test_a_house_of_the_first_days_knows_who_came_and_went_whichever_index_it_has(empty_url: str, index: str) -> None:
    schema.upgrade(empty_url, to="0001")
    engine = create_engine(sync_url(empty_url), poolclass=NullPool)
    _run(engine, "DROP INDEX ix_fan_reach", f"CREATE INDEX {index}", FAN, SIZES, CHANGES)

    schema.upgrade(empty_url)

    with engine.connect() as connection:
        flow = connection.execute(text('SELECT level, entered, "left" FROM level_size ORDER BY level')).all()
        assert [tuple(row) for row in flow] == [("casual", 1, 1), ("loyal", 1, 0)]
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


HUNG = "INSERT INTO fan_tag (fan_id, tag, at) VALUES (1, 'vip', 700), (1, '茶会', 900), (2, 'vip', 500)"


@pytest.mark.parametrize("before", ["0001", "0002"])
def test_words_that_fans_have_already_are_tags_as_old_as_their_first_use(empty_url: str, before: str) -> None:
    schema.upgrade(empty_url, to=before)
    engine = create_engine(sync_url(empty_url), poolclass=NullPool)
    _run(engine, FAN, FAN.replace("(1, 1, 'Mei'", "(2, 2, 'Lin'").replace("'A'", "'B'"), HUNG)

    schema.upgrade(empty_url)

    with engine.connect() as connection:
        found = connection.execute(text("SELECT word, colour, group_id, created_at FROM tag ORDER BY created_at")).all()
        assert [tuple(row) for row in found] == [("vip", "grey", None, 500), ("茶会", "grey", None, 900)]
        assert connection.execute(text("SELECT count(*) FROM fan_tag")).scalar() == 3
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def _run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
