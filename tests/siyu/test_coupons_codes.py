"""Codes that fans type: a word for all, one printed for each, and what becomes of wrong ones."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from siyu import coupons
from siyu.app import App
from siyu.coupons import Entered
from siyu.kit.codes import new_code
from siyu.kit.errors import Conflict, Invalid
from siyu.tables import CodeAttempt, Fan, OfferCode
from tests.clocks import FakeClock
from tests.siyu.test_coupons import listening, slips_of
from tests.trading import BOSS, a_draft, a_fan, an_offer, breaches, claims, many_fans, reread

WRONG = "NOSUCHWORD1"


async def types(app: App, fan: Fan, text: str) -> Entered:
    async with app.database.writing() as session:
        return await coupons.enter(session, fan, text, zone=app.settings.zone, now=app.clock())


def reason(came: Entered) -> str:
    assert came.refusal is not None
    return came.refusal.reason


async def printed(app: App, offer_id: int | None, number: int) -> list[str]:
    async with app.database.writing() as session:
        await coupons.print_codes(session, BOSS, offer_id or 0, number, now=app.clock())
    async with app.database.reading() as session:
        return [one.code for one in (await coupons.list_codes(session, offer_id or 0)).items]


@pytest.mark.parametrize("typed", ["SPRING", "spring", " Spr-ing ", "ｓｐｒｉｎｇ"])
async def test_a_shared_word_gives_each_fan_one_coupon_however_it_is_typed(app: App, typed: str) -> None:
    offer, mei, bo = await an_offer(app, shared_code="spring", per_fan=3), await a_fan(app), await a_fan(app, "Bo")

    first, again, other = await types(app, mei, typed), await types(app, mei, "SPRING"), await types(app, bo, typed)

    assert first.carried
    assert again.carried
    assert other.carried
    assert first.carried.coupon.code == again.carried.coupon.code != other.carried.coupon.code
    assert (first.is_new, again.is_new) == (True, False)
    assert (await reread(app, offer)).claimed == 2
    assert await breaches(app) == []


async def test_a_printed_code_is_whose_it_is_first(app: App) -> None:
    offer, mei, bo = await an_offer(app), await a_fan(app), await a_fan(app, "Bo")
    code, *_others = await printed(app, offer.id, 3)

    first, again, late = await types(app, mei, code), await types(app, mei, code.lower()), await types(app, bo, code)

    assert first.carried
    assert again.carried
    assert first.carried.coupon.code == again.carried.coupon.code
    assert reason(late) == "unknown"
    assert (await reread(app, offer)).claimed == 1
    assert await breaches(app) == []


async def test_used_ended_foreign_guessed_and_unknown_codes_are_refused_in_the_same_words(
    app: App, clock: FakeClock
) -> None:
    mei, bo, cy, di, eve = await many_fans(app, 5)
    taken, *_rest = await printed(app, (await an_offer(app)).id, 1)
    ended, *_rest = await printed(app, (await an_offer(app, ends_at=clock.now + timedelta(days=1))).id, 1)
    paused = await an_offer(app, shared_code="PAUSED")
    theirs = await claims(app, await an_offer(app), mei)
    await types(app, mei, taken)
    async with app.database.writing() as session:
        await coupons.pause(session, BOSS, paused.id or 0, now=app.clock())
    clock.pass_(days=2)

    no = [await types(app, bo, code) for code in (taken, ended)]
    no += [await types(app, cy, theirs.code), await types(app, cy, new_code())]
    no += [await types(app, di, WRONG), await types(app, di, "PAUSED"), await types(app, eve, "")]

    assert len({(str(one.refusal), reason(one)) for one in no}) == 1


async def test_the_sixth_wrong_code_in_ten_minutes_closes_the_door_also_to_a_right_one(
    app: App, clock: FakeClock
) -> None:
    mei = await a_fan(app)
    await an_offer(app, shared_code="SPRING")

    tries = [reason(await types(app, mei, f"{WRONG}{n}")) for n in range(6)]
    right = await types(app, mei, "SPRING")
    clock.pass_(minutes=10)
    later = await types(app, mei, "SPRING")

    assert tries == ["unknown"] * 5 + ["locked"]
    assert reason(right) == "locked"
    assert later.carried


@pytest.mark.parametrize(("seconds", "is_open"), [(599, False), (600, True)])
async def test_the_door_opens_when_the_first_wrong_try_is_ten_minutes_old(
    app: App, clock: FakeClock, seconds: int, is_open: bool
) -> None:
    mei = await a_fan(app)
    await an_offer(app, shared_code="SPRING")
    for n in range(6):
        await types(app, mei, f"{WRONG}{n}")

    clock.pass_(seconds=seconds)

    assert ((await types(app, mei, "SPRING")).carried is not None) is is_open


async def test_a_right_code_after_five_wrong_ones_is_taken(app: App) -> None:
    mei = await a_fan(app)
    await an_offer(app, shared_code="SPRING")
    for n in range(5):
        await types(app, mei, f"{WRONG}{n}")

    assert (await types(app, mei, "SPRING")).carried


async def test_one_fans_guesses_lock_nobody_else_out(app: App) -> None:
    mei, bo = await a_fan(app), await a_fan(app, "Bo")
    await an_offer(app, shared_code="SPRING")
    for n in range(7):
        await types(app, mei, f"{WRONG}{n}")

    assert (await types(app, bo, "SPRING")).carried


async def test_a_slip_of_the_finger_is_refused_without_a_query_and_counts_for_nothing(app: App) -> None:
    mei, offer = await a_fan(app), await an_offer(app)
    (code,) = await printed(app, offer.id, 1)
    asked: list[str] = []

    async with app.database.writing() as session:
        await session.run(select(1))
        with listening(app.database, asked):
            for slip in slips_of(code):
                came = await coupons.enter(session, mei, slip, zone=app.settings.zone, now=app.clock())
                assert reason(came) == "unknown"

    assert asked == []
    assert (await types(app, mei, code)).carried


async def test_a_right_word_for_an_offer_that_is_gone_is_told_honestly_and_is_no_guess(app: App) -> None:
    mei, bo = await a_fan(app), await a_fan(app, "Bo")
    await an_offer(app, shared_code="SPRING", stock=1)
    await types(app, mei, "SPRING")

    told = [reason(await types(app, bo, "SPRING")) for _ in range(8)]

    assert set(told) == {"gone"}
    async with app.database.reading() as session:
        assert await session.one(select(func.count()).select_from(CodeAttempt)) == 0


async def test_a_printed_code_whose_claim_is_refused_stays_free_for_somebody_else(app: App) -> None:
    mei, bo, offer = await a_fan(app), await a_fan(app, "Bo"), await an_offer(app)
    one, two, *_rest = await printed(app, offer.id, 3)
    await types(app, mei, one)

    refused, given = await types(app, mei, two), await types(app, bo, two)

    assert reason(refused) == "per_fan"
    assert given.carried


async def test_ones_own_coupon_typed_in_is_shown(app: App) -> None:
    mei = await a_fan(app)
    mine = await claims(app, await an_offer(app), mei)

    came = await types(app, mei, mine.code)

    assert came.carried
    assert came.carried.coupon.code == mine.code


async def test_an_import_names_what_it_cannot_take_and_a_repeat_adds_none(app: App) -> None:
    offer, other = await an_offer(app), await an_offer(app)
    (foreign,) = await printed(app, other.id, 1)
    good = [new_code(), "PARTNER-0001", "partner 0002"]
    slip = sorted(slips_of(good[0]))[0]
    file = "\ufeffname,code\n" + "".join(
        f"x,{code}\n" for code in [*good, good[0], slip, foreign, "short", "", "é" * 8]
    )

    async with app.database.writing() as session:
        first = await coupons.import_codes(session, BOSS, offer.id or 0, coupons.codes_of_csv(file), now=app.clock())
        again = await coupons.import_codes(session, BOSS, offer.id or 0, coupons.codes_of_csv(file), now=app.clock())

    assert (first.added, first.known) == (3, 0)
    assert [(line, why) for line, _, why in first.rejected] == [
        (6, "check"), (7, "taken"), (8, "malformed"), (10, "malformed"),
    ]  # fmt: skip
    assert (again.added, again.known) == (0, 3)
    assert (await types(app, await a_fan(app), "Partner 0001")).carried


async def test_there_are_never_more_codes_than_pieces(app: App) -> None:
    offer = await an_offer(app, stock=5)
    await printed(app, offer.id, 4)

    with pytest.raises(Conflict) as no:
        await printed(app, offer.id, 2)

    assert no.value.reason == "stock"
    async with app.database.reading() as session:
        assert await session.one(select(func.count()).select_from(OfferCode)) == 4


@pytest.mark.parametrize("word", ["AB", "X" * 25, "SPRING!", "7777777777", "SPRINGTEA5"])
async def test_a_word_nobody_could_type_or_that_looks_printed_is_refused(app: App, word: str) -> None:
    with pytest.raises(Invalid) as no:
        await an_offer(app, shared_code=word)

    assert no.value.where == ("shared_code",)


async def test_two_offers_cannot_have_one_word(app: App) -> None:
    first, draft = await an_offer(app, shared_code="SPRING"), await an_offer(app, active=False)

    with pytest.raises(Invalid) as no:
        await an_offer(app, shared_code="spring")
    async with app.database.writing() as session:
        with pytest.raises(Invalid):
            await coupons.change(session, BOSS, draft.id or 0, a_draft(app, shared_code="SPR-ING"), now=app.clock())

    assert no.value.where == ("shared_code",)
    assert first.shared_code == "SPRING"


async def test_old_tries_are_forgotten(app: App, clock: FakeClock) -> None:
    mei = await a_fan(app)
    await types(app, mei, WRONG)
    clock.pass_(minutes=11)
    await types(app, mei, WRONG)

    async with app.database.writing() as session:
        assert await coupons.forget_attempts(session, now=app.clock()) == 1
        assert len(await session.all(select(col(CodeAttempt.id)))) == 1
