"""Saved segments: a rule with a name, checked before it counts; frozen, archived, and deleted when nobody needs it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from siyu import audit
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound, SiyuError
from siyu.segments import definitions, rules
from siyu.segments.classification import Classification, asks_for
from siyu.segments.dimensions import Dimension, Direction
from siyu.segments.membership import SegmentView
from siyu.segments.rules import Attribute, Rule, Stays, Tagged
from siyu.segments.soundness import must_be_sound
from siyu.segments.uses import waiting_for
from siyu.tables import AsOf, FanAttribute, SavedSegment, Tag
from siyu.tables import Attribute as AttributeDefinition

KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
COLOURS = ("", "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "gray")
LONGEST_LABEL, LONGEST_NOTE = 80, 500
# What addresses below /segments mean already.
RESERVED = frozenset({"interests", "preview", "new", "archived", "overlap", "look", "rule", "recompute"})


@dataclass(frozen=True)
class Draft:
    """What somebody writes down of a segment."""

    key: str
    label: str
    rule: Mapping[str, Any]  # Any: the contract's RULE
    note: str = ""
    colour: str = ""
    good: str = Direction.NONE
    folder: str = ""
    pinned: bool = False


async def list_saved(session: ReadSession, *, archived: bool = False) -> list[SavedSegment]:
    """Pinned ones first, then by folder and name."""
    there = col(SavedSegment.archived_at).is_not(None) if archived else col(SavedSegment.archived_at).is_(None)
    order = (col(SavedSegment.pinned).desc(), col(SavedSegment.folder), col(SavedSegment.label))
    return list(await session.all(select(SavedSegment).where(there).order_by(*order)))


async def rule_as_json(session: ReadSession, view: SegmentView) -> dict[str, Any]:  # Any: the contract's RULE
    """What a segment's people have in common, as a program writes it."""
    saved = await find_saved(session, view.key) if view.sparse else None
    if saved is not None:
        return saved.rule
    return {"dimension": view.dimension.partition(".")[0], "in": [view.key.rpartition(".")[2]]}


async def find_saved(session: ReadSession, key: str) -> SavedSegment | None:
    return await session.get(SavedSegment, key)


async def get_saved(session: ReadSession, key: str) -> SavedSegment:
    found = await find_saved(session, key)
    if found is None:
        raise NotFound("there is no segment %(key)s", key=key)
    return found


async def create(session: WriteSession, actor: Actor, draft: Draft, *, now: datetime) -> SavedSegment:
    """Raises Invalid with the place, Conflict where the key is taken."""
    whole = await definitions.classification_in_force(session)
    _must_be_free(draft.key, whole)
    if await find_saved(session, draft.key) is not None:
        raise Conflict("there is a segment %(key)s already", reason="taken", key=draft.key)
    rule = await checked(session, draft.rule, within=draft.key)
    values = {**_checked_words(draft), "rule": rules.to_json(rule)}
    row = SavedSegment(**values, owner=actor.key, owner_name=actor.name, created_at=now, changed_at=now)
    session.add(row)
    await session.flush()
    await audit.note(session, actor, "segment.created", "segment", draft.key, now=now, rule=values["rule"])
    return row


async def change(session: WriteSession, actor: Actor, draft: Draft, *, now: datetime) -> SavedSegment:
    """Everything of it, in one go; the rule's version counts up only with the rule."""
    row = await get_saved(session, draft.key)
    rule = rules.to_json(await checked(session, draft.rule, within=draft.key))
    before = {"label": row.label, "rule": row.rule}
    if rule != row.rule and row.frozen_at is not None:
        raise Conflict("this segment is frozen; let it live again before its rule is changed", reason="frozen")
    row.version += rule != row.rule
    for name, value in {**_checked_words(draft), "rule": rule, "changed_at": now}.items():
        setattr(row, name, value)
    session.add(row)
    await session.flush()
    await audit.note(
        session,
        actor,
        "segment.changed",
        "segment",
        row.key,
        now=now,
        before=before,
        after={"label": row.label, "rule": rule},
    )
    return row


async def freeze(session: WriteSession, actor: Actor, key: str, *, frozen: bool, now: datetime) -> None:
    """From now on nobody enters or leaves; or whoever its rule fits does again."""
    row = await get_saved(session, key)
    if (row.frozen_at is not None) is frozen:
        return
    row.frozen_at = now if frozen else None
    session.add(row)
    await audit.note(session, actor, "segment.frozen" if frozen else "segment.thawed", "segment", key, now=now)


async def archive(session: WriteSession, actor: Actor, key: str, *, archived: bool, now: datetime) -> None:
    """Put away: it is worked out no more, and can be brought back."""
    row = await get_saved(session, key)
    if archived:
        await _must_not_be_needed(session, key)
    row.archived_at = now if archived else None
    session.add(row)
    await audit.note(session, actor, "segment.archived" if archived else "segment.restored", "segment", key, now=now)


async def delete(session: WriteSession, actor: Actor, key: str, *, now: datetime) -> None:
    """Raises Conflict naming what needs it."""
    row = await get_saved(session, key)
    await _must_not_be_needed(session, key)
    await audit.note(session, actor, "segment.deleted", "segment", key, now=now, label=row.label, rule=row.rule)
    await session.delete(row)


async def where_used(session: ReadSession, key: str) -> list[tuple[str, str]]:
    """What would miss it: (kind, key or title) of segments, dimensions and broadcasts that are not over."""
    whole = await definitions.classification_in_force(session)
    users = [("dimension", one.key) for one in whole.dimensions if key in _asked_by(_rules_of(one))]
    # As they were written: one that is frozen, or broken, asks for nobody at the moment, and will again.
    users += [
        ("segment", row.key) for row in await list_saved(session) if row.key != key and key in _asked_by([rule_of(row)])
    ]
    return [*users, *(("broadcast", title) for title in await waiting_for(session, [key]))]


def rule_of(row: SavedSegment) -> Rule:
    """As it was written; one that this version cannot read keeps whoever is in it."""
    try:
        return rules.parse(row.rule)
    except Invalid:
        return Stays(stays=row.key)


def fault(row: SavedSegment, whole: Classification) -> SiyuError | None:
    """Why its rule cannot be worked out: what is missing, or that it leads back to itself."""
    try:
        must_be_sound(rules.parse(row.rule), whole, within=row.key)
    except (Invalid, NotFound) as error:
        return error
    return None


async def is_broken(session: ReadSession, key: str) -> bool:
    """Whether it is a saved one that nobody can enter until its rule is mended."""
    row = await find_saved(session, key)
    if row is None:
        return False
    return bool(row.broken) or fault(row, await definitions.classification_in_force(session)) is not None


async def checked(session: ReadSession, given: object, *, within: str = "") -> Rule:
    """A rule every word of which is known. Raises Invalid with the place."""
    rule = rules.parse(given)
    must_be_sound(rule, await definitions.classification_in_force(session), within=within)
    as_of = await session.get(AsOf, 1)
    for where, leaf in rules.walk(rule):
        if isinstance(leaf, rules.Was) and as_of is not None and leaf.on >= as_of.day:
            raise Invalid("this day is not over yet", where=(*where, "on"))
        if isinstance(leaf, Tagged) and await session.get(Tag, leaf.tag) is None:
            raise Invalid("nobody has the tag %(tag)s", where=(*where, "tag"), tag=leaf.tag)
        if isinstance(leaf, Attribute) and not await _is_attribute(session, leaf.attribute):
            raise Invalid("there is no attribute %(name)s", where=(*where, "attribute"), name=leaf.attribute)
    return rule


async def _is_attribute(session: ReadSession, name: str) -> bool:
    """Somebody has it, or fans are asked for it."""
    whole = await definitions.classification_in_force(session)
    asked = {dimension.asked for dimension in whole.dimensions} | {"country", "region"}
    if name in asked or await session.get(AttributeDefinition, name) is not None:
        return True
    return (
        await session.first(select(col(FanAttribute.fan_id)).where(col(FanAttribute.name) == name).limit(1)) is not None
    )


def _must_be_free(key: str, whole: Classification) -> None:
    if not KEY.fullmatch(key):
        raise Invalid("a key starts with a letter and has up to 40 of a-z, 0-9 and _", where=("key",))
    if key in {dimension.key for dimension in whole.dimensions} | RESERVED:
        raise Invalid("%(key)s is a dimension's", where=("key",), key=key)


def _checked_words(draft: Draft) -> dict[str, Any]:
    words = {name: value for name, value in asdict(draft).items() if name != "rule"}
    words["label"] = draft.label.strip()
    if not 1 <= len(words["label"]) <= LONGEST_LABEL:
        raise Invalid("a name has 1 to %(most)s characters", where=("label",), most=LONGEST_LABEL)
    if len(draft.note) > LONGEST_NOTE:
        raise Invalid("a note has %(most)s characters at most", where=("note",), most=LONGEST_NOTE)
    if draft.colour not in COLOURS:
        raise Invalid("there is no colour %(colour)s", where=("colour",), colour=draft.colour)
    if draft.good not in set(Direction):
        raise Invalid("a segment should grow, shrink, or neither: up, down, none", where=("good",))
    if len(draft.folder) > LONGEST_LABEL:
        raise Invalid("a folder has %(most)s characters at most", where=("folder",), most=LONGEST_LABEL)
    return words


async def _must_not_be_needed(session: ReadSession, key: str) -> None:
    users = await where_used(session, key)
    if users:
        raise Conflict(
            "this segment is needed by: %(users)s",
            reason="in_use",
            users=", ".join(f"{kind} {name}" for kind, name in users),
        )


def _rules_of(dimension: Dimension) -> list[Rule]:
    return [level.rule for level in dimension.levels if level.rule is not None]


def _asked_by(asking: Iterable[Rule]) -> set[str]:
    return {name for rule in asking for leaf in rules.leaves(rule) for name in _asked_for(leaf)}


def _asked_for(leaf: rules.Leaf) -> tuple[str, ...]:
    """What it is about now, and what it was about on some day."""
    return (leaf.was, leaf.was.rpartition(".")[0]) if isinstance(leaf, rules.Was) else asks_for(leaf)
