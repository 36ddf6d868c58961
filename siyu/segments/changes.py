"""Who changed which dimension, what it was before, and the way back."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, NotFound
from siyu.segments import custom, thresholds
from siyu.segments.custom import CustomDraft
from siyu.tables import AuditEntry

CREATED, CHANGED, DELETED = "dimension.created", "dimension.changed", "dimension.deleted"


@dataclass(frozen=True)
class Part:
    """One thing that is otherwise now: `high`, or `names` and `high`; None where there was nothing."""

    name: str
    of: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Change:
    """One line of a dimension's history."""

    id: int
    at: datetime
    who: str
    dimension: str
    action: str
    parts: Sequence[Part]


async def changes_of(session: ReadSession, key: str | None = None, *, limit: int = 20) -> list[Change]:
    """Of one dimension, or of all; the newest first."""
    lines = select(AuditEntry).where(col(AuditEntry.subject_kind) == "dimension").order_by(col(AuditEntry.id).desc())
    if key is not None:
        lines = lines.where(col(AuditEntry.subject) == key)
    found = await session.all(lines.limit(limit))
    return [
        Change(entry.id or 0, entry.at, entry.actor_name, entry.subject, entry.action, tuple(_parts(entry)))
        for entry in found
    ]


async def take_back(session: WriteSession, actor: Actor, change_id: int, *, now: datetime) -> str:
    """The dimension as it was before that change, by the same checks as any change; returns its key."""
    entry = await _entry(session, change_id)
    key, before = entry.subject, entry.details.get("before", {})
    if entry.action == CREATED:
        await custom.delete(session, actor, key, now=now, back_before=change_id)
    elif entry.action == DELETED:
        await custom.create(session, actor, _draft(key, before), now=now, back_before=change_id)
    elif "levels" in before:
        await custom.change(session, actor, _draft(key, before), now=now, back_before=change_id)
    elif await custom.find_custom(session, key) is not None:
        raise Conflict("this dimension was made anew since then", reason="gone")
    else:
        await thresholds.restore(session, actor, key, before, now=now, back_before=change_id)
    return key


async def dimension_of_change(session: ReadSession, change_id: int) -> str:
    """Raises NotFound."""
    return (await _entry(session, change_id)).subject


async def _entry(session: ReadSession, change_id: int) -> AuditEntry:
    entry = await session.get(AuditEntry, change_id)
    if entry is None or entry.subject_kind != "dimension":
        raise NotFound("there is no such change")
    return entry


def _draft(key: str, told: Mapping[str, Any]) -> CustomDraft:
    return CustomDraft(key, told["label"], told["levels"])


def _parts(entry: AuditEntry) -> Iterator[Part]:
    before, after = (dict(_flat(entry.details.get(name, {}))) for name in ("before", "after"))
    for place in dict.fromkeys((*before, *after)):
        if before.get(place) != after.get(place):
            yield Part(place[0], place[1], before.get(place), after.get(place))


def _flat(told: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], str]]:
    """Every single thing under its name, as words."""
    for name, value in told.items():
        if isinstance(value, Mapping):
            yield from (((name, str(of)), str(one)) for of, one in value.items())
        elif isinstance(value, list):
            yield from (((name, str(one["key"])), _level(one)) for one in value)
        else:
            yield (name, ""), str(value)


def _level(one: Mapping[str, Any]) -> str:
    """A category or a level of somebody's own."""
    told = [str(one[word]) for word in ("label", "note", "invites") if one.get(word)]
    if one.get("rule"):
        told.append(json.dumps(one["rule"], ensure_ascii=False))
    return " · ".join(told)
