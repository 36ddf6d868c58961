"""Twenty mistakes put into the points on purpose: any history finds eighteen, a table of edges the rest."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import ColumnElement, false
from sqlmodel import col

from siyu import points
from siyu.app import App
from siyu.kit.clock import local_day
from siyu.kit.errors import Conflict
from siyu.points import Grant, checkins, expiry, ledger
from siyu.tables import PointsKind, PointsLot
from tests.clocks import FakeClock
from tests.hunting import is_found
from tests.pointing import given_programme, sets
from tests.siyu.test_points_histories import TwoAccounts
from tests.trading import a_fan

tiers = import_module("siyu.points.tiers")  # points.tiers is the verb
Patch = pytest.MonkeyPatch
Bug = Callable[[Patch], None]


def in_the_order_they_came(patch: Patch) -> None:
    patch.setattr(ledger, "_turn", lambda _first: (col(PointsLot.entry_id).asc(),))


def running_out(is_due: Callable[[datetime], ColumnElement[bool]]) -> Bug:
    return lambda patch: patch.setattr(expiry, "is_due", is_due)


def after_their_last_second(now: datetime) -> ColumnElement[bool]:
    return col(PointsLot.expires_at) < now


def untouched(now: datetime) -> ColumnElement[bool]:
    return (col(PointsLot.expires_at) <= now) & (col(PointsLot.remaining) == col(PointsLot.amount))


def a_cap_and_one_more(patch: Patch) -> None:
    right = ledger._Room.take

    def take(room: Any, one: Grant, wanted: int) -> int:
        return right(replace(room, cap=room.cap and room.cap + 1), one, wanted)

    patch.setattr(ledger._Room, "take", take)


def a_cap_of(window: timedelta) -> Bug:
    return lambda patch: patch.setattr(ledger, "CAP_WINDOW", window)


def never(step: str) -> Bug:
    return lambda patch: patch.setattr(ledger, step, _nothing)


async def _nothing(*_given: object, **_named: object) -> int:
    return 0


def a_refund_takes_one_less(patch: Patch) -> None:
    right = ledger._still_due

    async def still_due(*given: Any) -> int:
        return await right(*given) - 1

    patch.setattr(ledger, "_still_due", still_due)


def taking(take: Callable[[Callable[..., Awaitable[None]], Any, int], Awaitable[None]]) -> Bug:
    """Of an account, so many points: not as it should be."""

    def inject(patch: Patch) -> None:
        right = ledger._take

        async def wrong(session: Any, account: Any, entry: Any, due: int, *, now: datetime) -> None:
            async def rightly(account: Any, due: int) -> None:
                await right(session, account, entry, due, now=now)

            await take(rightly, account, due)

        patch.setattr(ledger, "_take", wrong)

    return inject


async def no_more_than_there_is(rightly: Callable[..., Awaitable[None]], account: Any, due: int) -> None:
    await rightly(account, min(due, account.balance))


async def below_nothing(rightly: Callable[..., Awaitable[None]], account: Any, due: int) -> None:
    await rightly(replace(account, balance=due), due)


def told_again_is_another_cause(patch: Patch) -> None:
    right = ledger.grant

    async def grant(session: Any, rule: Any, grants: Sequence[Grant]) -> dict[str, int]:
        known = await ledger._known(session, rule.kind, [one.cause for one in grants])
        again = [replace(one, cause=f"{one.cause} again") if one.cause in known else one for one in grants]
        return await right(session, rule, again)

    patch.setattr(ledger, "grant", grant)


def days_of_greenwich(patch: Patch) -> None:
    patch.setattr(checkins, "local_day", lambda now, _zone: now.astimezone(UTC).date())


def a_missed_day_counts(patch: Patch) -> None:
    right = checkins._streak

    async def streak(session: Any, fan_id: int, day: date) -> int:
        return await right(session, fan_id, day) or await right(session, fan_id, day - timedelta(days=1))

    patch.setattr(checkins, "_streak", streak)


def what_ran_out_pays(patch: Patch) -> None:
    right = expiry.run_out

    async def run_out(*given: Any, **named: Any) -> int:
        await right(*given, **named)
        return 0

    patch.setattr(expiry, "run_out", run_out)


def who_has_too_little_pays_what_there_is(patch: Patch) -> None:
    right = ledger._pay

    async def pay(session: Any, fan_id: int, kind: Any, amount: int, cause: str, *, now: datetime) -> int | None:
        try:
            return await right(session, fan_id, kind, amount, cause, now=now)
        except Conflict as no:
            return await right(session, fan_id, kind, no.values["there"], cause, now=now)

    patch.setattr(ledger, "_pay", pay)


def no_grace(patch: Patch) -> None:
    patch.setattr(tiers, "_has_grace", lambda *_given, **_named: false())


def a_grace_a_second_too_long(patch: Patch) -> None:
    right = tiers._has_grace

    def has_grace(standing: Any, terms: Any, *, now: datetime) -> ColumnElement[bool]:
        return right(standing, terms, now=now - timedelta(seconds=1))

    patch.setattr(tiers, "_has_grace", has_grace)


def spending_costs_the_tier(patch: Patch) -> None:
    patch.setattr(tiers, "_NOT_EARNED", (PointsKind.EXPIRED,))


def told_again_takes_room(patch: Patch) -> None:
    """As it was once: what a batch told again was counted, and then not given."""
    right = ledger._Room.of

    async def of(session: Any, rule: Any, grants: Sequence[Grant]) -> Any:
        room = await right(session, rule, grants)
        for one in grants:
            if one.cause in await ledger._known(session, rule.kind, [one.cause]):
                room.take(one, one.amount)
        return room

    patch.setattr(ledger._Room, "of", of)


def yesterday_is_24_hours_ago(patch: Patch) -> None:
    right, streak = points.check_in, checkins._streak

    async def check_in(session: Any, fan_id: int, *, zone: ZoneInfo, now: datetime) -> Any:
        async def before(*given: Any) -> int:
            return await streak(session, fan_id, local_day(now - timedelta(hours=24), zone))

        with Patch.context() as meanwhile:
            meanwhile.setattr(checkins, "_streak", before)
            return await right(session, fan_id, zone=zone, now=now)

    patch.setattr(points, "check_in", check_in)


FOUND_BY_HISTORY: dict[str, Bug] = {
    "lots in the order they came": in_the_order_they_came,
    "good at their last second": running_out(after_their_last_second),
    "what was begun never runs out": running_out(untouched),
    "a cap and one more": a_cap_and_one_more,
    "a cap a second too long": a_cap_of(timedelta(hours=24, seconds=1)),
    "taken back twice": never("_taken"),
    "what ran out is asked for": never("_lost"),
    "a refund takes one less": a_refund_takes_one_less,
    "a shortage is forgiven": taking(no_more_than_there_is),
    "a shortage goes below nothing": taking(below_nothing),
    "one cause gives twice": told_again_is_another_cause,
    "days of Greenwich": days_of_greenwich,
    "a missed day counts": a_missed_day_counts,
    "what ran out pays": what_ran_out_pays,
    "too little is enough": who_has_too_little_pays_what_there_is,
    "no grace": no_grace,
    "a grace a second too long": a_grace_a_second_too_long,
    "spending costs the tier": spending_costs_the_tier,
}
FOUND_AT_THE_EDGE: dict[str, Bug] = {
    "told again takes room": told_again_takes_room,
    "yesterday is 24 hours ago": yesterday_is_24_hours_ago,
}
QUICK = ("lots in the order they came", "days of Greenwich")


@pytest.mark.parametrize("name", QUICK)
def test_some_history_finds_what_is_wrong(monkeypatch: Patch, name: str) -> None:
    FOUND_BY_HISTORY[name](monkeypatch)

    assert is_found(TwoAccounts)


@pytest.mark.torture
@pytest.mark.parametrize("name", [name for name in FOUND_BY_HISTORY if name not in QUICK])
def test_some_history_finds_every_mistake(monkeypatch: Patch, name: str) -> None:
    FOUND_BY_HISTORY[name](monkeypatch)

    assert is_found(TwoAccounts)


async def stays_within_its_edges(app: App, clock: FakeClock) -> bool:
    """The edges no history comes to: a batch that was told before, and the night on which clocks change."""
    await given_programme(app)
    return await _told_again(app, clock) == 40 and await _streak_over_a_short_day(app, clock) == 2


async def _told_again(app: App, clock: FakeClock) -> int:
    """Something new comes with what was told before: how many points of forty."""
    await sets(app, "survey", amount=20, daily_cap=40)
    mei = (await a_fan(app)).id or 0
    async with app.database.writing() as session:
        rule = (await points.rules(session))[PointsKind.SURVEY]
        await points.grant(session, rule, [Grant(mei, "old", 20, clock())])
        await points.grant(session, rule, [Grant(mei, cause, 20, clock()) for cause in ("old", "new")])
        return await points.balance(session, mei, now=clock())


async def _streak_over_a_short_day(app: App, clock: FakeClock) -> int:
    """On a Sunday of 23 hours in Berlin, and half an hour into Monday."""
    bo, berlin = (await a_fan(app, "Bo")).id or 0, ZoneInfo("Europe/Berlin")
    async with app.database.writing() as session:
        for now in (datetime(2026, 3, 29, 8, tzinfo=UTC), datetime(2026, 3, 29, 22, 30, tzinfo=UTC)):
            done = await points.check_in(session, bo, zone=berlin, now=now)
    return done.streak


async def test_without_a_mistake_the_edges_hold(app: App, clock: FakeClock) -> None:
    assert await stays_within_its_edges(app, clock)


@pytest.mark.parametrize("name", FOUND_AT_THE_EDGE)
async def test_the_edges_find_the_rest(app: App, clock: FakeClock, monkeypatch: Patch, name: str) -> None:
    FOUND_AT_THE_EDGE[name](monkeypatch)

    assert not await stays_within_its_edges(app, clock)


def test_they_are_twenty() -> None:
    assert (len(FOUND_BY_HISTORY), len(FOUND_AT_THE_EDGE)) == (18, 2)
