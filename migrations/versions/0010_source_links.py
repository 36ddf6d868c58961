"""Source links have campaigns and costs, and can be retired."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.execute("ALTER TABLE source ADD COLUMN campaign VARCHAR NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE source ADD COLUMN retired_at BIGINT")
    op.create_table(
        "source_cost",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_source_cost_amount_positive")),
        sa.ForeignKeyConstraint(["code"], ["source.code"], name=op.f("fk_source_cost_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_cost")),
        sa.UniqueConstraint("key", name=op.f("uq_source_cost_key")),
    )
    op.create_index("ix_source_cost_code", "source_cost", ["code"])


def downgrade() -> None:
    op.drop_table("source_cost")
    op.drop_column("source", "retired_at")
    op.drop_column("source", "campaign")
