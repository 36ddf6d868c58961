"""Rewards for friends who came and bought."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _programme()
    _rewards()


def _programme() -> None:
    op.create_table(
        "referral_programme",
        sa.Column("id", KEY, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("day_cap", sa.Integer(), nullable=False),
        sa.Column("month_cap", sa.Integer(), nullable=False),
        sa.Column("milestones", sa.JSON(), nullable=False),
        sa.Column("referrer_offer_id", KEY, nullable=True),
        sa.Column("newcomer_offer_id", KEY, nullable=True),
        sa.CheckConstraint("day_cap >= 1 AND month_cap >= 1", name=op.f("ck_referral_programme_caps")),
        sa.ForeignKeyConstraint(
            ["referrer_offer_id"], ["offer.id"], name=op.f("fk_referral_programme_referrer_offer_id")
        ),
        sa.ForeignKeyConstraint(
            ["newcomer_offer_id"], ["offer.id"], name=op.f("fk_referral_programme_newcomer_offer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referral_programme")),
    )
    op.create_table(
        "referral_board",
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_referral_board_fan_id")),
        sa.PrimaryKeyConstraint("fan_id", name=op.f("pk_referral_board")),
    )


def _rewards() -> None:
    op.create_table(
        "reward_grant",
        sa.Column("id", KEY, nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("referee_id", KEY, nullable=True),
        sa.Column("purchase_id", KEY, nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("due_day", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.String(), nullable=False),
        sa.Column("reviewed_by", sa.String(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("granted_at", sa.BigInteger(), nullable=True),
        sa.Column("granted_day", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("coupon_id", KEY, nullable=True),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_reward_grant_fan_id")),
        sa.ForeignKeyConstraint(["referee_id"], ["fan.id"], name=op.f("fk_reward_grant_referee_id")),
        sa.ForeignKeyConstraint(["purchase_id"], ["purchase.id"], name=op.f("fk_reward_grant_purchase_id")),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupon.id"], name=op.f("fk_reward_grant_coupon_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reward_grant")),
        sa.UniqueConstraint("rule", "fan_id", "cause", name=op.f("uq_reward_grant_rule_fan_id_cause")),
    )
    op.create_index("ix_reward_grant_state", "reward_grant", ["state", "due_day"])
    op.create_index("ix_reward_grant_fan", "reward_grant", ["fan_id", "rule", "granted_day"])
    op.create_index("ix_reward_grant_referee_id", "reward_grant", ["referee_id"])
    op.create_index("ix_reward_grant_purchase_id", "reward_grant", ["purchase_id"])
    op.execute(
        "CREATE UNIQUE INDEX uq_reward_grant_live ON reward_grant (rule, referee_id)"
        " WHERE state IN ('pending', 'granted')"
    )


def downgrade() -> None:
    for table in ("reward_grant", "referral_board", "referral_programme"):
        op.drop_table(table)
