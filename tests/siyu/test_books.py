"""The books: each promise is broken on purpose, past every guard, and the books call it by its name."""

import re

import pytest
from sqlalchemy import text

from siyu import purchases
from siyu.app import App
from siyu.kit.database import WriteSession
from siyu.tables import OfferKind
from tests import racing
from tests.clocks import FakeClock
from tests.siyu.test_coupons_codes import printed
from tests.siyu.test_referral_rewards import a_round, brings, rewarding
from tests.trading import (
    a_fan,
    a_product,
    a_sale,
    an_offer,
    at_the_till,
    breaches,
    claims,
    opens,
    pays,
    records,
    redeems,
    refunds,
)

BROKEN_BY = {
    "claimed = coupons": "UPDATE offer SET claimed = claimed + 1",
    "claimed ≤ stock": "UPDATE offer SET stock = 0",
    "serials 1 … claimed": "UPDATE coupon SET serial = serial + 1",
    "redeemed = live redemptions": "UPDATE offer SET redeemed = redeemed + 1",
    "used coupons = live redemptions": "UPDATE coupon SET state = 'active'",
    "spent = live discounts": "UPDATE offer SET spent_minor = spent_minor + 1",
    "spent ≤ budget": "UPDATE offer SET budget_minor = 1",
    "coupons of a fan ≤ per_fan": "UPDATE offer SET per_fan = 0",
    "a coupon is used once": "INSERT INTO redemption SELECT * FROM redemption",
    "coupons of a day ≤ daily_cap": "UPDATE offer SET daily_cap = 0",
    "only an unused coupon is held, for one payment and until a moment": "UPDATE coupon SET hold_checkout_id = 1",
    "a used coupon has its moment, and no other": "UPDATE coupon SET redeemed_at = NULL",
    "0 ≤ discount ≤ price": "UPDATE redemption SET discount_minor = -1",
    "a redemption is of its coupon's offer and fan": "UPDATE redemption SET fan_id = fan_id + 1",
    "a printed code that is taken is one coupon": "UPDATE offer_code SET fan_id = 0",
    "every key has its first answer": "UPDATE idempotency SET answer = NULL",
    "no coupon outlives its offer": "UPDATE coupon SET valid_until = valid_until + 99999999",
    "points = their entries": "UPDATE points_account SET balance = balance + 1",
    "points = what is left of their lots": "UPDATE points_lot SET remaining = remaining - 1",
    "points owed = their entries": "UPDATE points_account SET owed = owed + 1",
    "nobody has points and owes some": "UPDATE points_account SET owed = 1",
    "every entry has its account": "DELETE FROM points_account",
    "one reward for a rule and a cause": "INSERT INTO points_entry SELECT * FROM points_entry",
    "no more is taken back than was given": "UPDATE points_entry SET delta = -999 WHERE reverses IS NOT NULL",
    "points that ran out = their entries": "UPDATE points_lot SET expired = expired + 1",
    "the older brings the newer: a forest": "UPDATE referral SET referrer_id = referee_id",
    "one living reward for a friend and a side": "INSERT INTO reward_grant SELECT * FROM reward_grant",
    "points of a reward = their entry": "UPDATE reward_grant SET points = points + 1",
    "a reward goes to whom the friend's edge names": "UPDATE reward_grant SET fan_id = fan_id + 1",
    "the coupon of a reward is its fan's": "UPDATE coupon SET fan_id = 0",
    "refunds = refunded ≤ paid": "UPDATE refund SET amount_minor = amount_minor + 1",
    "lines = paid": "UPDATE purchase_item SET amount_minor = amount_minor + 1",
    "paid invoices ≤ purchases": "UPDATE purchase SET source = 'shop'",
}


class _SetBackError(Exception):
    """What was broken is whole again."""


@pytest.mark.parametrize("rule", BROKEN_BY)
async def test_the_books_name_what_was_broken(app: App, clock: FakeClock, rule: str) -> None:
    await a_busy_house(app, clock)
    before = await breaches(app)

    found = await _breaches_after(app, BROKEN_BY[rule])

    assert before == await breaches(app) == []
    assert rule in found


def test_every_promise_is_broken_by_some_test() -> None:
    assert list(BROKEN_BY) == [rule for room in purchases.RULES.values() for rule in room]


async def a_busy_house(app: App, clock: FakeClock) -> None:
    """Something of everything: a friend's rewards, coupons won, typed and used, a purchase in chat, a refund."""
    welcome = await an_offer(app)
    await rewarding(app, newcomer_offer_id=welcome.id)
    mei = await a_fan(app)
    bo = await brings(app, mei)
    await records(app, a_sale(app, bo), a_sale(app, mei, "o-2"))
    await a_round(app)
    clock.pass_(days=14)
    await a_round(app)
    await refunds(app, "o-2", amount=900)
    await _uses_a_coupon(app)
    await a_product(app, "tea", stars_price=100)
    await pays(app, mei, (await opens(app, mei, "tea")).payload, 100)


async def _uses_a_coupon(app: App) -> None:
    offer, cy = await an_offer(app, kind=OfferKind.AMOUNT, value=100, per_fan=2), await a_fan(app, "Cy")
    (code,) = await printed(app, offer.id, 1)
    await racing.enter(app, cy, code, app.clock())
    await redeems(app, (await claims(app, offer, cy)).code, at_the_till())


async def _breaches_after(app: App, statement: str) -> list[str]:
    found: list[str] = []
    try:
        async with app.database.writing() as session:
            await _past_every_guard(session, statement)
            found += [breach.rule for breach in await purchases.books(session)]
            raise _SetBackError
    except _SetBackError:
        return found


async def _past_every_guard(session: WriteSession, statement: str) -> None:
    """On a copy that stands before the table: it has no key, no check and no trigger, on either database."""
    (table,) = re.findall(r"^(?:UPDATE|INSERT INTO|DELETE FROM) (\w+)", statement)
    whole = "public" if session.dialect == "postgresql" else "main"
    await session.run(text(f"CREATE TEMPORARY TABLE {table} AS SELECT * FROM {whole}.{table}"))
    assert await session.run(text(statement)) > 0
