"""What an outcome makes of an errand: the mailroom's default is never to say anything twice."""

from datetime import datetime, timedelta
from typing import assert_never

from siyu.mailroom import ANSWER, TRIES, Errand, Payload, Report, Verdict, is_repeatable
from siyu.outcomes import (
    Blocked,
    Gone,
    Migrated,
    NotSent,
    Outcome,
    Rejected,
    Sent,
    ServerError,
    SlowDown,
    Unauthorized,
    Unknown,
    Unreachable,
)

RETRY = timedelta(seconds=2)
# A press spins for its fan meanwhile, and a payment has ten seconds.
RETRY_ANSWER = timedelta(seconds=1)


def verdict_on(errand: Errand, outcome: Outcome, *, now: datetime) -> Report:
    """What to write down about an errand."""
    match outcome:
        case Sent(message_id):
            return Report(errand, Verdict.SENT, message_id=message_id)
        case Blocked() | Gone() | Unreachable():
            return Report(errand, Verdict.FAILED, error=type(outcome).__name__.lower())
        case Rejected(description):
            return Report(errand, Verdict.FAILED, error=description)
        case Migrated(to):
            return _once_more(errand, "the chat moved", now=now, payload={**errand.payload, "chat_id": to})
        case SlowDown(seconds):
            return Report(errand, Verdict.NOT_TRIED, not_before=now + timedelta(seconds=seconds))
        case NotSent(description):
            # The courier itself waits for the line; an answer must not come late for it.
            later = now if errand.lane == ANSWER else now + RETRY
            return Report(errand, Verdict.NOT_TRIED, error=description, not_before=later)
        case ServerError(description) | Unknown(description):
            if is_repeatable(errand.method):
                return _once_more(errand, description, now=now)
            return Report(errand, Verdict.UNKNOWN, error=description)
        case Unauthorized():
            return Report(errand, Verdict.NOT_TRIED)
        case _ as never:
            assert_never(never)


def _once_more(errand: Errand, why: str, *, now: datetime, payload: Payload | None = None) -> Report:
    if errand.attempts + 1 >= TRIES:
        return Report(errand, Verdict.FAILED, error=why)
    later = now + (RETRY_ANSWER if errand.lane == ANSWER else RETRY)
    return Report(errand, Verdict.AGAIN, error=why, not_before=later, payload=payload)
