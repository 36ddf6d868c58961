"""Any history of two offers that are typed, capped, grouped, stopped and taken back; and twelve mistakes it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import true, update
from sqlmodel import col

from siyu import coupons
from siyu.coupons import claims, codes, handing
from siyu.kit.clock import end_of_day, local_day
from siyu.tables import Coupon, Fan, Offer, OfferCode, OfferKind
from tests.effort import examples
from tests.hunting import History, is_found
from tests.siyu.test_coupons_bugs import Bug, Patch, guarded_by, in_stock, in_time, open_
from tests.siyu.test_coupons_codes import printed
from tests.trading import BOSS, an_offer, at_the_till, coupon_of, redeems, reread

Result = TypeVar("Result")

SPRING, PRINTED = 0, 1
STOCK, A_DAY, MOST_WRONG, SHUT = 8, 1, 6, timedelta(minutes=10)
FANS = st.integers(0, 2)


@dataclass
class Piece:
    """A coupon as the model knows it."""

    offer: int
    fan: int
    day: date
    valid_until: datetime
    state: str = "active"
    hold_until: datetime | None = None


class TwoOffers(History):
    """One by a word and one a day, one by printed codes; of both a fan holds one good coupon at a time."""

    @initialize()
    def open(self) -> None:
        self.move_in(fans=3)
        self.ends_at = self.clock.now + timedelta(days=5)
        terms = {"kind": OfferKind.AMOUNT, "value": 100, "stock": STOCK, "per_fan": 2, "stack_group": "seasons"}
        spring = {"shared_code": "SPRING", "daily_cap": A_DAY, "valid_days": 1, "ends_at": self.ends_at}
        offers = an_offer(self.app, **terms, **spring), an_offer(self.app, **terms, ends_at=self.ends_at)
        self.offers: list[Offer] = [self.do(offer) for offer in offers]
        self.codes = self.do(printed(self.app, self.offers[PRINTED].id, 4))
        self.is_open = [True, True]
        self.slips = count(1)
        self.taken: dict[tuple[int, str], str] = {}
        self.held: dict[str, Piece] = {}
        self.wrong: list[tuple[int, datetime]] = []

    @rule(fan=FANS)
    def type_the_word(self, fan: int) -> None:
        self._type(fan, "spring", SPRING, "SPRING")

    @rule(fan=FANS, which=st.integers(0, 3))
    def type_a_printed_code(self, fan: int, which: int) -> None:
        code = self.codes[which]
        is_free = all(key != code or whose == fan for whose, key in self.taken)
        self._type(fan, code, PRINTED if is_free else None, code)

    @rule(fan=FANS, which=st.integers(0, 3))
    def type_all_there_is(self, fan: int, which: int) -> None:
        """Both of a group; and whoever looks over the shoulder tries the code, too."""
        self.type_the_word(fan=fan)
        self.type_a_printed_code(fan=fan, which=which)
        self.type_a_printed_code(fan=(fan + 1) % 3, which=which)

    @rule(fan=FANS, other=FANS)
    def type_the_word_around_midnight(self, fan: int, other: int) -> None:
        zone = self.app.settings.zone
        self.clock.now = end_of_day(local_day(self.clock.now, zone), zone)
        self._type(fan, "spring", SPRING, "SPRING")
        self.clock.pass_(seconds=1)
        self._type(other, "spring", SPRING, "SPRING")

    @rule(fan=FANS)
    def guess(self, fan: int) -> None:
        self._type(fan, "winter", None, "WINTER")

    @rule(fan=FANS)
    def guess_until_the_door_is_shut(self, fan: int) -> None:
        """And again a second before, at and after it opens."""
        for _ in range(MOST_WRONG + 1):
            self._type(fan, "winter", None, "WINTER")
        opens_at = min(at + SHUT for whose, at in self.wrong if whose == fan and at + SHUT > self.clock.now)
        for beside in (-1, 0, 1):
            self.clock.now = max(self.clock.now, opens_at + timedelta(seconds=beside))
            self._type(fan, "winter", None, "WINTER")

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 9))
    def redeem(self, which: int) -> None:
        code = self._some(which)
        piece, due = self.held[code], self._use_due(self.held[code])
        used = self.tries(redeems(self.app, code, at_the_till(key=f"slip {next(self.slips)}")))
        assert (used if isinstance(used, str) else "granted") == due
        if due == "granted":
            piece.state = "redeemed"

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 9))
    def hold(self, which: int) -> None:
        """A payment begins that nobody finishes."""
        code = self._some(which)
        due = self._use_due(self.held[code]) == "granted"
        assert self.do(self._hold(code)) == due
        if due:
            self.held[code].hold_until = self.clock.now + timedelta(minutes=30)

    @rule(which=st.sampled_from([SPRING, PRINTED]))
    def pause(self, which: int) -> None:
        self.do(self._move(coupons.pause, which))
        self.is_open[which] = False

    @rule(which=st.sampled_from([SPRING, PRINTED]))
    def activate(self, which: int) -> None:
        has_ended = self.clock.now >= self.ends_at
        done = self.tries(self._move(coupons.activate, which))
        assert (done if isinstance(done, str) else "open") == ("ended" if has_ended else "open")
        self.is_open[which] = self.is_open[which] or not has_ended

    @rule()
    def stop_everything(self) -> None:
        assert self.do(self._stop()) == sum(self.is_open)
        self.is_open = [False, False]

    @rule(which=st.sampled_from([SPRING, PRINTED]))
    def revoke(self, which: int) -> None:
        """Not from under who is paying, and never while fans go on claiming."""
        now = self.clock.now
        unused = [one for one in self.held.values() if one.offer == which and one.state == "active"]
        free = [one for one in unused if not one.hold_until or one.hold_until <= now]
        done = self.tries(self._move(coupons.revoke, which))
        if self.is_open[which]:
            assert done == "active"
            return
        assert done == coupons.Revoked(len(free), len(unused) - len(free))
        for piece in free:
            piece.state = "revoked"

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 9))
    def take_back_while_somebody_pays(self, which: int) -> None:
        self.hold(which=which)
        self.stop_everything()
        self.revoke(which=self.held[self._some(which)].offer)

    @rule(which=st.integers(0, 9), beside=st.sampled_from([0, -1, 1]))
    def wait_for_an_edge(self, which: int, beside: int) -> None:
        """To the second before, at or after a day, a hold, a coupon or a shut door ends."""
        now, zone = self.clock.now, self.app.settings.zone
        edges = [self.ends_at, end_of_day(local_day(now, zone), zone) + timedelta(seconds=1)]
        edges += [at + SHUT for _, at in self.wrong]
        edges += [edge for one in self.held.values() for edge in (one.valid_until, one.hold_until) if edge]
        ahead = sorted({edge for edge in edges if edge > now}) or [now]
        self.clock.now = max(now, ahead[which % len(ahead)] + timedelta(seconds=beside))

    @rule(minutes=st.sampled_from([1, 29, 600]))
    def wait(self, minutes: int) -> None:
        self.clock.pass_(minutes=minutes)

    @invariant()
    def the_books_are_right(self) -> None:
        if not hasattr(self, "wrong"):
            return
        assert self.do(self._breaches()) == []
        for which, offer in enumerate(self.offers):
            mine = [one.state for one in self.held.values() if one.offer == which]
            row = self.do(reread(self.app, offer))
            assert (row.claimed, row.redeemed) == (len(mine), mine.count("redeemed"))

    def _type(self, fan: int, text: str, offer: int | None, key: str) -> None:
        """`offer`: whose code it is, None where it is nobody's or somebody else's."""
        due = self._typed_due(fan, offer, key)
        came = self.do(self._enter(fan, text))
        if due in ("unknown", "shut now"):
            self.wrong.append((fan, self.clock.now))
        if came.carried is None:
            assert came.refusal is not None
            assert came.refusal.reason == {"shut now": "locked"}.get(due, due)
            return
        coupon = came.carried.coupon
        assert (due, came.is_new) in (("granted", True), (coupon.code, False))
        if came.is_new and offer is not None:
            assert coupon.valid_until == self._last_moment(offer)
            self.taken[fan, key] = coupon.code
            day = local_day(self.clock.now, self.app.settings.zone)
            self.held[coupon.code] = Piece(offer, fan, day, coupon.valid_until)

    def _typed_due(self, fan: int, offer: int | None, key: str) -> str:
        """What of the offer is told; all else looks alike, and is a wrong code."""
        wrong = sum(whose == fan and at > self.clock.now - SHUT for whose, at in self.wrong)
        if wrong >= MOST_WRONG:
            return "locked"
        due = "unknown" if offer is None else self._claim_due(fan, offer, key)
        if due == "unknown" and wrong + 1 >= MOST_WRONG:
            return "shut now"
        return due

    def _claim_due(self, fan: int, offer: int, key: str) -> str:
        if (fan, key) in self.taken:
            return self.taken[fan, key]
        now, zone = self.clock.now, self.app.settings.zone
        of_offer = [one for one in self.held.values() if one.offer == offer]
        if sum(one.fan == fan for one in of_offer) >= 2:
            return "per_fan"
        if now >= self.ends_at or not self.is_open[offer]:
            return "unknown"
        if offer == SPRING and sum(one.day == local_day(now, zone) for one in of_offer) >= A_DAY:
            return "today"
        good = [one for one in self.held.values() if one.fan == fan and one.state == "active" and one.valid_until > now]
        return "stacked" if any(one.offer != offer for one in good) else "granted"

    def _use_due(self, piece: Piece) -> str:
        if piece.state != "active":
            return "used" if piece.state == "redeemed" else "revoked"
        if piece.valid_until <= self.clock.now:
            return "expired"
        is_held = piece.hold_until is not None and piece.hold_until > self.clock.now
        return "held" if is_held else "granted"

    def _last_moment(self, offer: int) -> datetime:
        zone = self.app.settings.zone
        tomorrow = end_of_day(local_day(self.clock.now, zone) + timedelta(days=1), zone)
        return min(tomorrow, self.ends_at) if offer == SPRING else self.ends_at

    def _some(self, which: int) -> str:
        return list(self.held)[which % len(self.held)]

    async def _enter(self, fan: int, text: str) -> coupons.Entered:
        async with self.app.database.writing() as session:
            zone, now = self.app.settings.zone, self.clock.now
            return await coupons.enter(session, self.fans[fan], text, zone=zone, now=now)

    async def _hold(self, code: str) -> bool:
        coupon = await coupon_of(self.app, code)
        until, checkout = self.clock.now + timedelta(minutes=30), next(self.slips)
        async with self.app.database.writing() as session:
            return await coupons.hold(session, coupon.id or 0, checkout_id=checkout, until=until, now=self.clock.now)

    async def _move(self, verb: Callable[..., Any], which: int) -> Any:  # Any: each verb says its own
        async with self.app.database.writing() as session:
            return await verb(session, BOSS, self.offers[which].id or 0, now=self.clock.now)

    async def _stop(self) -> int:
        async with self.app.database.writing() as session:
            return await coupons.pause_all(session, BOSS, now=self.clock.now)

    async def _breaches(self) -> list[coupons.Breach]:
        async with self.app.database.reading() as session:
            return await coupons.books(session)


TestTwoOffers = TwoOffers.TestCase
TestTwoOffers.settings = settings(
    max_examples=examples(5), stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def setting(room: object, name: str, value: object) -> Bug:
    return lambda patch: patch.setattr(room, name, value)


async def _none(*_given: object, **_named: object) -> Any:
    return set()


async def _no_wrong_one(*_given: object, **_named: object) -> int:
    return 0


def days_of_greenwich(patch: Patch) -> None:
    patch.setattr(claims, "local_day", lambda now, _zone: now.date())


def used_ones_count(patch: Patch) -> None:
    async def with_another(session: Any, offer: Any, fan_ids: Any, *, now: datetime) -> set[int]:
        mine = col(Coupon.fan_id).in_(fan_ids), col(Coupon.offer_id) != offer.id
        return {row[0] for row in await session.rows(claims.select(col(Coupon.fan_id)).where(*mine))}

    patch.setattr(claims, "_with_another", with_another)


def whoever_types_it_has_it(patch: Patch) -> None:
    def take(code: str, fan: Fan, now: datetime) -> Any:
        printed = col(OfferCode.code).in_([code, codes.tidy(code)])
        taken = update(OfferCode).where(printed).values(fan_id=fan.id, taken_at=now)
        return taken.returning(col(OfferCode.offer_id), col(OfferCode.code))

    patch.setattr(codes, "_take", take)


def one_is_stopped(patch: Patch) -> None:
    async def pause_all(session: Any, actor: Any, *, now: datetime) -> int:
        await coupons.pause(session, actor, 1, now=now)
        return 1

    patch.setattr(coupons, "pause_all", pause_all)


def taken_back_while_open(patch: Patch) -> None:
    async def revoke(session: Any, actor: Any, offer_id: int, *, now: datetime) -> Any:
        is_open = (await coupons.get_offer(session, offer_id)).state.value == "active"
        await coupons.pause(session, actor, offer_id, now=now)
        done = await handing.revoke(session, actor, offer_id, now=now)
        if is_open:
            await coupons.activate(session, actor, offer_id, now=now)
        return done

    patch.setattr(coupons, "revoke", revoke)


BUGS: dict[str, Bug] = {
    "a day's share ignored": guarded_by(open_, in_stock, in_time),
    "a share by the days of Greenwich": days_of_greenwich,
    "groups ignored": setting(claims, "_with_another", _none),
    "used ones count in a group": used_ones_count,
    "a printed code is everybody's": whoever_types_it_has_it,
    "guesses ignored": setting(codes, "_wrong_lately", _no_wrong_one),
    "one guess more": setting(codes, "MOST_WRONG", 7),
    "a door shut a second too long": setting(codes, "WRONG_WITHIN", timedelta(minutes=10, seconds=1)),
    "what the offer says counts as a guess": setting(codes, "_TOLD", set()),
    "one offer is stopped": one_is_stopped,
    "taken back while it is open": taken_back_while_open,
    "taken back from who is paying": setting(handing, "is_free_for", lambda _checkout, _now: true()),
}
QUICK = ("a day's share ignored", "a share by the days of Greenwich")


@pytest.mark.parametrize("name", QUICK)
def test_some_history_finds_what_is_wrong(monkeypatch: Patch, name: str) -> None:
    BUGS[name](monkeypatch)

    assert is_found(TwoOffers)


@pytest.mark.torture
@pytest.mark.parametrize("name", [name for name in BUGS if name not in QUICK])
def test_some_history_finds_every_mistake(monkeypatch: Patch, name: str) -> None:
    BUGS[name](monkeypatch)

    assert is_found(TwoOffers)
