"""Coupons by the hundred thousand: handing out, redeeming under fire, a wallet and the books beside half a million.

Redemptions are measured against the shape most shops have: read the coupon, test it, write the counters back. Both
write the same rows (the coupon as used, its redemption, the offer's counters, the key of the request), both in one
transaction, and neither an audit line, since a redemption says itself who did it where. The usual one keeps a shorter
answer with its key and never asks again before it writes, which is why it loses counts. The two take turns in rounds,
and the middle one counts.

`python -m benchmarks.coupons [--coupons N] [--database sqlite|postgresql]`
"""

import argparse
import asyncio
import logging
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import event, select, update
from sqlmodel import col

from benchmarks.databases import KINDS, fresh_database
from benchmarks.findings import write_findings
from benchmarks.telegrams import bring_fans, settings_for
from siyu import coupons
from siyu.app import App, open_app
from siyu.audit import COMMAND_LINE
from siyu.coupons import NewOffer, Use
from siyu.kit.errors import Conflict
from siyu.kit.money import Money
from siyu.tables import Coupon, CouponState, Fan, Idempotency, Offer, OfferKind, Redemption

NOBODY = "http://127.0.0.1:1"
TILLS, SALES, ROUNDS, LOOKS = 50, 300, 7, 50
ISSUE_TARGET, LONGEST_TARGET, WALLET_TARGET, BOOKS_TARGET = 15.0, 1.0, 0.005, 10.0

# One till's sale of one code.
Sale = Callable[[App, str, int], Awaitable[None]]


@dataclass(frozen=True)
class Line:
    """One thing measured; `usual` and `ratio` where there is something to hold it against."""

    what: str
    seconds: float
    note: str
    reached: bool
    usual: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.usual / self.seconds if self.usual else None


def main() -> None:
    """Measure, print the table, write `var/bench/coupons.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coupons", type=int, default=100_000)
    parser.add_argument("--database", choices=KINDS, nargs="*", default=list(KINDS))
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found = {}
    for kind in chosen.database:
        with fresh_database(kind) as url:
            lines = asyncio.run(_measure(open_app(settings_for(url, NOBODY, 30)), chosen.coupons))
        _print(kind, lines)
        found[kind] = [{**asdict(line), "ratio": line.ratio} for line in lines]
    write_findings("coupons", found)


async def _measure(app: App, number: int) -> list[Line]:
    await bring_fans(app, number)
    async with app.database.reading() as session:
        fans = [one for one in await session.all(select(col(Fan.id))) if one is not None]
    lines = await _issue(app, fans)
    lines += await _redemptions(app)
    for n in range(4):
        await _hand_out(app, await _an_offer(app, len(fans)), fans, key=f"more {n}")
    lines += [await _wallet(app), await _books(app, 5 * len(fans))]
    await app.close()
    return lines


async def _issue(app: App, fans: Sequence[int]) -> list[Line]:
    """To everybody; the longest single transaction of it; and the same once more."""
    offer_id, longest = await _an_offer(app, len(fans)), [0.0]
    with_a_watch = _watched(app, longest)
    seconds = await _seconds(lambda: _hand_out(with_a_watch, offer_id, fans, key="all"))
    done: list[coupons.Issued] = []

    async def again() -> None:
        done.append(await _hand_out(app, offer_id, fans, key="all"))

    rerun = await _seconds(again)
    return [
        Line(f"{len(fans)} handed out", seconds, f"at most {ISSUE_TARGET:.0f} s", seconds <= ISSUE_TARGET),
        Line("its longest transaction", longest[0], f"at most {LONGEST_TARGET:.0f} s", longest[0] <= LONGEST_TARGET),
        Line("the same once more", rerun, f"issues none: {done[0].issued}", done[0].issued == 0),
    ]


async def _redemptions(app: App) -> list[Line]:
    """Sales at fifty tills, each with a coupon of its own, in one offer with a budget; first once, to count trips."""
    errors: list[str] = []
    trips = await _trips(app, _redeem, errors), await _trips(app, _redeem_as_usual, errors)
    ours, usual = await _in_turn(app, errors)
    note = f"at least as fast, {len(errors)} errors"
    reached = not errors and ours <= usual
    return [
        Line(f"{SALES} redeemed by {TILLS} at once", ours, note, reached, usual),
        Line("statements of one", trips[0], "no more", trips[0] <= trips[1], trips[1]),
    ]


async def _in_turn(app: App, errors: list[str]) -> tuple[float, float]:
    """Medians of our seconds and the usual one's, who goes first changing; the usual one's errors are no news."""
    ours: list[float] = []
    usual: list[float] = []
    ignored: list[str] = []
    for n in range(ROUNDS):
        for redeem in (_redeem, _redeem_as_usual) if n % 2 else (_redeem_as_usual, _redeem):
            is_ours = redeem is _redeem
            seconds = await _seconds_of_sales(app, redeem, errors if is_ours else ignored)
            (ours if is_ours else usual).append(seconds)
    return statistics.median(ours), statistics.median(usual)


async def _trips(app: App, redeem: Sale, errors: list[str]) -> int:
    """How many statements one redemption says, BEGIN and COMMIT not counted."""
    codes = await _unused(app, 1)
    said: list[str] = []
    engine = app.database._writer.sync_engine

    def listen(*told: Any) -> None:  # Any: what SQLAlchemy tells, the statement among it
        said.append(told[2])

    event.listen(engine, "before_cursor_execute", listen)
    await _at_the_tills(app, redeem, codes, errors)
    event.remove(engine, "before_cursor_execute", listen)
    return sum(not one.startswith("BEGIN") for one in said)


async def _seconds_of_sales(app: App, redeem: Sale, errors: list[str]) -> float:
    codes = await _unused(app, SALES)
    return await _seconds(lambda: _at_the_tills(app, redeem, codes, errors))


async def _unused(app: App, number: int) -> list[str]:
    async with app.database.reading() as session:
        unused = select(col(Coupon.code)).where(col(Coupon.state) == CouponState.ACTIVE).limit(number)
        return list(await session.all(unused))


async def _at_the_tills(app: App, redeem: Sale, codes: Sequence[str], errors: list[str]) -> None:
    async def till(n: int) -> None:
        for code in codes[n::TILLS]:
            try:
                await redeem(app, code, n)
            except Exception as error:  # noqa: BLE001 - whatever a till meets is counted
                errors.append(type(error).__name__)

    async with asyncio.TaskGroup() as group:
        for n in range(TILLS):
            group.create_task(till(n))


async def _redeem(app: App, code: str, till: int) -> None:
    use = Use(Money(1_000, "CNY"), "staff", key=f"{till}:{code}")
    async with app.database.writing() as session:
        await coupons.redeem(session, code, use, now=app.clock())


async def _redeem_as_usual(app: App, code: str, till: int) -> None:
    """Read, test, write back: loses counts, which is not what is measured here."""
    key = f"usual:{till}:{code}"
    async with app.database.writing() as session:
        if await session.first(select(Idempotency).where(col(Idempotency.key) == key)):
            return
        coupon = await session.one(select(Coupon).where(col(Coupon.code) == code))
        offer = await session.one(select(Offer).where(col(Offer.id) == coupon.offer_id))
        if coupon.state is not CouponState.ACTIVE or offer.spent_minor + 100 > (offer.budget_minor or 0):
            raise Conflict("used", reason="used")
        now, redeemed, spent = app.clock(), offer.redeemed + 1, offer.spent_minor + 100
        used = {"state": CouponState.REDEEMED, "redeemed_at": now}
        await session.run(update(Coupon).where(col(Coupon.id) == coupon.id).values(**used))
        session.add(
            Redemption(
                coupon_id=coupon.id or 0, offer_id=coupon.offer_id, fan_id=coupon.fan_id, amount_minor=1_000,
                discount_minor=100, currency="CNY", channel="staff", staff=str(till), at=now,
            )
        )  # fmt: skip
        await session.flush()
        counters = {"redeemed": redeemed, "spent_minor": spent}
        await session.run(update(Offer).where(col(Offer.id) == offer.id).values(**counters))
        session.add(Idempotency(key=key, body_hash="", answer="100", created_at=now))


async def _wallet(app: App) -> Line:
    async with app.database.reading() as session:
        fans = await session.all(select(Fan).order_by(col(Fan.id).desc()).limit(LOOKS))

    async def look(fan: Fan) -> None:
        async with app.database.reading() as session:
            await coupons.wallet(session, fan, now=app.clock())

    took = []
    for fan in fans:
        began = time.perf_counter()
        await look(fan)
        took.append(time.perf_counter() - began)
    seconds = statistics.median(took)
    return Line("a fan's wallet", seconds, f"at most {WALLET_TARGET * 1000:.0f} ms", seconds <= WALLET_TARGET)


async def _books(app: App, number: int) -> Line:
    async def look() -> None:
        async with app.database.reading() as session:
            await coupons.books(session)

    seconds = await _seconds(look)
    return Line(f"books of {number} coupons", seconds, f"at most {BOOKS_TARGET:.0f} s", seconds <= BOOKS_TARGET)


async def _an_offer(app: App, stock: int) -> int:
    now = app.clock()
    draft = NewOffer("Bench", OfferKind.AMOUNT, 100, "CNY", stock, now + timedelta(days=30), budget_minor=1_000_000_000)
    async with app.database.writing() as session:
        offer = await coupons.create(session, COMMAND_LINE, draft, now=now)
        await coupons.activate(session, COMMAND_LINE, offer.id or 0, now=now)
    return offer.id or 0


async def _hand_out(app: Any, offer_id: int, fans: Sequence[int], *, key: str) -> coupons.Issued:  # Any: or watched
    zone = app.settings.zone
    return await coupons.hand_out(app.database, COMMAND_LINE, offer_id, fans, key=key, zone=zone, clock=app.clock)


def _watched(app: App, longest: list[float]) -> Any:  # Any: an app whose transactions are timed
    class Watched:
        settings, clock = app.settings, app.clock

        class database:  # noqa: N801 - stands for the app's
            @staticmethod
            @asynccontextmanager
            async def writing() -> Any:  # Any: as the database's own
                began = time.perf_counter()
                async with app.database.writing() as session:
                    yield session
                longest[0] = max(longest[0], time.perf_counter() - began)

    return Watched


async def _seconds(does: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await does()
    return time.perf_counter() - began


def _print(kind: str, lines: list[Line]) -> None:
    print(f"\ncoupons: {kind}")
    print(f"{'':30} {'seconds':>9} {'as usual':>9} {'ratio':>6}")
    for line in lines:
        usual = f"{line.usual:9.4f} {line.ratio:6.2f}" if line.usual else " " * 16
        print(f"{line.what:30} {line.seconds:9.4f} {usual}   (target: {line.note}){'' if line.reached else '  MISSED'}")


if __name__ == "__main__":
    main()
