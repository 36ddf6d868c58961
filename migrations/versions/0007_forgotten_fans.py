"""Fans can be forgotten: a mark remains, so that no import brings them back."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tombstone",
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_tombstone")),
        if_not_exists=True,
    )
    op.create_table(
        "house_secret",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_house_secret")),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("house_secret")
    op.drop_table("tombstone")
