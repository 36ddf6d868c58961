"""On PostgreSQL levels are found fan by fan, and read off the index they are found by.

Whoever does something moves in five dimensions of 65: five entries beside each other instead of five pages of an index
of millions. SQLite keeps its rows in the order of the key itself, and reads a dimension after the other.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE fan_level DROP CONSTRAINT pk_fan_level")
        op.execute("ALTER TABLE fan_level ADD CONSTRAINT pk_fan_level PRIMARY KEY (fan_id, dimension) INCLUDE (level)")
