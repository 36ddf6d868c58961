"""What needs what: a level or a dimension goes only when nothing asks for it any more."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlmodel import col

from siyu.kit.database import ReadSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.segments.classification import Classification, asks_for
from siyu.segments.meaning import classification
from siyu.segments.rules import Rule, leaves, parse
from siyu.segments.soundness import must_be_sound
from siyu.tables import Broadcast

OVER = ("finished", "cancelled", "failed")


async def must_stay_whole(session: ReadSession, before: str, after: str) -> None:
    """No rule and no broadcast may lose what it asks for. Raises Conflict naming those that would."""
    old, new = classification(before), classification(after)
    losing = [
        f"{'segment' if new.by_key[key].sparse else 'dimension'} {key}"
        for key in new.by_key
        if key in old.by_key and _is_broken(key, new) and not _is_broken(key, old)
    ]
    losing += [f"broadcast {title}" for title in await waiting_for(session, _places(old) - _places(new))]
    losing += [f"broadcast {row.title}" for row in await _waiting(session) if _loses(row.rule, old, new)]
    if losing:
        raise Conflict("this is needed by: %(users)s", reason="in_use", users=", ".join(losing))


def _is_broken(key: str, whole: Classification) -> bool:
    rules = [level.rule for level in whole.by_key[key].levels]
    return key in whole.broken or not all(_is_sound(rule, whole, within=key) for rule in rules)


def _loses(rule: Mapping[str, Any] | None, old: Classification, new: Classification) -> bool:
    """Whether a broadcast's own rule would lose what it asks for."""
    read = parse(rule) if rule is not None else None
    return _is_sound(read, old) and not _is_sound(read, new)


def _is_sound(rule: Rule | None, whole: Classification, *, within: str = "") -> bool:
    try:
        must_be_sound(rule, whole, within=within)
    except (Invalid, NotFound):
        return False
    return True


def _places(whole: Classification) -> set[str]:
    return {f"{dimension.key}.{level.key}" for dimension in whole.dimensions for level in dimension.levels}


async def waiting_for(session: ReadSession, segments: Collection[str]) -> list[str]:
    """Titles of broadcasts that are not over and name one of these, or ask for one in their rule."""
    if not segments:
        return []
    rows = await _waiting(session)
    return [row.title for row in rows if not _named(row.include, row.exclude, row.rule).isdisjoint(segments)]


async def _waiting(session: ReadSession) -> Sequence[Row[str, list[str], list[str], Mapping[str, Any] | None]]:
    columns = (col(Broadcast.title), col(Broadcast.include), col(Broadcast.exclude), col(Broadcast.rule))
    return await session.rows(select(*columns).where(col(Broadcast.state).not_in(OVER)).order_by(col(Broadcast.id)))


def _named(include: Sequence[str], exclude: Sequence[str], rule: Mapping[str, Any] | None) -> set[str]:
    asked = leaves(parse(rule)) if rule is not None else ()
    return {*include, *exclude, *(name for leaf in asked for name in asks_for(leaf))}
