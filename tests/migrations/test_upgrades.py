"""Houses that were built with an earlier version come up to date with what they hold."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError
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


GOODS = (
    "INSERT INTO product (id, sku, title, description, category, stars_price, stock, active, created_at) VALUES"
    " (1, 'tea', 'Oolong', 'A box', 'tea', 250, 3, TRUE, 700), (2, 'cup', '盖碗', '', '', 80, NULL, FALSE, 800)"
)
INVOICE = (
    "INSERT INTO checkout (id, payload, fan_id, product_id, price_minor, discount_minor, currency, state, hold_until,"
    " created_at, day) VALUES (1, 'p-1', 1, 1, 250, 0, 'XTR', 'pending', 900, 800, 20000)"
)


def test_goods_keep_their_prices_and_may_do_without_stars_from_now_on(empty_url: str) -> None:
    schema.upgrade(empty_url, to="0011")
    engine = create_engine(sync_url(empty_url), poolclass=NullPool)
    _run(engine, FAN, GOODS, INVOICE)

    schema.upgrade(empty_url)

    with engine.connect() as connection:
        prices = "SELECT sku, kind, stars_price, price_minor, currency, photo, stock, active FROM product ORDER BY id"
        assert [tuple(row) for row in connection.execute(text(prices))] == [
            ("tea", "digital", 250, None, "", "", 3, True),
            ("cup", "digital", 80, None, "", "", None, False),
        ]
        owned = "SELECT sku FROM checkout JOIN product ON product.id = product_id"
        assert connection.execute(text(owned)).scalars().all() == ["tea"]
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    _run(engine, CAKE)
    pie = CAKE.replace("(3, 'cake'", "(4, 'pie'")
    for wrong in (pie.replace("'pie'", "'tea'"), pie.replace("2800", "0")):
        with pytest.raises(IntegrityError):
            _run(engine, wrong)


CAKE = (
    "INSERT INTO product (id, sku, title, description, category, kind, price_minor, currency, photo, active,"
    " created_at) VALUES (3, 'cake', 'Cake', '', '', 'physical', 2800, 'CNY', '', TRUE, 900)"
)


def _run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
