"""Any history of two fans' points, against a model of a page: what is given, refused, owed, lost, and in the books."""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from siyu import points
from siyu.app import App, open_app
from siyu.kit.errors import Conflict
from siyu.settings import Settings
from siyu.tables import Fan
from tests import servers
from tests.clocks import FakeClock
from tests.effort import examples
from tests.pointing import balance_of, earns, given_programme, owes, sets, spends, takes_back
from tests.trading import BOSS, a_sale, breaches, many_fans, records, refunds

Result = TypeVar("Result")

AMOUNT, CAP, DAYS = 20, 50, 3


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


class TwoAccounts(RuleBasedStateMachine):
    """Questionnaires with a cap that run out after three days, purchases with refunds, hands, and coupons."""

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="siyu-points-"))
        self.clock = FakeClock()
        self.app: App = open_app(Settings(database_url=servers.fresh_sqlite(self.folder)), clock=self.clock)
        self.fans: list[Fan] = self.do(many_fans(self.app, 2))
        self.do(given_programme(self.app))
        self.do(sets(self.app, "survey", amount=AMOUNT, daily_cap=CAP, valid_days=DAYS))
        self.do(sets(self.app, "purchase", amount=1, valid_days=DAYS + 1))
        self.lots: dict[str, Lot] = {}
        self.owed: Counter[int] = Counter()
        self.paid: set[tuple[int, str]] = set()
        self.sold: dict[str, list[int]] = {}

    @rule(fan=st.integers(0, 1), cause=st.sampled_from("abcdef"))
    def answer(self, fan: int, cause: str) -> None:
        due = 0 if f"survey:{cause}" in self.lots else min(AMOUNT, CAP - self._lately(fan))
        assert self.do(earns(self.app, self.fans[fan], "survey", cause)) == due
        if due:
            self._give(f"survey:{cause}", fan, due, DAYS, is_capped=True)

    @rule(cause=st.sampled_from("abcdef"))
    def take_back(self, cause: str) -> None:
        assert self.do(takes_back(self.app, "survey", cause)) == self._take(f"survey:{cause}", 1, 1)

    @rule(fan=st.integers(0, 1), minor=st.sampled_from([99, 1_000, 2_550]))
    def buy(self, fan: int, minor: int) -> None:
        order = f"o{len(self.sold)}"
        self.do(records(self.app, a_sale(self.app, self.fans[fan], order, amount=minor)))
        self.do(records(self.app, a_sale(self.app, self.fans[fan], order, amount=minor)))
        self.sold[order] = [minor, 0]
        if minor >= 100:
            self._give(order, fan, minor // 100, DAYS + 1)

    @precondition(lambda self: any(minor > back for minor, back in self.sold.values()))
    @rule(which=st.integers(0, 20), share=st.sampled_from([1, 2, 3]))
    def refund(self, which: int, share: int) -> None:
        """A part of it, or what is left."""
        orders = [order for order, (minor, back) in self.sold.items() if minor > back]
        order = orders[which % len(orders)]
        minor, back = self.sold[order]
        amount = minor - back if share == 1 else max(1, (minor - back) // share)
        self.do(refunds(self.app, order, key=f"{order}-{back}", amount=amount))
        self.sold[order] = [minor, back + amount]
        self._take(order, back + amount, minor)

    @rule(fan=st.integers(0, 1), amount=st.sampled_from([1, 7, 20, 45]), cause=st.sampled_from("uvwxyz"))
    def spend(self, fan: int, amount: int, cause: str) -> None:
        done = self.tries(spends(self.app, self.fans[fan], amount, f"{fan}:{cause}"))
        if (fan, cause) in self.paid:
            assert done is False
        elif self._has(fan) < amount:
            assert done == "points"
        else:
            assert done is True
            self.paid.add((fan, cause))
            self._use(fan, amount)

    @rule(fan=st.integers(0, 1), amount=st.sampled_from([3, -3]))
    def give_or_take_by_hand(self, fan: int, amount: int) -> None:
        key = f"k{len(self.lots)}-{len(self.paid)}"
        done = self.tries(self._adjust(fan, amount, key))
        if amount > 0:
            self._give(f"hand:{fan}:{key}", fan, amount, DAYS + 1)
        elif self._has(fan) < -amount:
            assert done == "points"
        else:
            self.paid.add((fan, key))
            self._use(fan, -amount)

    @rule()
    def sweep(self) -> None:
        self.do(self._sweep())
        self._run_out()

    @rule(which=st.integers(0, 20), beside=st.sampled_from([-1, 0, 1]))
    def wait_for_an_edge(self, which: int, beside: int) -> None:
        """To the second before, at or after points run out or a cap is over."""
        edges = [lot.expires_at for lot in self.lots.values()]
        edges += [lot.at + timedelta(hours=24) for lot in self.lots.values()]
        if edges:
            moment = edges[which % len(edges)] + timedelta(seconds=beside)
            self.clock.now = max(self.clock.now, moment)

    @rule(hours=st.sampled_from([1, 23, 50]))
    def wait(self, hours: int) -> None:
        self.clock.pass_(hours=hours)

    @invariant()
    def the_books_are_right(self) -> None:
        if not hasattr(self, "sold"):
            return
        assert self.do(breaches(self.app)) == []
        for fan, row in enumerate(self.fans):
            assert self.do(balance_of(self.app, row)) == self._has(fan)
            assert self.do(owes(self.app, row)) == self.owed[fan]

    def teardown(self) -> None:
        if hasattr(self, "app"):
            self.do(self.app.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:  # Any: what asyncio itself declares
        return self.runner.run(work)

    def tries(self, work: Coroutine[Any, Any, Result]) -> Result | str:  # Any: as above
        """What came of it, or the word of the refusal."""
        try:
            return self.do(work)
        except Conflict as no:
            return no.reason

    def _give(self, key: str, fan: int, amount: int, days: int, *, is_capped: bool = False) -> None:
        debt = min(self.owed[fan], amount)
        self.owed[fan] -= debt
        now = self.clock.now
        self.lots[key] = Lot(fan, amount, amount - debt, now, now + timedelta(days=days), is_capped=is_capped)

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

    def _lately(self, fan: int) -> int:
        since = self.clock.now - timedelta(hours=24)
        return sum(lot.given for lot in self.lots.values() if lot.fan == fan and lot.is_capped and lot.at > since)

    async def _adjust(self, fan: int, amount: int, key: str) -> bool:
        async with self.app.database.writing() as session:
            return await points.adjust(session, BOSS, self.fans[fan], amount, "a mistake", key=key, now=self.clock.now)

    async def _sweep(self) -> None:
        async with self.app.database.writing() as session:
            await points.run_out_some(session, now=self.clock.now)


TestTwoAccounts = TwoAccounts.TestCase
TestTwoAccounts.settings = settings(
    max_examples=examples(6), stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
