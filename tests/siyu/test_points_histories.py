"""Any history of two fans' points, against a model of a page: what is given, refused, owed, lost, and in the books."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from siyu import points
from siyu.kit.books import Breach
from siyu.kit.clock import end_of_day, local_day
from tests.effort import examples
from tests.hunting import History
from tests.pointing import checks_in, earns, given_programme, given_tiers, sets, spends, takes_back
from tests.trading import BOSS, a_sale, records, refunds

Result = TypeVar("Result")

AMOUNT, CAP, DAYS = 20, 30, 3
HELLO, BONUS = 2, 5  # of a check-in, and of every second in a row
STEPS, FACTOR, WINDOW, GRACE = (20, 70), 150, timedelta(days=2), timedelta(days=1)
EDGES = ("lot", "tier")
# Most of what can go wrong goes wrong in one account.
FANS = st.sampled_from([0, 0, 0, 1])


@dataclass
class Lot:
    """Points that came together; `given` counts what paid a debt, too."""

    fan: int
    given: int
    remaining: int
    at: datetime
    expires_at: datetime
    expired: int = 0
    back: int = 0
    is_capped: bool = False


@dataclass
class Step:
    """Where a fan stands, and until when although it is earned no more."""

    rank: int = 0
    falls_at: datetime | None = None


class TwoAccounts(History):
    """Questionnaires with a cap that run out, check-ins, purchases with refunds, hands, coupons, and two tiers."""

    @initialize()
    def open(self) -> None:
        self.move_in(fans=2)
        self.do(given_programme(self.app))
        self.do(sets(self.app, "survey", amount=AMOUNT, daily_cap=CAP, valid_days=DAYS))
        self.do(sets(self.app, "purchase", amount=1, valid_days=DAYS + 1))
        self.do(sets(self.app, "checkin", amount=HELLO, streak_days=2, streak_bonus=BONUS, valid_days=DAYS))
        self.do(given_tiers(self.app, *STEPS, multiplier=FACTOR, window_days=WINDOW.days, grace_days=GRACE.days))
        self.lots: dict[str, Lot] = {}
        self.owed: Counter[int] = Counter()
        self.paid: set[tuple[int, str]] = set()
        self.streaks: dict[tuple[int, date], int] = {}
        self.steps = [Step(), Step()]
        self.earned: list[tuple[int, datetime, int]] = []
        self.sold: dict[str, list[int]] = {}

    @rule(fan=FANS, cause=st.sampled_from("abcdefgh"))
    def answer(self, fan: int, cause: str) -> None:
        self._answer(fan, cause)

    @precondition(lambda self: self._counting())
    @rule(which=st.integers(0, 5))
    def answer_as_the_cap_opens(self, which: int) -> None:
        """Whoever got all there was comes again a day later: a second before, at and after."""
        counting = self._counting()
        lot = counting[which % len(counting)]
        for beside in (-1, 0, 1):
            self.clock.now = max(self.clock.now, lot.at + timedelta(hours=24, seconds=beside))
            self._answer(lot.fan, f"late {len(self.earned)} {beside}")

    @rule(cause=st.sampled_from("abcdefgh"))
    def take_back(self, cause: str) -> None:
        """Told twice, as whoever tells it may."""
        taken = [self.do(takes_back(self.app, "survey", cause)) for _ in range(2)]
        assert taken == [self._take(f"survey:{cause}", 1, 1), 0]

    @rule(fan=FANS, minor=st.sampled_from([99, 1_000, 2_550]))
    def buy(self, fan: int, minor: int) -> None:
        order = f"o{len(self.sold)}"
        self.do(records(self.app, a_sale(self.app, self.fans[fan], order, amount=minor)))
        self.do(records(self.app, a_sale(self.app, self.fans[fan], order, amount=minor)))
        self.sold[order] = [minor, 0]
        if minor >= 100:
            self._give(order, fan, self._worth(fan, minor // 100), DAYS + 1)

    @rule(fan=FANS)
    def say_hello(self, fan: int) -> None:
        self._say_hello(fan)

    @rule(fan=FANS)
    def say_hello_around_midnight(self, fan: int) -> None:
        zone = self.app.settings.zone
        self.clock.now = end_of_day(local_day(self.clock.now, zone), zone)
        self._say_hello(fan)
        self.clock.pass_(seconds=1)
        self._say_hello(fan)

    @rule()
    def settle(self) -> None:
        self._settle_all()

    @precondition(lambda self: any(step.rank for step in self.steps))
    @rule()
    def earn_nothing_for_long(self) -> None:
        """Through the whole window, and then through the grace, to the second before, at and after its end."""
        self.clock.now += WINDOW
        self._settle_all()
        end = max((step.falls_at for step in self.steps if step.falls_at), default=self.clock.now)
        for beside in (-1, 0, 1):
            self.clock.now = max(self.clock.now, end + timedelta(seconds=beside))
            self._settle_all()
            self.the_books_are_right()

    @precondition(lambda self: any(minor > back for minor, back in self.sold.values()))
    @rule(which=st.integers(0, 20), share=st.sampled_from([1, 1, 2, 3]))
    def refund(self, which: int, share: int) -> None:
        """A part of it, or what is left."""
        orders = [order for order, (minor, back) in self.sold.items() if minor > back]
        order = orders[which % len(orders)]
        minor, back = self.sold[order]
        amount = minor - back if share == 1 else max(1, (minor - back) // share)
        self.do(refunds(self.app, order, key=f"{order}-{back}", amount=amount))
        self.sold[order] = [minor, back + amount]
        self._take(order, back + amount, minor)

    @rule(fan=FANS, amount=st.sampled_from([1, 7, 20, 0]), cause=st.sampled_from("uvwxyz"))
    def spend(self, fan: int, amount: int, cause: str) -> None:
        amount = amount or self._has(fan) or 1  # everything
        done = self.tries(spends(self.app, self.fans[fan], amount, f"{fan}:{cause}"))
        if (fan, cause) in self.paid:
            assert done is False
        elif self._has(fan) < amount:
            assert done == "points"
        else:
            assert done is True
            self.paid.add((fan, cause))
            self._use(fan, amount)

    @rule(fan=FANS)
    def spend_some_of_both(self, fan: int) -> None:
        """What came later runs out sooner, and goes first."""
        self.buy(fan=fan, minor=1_000)
        self._answer(fan, f"new {len(self.earned)}")
        self.spend(fan=fan, amount=7, cause=f"both {len(self.sold)}")

    @rule(fan=FANS)
    def regret(self, fan: int) -> None:
        """Whoever buys, spends all there is and sends the goods back owes something."""
        self.buy(fan=fan, minor=2_550)
        self.spend(fan=fan, amount=0, cause=f"regret {len(self.sold)}")
        open_ones = [order for order, (minor, back) in self.sold.items() if minor > back]
        self.refund(which=len(open_ones) - 1, share=1)

    @rule(fan=FANS, amount=st.sampled_from([3, -3]))
    def give_or_take_by_hand(self, fan: int, amount: int) -> None:
        key = f"k{len(self.lots)}-{len(self.paid)}"
        done = self.tries(self._adjust(fan, amount, key))
        if amount > 0:
            self._give(f"hand:{fan}:{key}", fan, amount, DAYS + 1)
        elif self._has(fan) < -amount:
            assert done == "points"
        else:
            self.paid.add((fan, key))
            self.earned.append((fan, self.clock.now, amount))
            self._use(fan, -amount)

    @rule()
    def sweep(self) -> None:
        self.do(self._sweep())
        self._run_out()

    @rule(what=st.sampled_from(EDGES), which=st.integers(0, 2), beside=st.sampled_from([-1, 0, 1]))
    def wait_for_an_edge(self, what: str, which: int, beside: int) -> None:
        """To the second before, at or after something ends."""
        now = self.clock.now
        ahead = sorted({edge for edge in self._edges(what) if edge > now})
        if ahead:
            self.clock.now = max(now, ahead[which % len(ahead)] + timedelta(seconds=beside))

    @rule(hours=st.sampled_from([1, 23, 50]))
    def wait(self, hours: int) -> None:
        self.clock.pass_(hours=hours)

    @invariant()
    def the_books_are_right(self) -> None:
        if not hasattr(self, "sold"):
            return
        for fan in range(2):
            found, shown = self.do(self._shown(fan))
            assert found == []
            assert (shown.balance, shown.owed) == (self._has(fan), self.owed[fan])
            assert (shown.expiring, shown.expires_at) == self._next_to_run_out(fan)
            assert Step(shown.tier.rank if shown.tier else 0, shown.falls_at) == self.steps[fan]

    def _answer(self, fan: int, cause: str) -> None:
        due = 0 if f"survey:{cause}" in self.lots else min(self._worth(fan, AMOUNT), CAP - self._lately(fan))
        assert self.do(earns(self.app, self.fans[fan], "survey", cause)) == due
        if due:
            self._give(f"survey:{cause}", fan, due, DAYS, is_capped=True)

    def _settle_all(self) -> None:
        """Up at once; down only when the grace is over, which begins when somebody sees it."""
        self.do(self._settle())
        now = self.clock.now
        for fan, step in enumerate(self.steps):
            lately = sum(n for whose, at, n in self.earned if whose == fan and at > now - WINDOW)
            reached = sum(lately >= least for least in STEPS)
            if reached < step.rank and (step.falls_at is None or step.falls_at > now):
                step.falls_at = step.falls_at or now + GRACE
            else:
                self.steps[fan] = Step(reached)

    def _say_hello(self, fan: int) -> None:
        """Once a day by the community's calendar; a day that is missed begins anew."""
        today = local_day(self.clock.now, self.app.settings.zone)
        is_new = (fan, today) not in self.streaks
        streak = self.streaks.setdefault((fan, today), self.streaks.get((fan, today - timedelta(days=1)), 0) + 1)
        done = self.do(checks_in(self.app, self.fans[fan]))
        assert (done.streak, done.is_new) == (streak, is_new)
        if is_new:
            worth = self._worth(fan, HELLO + (BONUS if streak % 2 == 0 else 0))
            assert done.points == worth
            self._give(f"hello:{fan}:{today}", fan, worth, DAYS)

    def _edges(self, what: str) -> list[datetime]:
        if what == "lot":
            return [lot.expires_at for lot in self.lots.values() if lot.remaining]
        falls = [step.falls_at for step in self.steps if step.falls_at]
        return falls or [at + WINDOW for _, at, _ in self.earned]

    def _give(self, key: str, fan: int, amount: int, days: int, *, is_capped: bool = False) -> None:
        debt = min(self.owed[fan], amount)
        self.owed[fan] -= debt
        now = self.clock.now
        self.lots[key] = Lot(fan, amount, amount - debt, now, now + timedelta(days=days), is_capped=is_capped)
        self.earned.append((fan, now, amount))

    def _take(self, key: str, part: int, whole: int) -> int:
        """In the fan's favour: what is not a whole point stays, and what ran out unused is not asked for."""
        lot = self.lots.get(key)
        if lot is None:
            return 0
        self._run_out()
        due = min(lot.given * part // whole, lot.given - lot.expired) - lot.back
        if due <= 0:
            return 0
        lot.back += due
        self.earned.append((lot.fan, self.clock.now, -due))
        own = min(lot.remaining, due)
        lot.remaining -= own
        rest = min(due - own, self._has(lot.fan))
        self._use(lot.fan, rest)
        self.owed[lot.fan] += due - own - rest
        return due

    def _use(self, fan: int, amount: int) -> None:
        """The soonest to run out first; of those at the same second, the older."""
        self._run_out()
        mine = [lot for lot in self.lots.values() if lot.fan == fan]
        for lot in sorted(mine, key=lambda lot: lot.expires_at):
            piece = min(lot.remaining, amount)
            lot.remaining -= piece
            amount -= piece

    def _run_out(self) -> None:
        """What is due is lost at the latest when somebody looks."""
        for lot in self.lots.values():
            if lot.expires_at <= self.clock.now:
                lot.expired += lot.remaining
                lot.remaining = 0

    def _has(self, fan: int) -> int:
        now = self.clock.now
        mine = [lot for lot in self.lots.values() if lot.fan == fan]
        return sum(lot.remaining for lot in mine if lot.expires_at > now)

    def _worth(self, fan: int, amount: int) -> int:
        """A higher tier earns faster."""
        return amount * (FACTOR if self.steps[fan].rank else 100) // 100

    def _next_to_run_out(self, fan: int) -> tuple[int, datetime | None]:
        now, mine = self.clock.now, [lot for lot in self.lots.values() if lot.fan == fan and lot.remaining]
        soonest = min((lot.expires_at for lot in mine if lot.expires_at > now), default=None)
        return sum(lot.remaining for lot in mine if lot.expires_at == soonest), soonest

    def _counting(self) -> list[Lot]:
        """What still takes room under a cap."""
        since = self.clock.now - timedelta(hours=24)
        return [lot for lot in self.lots.values() if lot.is_capped and lot.at > since]

    def _lately(self, fan: int) -> int:
        return sum(lot.given for lot in self._counting() if lot.fan == fan)

    async def _adjust(self, fan: int, amount: int, key: str) -> bool:
        async with self.app.database.writing() as session:
            return await points.adjust(session, BOSS, self.fans[fan], amount, "a mistake", key=key, now=self.clock.now)

    async def _sweep(self) -> None:
        async with self.app.database.writing() as session:
            await points.run_out_some(session, now=self.clock.now)

    async def _settle(self) -> None:
        async with self.app.database.writing() as session:
            await points.settle_some(session, now=self.clock.now)

    async def _shown(self, fan: int) -> tuple[list[Breach], points.Standing]:
        """What is wrong with the books, and what the fan sees."""
        async with self.app.database.reading() as session:
            shown = await points.standing(session, self.fans[fan].id or 0, now=self.clock.now)
            return await points.books(session), shown


TestTwoAccounts = TwoAccounts.TestCase
TestTwoAccounts.settings = settings(
    max_examples=examples(6), stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
