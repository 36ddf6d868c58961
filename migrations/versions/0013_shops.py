"""Shops that tell us of their orders by signed webhooks, and everything they told."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "shop",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("old_secret", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("heard_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_shop")),
    )
    op.create_table(
        "inbound_event",
        sa.Column("id", KEY, nullable=False),
        sa.Column("shop_key", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("fan_id", KEY, nullable=True),
        sa.Column("purchase_id", KEY, nullable=True),
        sa.ForeignKeyConstraint(["shop_key"], ["shop.key"], name=op.f("fk_inbound_event_shop_key")),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_inbound_event_fan_id")),
        sa.ForeignKeyConstraint(["purchase_id"], ["purchase.id"], name=op.f("fk_inbound_event_purchase_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_event")),
        sa.UniqueConstraint("shop_key", "key", name=op.f("uq_inbound_event_shop_key_key")),
    )
    op.create_index("ix_inbound_event_state", "inbound_event", ["state", "id"])
    op.create_index("ix_inbound_event_order", "inbound_event", ["shop_key", "order_id"])
    op.create_index(op.f("ix_inbound_event_fan_id"), "inbound_event", ["fan_id"])
