"""Custom dimensions: levels that operators define by rules; the first that holds counts, the last takes the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from siyu import audit
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid
from siyu.segments import definitions, rules, saved
from siyu.segments.classification import INTERESTS
from siyu.segments.dimensions import IN, OUT, Direction
from siyu.segments.uses import must_stay_whole
from siyu.tables import CustomDimension, SavedSegment

MOST_LEVELS = 30
LONGEST_LABEL, LONGEST_NOTE = 80, 200
# Words that addresses have for something else.
TAKEN = frozenset({INTERESTS, "new", "preview", "changes"})

Levels = list[dict[str, Any]]  # Any: RULEs; {key, label, rule, note, invites, good}, the last without a rule
_WORDS = ("note", "invites", "good")


@dataclass(frozen=True)
class CustomDraft:
    """What somebody writes down of a dimension of their own; levels in the order they are tried."""

    key: str
    label: str
    levels: Sequence[Mapping[str, Any]]  # Any: as in the table, checked before it is kept


@dataclass(frozen=True)
class Planned:
    """A change that was checked: the definitions before it and after."""

    label: str
    levels: Levels
    before: str
    after: str


async def find_custom(session: ReadSession, key: str) -> CustomDimension | None:
    return await session.get(CustomDimension, key)


async def get_custom(session: ReadSession, key: str) -> CustomDimension:
    """Raises NotFound; Conflict for one that Siyu ships."""
    found = await find_custom(session, key)
    if found is None:
        (await definitions.classification_in_force(session)).dimension(key)
        raise Conflict("%(key)s is shipped: it can be adjusted, not replaced or deleted", reason="shipped", key=key)
    return found


async def create(session: WriteSession, actor: Actor, draft: CustomDraft, *, now: datetime, **more: object) -> None:
    """Raises Invalid with the place, Conflict where the key is taken."""
    planned = await plan(session, draft)
    row = {"label": planned.label, "levels": planned.levels, "created_at": now, "changed_at": now}
    await session.run(session.insert(CustomDimension).values(key=draft.key, **row, changed_by=actor.key))
    after = _told(planned.label, planned.levels)
    await audit.note(session, actor, "dimension.created", "dimension", draft.key, now=now, after=after, **more)


async def change(session: WriteSession, actor: Actor, draft: CustomDraft, *, now: datetime, **more: object) -> None:
    """Everything of it, in one go. Raises Conflict where a level goes that something needs."""
    row = await get_custom(session, draft.key)
    before = _told(row.label, row.levels)
    planned = await plan(session, draft, new=False)
    after = _told(planned.label, planned.levels)
    if after == before:
        return
    row.label, row.levels, row.changed_at, row.changed_by = planned.label, planned.levels, now, actor.key
    session.add(row)
    await session.flush()
    await audit.note(
        session, actor, "dimension.changed", "dimension", draft.key, now=now, before=before, after=after, **more
    )


async def delete(session: WriteSession, actor: Actor, key: str, *, now: datetime, **more: object) -> None:
    """Raises Conflict naming what needs it."""
    row = await get_custom(session, key)
    before = await definitions.in_force(session)
    await must_stay_whole(session, before, definitions.without_custom(before, key))
    told = _told(row.label, row.levels)
    await audit.note(session, actor, "dimension.deleted", "dimension", key, now=now, before=told, **more)
    await session.delete(row)
    await session.flush()


async def plan(session: ReadSession, draft: CustomDraft, *, new: bool = True) -> Planned:
    """The draft checked, and what it would make of the definitions; nothing is kept."""
    if new:
        await _must_be_free(session, draft.key)
    label = _text(draft.label, LONGEST_LABEL, ("label",), needed=True)
    levels = await _checked_levels(session, draft)
    before = await definitions.in_force(session)
    after = definitions.with_custom(before, draft.key, label, levels)
    await must_stay_whole(session, before, after)
    return Planned(label, levels, before, after)


async def _must_be_free(session: ReadSession, key: str) -> None:
    if not saved.KEY.fullmatch(key):
        raise Invalid("a key starts with a letter and has up to 40 of a-z, 0-9 and _", where=("key",))
    known = (await definitions.classification_in_force(session)).by_key
    if key in TAKEN or key in known or await session.get(SavedSegment, key) is not None:
        raise Conflict("%(key)s is taken already", reason="taken", key=key)


async def _checked_levels(session: ReadSession, draft: CustomDraft) -> Levels:
    if not 2 <= len(draft.levels) <= MOST_LEVELS:
        raise Invalid("a dimension has 2 to %(most)s levels", where=("levels",), most=MOST_LEVELS)
    found: Levels = []
    for n, level in enumerate(draft.levels):
        if not isinstance(level, Mapping):
            raise Invalid("a level has a key, a name and a rule", where=("levels", n))
        key = _key(level, n, [one["key"] for one in found])
        label = _text(level.get("label"), LONGEST_LABEL, ("levels", n, "label"), needed=True)
        rule = await _rule(session, draft, n)
        found.append({"key": key, "label": label, **_words(level, n), **({"rule": rule} if rule else {})})
    return found


def _key(level: Mapping[str, Any], n: int, before: Sequence[str]) -> str:
    key = level.get("key")
    where = ("levels", n, "key")
    if not isinstance(key, str) or not saved.KEY.fullmatch(key):
        raise Invalid("a key starts with a letter and has up to 40 of a-z, 0-9 and _", where=where)
    if key in before or key in {IN, OUT}:
        raise Invalid("%(key)s is taken already", where=where, key=key)
    return key


async def _rule(session: ReadSession, draft: CustomDraft, n: int) -> dict[str, Any] | None:
    """Checked with its names; every level has one but the last, so that nobody is left without a level."""
    given, last = draft.levels[n].get("rule"), n == len(draft.levels) - 1
    if last and given:
        raise Invalid("the last level takes everybody else: it has no rule", where=("levels", n, "rule"))
    if last:
        return None
    if not given:
        raise Invalid("every level but the last needs a rule", where=("levels", n, "rule"))
    try:
        return rules.to_json(await saved.checked(session, given, within=draft.key))
    except Invalid as mistake:
        mistake.where = ("levels", n, *mistake.where)
        raise


def _words(level: Mapping[str, Any], n: int) -> dict[str, str]:
    words = {word: _text(level.get(word), LONGEST_NOTE, ("levels", n, word)) for word in _WORDS}
    if words["good"] not in {"", *Direction}:
        raise Invalid("a level should grow, shrink, or neither: up, down, none", where=("levels", n, "good"))
    strange = set(level) - {"key", "label", "rule", *_WORDS}
    if strange:
        name = sorted(map(str, strange))[0]
        raise Invalid("%(word)s cannot be changed here", where=("levels", n, name), word=name)
    return {word: text for word, text in words.items() if text}


def _text(given: object, most: int, where: tuple[str | int, ...], *, needed: bool = False) -> str:
    if given is None:
        given = ""
    if not isinstance(given, str) or len(given) > most or (needed and not given.strip()):
        raise Invalid("a text of at most %(most)s characters is needed", where=where, most=most)
    return given.strip()


def _told(label: str, levels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # Any: JSON
    return {"label": label, "levels": [dict(level) for level in levels]}
