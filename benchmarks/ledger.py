"""The ledger of a large broadcast: freezing the audience, taking fans in hand by the batch, and the page's numbers.

Each against how it is usually done, in the same run: rows inserted five hundred at a time from a list read before, one
fan in hand per transaction, and the states counted by grouping.

`python -m benchmarks.ledger [--fans N] [--database sqlite|postgresql]`
"""

import argparse
import asyncio
import logging
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

import psycopg
import structlog
from sqlalchemy import BigInteger, case, delete, func, insert, literal, select, type_coerce, update
from sqlmodel import col

from benchmarks.databases import KINDS, fresh_database
from benchmarks.findings import write_findings
from benchmarks.telegrams import bring_fans, settings_for, started
from siyu import broadcasts
from siyu.app import App, open_app
from siyu.broadcasts import answers, ledger
from siyu.broadcasts.tasks import Noted
from siyu.kit.columns import Instant
from siyu.outcomes import Sent
from siyu.tables import Broadcast, Delivery, DeliveryState, FanLevel

NOBODY = "http://127.0.0.1:1"
FREEZES, LOOKS = 3, 20
BATCH, IN_HAND = 50, 2000
RATE = 30  # messages a second
USUAL_BATCH = 500
FREEZE_TARGET, PROGRESS_TARGET, CLAIMS_TARGET = 1.0, 0.025, 2.0


@dataclass(frozen=True)
class Line:
    """One thing measured, in seconds, beside how it is usually done."""

    what: str
    seconds: float
    usual: float
    target: str
    reached: bool

    @property
    def ratio(self) -> float:
        return self.usual / self.seconds


def main() -> None:
    """Measure, print the table, write `var/bench/ledger.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fans", type=int, default=100_000)
    parser.add_argument("--database", choices=KINDS, nargs="*", default=list(KINDS))
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found = {}
    for kind in chosen.database:
        with fresh_database(kind) as url:
            lines = asyncio.run(_measure(open_app(settings_for(url, NOBODY, RATE)), chosen.fans))
        _print(kind, chosen.fans, lines)
        found[kind] = {"fans": chosen.fans, "lines": [{**asdict(line), "ratio": line.ratio} for line in lines]}
    write_findings("ledger", found)


async def _measure(app: App, number: int) -> list[Line]:
    await bring_fans(app, number)
    lines = [await _freeze(app), await _claims(app), await _progress(app)]
    await app.close()
    return lines


async def _freeze(app: App) -> Line:
    """From the operator's click to a running broadcast: everything the click waits for."""
    took = [await _seconds(lambda: started(app)) for _ in range(FREEZES)]
    seconds, usual = statistics.median(took), await _seconds(lambda: _freeze_as_usual(app))
    target = f"at most {FREEZE_TARGET} s"
    return Line("audience frozen", seconds, usual, target, reached=seconds <= FREEZE_TARGET)


async def _freeze_as_usual(app: App) -> None:
    async with app.database.reading() as session:
        fan_ids = await session.all(select(col(FanLevel.fan_id)).where(col(FanLevel.level) == "at_risk"))
    async with app.database.writing() as session:
        for start in range(0, len(fan_ids), USUAL_BATCH):
            rows = [
                {"broadcast_id": 0, "fan_id": fan_id, "state": DeliveryState.PENDING, "attempts": 0}
                for fan_id in fan_ids[start : start + USUAL_BATCH]
            ]
            await session.run_many(insert(Delivery), rows)
        await session.run(delete(Delivery).where(col(Delivery.broadcast_id) == 0))


async def _claims(app: App) -> Line:
    """Taken in hand, and their outcomes written: so many a transaction, and one a transaction."""
    broadcast_id = await _newest(app)
    async with app.database.writing() as session:
        await ledger.introduce(session)  # as senders do
    seconds = await _seconds(lambda: _take_in_hand(app, broadcast_id, BATCH))
    usual = await _seconds(lambda: _take_in_hand(app, broadcast_id, 1))
    target = f"at least {CLAIMS_TARGET:.0f} times as fast"
    return Line(f"{IN_HAND} in hand, by {BATCH}", seconds, usual, target, reached=usual >= CLAIMS_TARGET * seconds)


async def _take_in_hand(app: App, broadcast_id: int, at_once: int) -> None:
    for _ in range(IN_HAND // at_once):
        now = app.clock()
        async with app.database.writing() as session:
            tasks = await ledger.claim(session, broadcast_id, "bench", limit=at_once, now=now)
        async with app.database.writing() as session:
            await answers.note(session, [Noted(task, Sent(1)) for task in tasks], "bench", now=now)


async def _progress(app: App) -> Line:
    """Of a broadcast that is half way: what the page asks for every second."""
    broadcast_id = await _newest(app)
    await _send_half(app, broadcast_id)
    _tidy(app)

    async def look() -> None:
        async with app.database.reading() as session:
            await broadcasts.progress(session, broadcast_id, now=app.clock())

    async def group() -> None:
        async with app.database.reading() as session:
            states = select(col(Delivery.state), func.count()).where(col(Delivery.broadcast_id) == broadcast_id)
            await session.rows(states.group_by(col(Delivery.state)))

    seconds = statistics.median([await _seconds(look) for _ in range(LOOKS)])
    usual = statistics.median([await _seconds(group) for _ in range(LOOKS)])
    target = f"at most {PROGRESS_TARGET * 1000:.0f} ms"
    return Line("the page's numbers", seconds, usual, target, reached=seconds <= PROGRESS_TARGET)


async def _newest(app: App) -> int:
    async with app.database.reading() as session:
        return await session.one(select(func.max(col(Broadcast.id))))


async def _send_half(app: App, broadcast_id: int) -> None:
    """Every other fan, thirty a second, the last of them now."""
    last = literal(int(app.clock().timestamp()), BigInteger)
    waiting = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.state) == DeliveryState.PENDING)
    every_other = case((col(Delivery.fan_id) % 20 == 1, literal("blocked")), else_=literal("sent"))
    async with app.database.writing() as session:
        half = update(Delivery).where(*waiting, col(Delivery.fan_id) % 2 == 1)
        sent_at = type_coerce(last - col(Delivery.fan_id) // (2 * RATE), Instant)
        await session.run(half.values(state=every_other, sent_at=sent_at))


def _tidy(app: App) -> None:
    """What PostgreSQL does by itself, many times in the half hour that half a broadcast takes."""
    if app.database.dialect == "postgresql":
        with psycopg.connect(app.settings.database_url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE delivery")


async def _seconds(does: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await does()
    return time.perf_counter() - began


def _print(kind: str, fans: int, lines: list[Line]) -> None:
    print(f"\nledger: {fans} recipients, {kind}")
    print(f"{'':26} {'seconds':>9} {'as usual':>9} {'ratio':>6}")
    for line in lines:
        print(f"{line.what:26} {line.seconds:9.4f} {line.usual:9.4f} {line.ratio:6.1f}   (target: {line.target})")


if __name__ == "__main__":
    main()
