"""How other programs keep segments: batch by batch until nobody is left, or one job for each fan."""

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    Select,
    String,
    Table,
    create_engine,
    func,
    select,
)
from sqlalchemy.schema import CreateTable, DropTable

from siyu.kit.database import prepare_sqlite, sync_url
from siyu.kit.staging import Params
from siyu.segments.classification import Classification
from siyu.segments.compiler import Scope, fan_metrics, holds
from siyu.segments.rules import InSegment

BATCH = 300
# In a community of a million 40 batches of a segment are timed, and the rest is taken to be no slower.
MOST_ROWS = 40_000_000  # that all batches of a segment look through together

member = Table(
    "bench_member",
    MetaData(),
    Column("segment", String, primary_key=True),
    Column("fan_id", BigInteger, primary_key=True),
)


def batch_by_batch(url: str, whole: Classification, given: Params, expected: Mapping[str, int]) -> float:
    """Count; then the whole condition again and again for the next 300 who are not in yet, row by row; then orphans.

    The shape of Mautic's rebuild; its tables are wider. Seconds; whoever it finds must be as many as expected.
    """
    with _engine(url).connect() as connection:
        with connection.begin():
            connection.execute(CreateTable(member))
        seconds = sum(_fill(connection, key, _fitting(whole, key), given, size) for key, size in expected.items())
        with connection.begin():
            connection.execute(DropTable(member))
    return seconds


def fan_by_fan(
    url: str, whole: Classification, keys: Sequence[str], given: Params, fans: Iterable[int]
) -> tuple[float, dict[str, set[int]]]:
    """One job for each fan, which asks each segment whether they fit."""
    found: dict[str, set[int]] = {key: set() for key in keys}
    conditions = {key: _fitting(whole, key, everybody=False) for key in keys}
    with _engine(url).connect().execution_options(begin="BEGIN") as connection:
        started = time.perf_counter()
        for fan_id in fans:
            for key, fitting in conditions.items():
                if connection.execute(fitting.where(fan_metrics.c.fan_id == fan_id), given).first():
                    found[key].add(fan_id)
        return time.perf_counter() - started, found


def _fitting(whole: Classification, key: str, *, everybody: bool = True) -> Select[int]:
    rule = InSegment(segment=key)
    return select(fan_metrics.c.fan_id).where(holds(rule, Scope(fan_metrics, whole, everybody=everybody)))


def _engine(url: str) -> Engine:
    engine = create_engine(sync_url(url))
    if engine.dialect.name == "sqlite":
        prepare_sqlite(engine)
    return engine


def _fill(connection: Connection, key: str, fitting: Select[int], given: Params, size: int) -> float:
    inside = select(member.c.fan_id).where(member.c.segment == key)
    missing = fitting.where(fan_metrics.c.fan_id.not_in(inside))
    most = MOST_ROWS // connection.execute(select(func.count()).select_from(fan_metrics)).scalar_one()
    connection.rollback()
    started = time.perf_counter()
    with connection.begin():
        connection.execute(select(func.count()).select_from(missing.subquery()), given)
    for batches in count(1):
        with connection.begin():
            found = connection.execute(missing.limit(BATCH), given).scalars().all()
            for fan_id in found:
                connection.execute(member.insert().values(segment=key, fan_id=fan_id))
        if batches == most:
            return (time.perf_counter() - started) * max(1, size / (most * BATCH))
        if not found:
            break
    with connection.begin():
        orphans = inside.where(member.c.fan_id.not_in(fitting))
        connection.execute(orphans.limit(BATCH), given).all()
        filled = connection.execute(select(func.count()).select_from(inside.subquery())).scalar_one()
    if filled != size:
        raise SystemExit(f"batch by batch and the recompute disagree on {key}: {filled}, {size}")
    return time.perf_counter() - started
