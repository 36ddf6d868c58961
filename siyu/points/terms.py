"""The terms: whether points are given at all, for what, how many, and how long they are good."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import col

from siyu import audit
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid, NotFound
from siyu.kit.money import STARS, Money, exponent
from siyu.kit.wording import phrase
from siyu.tables import PointsKind, PointsProgramme, PointsRule

MOST = 1_000_000  # points of one rule
LONGEST_DAYS = 3_650
BY_MONEY = (PointsKind.PURCHASE, PointsKind.STARS)
_BEYOND = phrase("a whole number from %(least)d to %(most)d")


# What moved points, as people call it; message ids.
MOVEMENTS = {
    PointsKind.PURCHASE: phrase("A purchase"),
    PointsKind.STARS: phrase("A purchase in Stars"),
    PointsKind.CHECKIN: phrase("A check-in"),
    PointsKind.SURVEY: phrase("A survey"),
    PointsKind.FEEDBACK: phrase("Feedback"),
    PointsKind.REFERRER: phrase("A friend brought"),
    PointsKind.NEWCOMER: phrase("A welcome by a friend"),
    PointsKind.BIRTHDAY: phrase("A birthday"),
    PointsKind.HAND: phrase("By hand"),
    PointsKind.SPENT: phrase("Spent on a coupon"),
    PointsKind.TAKEN_BACK: phrase("Taken back"),
    PointsKind.EXPIRED: phrase("Ran out"),
}


@dataclass(frozen=True)
class Rule:
    """What one thing is worth; `amount` is for each time, or for every `per` whole units of money."""

    kind: PointsKind
    amount: int
    is_on: bool = True
    per: int = 1
    daily_cap: int | None = None  # points of a fan within 24 hours
    valid_days: int | None = 365
    streak_days: int = 7
    streak_bonus: int = 0
    attribute: str | None = None

    def unit(self, main: str) -> Money | None:
        """What `amount` is given for; None for rules that are not about money."""
        if self.kind not in BY_MONEY:
            return None
        currency = STARS if self.kind is PointsKind.STARS else main
        return Money(self.per * 10 ** exponent(currency), currency)

    def runs_out(self, at: datetime) -> datetime | None:
        return at + timedelta(days=self.valid_days) if self.valid_days is not None else None


# Modest: a check-in every day of a year is worth what 600 units of money are.
SHIPPED = {
    rule.kind: rule
    for rule in (
        Rule(PointsKind.PURCHASE, 1),
        Rule(PointsKind.STARS, 1, per=10),
        Rule(PointsKind.CHECKIN, 1, streak_bonus=5),
        Rule(PointsKind.SURVEY, 20, daily_cap=40),
        Rule(PointsKind.FEEDBACK, 10, daily_cap=20),
        Rule(PointsKind.REFERRER, 100),
        Rule(PointsKind.NEWCOMER, 50),
        Rule(PointsKind.BIRTHDAY, 50, attribute="birthday"),
    )
}


@dataclass(frozen=True)
class Programme:
    """`since` is None while the house gives no points; what fans have stays theirs."""

    since: datetime | None
    currency: str
    window_days: int
    grace_days: int

    @property
    def is_on(self) -> bool:
        return self.since is not None


OFF = Programme(None, "", 365, 30)


async def programme(session: ReadSession) -> Programme:
    columns = (PointsProgramme.since, PointsProgramme.currency, PointsProgramme.window_days, PointsProgramme.grace_days)
    found = await session.rows(select(*(col(column) for column in columns)).where(col(PointsProgramme.id) == 1))
    return Programme(*found[0]) if found else OFF


async def rules(session: ReadSession) -> dict[PointsKind, Rule]:
    """Every rule, on or off, in the order they are shown."""
    own = {PointsKind(row.kind): row for row in await session.all(select(PointsRule))}
    return {kind: _own(own[kind]) if kind in own else rule for kind, rule in SHIPPED.items()}


async def rule_in_force(session: ReadSession, kind: PointsKind) -> Rule | None:
    """None while the programme or the rule is off."""
    if not (await programme(session)).is_on:
        return None
    own = await session.first(select(PointsRule).where(col(PointsRule.kind) == kind))
    rule = _own(own) if own else SHIPPED[kind]
    return rule if rule.is_on else None


async def switch_on(session: WriteSession, actor: Actor, *, currency: str, now: datetime) -> None:
    """Points are given from now on; for older purchases never, also when they are told later."""
    if (await programme(session)).is_on:
        return
    terms = {"since": now, "currency": currency}
    row = session.insert(PointsProgramme).values(id=1, window_days=OFF.window_days, grace_days=OFF.grace_days, **terms)
    await session.run(row.on_conflict_do_update(index_elements=["id"], set_=terms))
    await audit.note(session, actor, "points.switched_on", "points", "programme", now=now)


async def switch_off(session: WriteSession, actor: Actor, *, now: datetime) -> None:
    """Nothing new is given; what fans have they keep, and can spend."""
    row = await session.get(PointsProgramme, 1)
    if row is not None and row.since is not None:
        row.since = None
        session.add(row)
        await audit.note(session, actor, "points.switched_off", "points", "programme", now=now)


async def change_rule(session: WriteSession, actor: Actor, rule: Rule, *, now: datetime) -> None:
    """Raises Invalid with the field that is beyond what makes sense."""
    if rule.kind not in SHIPPED:
        raise NotFound("there is no such rule")
    _check(rule)
    before = (await rules(session))[rule.kind]
    if before == rule:
        return
    values = asdict(rule)
    row = session.insert(PointsRule).values(**values)
    await session.run(row.on_conflict_do_update(index_elements=["kind"], set_=values))
    changed = {name: value for name, value in values.items() if getattr(before, name) != value}
    await audit.note(session, actor, "points.rule_changed", "points", rule.kind.value, now=now, **changed)


def _own(row: PointsRule) -> Rule:
    shipped = SHIPPED[PointsKind(row.kind)]
    return replace(shipped, **{name: getattr(row, name) for name in asdict(shipped) if name != "kind"})


def _check(rule: Rule) -> None:
    _within("amount", rule.amount, 0, MOST)
    _within("per", rule.per, 1, MOST)
    _within("daily_cap", rule.daily_cap, 1, MOST)
    _within("valid_days", rule.valid_days, 1, LONGEST_DAYS)
    _within("streak_days", rule.streak_days, 2, 365)
    _within("streak_bonus", rule.streak_bonus, 0, MOST)
    if rule.kind is PointsKind.BIRTHDAY and not rule.attribute:
        raise Invalid("name the attribute that holds the birthday", where=("attribute",))


def _within(field: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise Invalid(_BEYOND, where=(field,), least=least, most=most)
