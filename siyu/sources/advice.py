"""What to do about a link or a channel: invest, adjust, retire, or wait, and why, in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Protocol

from siyu.kit.intervals import wilson
from siyu.kit.wording import phrase

ENOUGH = 30  # newcomers: of fewer, one more or less who buys turns the picture
ENOUGH_BUYERS = 5  # for money: one big basket is luck
TIME_TO_BUY = timedelta(days=14)  # half of a community's buyers take a week or two
GOOD_RETURN = 0.2  # a fifth on top: below, the work of it is not paid
POOR_RETURN = -0.5  # half of it lost


class Verdict(StrEnum):
    INVEST = "invest"
    ADJUST = "adjust"
    RETIRE = "retire"
    WAIT = "wait"  # not enough data yet


@dataclass(frozen=True)
class Advice:
    """A verdict and its reason: a message id, with whole numbers and percents to fill in."""

    verdict: Verdict
    reason: str
    values: Mapping[str, int] = field(default_factory=dict)


class Numbers(Protocol):
    """What advice is made of."""

    @property
    def joined(self) -> int: ...
    @property
    def active(self) -> int: ...
    @property
    def buyers(self) -> int: ...
    @property
    def first_day(self) -> date | None: ...
    @property
    def roi(self) -> float | None: ...


def advise(result: Numbers, everybody: Numbers, today: date) -> Advice:
    """By what it earned where its cost is known, else by how many buy, held against everybody of the same days."""
    early = _too_early(result, today)
    if early or result.roi is None:
        return early or _by_buyers(result, everybody)
    return _by_return(result, result.roi)


def _too_early(result: Numbers, today: date) -> Advice | None:
    if result.joined < ENOUGH:
        return Advice(Verdict.WAIT, phrase("Only %(joined)d came; from %(enough)d on they tell something."),
                      {"joined": result.joined, "enough": ENOUGH})  # fmt: skip
    if result.first_day is None or today - result.first_day < TIME_TO_BUY:
        days = {"days": TIME_TO_BUY.days}
        return Advice(Verdict.WAIT, phrase("The first came less than %(days)d days ago: buying takes time."), days)
    return None


def _by_return(result: Numbers, roi: float) -> Advice:
    back = {"back": round((roi + 1) * 100)}
    if roi < POOR_RETURN:
        return Advice(Verdict.RETIRE, phrase("Of every 100 spent only %(back)d came back."), back)
    if roi < GOOD_RETURN:
        return Advice(Verdict.ADJUST, phrase("For every 100 spent %(back)d came back: it hardly pays."), back)
    if result.buyers < ENOUGH_BUYERS:
        few = {"buyers": result.buyers, "enough": ENOUGH_BUYERS}
        luck = phrase("It paid, but only %(buyers)d bought; from %(enough)d on it is no luck.")
        return Advice(Verdict.WAIT, luck, few)
    return Advice(Verdict.INVEST, phrase("For every 100 spent %(back)d came back."), back)


def _by_buyers(result: Numbers, everybody: Numbers) -> Advice:
    """No verdict on a difference that chance alone could make."""
    usual = everybody.buyers / everybody.joined
    low, high = wilson(result.buyers, result.joined)
    shares = {"share": round(100 * result.buyers / result.joined), "usual": round(100 * usual)}
    if low > usual:
        return Advice(Verdict.INVEST, phrase("%(share)d %% of them bought; of all newcomers %(usual)d %%."), shares)
    if high >= usual:
        unclear = phrase("%(share)d %% of them bought, of all newcomers %(usual)d %%: that may still be chance.")
        return Advice(Verdict.WAIT, unclear, shares)
    if result.active / result.joined >= everybody.active / everybody.joined / 2:
        stays = phrase("They take part, but only %(share)d %% bought; of all newcomers %(usual)d %%.")
        return Advice(Verdict.ADJUST, stays, shares)
    quiet = phrase("They neither take part nor buy: %(share)d %% bought, of all newcomers %(usual)d %%.")
    return Advice(Verdict.RETIRE, quiet, shares)
