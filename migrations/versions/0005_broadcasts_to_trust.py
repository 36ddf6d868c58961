"""Broadcasts get audiences of several segments, timing, versions, comparisons; fans topics; conversations rows."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# As both databases spell it; SQLite takes a named reference only in the column's own words.
ADDED = {
    "broadcast": (
        "version INTEGER NOT NULL DEFAULT 1",
        "is_template BOOLEAN NOT NULL DEFAULT false",
        "archived_at BIGINT",
        "include JSON NOT NULL DEFAULT '[]'",
        "exclude JSON NOT NULL DEFAULT '[]'",
        "rule JSON",
        "topic VARCHAR CONSTRAINT fk_broadcast_topic REFERENCES topic (key)",
        "freeze_early BOOLEAN NOT NULL DEFAULT false",
        "ignores_quiet BOOLEAN NOT NULL DEFAULT false",
        "follows_id {key} CONSTRAINT fk_broadcast_follows_id REFERENCES broadcast (id)",
        "follows VARCHAR",
        "media JSON NOT NULL DEFAULT '[]'",
        "copied JSON",
        "versions JSON NOT NULL DEFAULT '{}'",
        "link_preview BOOLEAN NOT NULL DEFAULT true",
        "silent BOOLEAN NOT NULL DEFAULT false",
        "timing VARCHAR NOT NULL DEFAULT 'now'",
        "send_at BIGINT",
        "local_at VARCHAR",
        "series JSON",
        "series_id {key} CONSTRAINT fk_broadcast_series_id REFERENCES broadcast (id)",
        "occurrence VARCHAR",
        "spread_minutes INTEGER NOT NULL DEFAULT 0",
        "paid BOOLEAN NOT NULL DEFAULT false",
        "holdout_percent INTEGER NOT NULL DEFAULT 0",
        "variants JSON NOT NULL DEFAULT '[]'",
        "test_percent INTEGER NOT NULL DEFAULT 100",
        "winner_by VARCHAR",
        "winner_after_minutes INTEGER",
        "winner VARCHAR",
        "attribution_days INTEGER NOT NULL DEFAULT 7",
        "state_at BIGINT",
        "state_by VARCHAR",
        "edited_at BIGINT",
        "edited_by VARCHAR",
        "approved_at BIGINT",
        "approved_by VARCHAR",
        "frozen_at BIGINT",
        "checked_to {key} NOT NULL DEFAULT 0",
        "report JSON NOT NULL DEFAULT '{}'",
    ),
    "delivery": ("variant VARCHAR", "planned_at BIGINT"),
    "fan": ("rests_until BIGINT", "zone VARCHAR", "quiet_from INTEGER", "quiet_to INTEGER"),
    "pacer": ("eased_until FLOAT NOT NULL DEFAULT 0",),
    "operator": ("hears_fans BOOLEAN NOT NULL DEFAULT false",),
}
HOURS = "zone, quiet_from, quiet_to, rests_until, reach, muted_at"
OWN_HOURS = "zone IS NOT NULL OR quiet_from IS NOT NULL OR rests_until IS NOT NULL"
PLAIN_KEY = {"sqlite": "INTEGER", "postgresql": "BIGINT"}
ONE_SEGMENT = {
    "sqlite": "UPDATE broadcast SET include = json_array(segment)",
    "postgresql": "UPDATE broadcast SET include = json_build_array(segment)",
}
ONE_PHOTO = {
    "sqlite": "UPDATE broadcast SET media = json_array(json_object('kind', 'photo', 'file', photo))",
    "postgresql": "UPDATE broadcast SET media = json_build_array(json_build_object('kind', 'photo', 'file', photo))",
}


HAS_LEFT = "sent_at IS NOT NULL OR state = 'sending'"


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    _new_tables()
    for table, columns in ADDED.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ADD COLUMN {column.replace('{key}', PLAIN_KEY[dialect])}")
    op.execute(ONE_SEGMENT[dialect])
    op.execute(f"{ONE_PHOTO[dialect]} WHERE photo IS NOT NULL")
    op.execute("UPDATE broadcast SET frozen_at = started_at, state_at = coalesce(finished_at, started_at, created_at)")
    with op.batch_alter_table("delivery") as delivery:
        delivery.drop_constraint("fk_delivery_broadcast_id", type_="foreignkey")
        delivery.drop_constraint("fk_delivery_fan_id", type_="foreignkey")
    op.execute(
        "UPDATE delivery SET planned_at ="
        " coalesce(sent_at, (SELECT started_at FROM broadcast WHERE broadcast.id = delivery.broadcast_id))"
    )
    op.drop_column("broadcast", "segment")
    op.drop_column("broadcast", "photo")
    op.execute("CREATE UNIQUE INDEX ix_broadcast_occurrence ON broadcast (series_id, occurrence)")
    op.execute(f"CREATE INDEX ix_fan_own_hours ON fan ({HOURS}) WHERE {OWN_HOURS}")
    op.execute("CREATE INDEX ix_delivery_sent ON delivery (broadcast_id, sent_at) WHERE sent_at IS NOT NULL")
    op.execute("DROP INDEX ix_delivery_fan")
    op.execute("CREATE INDEX ix_delivery_clicked ON delivery (broadcast_id) WHERE clicked_at IS NOT NULL")
    op.execute("CREATE INDEX ix_purchase_paid ON purchase (paid_at, fan_id)")
    op.execute(f"CREATE INDEX ix_delivery_left ON delivery (fan_id, sent_at) WHERE {HAS_LEFT}")
    op.execute("CREATE INDEX ix_delivery_waiting ON delivery (broadcast_id, not_before, fan_id) WHERE state = 'pending'")
    if dialect == "postgresql":
        op.execute("DROP INDEX ix_delivery_state")
        op.execute("CREATE INDEX ix_delivery_state ON delivery (broadcast_id, state, fan_id) WHERE state <> 'pending'")


def _new_tables() -> None:
    op.create_table(
        "topic",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_topic")),
    )
    op.create_table(
        "topic_declined",
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_topic_declined_fan_id")),
        sa.ForeignKeyConstraint(["topic"], ["topic.key"], name=op.f("fk_topic_declined_topic")),
        sa.PrimaryKeyConstraint("fan_id", "topic", name=op.f("pk_topic_declined")),
    )
    op.create_index("ix_topic_declined_topic", "topic_declined", ["topic", "fan_id"])
    op.create_table(
        "preference",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_preference")),
    )
    op.create_table(
        "broadcast_click",
        sa.Column("broadcast_id", KEY, nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("button", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_broadcast_click_broadcast_id")),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_broadcast_click_fan_id")),
        sa.PrimaryKeyConstraint("broadcast_id", "fan_id", "button", name=op.f("pk_broadcast_click")),
    )
    op.create_table(
        "broadcast_revision",
        sa.Column("id", KEY, nullable=False),
        sa.Column("broadcast_id", KEY, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("buttons", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_broadcast_revision_broadcast_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcast_revision")),
    )
    op.create_index("ix_broadcast_revision_broadcast", "broadcast_revision", ["broadcast_id"])
    op.create_table(
        "revision_line",
        sa.Column("revision_id", KEY, nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["broadcast_revision.id"], name=op.f("fk_revision_line_revision_id")
        ),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_revision_line_fan_id")),
        sa.PrimaryKeyConstraint("revision_id", "fan_id", name=op.f("pk_revision_line")),
    )
    op.create_index("ix_revision_line_state", "revision_line", ["revision_id", "state", "fan_id"])
    _conversations()


def _conversations() -> None:
    op.create_table(
        "conversation",
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("assigned_to", KEY, nullable=True),
        sa.Column("unread", sa.Integer(), nullable=False),
        sa.Column("waiting_since", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_conversation_fan_id")),
        sa.ForeignKeyConstraint(["assigned_to"], ["operator.id"], name=op.f("fk_conversation_assigned_to")),
        sa.PrimaryKeyConstraint("fan_id", name=op.f("pk_conversation")),
    )
    op.execute("CREATE INDEX ix_conversation_open ON conversation (last_at) WHERE state = 'open'")
    op.create_table(
        "conversation_line",
        sa.Column("id", KEY, nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("from_fan", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("file", sa.String(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(), nullable=True),
        sa.Column("message_id", KEY, nullable=True),
        sa.Column("cause", sa.String(), nullable=True),
        sa.Column("broadcast_id", KEY, nullable=True),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_conversation_line_fan_id")),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_conversation_line_broadcast_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation_line")),
        sa.UniqueConstraint("cause", name=op.f("uq_conversation_line_cause")),
    )
    op.create_index("ix_conversation_line_fan", "conversation_line", ["fan_id", "id"])
    op.execute(
        "CREATE INDEX ix_conversation_line_broadcast ON conversation_line (broadcast_id, fan_id)"
        " WHERE broadcast_id IS NOT NULL"
    )
    op.create_table(
        "conversation_notice",
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_conversation_notice_fan_id")),
        sa.PrimaryKeyConstraint("cause", name=op.f("pk_conversation_notice")),
    )


def downgrade() -> None:
    raise NotImplementedError("what 0005 brought cannot be said in the older tables; restore a backup instead")
