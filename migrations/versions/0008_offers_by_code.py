"""Offers get finer terms, codes to claim them with, and fans to compare with; coupons remember their reminders."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED = {
    "offer": (
        "hundredths INTEGER NOT NULL DEFAULT 0",
        "products JSON NOT NULL DEFAULT '[]'",
        "categories JSON NOT NULL DEFAULT '[]'",
        "daily_cap INTEGER",
        "claimed_on INTEGER",
        "claimed_that_day INTEGER NOT NULL DEFAULT 0",
        "stack_group VARCHAR",
        "shared_code VARCHAR",
        "holdout_percent INTEGER NOT NULL DEFAULT 0",
    ),
    "coupon": ("reminded INTEGER",),
}


def upgrade() -> None:
    for table, columns in ADDED.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    op.create_index("uq_offer_shared_code", "offer", ["shared_code"], unique=True)
    op.execute("CREATE INDEX ix_coupon_ends ON coupon (valid_until) WHERE state = 'active'")
    op.create_table(
        "offer_code",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("offer_id", KEY, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("fan_id", KEY, nullable=True),
        sa.Column("taken_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name=op.f("fk_offer_code_offer_id")),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_offer_code_fan_id")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_offer_code")),
    )
    op.create_index("ix_offer_code_offer", "offer_code", ["offer_id", "fan_id"])
    op.create_table(
        "code_attempt",
        sa.Column("id", KEY, nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_code_attempt_fan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_attempt")),
    )
    op.create_index("ix_code_attempt_fan", "code_attempt", ["fan_id", "at"])
    op.create_table(
        "code_asked",
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_code_asked_fan_id")),
        sa.PrimaryKeyConstraint("fan_id", name=op.f("pk_code_asked")),
    )
    op.create_table(
        "offer_audience",
        sa.Column("offer_id", KEY, nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name=op.f("fk_offer_audience_offer_id")),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_offer_audience_fan_id")),
        sa.PrimaryKeyConstraint("offer_id", "fan_id", name=op.f("pk_offer_audience")),
    )


def downgrade() -> None:
    raise NotImplementedError("what 0008 brought cannot be said in the older tables; restore a backup instead")
