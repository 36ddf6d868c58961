"""What a segment's page needs at hand: who came and went each day, and the few who cannot be reached."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


OUT_OF_REACH = "reach <> 'reachable' OR muted_at IS NOT NULL"


def upgrade() -> None:
    # Some houses were built with this index from the start, before 0001 was left alone.
    op.execute("DROP INDEX IF EXISTS ix_fan_reach")
    op.execute(f"CREATE INDEX IF NOT EXISTS ix_fan_out_of_reach ON fan (reach, muted_at) WHERE {OUT_OF_REACH}")
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
    op.execute("DROP INDEX ix_fan_out_of_reach")
    op.execute("CREATE INDEX ix_fan_reach ON fan (reach, muted_at)")
