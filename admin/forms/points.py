"""The forms of points: a rule, and the tiers."""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import BaseModel
from starlette.datastructures import FormData

from admin.forms import Errors, Reading, number, number_or_none, sentence
from siyu.kit.errors import Invalid
from siyu.kit.wording import CHINESE, ENGLISH, Words
from siyu.points import NewTier, Rule
from siyu.points.tiers import MOST_TIERS
from siyu.tables import Tier

LANGUAGES = (ENGLISH, CHINESE)


class RuleForm(BaseModel):
    """The form as it came: all text; an unticked box does not come at all."""

    is_on: str = ""
    amount: str = ""
    per: str = "1"
    daily_cap: str = ""
    valid_days: str = ""
    streak_days: str = "7"
    streak_bonus: str = "0"
    attribute: str = ""


class TierRow(BaseModel):
    """One step as it came; without any name it is none."""

    names: dict[str, str] = {}
    benefits: dict[str, str] = {}
    minimum: str = ""
    multiplier: str = "100"

    @property
    def is_empty(self) -> bool:
        return not any([*self.names.values(), *self.benefits.values(), self.minimum])


class TiersForm(BaseModel):
    rows: list[TierRow]
    window_days: str = ""
    grace_days: str = ""


def filled_rule(rule: Rule) -> RuleForm:
    """A rule as its form shows it."""
    return RuleForm(
        is_on="1" if rule.is_on else "", amount=str(rule.amount), per=str(rule.per),
        daily_cap=str(rule.daily_cap or ""), valid_days=str(rule.valid_days or ""),
        streak_days=str(rule.streak_days), streak_bonus=str(rule.streak_bonus), attribute=rule.attribute or "",
    )  # fmt: skip


def read_rule(form: RuleForm, rule: Rule) -> tuple[Rule, list[Invalid]]:
    """The rule as it shall be, and everything in it that could not be read."""
    reading = Reading()
    read = replace(
        rule,
        is_on=bool(form.is_on),
        amount=reading.take(lambda: number(form.amount, "amount"), 0),
        per=reading.take(lambda: number(form.per, "per"), 1),
        daily_cap=reading.take(lambda: number_or_none(form.daily_cap, "daily_cap"), None),
        valid_days=reading.take(lambda: number_or_none(form.valid_days, "valid_days"), None),
        streak_days=reading.take(lambda: number(form.streak_days, "streak_days"), 7),
        streak_bonus=reading.take(lambda: number(form.streak_bonus, "streak_bonus"), 0),
        attribute=form.attribute.strip() or None,
    )
    return read, reading.mistakes


def signed(text: str, field: str) -> int:
    """+50 or -20, also with the minus that typographers use."""
    plain = text.strip().replace("−", "-")
    amount = number(plain.lstrip("+-"), field)
    return -amount if plain.startswith("-") else amount


def came_tiers(came: FormData) -> TiersForm:
    """What the browser sent, row by row."""
    told = {name: value for name, value in came.items() if isinstance(value, str)}
    rows = [_row(told, n) for n in range(MOST_TIERS)]
    return TiersForm(rows=rows, window_days=told.get("window_days", ""), grace_days=told.get("grace_days", ""))


def filled_tiers(steps: list[Tier], window_days: int, grace_days: int) -> TiersForm:
    """The steps as their form shows them, with empty rows to go on."""
    rows = [
        TierRow(names=step.names, benefits=step.benefits, minimum=str(step.minimum), multiplier=str(step.multiplier))
        for step in steps
    ]
    rows += [TierRow() for _ in range(MOST_TIERS - len(rows))]
    return TiersForm(rows=rows, window_days=str(window_days), grace_days=str(grace_days))


def read_tiers(form: TiersForm) -> tuple[list[NewTier], int, int, list[Invalid]]:
    """The steps, the window and the grace, and everything that could not be read, with the number of its row."""
    reading, drafts = Reading(), []
    for n, row in enumerate(form.rows):
        if not row.is_empty:
            drafts.append(_draft(reading, row, n))
    window = reading.take(lambda: number(form.window_days, "window_days"), 0)
    grace = reading.take(lambda: number(form.grace_days, "grace_days"), 0)
    return drafts, window, grace, reading.mistakes


def at_rows(mistakes: list[Invalid], form: TiersForm, words: Words) -> Errors:
    """The house counts the steps it was given; the form has empty rows between."""
    filled = [n for n, row in enumerate(form.rows) if not row.is_empty]
    told: Errors = {}
    for mistake in mistakes:
        match mistake.where:
            case ("tiers", int(place), str(field)):
                name = f"{filled[place]}.{_box(field)}"
            case (str(name),):
                name = "0.name.en" if name == "tiers" else name
            case _:
                name = ""
        told.setdefault(name, sentence(mistake, words))
    return told


def _box(field: str) -> str:
    return {"names": f"name.{ENGLISH}", "benefits": f"benefits.{ENGLISH}"}.get(field, field)


def _row(told: Mapping[str, str], n: int) -> TierRow:
    return TierRow(
        names={language: told.get(f"{n}.name.{language}", "").strip() for language in LANGUAGES},
        benefits={language: told.get(f"{n}.benefits.{language}", "").strip() for language in LANGUAGES},
        minimum=told.get(f"{n}.minimum", "").strip(),
        multiplier=told.get(f"{n}.multiplier", "").strip() or "100",
    )


def _draft(reading: Reading, row: TierRow, n: int) -> NewTier:
    """A number that cannot be read stands as one that can, so that only it is complained of."""
    minimum = reading.take(lambda: number(row.minimum, f"{n}.minimum"), 1)
    multiplier = reading.take(lambda: number(row.multiplier, f"{n}.multiplier"), 100)
    return NewTier(names=row.names, minimum=minimum, multiplier=multiplier, benefits=row.benefits)
