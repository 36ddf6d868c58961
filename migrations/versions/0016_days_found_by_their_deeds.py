"""Three days of each fan's numbers stand in no index any more: what was done on them leads there.

A fan who pressed a button moved in one of them on SQLite; PostgreSQL wrote all twelve indexes of the row for it, and
now writes none where the page has room, which it is given.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

DAYS = ("last_interaction_day", "first_purchase_day", "last_purchase_day")


def upgrade() -> None:
    for day in DAYS:
        op.drop_index(op.f(f"ix_fan_metrics_{day}"), "fan_metrics")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE fan_metrics SET (fillfactor = 85)")
