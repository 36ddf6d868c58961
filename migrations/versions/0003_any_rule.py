"""What every dimension and any rule need: signals of each day, places among the buyers, saved segments, closed stays."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BUYERS, WARM = "orders_total > 0", "intent_heat > 0"
RANKED = ("orders_total", "spend_total", "spend_365d", "value_halves", "expected_spend_90d")


def upgrade() -> None:
    _facts()
    _numbers()
    _changes()
    _definitions()
    # Every day is counted again, with what is new of it, by the first run; and that looks at everybody.
    op.execute("INSERT INTO dirty_day (fan_id, day, due) SELECT fan_id, day, 0 FROM fan_day")
    op.add_column("as_of", sa.Column("currency", sa.String(), nullable=False, server_default=""))
    op.add_column("as_of", sa.Column("unfinished", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("as_of", sa.Column("slots", sa.Text(), nullable=False, server_default="[]"))
    op.execute("UPDATE as_of SET rules = '{}'")


def _facts() -> None:
    op.drop_index("ix_interaction_fan_day", "interaction")
    op.create_index("ix_interaction_fan_day", "interaction", ["fan_id", "day", "at", "kind"])
    op.create_index("ix_interaction_kind", "interaction", ["kind", "fan_id", "day", "at", "detail"])
    op.create_index("ix_fan_attribute_value", "fan_attribute", ["name", "value", "fan_id"])
    for table, moment in (("checkout", "created_at"), ("coupon", "claimed_at")):
        # Of rows from before, the day in UTC: the zone is not known here.
        op.add_column(table, sa.Column("day", sa.Integer(), nullable=False, server_default="0"))
        op.execute(f"UPDATE {table} SET day = {moment} / 86400")  # noqa: S608 - our words
        op.create_index(f"ix_{table}_day", table, ["fan_id", "day"])


def _numbers() -> None:
    for column in (
        sa.Column("views", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("with_coupon", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("heat", sa.Float(53), nullable=False, server_default="0"),
        sa.Column("feedback", sa.BigInteger(), nullable=True),
    ):
        op.add_column("fan_day", column)
    for column in (
        sa.Column("joined_day", sa.Integer(), nullable=True),
        sa.Column("seconds_to_first_purchase", sa.BigInteger(), nullable=True),
        sa.Column("views_90d", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("purchases_with_coupon", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("value_halves", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("intent_heat", sa.Float(53), nullable=False, server_default="0"),
        sa.Column("feedback_score", sa.BigInteger(), nullable=True),
        sa.Column("feedback_day", sa.Integer(), nullable=True),
        sa.Column("p_alive", sa.Float(53), nullable=True),
        sa.Column("expected_purchases_90d", sa.Float(53), nullable=True),
        sa.Column("expected_spend_90d", sa.BigInteger(), nullable=True),
        sa.Column("places", sa.Text(), nullable=False, server_default=""),
    ):
        op.add_column("fan_metrics", column)
    for column in RANKED:
        _partial(f"ix_fan_metrics_{column}", "fan_metrics", [column], BUYERS)
    _partial("ix_fan_metrics_intent_heat", "fan_metrics", ["intent_heat"], WARM)
    op.create_index("ix_fan_metrics_joined_day", "fan_metrics", ["joined_day"])
    op.create_index("ix_fan_metrics_feedback_day", "fan_metrics", ["feedback_day"])
    op.create_table(
        "fan_interest",
        sa.Column("fan_id", KEY, sa.ForeignKey("fan.id", name="fk_fan_interest_fan_id"), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("fan_id", "category", name="pk_fan_interest"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_fan_interest_category", "fan_interest", ["category", "day", "fan_id"])
    op.create_table(
        "fan_score",
        sa.Column("fan_id", KEY, sa.ForeignKey("fan.id", name="fk_fan_score_fan_id"), nullable=False),
        sa.Column("p_alive", sa.Float(53), nullable=False),
        sa.Column("expected_purchases_90d", sa.Float(53), nullable=False),
        sa.Column("expected_spend_90d", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fan_id", name="pk_fan_score"),
    )
    op.create_table(
        "model_fit",
        sa.Column("id", KEY, nullable=False),
        sa.Column("fitted_at", sa.BigInteger(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=True),
        sa.Column("why_not", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_model_fit"),
    )
    op.create_table(
        "score_cut",
        sa.Column("measure", sa.String(), nullable=False),
        sa.Column("k", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("below", sa.BigInteger(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("buyers", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("measure", "k", "n", name="pk_score_cut"),
    )


def _changes() -> None:
    """Each change closes a stay; the first level of all is no change."""
    op.add_column("level_change", sa.Column("old_since", sa.BigInteger(), nullable=True))
    op.add_column("level_change", sa.Column("old_day", sa.Integer(), nullable=True))
    op.add_column("fan_level", sa.Column("since_day", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE fan_level SET since_day = since / 86400")
    op.execute(
        "UPDATE level_change SET old_since = (SELECT max(b.at) FROM level_change AS b WHERE b.id < level_change.id"
        " AND b.fan_id = level_change.fan_id AND b.dimension = level_change.dimension)"
    )
    op.execute("UPDATE level_change SET old_day = old_since / 86400")
    op.execute("DELETE FROM level_change WHERE old_level IS NULL AND cause <> 'look'")


def _definitions() -> None:
    op.add_column("dimension_rule", sa.Column("own", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "custom_dimension",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("levels", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_custom_dimension"),
    )
    op.create_table(
        "saved_segment",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("colour", sa.String(), nullable=False),
        sa.Column("good", sa.String(), nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("owner_name", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("frozen_at", sa.BigInteger(), nullable=True),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.Column("broken", sa.String(), nullable=True),
        sa.Column("broken_since", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_saved_segment"),
    )


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    raise NotImplementedError("history without first levels cannot be told as before; restore a backup instead")
