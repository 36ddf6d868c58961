"""The form of a saved segment: its words and its rule as they were typed, and what the rule would give."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlmodel import col

from admin.forms import Errors, sentence
from admin.forms.rules import ROOT, Group, Json, Reader, errors_at, names_in, numbered, read_tree, tree_of
from siyu import segments
from siyu.kit.database import ReadSession
from siyu.kit.errors import Invalid, NotFound
from siyu.kit.wording import Words
from siyu.segments import Classification, Draft, Preview, Sentence, rules, saved, telling
from siyu.segments.rules import All, Rule
from siyu.segments.saved import RESERVED
from siyu.segments.shipped.composites import Composite
from siyu.tables import Fan, SavedSegment

WORDS = ("label", "note", "colour", "good", "folder")
# As many as one look at overlapping sets can tell.
MOST_BESIDE = 2


@dataclass(frozen=True)
class Written:
    """The form as it came, or as it begins."""

    tree: Group
    within: str = ""  # the segment that is changed; none while it is new
    key: str = ""  # of a new one, if somebody wants their own
    label: str = ""
    note: str = ""
    colour: str = ""
    good: str = "none"
    folder: str = ""
    pinned: bool = False
    beside: tuple[str, ...] = ()  # segments it is held against


def read(pairs: Sequence[tuple[str, str]]) -> Written:
    said = {"good": "none", **dict(pairs)}
    return Written(
        tree=read_tree(pairs),
        within=said.get("within", ""),
        key=said.get("key", "").strip(),
        **{name: said.get(name, "").strip() for name in WORDS},
        pinned="pinned" in said,
        beside=tuple(dict.fromkeys(value for name, value in pairs if name == "with" and value))[:MOST_BESIDE],
    )


def of_saved(row: SavedSegment, currency: str) -> Written:
    words = {name: getattr(row, name) for name in WORDS}
    return Written(tree_of(rules.parse(row.rule), currency), within=row.key, pinned=row.pinned, **words)


def of_composite(composite: Composite, currency: str, words: Words) -> Written:
    """Somebody's own segment from here on: in the language of whoever begins with it."""
    return Written(
        tree_of(composite.rule, currency),
        label=words.gettext(composite.label), note=words.gettext(composite.note),
        colour=composite.colour, good=composite.good.value,
    )  # fmt: skip


def draft(form: Written, rule: Json, taken: Collection[str]) -> Draft:
    """What is kept of it; a new segment without a key of its own gets one from its name."""
    key = form.within or form.key or free_key(form.label, taken)
    words = {name: getattr(form, name) for name in WORDS}
    return Draft(key=key, rule=rule, pinned=form.pinned, **words)


def free_key(label: str, taken: Collection[str]) -> str:
    """A key that says what the label says as far as a to z can."""
    plain = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")[:36].rstrip("_")
    stem = plain if re.match(r"[a-z]", plain) else f"segment_{plain}".rstrip("_")[:36]
    numbered = (f"{stem}_{n}" for n in range(2, len(taken) + len(RESERVED) + 3))
    return next(key for key in (stem, *numbered) if key not in taken and key not in RESERVED)


async def as_rule(session: ReadSession, form: Written, currency: str) -> tuple[Json, list[Invalid]]:
    """The rule that was typed, and everything in it that is not right yet."""
    names = set(names_in(form.tree))
    lower = func.lower(col(Fan.username))
    rows = await session.rows(select(lower, col(Fan.telegram_id)).where(lower.in_(names))) if names else ()
    reader = Reader(currency, {name: number for name, number in rows})  # noqa: C416 - types
    rule = reader.read(form.tree)
    return rule, reader.mistakes


@dataclass(frozen=True)
class Step:
    """A condition, how many are left after it, and how many it took away."""

    sentence: Sentence
    left: int
    removed: int
    share: float


@dataclass(frozen=True)
class Part:
    """Who is in exactly these of several segments."""

    names: tuple[str, ...]
    count: int
    share: float  # of the largest part


@dataclass(frozen=True)
class Look:
    """What the rule would give as it stands; with mistakes, only these."""

    mistakes: Errors = field(default_factory=dict)
    numbered: Errors = field(default_factory=dict)  # the same as a list tells them
    told: Sentence | None = None
    found: Preview | None = None
    everybody: int = 0
    steps: Sequence[Step] = ()
    parts: Sequence[Part] = ()

    @property
    def emptied(self) -> Step | None:
        """After which nobody was left."""
        return next((step for step in self.steps if not step.left), None)


async def look(session: ReadSession, form: Written, *, words: Words, currency: str) -> Look:
    """Exact, as of the last recompute."""
    typed, mistakes = await as_rule(session, form, currency)
    if mistakes:
        return _wrong(errors_at(mistakes, words), words)
    try:
        rule = await saved.checked(session, typed, within=form.within)
        whole = await segments.whole(session)
        found = await segments.preview(session, rule)
        return Look(
            told=telling.told(rule, whole, currency),
            found=found,
            everybody=(everybody := await segments.everybody(session)),
            steps=await _steps(session, rule, whole, currency, everybody),
            parts=await overlaps(session, form.beside, words, rule) if form.beside else (),
        )
    except Invalid as mistake:
        return _wrong(errors_at([mistake], words), words)
    except NotFound as missing:
        # Saved a moment ago, or while a look at another time is held: not worked out yet.
        return _wrong({ROOT: sentence(missing, words)}, words)


async def overlaps(session: ReadSession, keys: Sequence[str], words: Words, rule: Rule | None = None) -> list[Part]:
    """Every way of being in some of them: the ones alone first. Raises NotFound."""
    whole = await segments.whole(session)
    names: dict[str, str] = {key: _named(key, whole, words) for key in keys}
    counts = await segments.overlap(session, keys, rule)
    names[""] = words.gettext("This rule")
    most = max(counts.values(), default=0) or 1
    order = ["", *keys]
    return [
        Part(tuple(names[key] for key in order if key in choice), count, count / most)
        for choice, count in sorted(counts.items(), key=lambda one: (len(one[0]), sorted(map(order.index, one[0]))))
    ]


def _wrong(mistakes: Errors, words: Words) -> Look:
    return Look(mistakes, numbered(mistakes, words))


async def _steps(
    session: ReadSession, rule: Rule, whole: Classification, currency: str, everybody: int
) -> Sequence[Step]:
    counted = await segments.funnel(session, rule)
    parts = rule.of if isinstance(rule, All) else (rule,)
    before = [everybody, *(step.left for step in counted)]
    return [
        Step(telling.told(part, whole, currency), step.left, before[n] - step.left, step.left / (everybody or 1))
        for n, (part, step) in enumerate(zip(parts, counted, strict=True))
    ]


def _named(key: str, whole: Classification, words: Words) -> str:
    whole.place(key)
    return telling.name_of(key, whole).said(words)
