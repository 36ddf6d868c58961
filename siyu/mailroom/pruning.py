"""What the mailroom forgets: what is done and old."""

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlmodel import col

from siyu.kit.database import WriteSession
from siyu.tables import Inbox, InboxState, Outbox, OutboxState

# Telegram keeps updates for 24 hours; twice that, and an old update can no longer come again. Kept longer,
# a row could hide a new update: after a quiet week ids restart at random.
INBOX_KEPT = timedelta(hours=48)
OUTBOX_KEPT = timedelta(days=7)
# What failed is looked at by people; after a month nobody will, and it holds somebody's words.
FAILED_KEPT = timedelta(days=30)


async def prune(session: WriteSession, *, now: datetime) -> int:
    """Drop done updates after 48 hours, sent messages after 7 days and those that failed after 30; how many rows."""
    handled = delete(Inbox).where(col(Inbox.received_at) < now - INBOX_KEPT, col(Inbox.state) == InboxState.DONE)
    sent = delete(Outbox).where(col(Outbox.finished_at) < now - OUTBOX_KEPT, col(Outbox.state) == OutboxState.SENT)
    over = col(Outbox.state).in_([OutboxState.FAILED, OutboxState.UNKNOWN])
    failed = delete(Outbox).where(col(Outbox.finished_at) < now - FAILED_KEPT, over)
    return await session.run(handled) + await session.run(sent) + await session.run(failed)
