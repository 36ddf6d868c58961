"""What a broadcast compares: versions of its text by lot, and those who get it with those who were held out."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, sqrt
from typing import Any, Protocol, cast

from sqlalchemy import ColumnElement, String, case, false, literal, null, type_coerce
from sqlmodel import col

from siyu.broadcasts.lots import LOTS, Ids, lot_of_fan
from siyu.kit.errors import Invalid
from siyu.kit.intervals import wilson
from siyu.tables import Broadcast, Fan

MAIN = "a"  # the broadcast's own text
MOST_VARIANTS = 8
MOST_HELD_OUT = 90
LONGEST_TEST_MINUTES = 30 * 24 * 60
LONGEST_ATTRIBUTION_DAYS = 90
WINNERS = ("clicks", "purchases")

HELD_OUT, CONTROL = "holdout", "control"  # why a fan is held out: of this broadcast, or of all of them
WAITS_FOR_WINNER = "waits_for_winner"
# Who waits for the winner has no moment yet; whoever decides writes it.
UNDECIDED = datetime(9999, 1, 1, tzinfo=UTC)

LEAST_EXPECTED = 5

_NOTHING: ColumnElement[str | None] = type_coerce(null(), String())
_KEY = re.compile(r"[a-z][a-z0-9_]{0,15}")

Json = Mapping[str, Any]  # Any: checked here
Draws = Sequence[tuple[str, ColumnElement[bool]]]


class Compared(Protocol):
    """A draft, or a broadcast."""

    @property
    def holdout_percent(self) -> int: ...

    @property
    def variants(self) -> Sequence[Json]: ...

    @property
    def test_percent(self) -> int: ...

    @property
    def winner_by(self) -> str | None: ...

    @property
    def winner_after_minutes(self) -> int | None: ...

    @property
    def attribution_days(self) -> int: ...

    @property
    def buttons(self) -> Sequence[Sequence[Json]]: ...

    @property
    def offer_id(self) -> int | None: ...


class Sparing(Protocol):
    """A draft, or a broadcast, as far as it leaves out fans to compare with."""

    @property
    def holdout_percent(self) -> int: ...

    @property
    def ignores_quiet(self) -> bool: ...


class HasControl(Protocol):
    """The house's preferences, as far as they matter here."""

    @property
    def control_percent(self) -> int: ...


@dataclass(frozen=True)
class Uplift:
    """How many more of those who were written to bought, with a 95 % interval; `enough` before anybody believes it."""

    treated: int
    bought: int
    held: int
    held_bought: int
    difference: float
    low: float
    high: float
    enough: bool

    @property
    def extra(self) -> int:
        """Buyers there would not have been."""
        return round(self.difference * self.treated)

    @property
    def needs(self) -> int | None:
        """About how many fans it takes at these rates before it is enough; None while nobody bought."""
        everybody, bought = self.treated + self.held, self.bought + self.held_bought
        rarer = min(bought, everybody - bought)
        if not rarer or not min(self.treated, self.held):
            return None
        return ceil(LEAST_EXPECTED * everybody**2 / (min(self.treated, self.held) * rarer))

    @property
    def is_certain(self) -> bool:
        """Whether the interval lies wholly on one side of nothing."""
        return self.enough and (self.low > 0 or self.high < 0)


def held_out(broadcast: Broadcast, preferences: HasControl) -> ColumnElement[str | None]:
    """`control`, `holdout`, or NULL for a fan who is written to; over `Fan.id`."""
    return first_drawn(draws(broadcast, preferences, broadcast.id, cast(Ids, col(Fan.id))))


def draws(spares: Sparing, preferences: HasControl, broadcast_id: int | None, fan_id: Ids) -> Draws:
    """Why a fan may be held out, and whether by lot; what comes first counts. Nobody is of what was never saved.

    The control group is the same for all broadcasts, and gets what everybody must know like everybody.
    """
    control = 0 if spares.ignores_quiet else preferences.control_percent
    held = 0 if broadcast_id is None else spares.holdout_percent
    return [
        (salt, lot_of_fan(number, salt, fan_id) < percent * LOTS // 100)
        for number, salt, percent in ((0, CONTROL, control), (broadcast_id or 0, HELD_OUT, held))
        if percent
    ]


def first_drawn(drawn: Draws) -> ColumnElement[str | None]:
    """The reason of the first that holds; NULL for a fan who is written to."""
    return case(*[(holds, literal(reason)) for reason, holds in drawn], else_=_NOTHING) if drawn else _NOTHING


def variant_of(broadcast: Broadcast) -> ColumnElement[str | None]:
    """The key of the version a fan gets; NULL where there is but one, and for who waits for the winner."""
    if not broadcast.variants:
        return _NOTHING
    drawn = lot_of_fan(broadcast.id or 0, "variant")
    versions = [(drawn < upper, literal(key)) for key, upper in shares(broadcast.variants)]
    return case((waits_for_winner(broadcast), _NOTHING), *versions, else_=_NOTHING)


def has_test(broadcast: Broadcast) -> bool:
    """Whether only some of the fans get a version by lot, and the others the winner."""
    return bool(broadcast.variants) and broadcast.test_percent < 100


def waits_for_winner(broadcast: Broadcast, fan_id: Ids | None = None) -> ColumnElement[bool]:
    """Whether a fan is left for the winner: `pending`, reason WAITS_FOR_WINNER, not before UNDECIDED."""
    if not has_test(broadcast):
        return false()
    return lot_of_fan(broadcast.id or 0, "test", fan_id) >= broadcast.test_percent * LOTS // 100


def shares(variants: Sequence[Json]) -> list[tuple[str, int]]:
    """Every version with the lot its share ends before; who names no share gets an equal part of what is left."""
    given = {MAIN: None} | {str(one["key"]): one.get("share") for one in variants}
    unnamed = sum(share is None for share in given.values())
    left = 100 - sum(share or 0 for share in given.values())
    ends, reached = list[tuple[str, int]](), 0
    for key, share in given.items():
        reached += share * LOTS // 100 if share is not None else left * LOTS // 100 // unnamed
        ends.append((key, reached))
    return [*ends[:-1], (ends[-1][0], LOTS)]  # thirds leave a lot over


def mistakes(draft: Compared) -> Iterable[Invalid]:
    """Everything wrong with what is compared."""
    yield from _percent_mistakes(draft)
    wrong = list(_variant_mistakes(draft.variants))
    yield from wrong or _share_mistakes(draft.variants)
    yield from _winner_mistakes(draft)


def uplift(treated: int, bought: int, held: int, held_bought: int) -> Uplift:
    """Newcombe's interval for the difference of two rates, out of their Wilson scores (1998, method 10).

    Enough are, as for any fourfold table, five expected in each field if it had made no difference.
    """
    if not treated or not held:
        return Uplift(treated, bought, held, held_bought, 0.0, -1.0, 1.0, enough=False)
    rate, rate_held = bought / treated, held_bought / held
    low, high = wilson(bought, treated)
    low_held, high_held = wilson(held_bought, held)
    difference = rate - rate_held
    return Uplift(
        treated, bought, held, held_bought, difference,
        low=difference - sqrt((rate - low) ** 2 + (high_held - rate_held) ** 2),
        high=difference + sqrt((high - rate) ** 2 + (rate_held - low_held) ** 2),
        enough=_least_expected(treated, held, bought + held_bought) >= LEAST_EXPECTED,
    )  # fmt: skip


def _least_expected(treated: int, held: int, bought: int) -> float:
    everybody = treated + held
    return min(treated, held) * min(bought, everybody - bought) / everybody


def _percent_mistakes(draft: Compared) -> Iterable[Invalid]:
    for place, number, least, most in (
        ("holdout_percent", draft.holdout_percent, 0, MOST_HELD_OUT),
        ("test_percent", draft.test_percent, 1, 100),
        ("attribution_days", draft.attribution_days, 1, LONGEST_ATTRIBUTION_DAYS),
    ):
        if not _is_whole(number, least, most):
            yield Invalid("a whole number from %(least)d to %(most)d", where=(place,), least=least, most=most)


def _variant_mistakes(variants: Sequence[Json]) -> Iterable[Invalid]:
    keys = list[object]()
    for n, one in enumerate(variants):
        key = one.get("key")
        if not (isinstance(key, str) and _KEY.fullmatch(key)):
            yield Invalid("a version has a short name of small letters: b, c", where=("variants", n, "key"))
        elif key in keys:
            yield Invalid("two versions have the same name", where=("variants", n, "key"))
        keys.append(key)
        if one.get("share") is not None and not _is_whole(one["share"], 1, 99):
            yield Invalid("a share is a whole number from 1 to 99", where=("variants", n, "share"))
    if keys == [MAIN] or len({MAIN, *keys}) > MOST_VARIANTS:
        yield Invalid("compare two to %(most)d versions", where=("variants",), most=MOST_VARIANTS)


def _share_mistakes(variants: Sequence[Json]) -> Iterable[Invalid]:
    if not variants:
        return
    given = {MAIN: None} | {one["key"]: one.get("share") for one in variants}
    total, unnamed = sum(share or 0 for share in given.values()), sum(share is None for share in given.values())
    if total + unnamed > 100 or (total < 100 and not unnamed):
        yield Invalid("the shares of all versions together are 100", where=("variants",))


def _winner_mistakes(draft: Compared) -> Iterable[Invalid]:
    waits = draft.test_percent != 100
    if waits and not draft.variants:
        yield Invalid("a test needs a second version", where=("variants",))
    if draft.winner_by not in (None, *WINNERS):
        yield Invalid("the winner is found by clicks or by purchases", where=("winner_by",))
    if draft.winner_by is None:
        if waits:
            yield Invalid("say what the winner is found by: clicks or purchases", where=("winner_by",))
    elif not _is_whole(draft.winner_after_minutes, 1, LONGEST_TEST_MINUTES):
        yield Invalid("say after how many minutes: at most 30 days", where=("winner_after_minutes",))
    if draft.winner_by == "clicks" and not _can_be_pressed(draft):
        yield Invalid("nobody can click where there is no button", where=("winner_by",))


def _can_be_pressed(draft: Compared) -> bool:
    return bool(draft.buttons or draft.offer_id or any(one.get("buttons") for one in draft.variants))


def _is_whole(number: object, least: int, most: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and least <= number <= most
