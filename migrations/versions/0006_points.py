"""Points: rules, accounts, a ledger nobody can rewrite, lots that run out, check-ins and tiers."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _terms()
    _ledger()
    _tiers()
    _refuse_to_rewrite()
    op.add_column("fan_metrics", sa.Column("points", sa.BigInteger(), nullable=False, server_default="0"))


def _terms() -> None:
    op.create_table(
        "points_programme",
        sa.Column("id", KEY, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("window_days", sa.Integer(), nullable=False),
        sa.Column("grace_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_points_programme")),
    )
    op.create_table(
        "points_rule",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("per", sa.BigInteger(), nullable=False),
        sa.Column("daily_cap", sa.BigInteger(), nullable=True),
        sa.Column("valid_days", sa.Integer(), nullable=True),
        sa.Column("streak_days", sa.Integer(), nullable=False),
        sa.Column("streak_bonus", sa.BigInteger(), nullable=False),
        sa.Column("attribute", sa.String(), nullable=True),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_points_rule_amount")),
        sa.CheckConstraint("per >= 1", name=op.f("ck_points_rule_per")),
        sa.CheckConstraint("streak_bonus >= 0 AND streak_days >= 2", name=op.f("ck_points_rule_streak")),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_points_rule")),
    )
    op.create_table(
        "points_reward",
        sa.Column("offer_id", KEY, nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("cost >= 1", name=op.f("ck_points_reward_cost")),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name=op.f("fk_points_reward_offer_id")),
        sa.PrimaryKeyConstraint("offer_id", name=op.f("pk_points_reward")),
    )


def _ledger() -> None:
    op.create_table(
        "points_account",
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("owed", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=False),
        sa.Column("tier_since", sa.BigInteger(), nullable=True),
        sa.Column("falls_at", sa.BigInteger(), nullable=True),
        sa.Column("recheck_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_points_account_balance")),
        sa.CheckConstraint("owed >= 0", name=op.f("ck_points_account_owed")),
        sa.CheckConstraint("balance = 0 OR owed = 0", name=op.f("ck_points_account_debt_first")),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_points_account_fan_id")),
        sa.PrimaryKeyConstraint("fan_id", name=op.f("pk_points_account")),
    )
    op.create_index("ix_points_account_recheck", "points_account", ["recheck_at"])
    op.create_table(
        "points_entry",
        sa.Column("id", KEY, nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("delta", sa.BigInteger(), nullable=False),
        sa.Column("owed", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reverses", KEY, nullable=True),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_points_entry_fan_id")),
        sa.ForeignKeyConstraint(["reverses"], ["points_entry.id"], name=op.f("fk_points_entry_reverses")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_points_entry")),
        sa.UniqueConstraint("kind", "cause", name=op.f("uq_points_entry_kind_cause")),
    )
    op.create_index("ix_points_entry_fan", "points_entry", ["fan_id", "at", "delta"])
    op.execute("CREATE INDEX ix_points_entry_reverses ON points_entry (reverses) WHERE reverses IS NOT NULL")
    op.create_table(
        "points_lot",
        sa.Column("entry_id", KEY, nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("expired", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "remaining >= 0 AND expired >= 0 AND remaining + expired <= amount", name=op.f("ck_points_lot_remaining")
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["points_entry.id"], name=op.f("fk_points_lot_entry_id")),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_points_lot_fan_id")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_points_lot")),
    )
    op.execute("CREATE INDEX ix_points_lot_live ON points_lot (fan_id, expires_at) WHERE remaining > 0")
    op.execute("CREATE INDEX ix_points_lot_due ON points_lot (expires_at) WHERE remaining > 0")
    op.create_table(
        "points_note",
        sa.Column("entry_id", KEY, nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["points_entry.id"], name=op.f("fk_points_note_entry_id")),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_points_note_fan_id")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_points_note")),
    )
    op.create_index("ix_points_note_fan_id", "points_note", ["fan_id"])
    op.create_table(
        "checkin",
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("streak", sa.Integer(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_checkin_fan_id")),
        sa.PrimaryKeyConstraint("fan_id", "day", name=op.f("pk_checkin")),
    )


def _tiers() -> None:
    op.create_table(
        "tier",
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("minimum", sa.BigInteger(), nullable=False),
        sa.Column("multiplier", sa.Integer(), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("benefits", sa.JSON(), nullable=False),
        sa.CheckConstraint("minimum >= 1", name=op.f("ck_tier_minimum")),
        sa.CheckConstraint("multiplier >= 100", name=op.f("ck_tier_multiplier")),
        sa.PrimaryKeyConstraint("rank", name=op.f("pk_tier")),
        sa.UniqueConstraint("minimum", name=op.f("uq_tier_minimum")),
    )
    op.create_table(
        "tier_change",
        sa.Column("id", KEY, nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("old", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_tier_change_fan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tier_change")),
    )
    op.create_index("ix_tier_change_fan", "tier_change", ["fan_id", "id"])


def _refuse_to_rewrite() -> None:
    """A ledger is corrected by another entry."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER points_entry_stands_{verb.lower()} BEFORE {verb} ON points_entry"
                " BEGIN SELECT RAISE(ABORT, 'the ledger of points only grows'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION points_entry_stands() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the ledger of points only grows' USING ERRCODE = 'integrity_constraint_violation';"
        " END $$"
    )
    op.execute(
        "CREATE TRIGGER points_entry_stands BEFORE UPDATE OR DELETE ON points_entry"
        " FOR EACH ROW EXECUTE FUNCTION points_entry_stands()"
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger is not thrown away; restore a backup instead")
