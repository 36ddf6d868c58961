"""What a room says of its books: each promise that does not hold, and by how much."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Breach:
    """A promise that does not hold: which, of what, and by how much."""

    rule: str
    subject: str
    detail: str
