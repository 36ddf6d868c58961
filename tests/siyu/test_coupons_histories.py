"""Any history of one small offer, against a model of a page: what is granted, refused, and left in the books."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from siyu import coupons
from siyu.kit.clock import end_of_day, local_day
from siyu.tables import OfferKind
from tests.effort import examples
from tests.hunting import History
from tests.trading import (
    BOSS,
    a_sale,
    an_offer,
    at_the_till,
    breaches,
    claims,
    coupon_of,
    records,
    redeems,
    refunds,
    reread,
)  # fmt: skip

Result = TypeVar("Result")

STOCK, PER_FAN, BUDGET, VALUE, LEAST, DAYS = 4, 2, 1_000, 400, 1_000, 2


@dataclass
class Held:
    """A coupon as the model knows it."""

    fan: int
    valid_until: datetime
    used: bool = False
    hold_until: datetime | None = None
    slips: list[str] = field(default_factory=list)


class OneOffer(History):
    """Three fans, four coupons, a budget for two and a half of them."""

    @initialize()
    def open(self) -> None:
        self.move_in(fans=3)
        self.ends_at = self.clock.now + timedelta(days=4)
        terms = {"kind": OfferKind.AMOUNT, "value": VALUE, "stock": STOCK, "per_fan": PER_FAN, "budget_minor": BUDGET}
        limits = {"min_spend_minor": LEAST, "valid_days": DAYS, "ends_at": self.ends_at}
        self.offer = self.do(an_offer(self.app, **terms, **limits))
        self.is_open = True
        self.checkouts = count(1)
        self.taken: dict[tuple[int, str], str] = {}
        self.held: dict[str, Held] = {}
        self.slips: dict[str, tuple[str, int]] = {}

    @rule(fan=st.integers(0, 2), key=st.sampled_from("abc"))
    def claim(self, fan: int, key: str) -> None:
        due = self._claim_due(fan, key)
        coupon = self.tries(claims(self.app, self.offer, self.fans[fan], key=key))
        if isinstance(coupon, str):
            assert coupon == due
            return
        assert due in ("granted", coupon.code)
        if due == "granted":
            self.taken[fan, key] = coupon.code
            self.held[coupon.code] = Held(fan, self._last_moment())
            assert coupon.valid_until == self._last_moment()

    @rule(key=st.sampled_from("xy"))
    def issue(self, key: str) -> None:
        """To everybody at once."""
        waiting = [n for n in range(3) if self._claim_due(n, f"issue:{key}") == "granted"]
        lucky = waiting[: STOCK - len(self.held)]
        done = self.tries(self._issue(key))
        if isinstance(done, str):
            assert done == ("ended" if self.clock.now >= self.ends_at else "paused")
            return
        # Nobody is "granted" once the stock is gone, but who has not theirs is refused all the same.
        assert done.issued == len(lucky)
        assert done.issued + done.already + done.refused == 3
        wallets = [self.do(self._wallet(n)) for n in lucky]
        for n, wallet in zip(lucky, wallets, strict=True):
            (code,) = [one.coupon.code for one in wallet if one.coupon.code not in self.held]
            self.taken[n, f"issue:{key}"] = code
            self.held[code] = Held(n, self._last_moment())

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 9), amount=st.sampled_from([LEAST - 1, LEAST, 5_000]), slip=st.sampled_from("12345678"))
    def redeem(self, which: int, amount: int, slip: str) -> None:
        code = self._some(which)
        due = self._redeem_due(code, amount, slip)
        redeemed = self.tries(redeems(self.app, code, at_the_till(amount, key=slip)))
        if isinstance(redeemed, str):
            assert redeemed == due
            return
        assert redeemed.replayed == (due == "replayed")
        assert redeemed.discount_minor == VALUE
        if due == "granted":
            self.slips[slip] = (code, amount)
            self.held[code].used = True
            self.held[code].slips.append(slip)

    @precondition(lambda self: any(held.used for held in self.held.values()))
    @rule(which=st.integers(0, 9))
    def refund(self, which: int) -> None:
        """The purchase that used the coupon comes in, and is given back."""
        used = [code for code, held in self.held.items() if held.used]
        code = used[which % len(used)]
        order = f"{code}-{self.held[code].slips[-1]}"
        fan = self.fans[self.held[code].fan]
        self.do(records(self.app, a_sale(self.app, fan, order, coupon_code=code)))
        self.do(refunds(self.app, order, key=order))
        self.held[code].used, self.held[code].hold_until = False, None

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 9))
    def hold(self, which: int) -> None:
        """A payment begins that nobody finishes."""
        code = self._some(which)
        held, now = self.held[code], self.clock.now
        is_free = held.hold_until is None or held.hold_until <= now
        due = not held.used and held.valid_until > now and is_free
        assert self.do(self._hold(code)) == due
        if due:
            held.hold_until = now + timedelta(minutes=30)

    @rule()
    def pause(self) -> None:
        self.do(self._move("pause"))
        self.is_open = False

    @rule()
    def activate(self) -> None:
        refused = self.tries(self._move("activate"))
        assert refused == ("ended" if self.clock.now >= self.ends_at else None)
        self.is_open = self.is_open or refused is None

    @rule(which=st.integers(0, 20), beside=st.sampled_from([-1, 0, 1]))
    def wait_for_an_edge(self, which: int, beside: int) -> None:
        """To the second before, at or after something ends: where mistakes live."""
        edges = [self.ends_at, *(held.valid_until for held in self.held.values())]
        edges += [held.hold_until for held in self.held.values() if held.hold_until]
        moment = edges[which % len(edges)] + timedelta(seconds=beside)
        self.clock.now = max(self.clock.now, moment)

    @rule(minutes=st.sampled_from([1, 29, 600]))
    def wait(self, minutes: int) -> None:
        self.clock.pass_(minutes=minutes)

    @invariant()
    def the_books_are_right(self) -> None:
        if not hasattr(self, "held"):
            return
        assert self.do(breaches(self.app)) == []
        row = self.do(reread(self.app, self.offer))
        used = sum(held.used for held in self.held.values())
        assert (row.claimed, row.redeemed, row.spent_minor) == (len(self.held), used, used * VALUE)

    def _claim_due(self, fan: int, key: str) -> str:
        if (fan, key) in self.taken:
            return self.taken[fan, key]
        if sum(held.fan == fan for held in self.held.values()) >= PER_FAN:
            return "per_fan"
        if self.clock.now >= self.ends_at:
            return "ended"
        if not self.is_open:
            return "paused"
        return "gone" if len(self.held) == STOCK else "granted"

    def _redeem_due(self, code: str, amount: int, slip: str) -> str:
        if slip in self.slips:
            return "replayed" if self.slips[slip] == (code, amount) else "key_reused"
        held, now = self.held[code], self.clock.now
        if held.used:
            return "used"
        if held.valid_until <= now:
            return "expired"
        if held.hold_until is not None and held.hold_until > now:
            return "held"
        if amount < LEAST:
            return "min_spend"
        spent = VALUE * sum(one.used for one in self.held.values())
        return "budget" if spent + VALUE > BUDGET else "granted"

    def _last_moment(self) -> datetime:
        zone = self.app.settings.zone
        return min(end_of_day(local_day(self.clock.now, zone) + timedelta(days=DAYS), zone), self.ends_at)

    def _some(self, which: int) -> str:
        codes = list(self.held)
        return codes[which % len(codes)]

    async def _issue(self, key: str) -> coupons.Issued:
        ids = [fan.id or 0 for fan in self.fans]
        async with self.app.database.writing() as session:
            return await coupons.issue(
                session, self.offer.id or 0, ids, key=key, zone=self.app.settings.zone, now=self.clock.now
            )

    async def _wallet(self, fan: int) -> tuple[coupons.Carried, ...]:
        async with self.app.database.reading() as session:
            wallet = await coupons.wallet(session, self.fans[fan], now=self.clock.now)
        return (*wallet.usable, *wallet.used, *wallet.expired)

    async def _hold(self, code: str) -> bool:
        coupon = await coupon_of(self.app, code)
        until = self.clock.now + timedelta(minutes=30)
        async with self.app.database.writing() as session:
            return await coupons.hold(
                session, coupon.id or 0, checkout_id=next(self.checkouts), until=until, now=self.clock.now
            )

    async def _move(self, verb: str) -> None:
        move = coupons.pause if verb == "pause" else coupons.activate
        async with self.app.database.writing() as session:
            await move(session, BOSS, self.offer.id or 0, now=self.clock.now)


TestOneOffer = OneOffer.TestCase
TestOneOffer.settings = settings(
    max_examples=examples(5), stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
