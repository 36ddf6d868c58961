"""The forms of dimensions: every field is named after its place in a change, so that a mistake finds its field."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from admin.forms import Errors, number, sentence
from siyu.kit.errors import Invalid, SiyuError
from siyu.kit.wording import Words
from siyu.segments import CustomDraft, Dimension, Own

Form = Mapping[str, str]

# A new dimension starts with so many rows of levels, and always has some to fill in.
ROWS, SPARE = 4, 2
LEVEL_WORDS = ("key", "label", "note", "invites", "good")
MOST_ROWS = 60
JSON_RULE = "json"

HOME_WORDS = ("country", "region", "place", "km")


@dataclass
class Typed:
    """What a form asks for, and what of it could not be read."""

    thresholds: dict[str, object] = field(default_factory=dict)
    own: dict[str, object] = field(default_factory=dict)
    mistakes: list[Invalid] = field(default_factory=list)


def field_of(where: Sequence[str | int]) -> str:
    return "-".join(map(str, where))


def filled(dimension: Dimension, thresholds: Mapping[str, int], own: Mapping[str, Any]) -> dict[str, str]:
    """The form as it stands; names and invitations are empty where they are as shipped."""
    form = {f"thresholds-{name}": str(value) for name, value in thresholds.items()}
    for word in (Own.NAMES, Own.INVITES):
        form |= {f"{word}-{level.key}": own.get(word, {}).get(level.key, "") for level in dimension.levels}
    form |= {f"{Own.HOME}-{name}": own.get(Own.HOME, {}).get(name, "") for name in HOME_WORDS}
    for n, one in enumerate([*own.get(Own.CATEGORIES, []), *[{"key": "", "label": ""}] * SPARE]):
        form |= {f"{Own.CATEGORIES}-{n}-{name}": one[name] for name in ("key", "label")}
    return form


def filled_grid(cells: Mapping[str, str]) -> dict[str, str]:
    return {f"{Own.GRID}-{cell}": level for cell, level in cells.items()}


def read_change(form: Form, dimension: Dimension) -> Typed:
    """What the form says; a part that is not in the form stays as it is."""
    typed = Typed()
    for name in (threshold.name for threshold in dimension.thresholds if f"thresholds-{threshold.name}" in form):
        try:
            typed.thresholds[name] = number(form[f"thresholds-{name}"], "")
        except Invalid as mistake:
            mistake.where = ("thresholds", name)
            typed.mistakes.append(mistake)
    for word in (Own.NAMES, Own.INVITES, Own.HOME, Own.GRID):
        part = {name.removeprefix(f"{word}-"): text for name, text in form.items() if name.startswith(f"{word}-")}
        if part and word in dimension.own:
            typed.own[word] = {of: text.strip() for of, text in part.items()}
    if Own.CATEGORIES in dimension.own and f"{Own.CATEGORIES}-0-key" in form:
        typed.own[Own.CATEGORIES] = _categories(form)
    return typed


def filled_custom(
    label: str, levels: Iterable[Mapping[str, Any]], choices: set[str], *, key: str = ""
) -> dict[str, str]:
    """A custom dimension as its form shows it: a rule that is a segment is chosen, any other written as JSON."""
    form = {"key": key, "label": label}
    for n, level in enumerate(levels):
        form |= {f"levels-{n}-{word}": str(level.get(word, "")) for word in LEVEL_WORDS}
        rule = level.get("rule")
        named = rule.get("segment") if rule and set(rule) == {"segment"} else None
        form[f"levels-{n}-segment"] = named if named in choices else JSON_RULE if rule else ""
        form[f"levels-{n}-rule"] = "" if named in choices or not rule else json.dumps(rule, ensure_ascii=False)
    return form


def rows_of(form: Form) -> range:
    """The rows of levels a form has, and some empty ones."""
    known = [n for n in range(MOST_ROWS) if any(form.get(f"levels-{n}-{word}") for word in ("key", "label"))]
    return range(max(max(known, default=-1) + 1 + (SPARE if known else 0), ROWS))


def read_custom(form: Form, *, key: str = "") -> tuple[CustomDraft, list[int], list[Invalid]]:
    """The dimension, the row of each of its levels, and what could not be read. Empty rows are left out."""
    mistakes: list[Invalid] = []
    rows = [n for n in range(MOST_ROWS) if any(_row(form, n).values())]
    levels = []
    for place, n in enumerate(rows):
        level: dict[str, Any] = {word: text for word, text in _row(form, n).items() if word in LEVEL_WORDS and text}
        level["key"] = level.get("key") or f"level_{n + 1}"
        try:
            rule = _rule(form, n)
        except Invalid as mistake:
            mistake.where = ("levels", place, *mistake.where)
            mistakes.append(mistake)
            rule = None
        levels.append({**level, **({"rule": rule} if rule is not None else {})})
    return CustomDraft(key or form.get("key", "").strip(), form.get("label", ""), levels), rows, mistakes


def mistakes_at(mistakes: Iterable[SiyuError], words: Words, rows: Sequence[int] = ()) -> Errors:
    """Each mistake at its field; one inside a rule says where."""
    told: Errors = {}
    for mistake in mistakes:
        where = list(mistake.where) if isinstance(mistake, Invalid) else []
        if where[:1] == ["levels"] and len(where) > 1 and rows:
            where[1] = rows[int(where[1])]
        said = sentence(mistake, words)
        if where[:1] == ["levels"] and len(where) > 3:
            said = words.gettext("%(place)s: %(mistake)s") % {"place": ".".join(map(str, where[3:])), "mistake": said}
        told.setdefault(field_of(where[:3]), said)
    return told


def _categories(form: Form) -> list[dict[str, str]]:
    rows = [{name: form.get(f"{Own.CATEGORIES}-{n}-{name}", "").strip() for name in ("key", "label")}
            for n in range(MOST_ROWS)]  # fmt: skip
    return [row for row in rows if any(row.values())]


def _row(form: Form, n: int) -> dict[str, str]:
    return {word: form.get(f"levels-{n}-{word}", "").strip() for word in (*LEVEL_WORDS, "segment", "rule")}


def _rule(form: Form, n: int) -> Any:  # Any: what somebody wrote as JSON
    row = _row(form, n)
    if row["segment"] and row["segment"] != JSON_RULE:
        if row["rule"]:
            raise Invalid("either a segment or a rule of its own, not both", where=("rule",))
        return {"segment": row["segment"]}
    if not row["rule"]:
        return None
    try:
        return json.loads(row["rule"])
    except ValueError:
        raise Invalid("this is not JSON", where=("rule",)) from None
