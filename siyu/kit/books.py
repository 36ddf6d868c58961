"""What a room says of its books: each promise that does not hold, and by how much."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Executable

from siyu.kit.database import ReadSession


@dataclass(frozen=True)
class Breach:
    """A promise that does not hold: which, of what, and by how much."""

    rule: str
    subject: str
    detail: str


async def breaches(session: ReadSession, checks: Iterable[tuple[str, Executable]]) -> list[Breach]:
    """What each rule's statement finds: rows of `kind, which, got, due`."""
    return [
        Breach(rule, f"{row[0]} {row[1]}", f"{row[2]} against {row[3]}")
        for rule, statement in checks
        for row in await session.rows(statement)
    ]
