from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest
from sqlalchemy import select
from sqlmodel import col

from siyu.broadcasts import Draft, comparing, lots
from siyu.broadcasts.comparing import uplift
from siyu.tables import Broadcast, Fan
from tests.broadcasting import given_fans
from tests.clocks import NOON

PERSON = {"telegram_id": 0, "name": "", "joined_at": NOON, "joined_day": NOON.date(), "referral_code": ""}


@dataclass(frozen=True)
class House:
    control_percent: int = 0


def a_broadcast(**compared) -> Broadcast:
    return Broadcast(**{"id": 7, "title": "Tea", "text": "Tea", "created_at": NOON, "created_by": "x", **compared})


async def _of_every_fan(app, expression) -> dict[int, object]:
    async with app.database.reading() as session:
        return {fan_id: value for fan_id, value in await session.rows(select(col(Fan.id), expression))}  # noqa: C416


async def test_a_lot_is_the_same_in_the_database_and_in_python(app):
    ids = [*range(1, 200), 10**6 + 7, 2**31 - 2, 2**31, 2**31 + 5]
    async with app.database.writing() as session:
        session.add(*[Fan(**{**PERSON, "id": n, "telegram_id": n, "referral_code": str(n)}) for n in ids])

    drawn = await _of_every_fan(app, lots.lot_of_fan(41, "holdout"))

    assert drawn == {n: lots.lot(41, n, "holdout") for n in ids}


def test_a_lot_never_changes_between_releases():
    assert [lots.lot(7, fan_id, "variant") for fan_id in (1, 2, 3, 100_000)] == [8581, 4003, 3151, 2347]


def test_lots_fall_evenly_and_two_questions_have_nothing_to_do_with_each_other():
    held = [lots.lot(7, fan_id, "holdout") < 2000 for fan_id in range(1, 20_001)]
    again = [lots.lot(8, fan_id, "holdout") < 2000 for fan_id in range(1, 20_001)]

    assert 3_830 < sum(held) < 4_170  # 4,000 with a deviation of 57
    assert 710 < sum(a and b for a, b in zip(held, again, strict=True)) < 890  # 800 with one of 28


async def test_versions_get_their_shares_and_the_rest_waits_for_the_winner(app):
    await given_fans(app, 2000)
    broadcast = a_broadcast(variants=[{"key": "b", "share": 20}, {"key": "c"}], test_percent=50)

    got = Counter((await _of_every_fan(app, comparing.variant_of(broadcast))).values())
    waiting = Counter((await _of_every_fan(app, comparing.waits_for_winner(broadcast))).values())

    assert waiting[True] == got[None]
    assert 930 < got[None] < 1070
    assert 155 < got["b"] < 245
    assert 350 < got["a"] < 450
    assert 350 < got["c"] < 450


def test_who_names_no_share_gets_an_equal_part_of_what_is_left():
    assert comparing.shares([{"key": "b"}]) == [("a", 5000), ("b", 10_000)]
    assert comparing.shares([{"key": "b"}, {"key": "c"}]) == [("a", 3333), ("b", 6666), ("c", 10_000)]
    assert comparing.shares([{"key": "b", "share": 10}]) == [("a", 9000), ("b", 10_000)]
    assert comparing.shares([{"key": "b", "share": 30}, {"key": "a", "share": 70}]) == [("a", 7000), ("b", 10_000)]


async def test_without_versions_nobody_waits_and_without_hold_out_nobody_is_held(app):
    await given_fans(app, 20)

    assert set((await _of_every_fan(app, comparing.variant_of(a_broadcast()))).values()) == {None}
    assert set((await _of_every_fan(app, comparing.held_out(a_broadcast(), House()))).values()) == {None}
    assert not any((await _of_every_fan(app, comparing.waits_for_winner(a_broadcast(test_percent=20)))).values())


async def test_the_control_group_is_the_same_people_every_time_and_hears_what_everybody_must_know(app):
    await given_fans(app, 1000)
    house = House(control_percent=10)

    first = await _of_every_fan(app, comparing.held_out(a_broadcast(id=1, holdout_percent=20), house))
    second = await _of_every_fan(app, comparing.held_out(a_broadcast(id=2, holdout_percent=20), house))
    urgent = await _of_every_fan(app, comparing.held_out(a_broadcast(id=3, ignores_quiet=True), house))

    control = {fan for fan, why in first.items() if why == "control"}
    assert control == {fan for fan, why in second.items() if why == "control"}
    assert 70 < len(control) < 130
    assert 140 < Counter(first.values())["holdout"] < 220
    assert {fan for fan, why in first.items() if why == "holdout"} != {f for f, w in second.items() if w == "holdout"}
    assert set(urgent.values()) == {None}


def test_the_interval_is_the_one_of_newcombes_paper():
    found = uplift(70, 56, 80, 48)

    assert (round(found.difference, 4), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)
    assert found.enough
    assert found.is_certain


def test_a_thousand_effects_of_nothing_cover_nothing_in_95_of_100():
    dice = Random(4)
    covered = 0

    for _ in range(1000):
        rate, treated, held = dice.uniform(0.03, 0.4), dice.randint(500, 1500), dice.randint(150, 500)
        found = uplift(treated, _buyers(dice, treated, rate), held, _buyers(dice, held, rate))
        covered += found.low <= 0 <= found.high

    assert 930 <= covered <= 970


def test_a_thousand_hold_outs_of_the_same_fans_cover_nothing_in_95_of_100():
    """The lots themselves on trial: who would have bought anyway is shared out fairly, broadcast after broadcast."""
    buyers = {fan_id for fan_id in range(1, 301) if fan_id % 7 == 0}
    covered = 0

    for broadcast_id in range(1, 1001):
        held = {fan_id for fan_id in range(1, 301) if lots.lot(broadcast_id, fan_id, "holdout") < 3000}
        found = uplift(300 - len(held), len(buyers - held), len(held), len(buyers & held))
        covered += found.low <= 0 <= found.high

    assert 930 <= covered <= 970


@pytest.mark.parametrize("numbers", [(0, 0, 0, 0), (1000, 20, 0, 0), (1000, 12, 100, 2), (40, 40, 40, 40)])
def test_too_few_to_tell_is_said(numbers):
    found = uplift(*numbers)

    assert not found.enough
    assert not found.is_certain
    assert -1 <= found.low <= 0 <= found.high <= 1


def test_a_plain_draft_and_a_whole_comparison_are_in_order():
    assert not _places()
    assert not _places(
        holdout_percent=10,
        variants=[{"key": "b", "text": "Tea!", "share": 50}],
        test_percent=20,
        winner_by="purchases",
        winner_after_minutes=120,
    )


@pytest.mark.parametrize(
    ("compared", "place"),
    [
        ({"holdout_percent": 91}, ("holdout_percent",)),
        ({"holdout_percent": -1}, ("holdout_percent",)),
        ({"attribution_days": 0}, ("attribution_days",)),
        ({"test_percent": 0, "variants": [{"key": "b"}], "winner_by": "purchases", "winner_after_minutes": 5},
         ("test_percent",)),
        ({"test_percent": 20, "winner_by": "purchases", "winner_after_minutes": 5}, ("variants",)),
        ({"test_percent": 20, "variants": [{"key": "b"}]}, ("winner_by",)),
        ({"variants": [{"key": "b"}], "winner_by": "luck", "winner_after_minutes": 5}, ("winner_by",)),
        ({"variants": [{"key": "b"}], "winner_by": "clicks", "winner_after_minutes": 5}, ("winner_by",)),
        ({"variants": [{"key": "b"}], "winner_by": "purchases"}, ("winner_after_minutes",)),
        ({"variants": [{"text": "no key"}]}, ("variants", 0, "key")),
        ({"variants": [{"key": "b"}, {"key": "b"}]}, ("variants", 1, "key")),
        ({"variants": [{"key": "b", "share": "half"}]}, ("variants", 0, "share")),
        ({"variants": [{"key": "a"}]}, ("variants",)),
        ({"variants": [{"key": chr(98 + n)} for n in range(8)]}, ("variants",)),
        ({"variants": [{"key": "b", "share": 60}, {"key": "c", "share": 40}]}, ("variants",)),
        ({"variants": [{"key": "a", "share": 60}, {"key": "b", "share": 30}]}, ("variants",)),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_named_at_its_field(compared, place):
    assert _places(**compared) == [place]


def _places(**compared) -> list[tuple[str | int, ...]]:
    return [mistake.where for mistake in comparing.mistakes(Draft(title="Tea", **compared))]


def _buyers(dice: Random, number: int, rate: float) -> int:
    return sum(dice.random() < rate for _ in range(number))
