"""A community of any size to measure on: facts straight into the tables, as many a second as it takes."""

import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import psycopg

from siyu import schema
from siyu.kit.clock import EPOCH, local_day

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
CURRENCY = "CNY"
DAYS = 400
NOON = 12 * 3600
CHANNELS = ("direct", "direct", "search", "social", "ads", "referral")
TAGS = ("vip", "tea", "coffee", "wholesale")
Fact = tuple[int, int, int]  # fan, day, second since 1970


@dataclass(frozen=True)
class Community:
    """How much of everything was loaded."""

    fans: int
    interactions: int
    purchases: int
    refunds: int
    referrals: int


def settle(url: str, fan_count: int) -> Community:
    """A community of that size in a migrated database; the same people and facts on either kind."""
    if url.startswith("sqlite"):
        return load(Path(url.removeprefix("sqlite:///")), fan_count)
    with tempfile.TemporaryDirectory(prefix="siyu-bench-") as folder:
        path = Path(folder) / "community.db"
        schema.upgrade(f"sqlite:///{path}")
        loaded = load(path, fan_count)
        _copy(path, url)
    return loaded


def load(path: Path, fan_count: int) -> Community:
    """Twenty interactions and three purchases a fan on average: most fans do little, a few a lot."""
    random = Random(7)
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL; PRAGMA cache_size=-200000;")
    connection.executemany(
        "INSERT INTO fan (id, telegram_id, name, joined_at, joined_day, source, source_channel, referral_code, reach)"
        " VALUES (?, ?, ?, ?, ?, '', ?, ?, ?)",
        _fans(random, fan_count),
    )
    connection.execute(
        "INSERT INTO referral (referee_id, referrer_id, at)"
        " SELECT id, 1 + abs(random()) % max(1, id / 10), joined_at FROM fan WHERE id > 1 AND id % 5 = 0"
    )
    connection.executemany(
        "INSERT INTO interaction (source, external_id, fan_id, day, at, kind, detail)"
        " VALUES ('bench', ?, ?, ?, ?, ?, ?)",
        ((str(n), *fact, *_deed(random)) for n, fact in enumerate(_visits(random, fan_count))),
    )
    connection.executemany("INSERT INTO fan_tag (fan_id, tag, at) VALUES (?, ?, 0)", _tags(random, fan_count))
    connection.executemany(
        "INSERT INTO fan_attribute (fan_id, name, value) VALUES (?, ?, ?)", _attributes(random, fan_count)
    )
    connection.executemany(
        "INSERT INTO purchase (source, external_id, fan_id, day, paid_at, amount_minor, discount_minor,"
        " refunded_minor, currency, body_hash) VALUES ('bench', ?, ?, ?, ?, ?, 0, 0, 'CNY', '')",
        ((str(n), *fact, random.randint(500, 50_000)) for n, fact in enumerate(_orders(random, fan_count))),
    )
    connection.execute(
        "INSERT INTO refund (source, refund_key, purchase_id, amount_minor, refunded_at, day)"
        " SELECT 'bench', id, id, amount_minor / (1 + id % 2), paid_at + 86400, day + 1 FROM purchase"
        " WHERE id % 50 = 0 AND paid_at + 86400 <= ?",
        (int(NOW.timestamp()),),
    )
    connection.commit()
    tables = ("fan", "interaction", "purchase", "refund", "referral")
    loaded = Community(*(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables))
    connection.close()
    return loaded


def _copy(path: Path, url: str) -> None:
    """From SQLite to PostgreSQL: columns of the same names."""
    with sqlite3.connect(path) as source, psycopg.connect(url) as target:
        for table in ("fan", "referral", "interaction", "fan_tag", "fan_attribute", "purchase", "refund"):
            rows = source.execute(f"SELECT * FROM {table}")
            names = ", ".join(f'"{column[0]}"' for column in rows.description)
            with target.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copying:
                for row in rows:
                    copying.write_row(row)
            if names.startswith('"id"'):
                target.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")
        target.commit()
        target.autocommit = True
        target.execute("ANALYZE")


def _fans(random: Random, count: int) -> Iterator[tuple[object, ...]]:
    today = _today()
    for n in range(1, count + 1):
        day = today - random.randint(0, DAYS)
        reach = "blocked" if n % 20 == 0 else "reachable"
        yield n, 10**9 + n, f"Fan {n}", day * 86_400, day, random.choice(CHANNELS), f"code-{n}", reach


def _deed(random: Random) -> tuple[str, str]:
    """Three looks at the catalogue in ten, a check-in or a rating now and then, else something said or pressed."""
    kind = random.choices(("message", "press", "view", "checkin", "answer"), (35, 28, 30, 5, 2))[0]
    details = {"view": f"sku-{random.randint(1, 50)}", "answer": f"nps:{random.randint(0, 10)}"}
    return kind, details.get(kind, "")


def _tags(random: Random, count: int) -> Iterator[tuple[int, str]]:
    for fan in range(1, count + 1):
        yield from ((fan, tag) for tag in TAGS if random.random() < 0.1)


def _attributes(random: Random, count: int) -> Iterator[tuple[int, str, str]]:
    for fan in range(1, count + 1):
        if random.random() < 0.3:
            yield fan, "gender", random.choice(("female", "male", "other"))
        if random.random() < 0.2:
            yield fan, "age_group", random.choice(("young", "middle", "senior"))


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
