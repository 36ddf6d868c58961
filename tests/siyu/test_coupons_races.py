"""A stock under attack: never one too many, never one twice, whoever races."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress

import pytest

from siyu import coupons
from siyu.app import App
from siyu.kit.errors import Conflict
from siyu.tables import OfferKind
from tests import racing, servers
from tests.conftest import DATABASES
from tests.forks import Child, in_processes
from tests.siyu.test_coupons_codes import printed
from tests.trading import BOSS, a_fan, an_offer, at_the_till, breaches, claims, coupon_of, many_fans, redeems, reread

STOCK = 100
PROCESSES = 8

on_postgres = pytest.mark.skipif("postgresql" not in DATABASES, reason="PostgreSQL was left out by TEST_DATABASES")


async def test_fifty_tasks_claim_exactly_the_stock(app: App) -> None:
    offer, people = await an_offer(app, stock=STOCK), await many_fans(app, 250)

    granted = await _fifty_tasks(app, racing.claim, offer.id or 0, [fan.id or 0 for fan in people])

    assert granted == STOCK
    assert (await reread(app, offer)).claimed == STOCK
    assert await breaches(app) == []


async def test_a_wrong_writer_gives_away_too_many_so_the_race_is_real(app: App) -> None:
    offer, people = await an_offer(app, stock=STOCK), await many_fans(app, 250)

    granted = await _fifty_tasks(app, racing.claim_wrongly, offer.id or 0, [fan.id or 0 for fan in people])

    assert granted > STOCK
    assert "claimed = coupons" in [breach.rule for breach in await breaches(app)]


async def test_fifty_tasks_redeem_each_coupon_once(app: App) -> None:
    offer = await an_offer(app, kind=OfferKind.AMOUNT, value=100, stock=20, budget_minor=1_500)
    codes = [(await claims(app, offer, fan)).code for fan in await many_fans(app, 20)]

    async with asyncio.TaskGroup() as group:
        tills = [group.create_task(racing.redeem_every(app, codes, f"till {n}", app.clock())) for n in range(50)]

    # 20 coupons of ¥1, but a budget for 15.
    assert sum(till.result() for till in tills) == 15
    assert await breaches(app) == []


async def test_one_key_pressed_fifty_times_is_answered_alike_fifty_times(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    coupon = await claims(app, offer, mei)

    async with asyncio.TaskGroup() as group:
        presses = [group.create_task(redeems(app, coupon.code, at_the_till())) for _ in range(50)]

    answers = [press.result() for press in presses]
    assert {answer.discount_minor for answer in answers} == {1000}
    assert [answer.replayed for answer in answers].count(False) == 1
    assert (await reread(app, offer)).redeemed == 1


async def test_one_key_for_two_coupons_at_once_uses_one_of_them_and_the_other_stays_good(app: App) -> None:
    offer = await an_offer(app)
    codes = [(await claims(app, offer, fan)).code for fan in await many_fans(app, 2)]

    async with asyncio.TaskGroup() as group:
        presses = [group.create_task(reason_of(redeems(app, codes[n % 2], at_the_till()))) for n in range(50)]

    assert [press.result() for press in presses].count("key_reused") == 25
    assert [press.result() for press in presses].count("") == 25
    assert sorted([(await coupon_of(app, code)).state.value for code in codes]) == ["active", "redeemed"]
    assert await breaches(app) == []


async def reason_of(does: Awaitable[object]) -> str:
    try:
        await does
    except Conflict as no:
        return no.reason
    return ""


async def test_one_fan_tapping_everywhere_at_once_stays_within_the_limit(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app, per_fan=3)

    async with asyncio.TaskGroup() as group:
        taps = [
            group.create_task(racing.claim(app, offer.id or 0, mei.id or 0, f"tap {n}", app.clock())) for n in range(30)
        ]

    assert [tap.result() for tap in taps].count(True) == 3
    assert await breaches(app) == []


async def test_two_issues_at_once_share_the_stock(app: App) -> None:
    offer, people = await an_offer(app, stock=50), await many_fans(app, 60)
    ids = [fan.id or 0 for fan in people]

    async def issue(key: str) -> coupons.Issued:
        async with app.database.writing() as session:
            return await coupons.issue(session, offer.id or 0, ids, key=key, zone=app.settings.zone, now=app.clock())

    async with asyncio.TaskGroup() as group:
        one, two = group.create_task(issue("one")), group.create_task(issue("two"))

    assert one.result().issued + two.result().issued == 50
    assert await breaches(app) == []


async def test_a_wrong_till_takes_one_coupon_many_times_so_the_race_is_real(app: App) -> None:
    offer = await an_offer(app, kind=OfferKind.AMOUNT, value=100, stock=20)
    codes = [(await claims(app, offer, fan)).code for fan in await many_fans(app, 20)]

    async with asyncio.TaskGroup() as group:
        tries = [
            group.create_task(racing.redeem_wrongly(app, codes[n % 4], f"till {n}", app.clock())) for n in range(50)
        ]

    assert sum(one.result() for one in tries) > 4
    assert await breaches(app)


async def test_fifty_fans_type_one_printed_code_and_one_gets_the_coupon(app: App) -> None:
    offer, people = await an_offer(app), await many_fans(app, 50)
    (code,) = await printed(app, offer.id, 1)

    async with asyncio.TaskGroup() as group:
        tries = [group.create_task(racing.enter(app, fan, code, app.clock())) for fan in people]

    assert [one.result() for one in tries].count(True) == 1
    assert (await reread(app, offer)).claimed == 1
    assert await breaches(app) == []


async def test_fifty_fans_type_one_word_and_the_stock_and_the_days_share_hold(app: App) -> None:
    offer, people = await an_offer(app, shared_code="SPRING", stock=40, daily_cap=20), await many_fans(app, 50)

    async with asyncio.TaskGroup() as group:
        tries = [group.create_task(racing.enter(app, fan, "spring", app.clock())) for fan in people]

    assert [one.result() for one in tries].count(True) == 20
    assert (await reread(app, offer)).claimed == 20
    assert await breaches(app) == []


async def test_of_one_group_a_fan_who_types_two_words_at_once_gets_one(app: App) -> None:
    mei = await a_fan(app)
    for word in ("SPRING", "SUMMER"):
        await an_offer(app, shared_code=word, stack_group="seasons")

    async with asyncio.TaskGroup() as group:
        words = ("SPRING", "SUMMER") * 10
        tries = [group.create_task(racing.enter(app, mei, word, app.clock())) for word in words]

    assert [one.result() for one in tries].count(True) == 1


async def test_whatever_races_for_a_coupon_the_books_are_right(app: App) -> None:
    offer = await an_offer(app, kind=OfferKind.AMOUNT, value=100, stock=20, budget_minor=1_000)
    held = [await claims(app, offer, fan) for fan in await many_fans(app, 20)]
    async with app.database.writing() as session:
        await coupons.pause(session, BOSS, offer.id or 0, now=app.clock())

    async def redeem_and_undo(n: int) -> None:
        with suppress(Conflict):
            redeemed = await redeems(app, held[n % 20].code, at_the_till(key=f"slip {n}"))
            if n % 2:
                async with app.database.writing() as session:
                    known = redeemed.redemption_id or 0
                    await coupons.undo(session, BOSS, known, at_any_time=True, now=app.clock())

    async def label_or_revoke(n: int) -> None:
        async with app.database.writing() as session:
            if n % 2:
                await coupons.label_expired(session, now=held[0].valid_until)
            else:
                await coupons.revoke(session, BOSS, offer.id or 0, now=app.clock())

    async with asyncio.TaskGroup() as group:
        for n in range(46):
            group.create_task(redeem_and_undo(n))
        for n in range(4):
            group.create_task(label_or_revoke(n))

    assert await breaches(app) == []


@on_postgres
async def test_eight_processes_type_the_same_printed_codes_and_each_is_one_coupon() -> None:
    async with servers.postgres_app() as (url, app):
        offer, people = await an_offer(app, per_fan=20), await many_fans(app, 16)
        codes = await printed(app, offer.id, 20)
        ids = [fan.telegram_id for fan in people]

        await in_processes(
            [Child(racing.codes_of_a_process, url, codes, ids[n::PROCESSES], app.clock()) for n in range(PROCESSES)]
        )

        assert (await reread(app, offer)).claimed == 20
        assert await breaches(app) == []


@on_postgres
async def test_eight_processes_claim_exactly_the_stock() -> None:
    async with servers.postgres_app() as (url, app):
        offer, people = await an_offer(app, stock=STOCK), await many_fans(app, 200)
        ids = [fan.id or 0 for fan in people]

        # Every fan is claimed for by four processes, 800 tries in all.
        await in_processes(
            [
                Child(racing.claims_of_a_process, url, racing.claim, offer.id, ids[n % 2 :: 2], f"p{n}", app.clock())
                for n in range(PROCESSES)
            ]
        )

        assert (await reread(app, offer)).claimed == STOCK
        assert await breaches(app) == []


@on_postgres
async def test_eight_processes_with_a_wrong_writer_give_away_too_many() -> None:
    async with servers.postgres_app() as (url, app):
        offer, people = await an_offer(app, stock=STOCK), await many_fans(app, 100)
        ids = [fan.id or 0 for fan in people]

        await in_processes(
            [
                Child(racing.claims_of_a_process, url, racing.claim_wrongly, offer.id, ids, f"p{n}", app.clock())
                for n in range(PROCESSES)
            ]
        )

        assert await racing.wrong_grants(app.database) > STOCK


@on_postgres
async def test_eight_processes_redeem_a_hundred_coupons_exactly_once() -> None:
    async with servers.postgres_app() as (url, app):
        offer, people = await an_offer(app, stock=STOCK), await many_fans(app, STOCK)
        ids = [fan.id or 0 for fan in people]
        async with app.database.writing() as session:
            zone = app.settings.zone
            await coupons.issue(session, offer.id or 0, ids, key="all", zone=zone, now=app.clock())
        async with app.database.reading() as session:
            wallets = [await coupons.wallet(session, fan, now=app.clock()) for fan in people]
        codes = [wallet.usable[0].coupon.code for wallet in wallets]

        await in_processes(
            [Child(racing.redemptions_of_a_process, url, codes, f"p{n}", app.clock()) for n in range(PROCESSES)]
        )

        assert (await reread(app, offer)).redeemed == STOCK
        assert await breaches(app) == []


async def _fifty_tasks(app: App, tries: racing.Try, offer_id: int, fan_ids: Sequence[int]) -> int:
    """Fifty at once, five fans each; how many were granted."""

    async def five(n: int) -> int:
        return sum([await tries(app, offer_id, fan_id, f"task {n}", app.clock()) for fan_id in fan_ids[n::50]])

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(five(n)) for n in range(50)]
    return sum(task.result() for task in tasks)
