"""Tags get a row of their own with colour and group, attributes a type; words in use are tags from now on."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "tag_group",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag_group")),
        sa.UniqueConstraint("name", name=op.f("uq_tag_group_name")),
        if_not_exists=True,
    )
    op.create_table(
        "tag",
        sa.Column("word", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("colour", sa.String(), nullable=False),
        sa.Column("group_id", KEY, nullable=True),
        sa.Column("rule", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["tag_group.id"], name=op.f("fk_tag_group_id")),
        sa.PrimaryKeyConstraint("word", name=op.f("pk_tag")),
        if_not_exists=True,
    )
    op.execute("CREATE INDEX IF NOT EXISTS ix_tag_group_id ON tag (group_id)")
    op.create_table(
        "attribute",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_attribute")),
        if_not_exists=True,
    )
    # The words that fans have already, as old as their first use.
    op.execute(
        "INSERT INTO tag (word, colour, created_at, created_by)"
        " SELECT tag, 'grey', min(at), 'siyu' FROM fan_tag WHERE tag NOT IN (SELECT word FROM tag) GROUP BY tag"
    )


def downgrade() -> None:
    op.drop_table("attribute")
    op.drop_table("tag")
    op.drop_table("tag_group")
