"""Lots: a number that a fan draws for a question, the same one every time, in Python and in both databases alike."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, literal
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import col

from siyu.kit.columns import BigKey
from siyu.tables import Fan

Ids = SQLCoreOperations[Any]  # Any: ids, with or without the absence of one

LOTS = 10_000
# A prime below 2^31: products of two remainders stay below 2^63, beyond which PostgreSQL refuses and SQLite
# goes on in floats. A cubic over it, its four coefficients out of a hash, gives any four fans independent lots.
PRIME = 2**31 - 1


def lot(broadcast_id: int, fan_id: int, salt: str) -> int:
    """From 0 to 9,999; another broadcast or another salt is another draw."""
    return int(_drawn(fan_id, _coefficients(broadcast_id, salt)))


def lot_of_fan(broadcast_id: int, salt: str, fan_id: Ids | None = None) -> ColumnElement[int]:
    """The same for statements, over `Fan.id` or another column of fans' ids."""
    coefficients = [literal(one, BigKey()) for one in _coefficients(broadcast_id, salt)]
    drawn: ColumnElement[int] = _drawn(col(Fan.id) if fan_id is None else fan_id, coefficients)
    return drawn


def _drawn(fan_id: Any, coefficients: Sequence[Any]) -> Any:  # Any: numbers, or columns that behave like them
    first, *others = coefficients
    for one in others:
        first = (first * fan_id + one) % PRIME
    return first % LOTS


@lru_cache(maxsize=256)
def _coefficients(broadcast_id: int, salt: str) -> tuple[int, ...]:
    digest = sha256(f"{salt}:{broadcast_id}".encode()).digest()
    return tuple(int.from_bytes(digest[at : at + 8]) % PRIME for at in (0, 8, 16, 24))
