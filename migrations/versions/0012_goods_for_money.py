"""Products get a kind, a price in money and a picture; what Telegram lists of Stars is checked against our books."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ADDED = (
    "kind VARCHAR NOT NULL DEFAULT 'digital'",
    "price_minor BIGINT CONSTRAINT ck_product_price_positive CHECK (price_minor > 0)",
    "currency VARCHAR NOT NULL DEFAULT ''",
    "photo VARCHAR NOT NULL DEFAULT ''",
)


def upgrade() -> None:
    for column in ADDED:
        op.execute(f"ALTER TABLE product ADD COLUMN {column}")
    _stars_may_be_missing()
    op.create_table(
        "star_check",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("offset_from", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("recorded", sa.Integer(), nullable=False),
        sa.Column("refunded", sa.Integer(), nullable=False),
        sa.Column("odd", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_star_check")),
    )


def _stars_may_be_missing() -> None:
    """SQLite takes a NOT NULL away only in its own words; other tables point at this one, so it is not rebuilt."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("product", "stars_price", nullable=True)
        return
    op.execute("PRAGMA writable_schema = ON")
    op.execute(
        "UPDATE sqlite_schema SET sql = replace(sql, 'stars_price BIGINT NOT NULL', 'stars_price BIGINT')"
        " WHERE type = 'table' AND name = 'product'"
    )
    op.execute("PRAGMA writable_schema = RESET")
