"""A community of any size to measure on: facts straight into an SQLite file, as many a second as it takes."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from siyu.kit.clock import EPOCH, local_day

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
CURRENCY = "CNY"
DAYS = 400
NOON = 12 * 3600
Fact = tuple[int, int, int]  # fan, day, second since 1970


@dataclass(frozen=True)
class Community:
    """How much of everything was loaded."""

    fans: int
    interactions: int
    purchases: int
    refunds: int
    referrals: int


def load(path: Path, fan_count: int) -> Community:
    """Twenty interactions and three purchases a fan on average: most fans do little, a few a lot."""
    random = Random(7)
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL; PRAGMA cache_size=-200000;")
    connection.executemany(
        "INSERT INTO fan (id, telegram_id, name, joined_at, joined_day, source, source_channel, referral_code, reach)"
        " VALUES (?, ?, ?, ?, ?, '', 'direct', ?, ?)",
        _fans(random, fan_count),
    )
    connection.execute(
        "INSERT INTO referral (referee_id, referrer_id, at)"
        " SELECT id, 1 + abs(random()) % max(1, id / 10), joined_at FROM fan WHERE id > 1 AND id % 5 = 0"
    )
    connection.executemany(
        "INSERT INTO interaction (source, external_id, fan_id, day, at, kind) VALUES ('bench', ?, ?, ?, ?, 'message')",
        ((str(n), *fact) for n, fact in enumerate(_visits(random, fan_count))),
    )
    connection.executemany(
        "INSERT INTO purchase (source, external_id, fan_id, day, paid_at, amount_minor, discount_minor,"
        " refunded_minor, currency, body_hash) VALUES ('bench', ?, ?, ?, ?, ?, 0, 0, 'CNY', '')",
        ((str(n), *fact, random.randint(500, 50_000)) for n, fact in enumerate(_orders(random, fan_count))),
    )
    connection.execute(
        "INSERT INTO refund (source, refund_key, purchase_id, amount_minor, refunded_at, day)"
        " SELECT 'bench', id, id, amount_minor / (1 + id % 2), paid_at + 86400, day + 1 FROM purchase WHERE id % 50 = 0"
    )
    connection.commit()
    tables = ("fan", "interaction", "purchase", "refund", "referral")
    loaded = Community(*(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables))
    connection.close()
    return loaded


def _fans(random: Random, count: int) -> Iterator[tuple[object, ...]]:
    today = _today()
    for n in range(1, count + 1):
        day = today - random.randint(0, DAYS)
        reach = "blocked" if n % 20 == 0 else "reachable"
        yield n, 10**9 + n, f"Fan {n}", day * 86_400, day, f"code-{n}", reach


def _visits(random: Random, count: int) -> Iterator[Fact]:
    """Visits of one to three interactions on a day."""
    for fan in range(1, count + 1):
        for _ in range(min(400, round(6 * random.paretovariate(2.5)))):
            day = _today() - random.randint(0, DAYS)
            for _ in range(random.randint(1, 3)):
                yield fan, day, day * 86_400 - random.randint(1, NOON)


def _orders(random: Random, count: int) -> Iterator[Fact]:
    """Four fans in ten never buy."""
    for fan in range(1, count + 1):
        if random.random() < 0.6:
            for _ in range(min(100, round(2.9 * random.paretovariate(2.5)))):
                day = _today() - random.randint(0, DAYS)
                yield fan, day, day * 86_400 - random.randint(1, NOON)


def _today() -> int:
    return (local_day(NOW, ZONE) - EPOCH).days
