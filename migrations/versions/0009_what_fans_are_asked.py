"""Questionnaires with their versions, runs and answers; ratings; follow-ups."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "survey",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("draft", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("for_newcomers", sa.Boolean(), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey")),
        sa.UniqueConstraint("key", name=op.f("uq_survey_key")),
    )
    op.create_index(
        "ix_survey_for_newcomers",
        "survey",
        ["for_newcomers"],
        unique=True,
        sqlite_where=sa.text("for_newcomers"),
        postgresql_where=sa.text("for_newcomers"),
    )
    op.create_table(
        "feedback_turn",
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_feedback_turn_fan_id")),
        sa.PrimaryKeyConstraint("fan_id", name=op.f("pk_feedback_turn")),
    )
    op.create_table(
        "follow_up",
        sa.Column("id", KEY, nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("cause", sa.String(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("assigned_to", KEY, nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", sa.String(), nullable=False),
        sa.Column("reminded_at", sa.BigInteger(), nullable=True),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("done_by", sa.String(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["assigned_to"], ["operator.id"], name=op.f("fk_follow_up_assigned_to")),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_follow_up_fan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_up")),
        sa.UniqueConstraint("cause", name=op.f("uq_follow_up_cause")),
    )
    op.create_index(op.f("ix_follow_up_done_at"), "follow_up", ["done_at"], unique=False)
    op.create_index(
        "ix_follow_up_due",
        "follow_up",
        ["due_at", "id"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_index("ix_follow_up_fan", "follow_up", ["fan_id", "id"], unique=False)
    op.create_table(
        "survey_run",
        sa.Column("id", KEY, nullable=False),
        sa.Column("survey_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("chosen", sa.String(), nullable=False),
        sa.Column("seen", KEY, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_survey_run_fan_id")),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_survey_run_survey_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_run")),
        sa.UniqueConstraint("survey_id", "fan_id", "cause", name=op.f("uq_survey_run_survey_id_fan_id_cause")),
    )
    op.create_index("ix_survey_run_fan", "survey_run", ["fan_id"], unique=False)
    op.create_index(
        "ix_survey_run_open",
        "survey_run",
        ["fan_id"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "survey_version",
        sa.Column("survey_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.Column("published_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_survey_version_survey_id")),
        sa.PrimaryKeyConstraint("survey_id", "number", name=op.f("pk_survey_version")),
    )
    op.create_table(
        "survey_answer",
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("survey_id", KEY, nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_survey_answer_fan_id")),
        sa.ForeignKeyConstraint(["run_id"], ["survey_run.id"], name=op.f("fk_survey_answer_run_id")),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_survey_answer_survey_id")),
        sa.PrimaryKeyConstraint("run_id", "question", "value", name=op.f("pk_survey_answer")),
    )
    op.create_index("ix_survey_answer_fan", "survey_answer", ["fan_id"], unique=False)
    op.create_index("ix_survey_answer_question", "survey_answer", ["survey_id", "question", "value"], unique=False)
    op.create_table(
        "feedback",
        sa.Column("id", KEY, nullable=False),
        sa.Column("fan_id", KEY, nullable=False),
        sa.Column("scale", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("purchase_id", KEY, nullable=True),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("rated_at", sa.BigInteger(), nullable=True),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("seen", KEY, nullable=False),
        sa.CheckConstraint(
            "rating IS NULL OR (rating >= 0 AND rating <= 10)", name=op.f("ck_feedback_rating_on_its_scale")
        ),
        sa.ForeignKeyConstraint(["fan_id"], ["fan.id"], name=op.f("fk_feedback_fan_id")),
        sa.ForeignKeyConstraint(["purchase_id"], ["purchase.id"], name=op.f("fk_feedback_purchase_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("cause", name=op.f("uq_feedback_cause")),
    )
    op.create_index("ix_feedback_fan", "feedback", ["fan_id", "id"], unique=False)
    op.create_index(op.f("ix_feedback_purchase_id"), "feedback", ["purchase_id"], unique=False)
    op.create_index(
        "ix_feedback_rated",
        "feedback",
        ["rated_at", "scale", "rating"],
        unique=False,
        sqlite_where=sa.text("rating IS NOT NULL"),
        postgresql_where=sa.text("rating IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("feedback")
    op.drop_table("survey_answer")
    op.drop_table("survey_version")
    op.drop_table("survey_run")
    op.drop_table("follow_up")
    op.drop_table("feedback_turn")
    op.drop_table("survey")
