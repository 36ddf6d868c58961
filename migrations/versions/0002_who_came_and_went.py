"""Who came and went each day, kept beside the sizes: a segment's page counts no changes any more."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("level_size") as table:
        table.add_column(sa.Column("entered", sa.BigInteger(), nullable=False, server_default="0"))
        table.add_column(sa.Column("left", sa.BigInteger(), nullable=False, server_default="0"))
    for name, level in (("entered", "new_level"), ("left", "old_level")):
        op.execute(
            f'UPDATE level_size SET "{name}" = (SELECT count(*) FROM level_change AS c WHERE'  # noqa: S608 - our words
            f" c.dimension = level_size.dimension AND c.day = level_size.day AND c.{level} = level_size.level)"
        )


def downgrade() -> None:
    with op.batch_alter_table("level_size") as table:
        table.drop_column("left")
        table.drop_column("entered")
