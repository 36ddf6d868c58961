"""Tasks: one fan in hand of a broadcast each, and what became of it."""

from dataclasses import dataclass

from siyu.outcomes import Outcome


@dataclass(frozen=True)
class Task:
    """A fan in hand: the intent is on disk, the call may begin."""

    broadcast_id: int
    fan_id: int
    telegram_id: int
    language: str | None
    attempts: int
    variant: str | None = None


@dataclass(frozen=True)
class Unfit:
    """What this fan would get cannot be sent, for this reason; nothing left."""

    reason: str


@dataclass(frozen=True)
class Noted:
    """What became of a task."""

    task: Task
    outcome: Outcome | Unfit
