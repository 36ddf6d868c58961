"""Leases: one process leads some work, and another takes over when it stops renewing."""

from datetime import datetime, timedelta

from sqlalchemy import delete, or_
from sqlmodel import col, select

from siyu.kit.database import ReadSession, WriteSession
from siyu.tables import Lease


async def hold(session: WriteSession, name: str, owner: str, *, now: datetime, seconds: float) -> bool:
    """Take or renew the lease; False while somebody else holds it."""
    until = now + timedelta(seconds=seconds)
    insert = session.insert(Lease).values(name=name, owner=owner, until=until)
    mine_or_over = or_(col(Lease.owner) == owner, col(Lease.until) < now)
    statement = insert.on_conflict_do_update(
        index_elements=["name"], set_={"owner": owner, "until": until}, where=mine_or_over
    ).returning(col(Lease.owner))
    return bool(await session.returning(statement))


async def release(session: WriteSession, name: str, owner: str) -> None:
    """Let go of it, if it is ours."""
    await session.run(delete(Lease).where(col(Lease.name) == name, col(Lease.owner) == owner))


async def holder(session: ReadSession, name: str, *, now: datetime) -> str | None:
    """Who leads this work right now."""
    return await session.first(select(Lease.owner).where(Lease.name == name, col(Lease.until) >= now))


async def held_until(session: ReadSession, name: str) -> datetime | None:
    """When the last hold on it ends or ended."""
    return await session.first(select(Lease.until).where(Lease.name == name))


async def live_owners(session: ReadSession, prefix: str, *, now: datetime) -> set[str]:
    """Owners of the unexpired leases whose name starts with the prefix."""
    statement = select(Lease.owner).where(col(Lease.name).startswith(prefix, autoescape=True), col(Lease.until) >= now)
    return set(await session.all(statement))
