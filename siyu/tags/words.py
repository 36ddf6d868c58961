"""The tags themselves: made, changed, renamed, merged and deleted, with everybody who has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, literal, update
from sqlmodel import col, select

from siyu import audit, fans
from siyu.audit import Actor
from siyu.kit.columns import Instant
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.lines import is_line
from siyu.tables import Colour, FanTag, Tag, TagGroup
from siyu.tags import groups
from siyu.tags.hanging import check_word

LONGEST_LABEL = 60


@dataclass(frozen=True)
class NewTag:
    """What an operator fills in."""

    word: str
    label: str = ""
    colour: str = Colour.GREY.value
    group_id: int | None = None


@dataclass(frozen=True)
class Shelf:
    """A group with its tags, each with how many fans have it; no group for those that stand alone."""

    group: TagGroup | None
    tags: Sequence[tuple[Tag, int]]


async def list_tags(session: ReadSession) -> list[Shelf]:
    """Every group by name with its tags by word, and last the tags without a group."""
    counted = await session.rows(select(FanTag.tag, func.count()).group_by(FanTag.tag))
    sizes = {row[0]: row[1] for row in counted}
    shelved: list[TagGroup | None] = [*await groups.list_groups(session), None]
    shelves = {group.id if group else None: (group, list[tuple[Tag, int]]()) for group in shelved}
    for tag in await session.all(select(Tag).order_by(func.lower(Tag.word), Tag.word)):
        shelves[tag.group_id][1].append((tag, sizes.get(tag.word, 0)))
    return [Shelf(group, tags) for group, tags in shelves.values()]


async def words_like(session: ReadSession, *, limit: int = 200) -> list[str]:
    """Words to choose from while typing, those most fans have first."""
    much = select(col(FanTag.tag).label("tag"), func.count().label("fans")).group_by(FanTag.tag).subquery()
    ranked = select(Tag.word).outerjoin(much, much.c.tag == Tag.word)
    return list(await session.all(ranked.order_by(func.coalesce(much.c.fans, 0).desc(), Tag.word).limit(limit)))


async def find_tag(session: ReadSession, word: str) -> Tag | None:
    return await session.get(Tag, word)


async def get_tag(session: ReadSession, word: str) -> Tag:
    found = await find_tag(session, word)
    if found is None:
        raise NotFound("there is no tag “%(word)s”", word=word)
    return found


async def size_of(session: ReadSession, word: str) -> int:
    """How many fans have it."""
    return await session.one(select(func.count()).select_from(FanTag).where(col(FanTag.tag) == word))


async def create_tag(session: WriteSession, actor: Actor, draft: NewTag, *, now: datetime) -> Tag:
    """Raises Invalid, or Conflict where the word is taken."""
    word = _checked_at("word", draft.word)
    if await find_tag(session, word):
        raise Conflict("there is a tag “%(word)s” already", reason="tag_taken", word=word)
    tag, group = Tag(word=word, created_at=now, created_by=actor.key), await _group_of(session, draft)
    _dress(tag, draft, group)
    session.add(tag)
    await session.flush()
    await audit.note(session, actor, "tag.created", "tag", word, now=now, **_told(tag, group))
    return tag


async def change_tag(session: WriteSession, actor: Actor, draft: NewTag, *, now: datetime) -> Tag:
    """Label, colour and group of `draft.word`. Refused where fans would have two tags of an exclusive group."""
    tag = await get_tag(session, draft.word)
    group = await _group_of(session, draft)
    if group and group.exclusive and group.id != tag.group_id:
        rivals = await groups.members(session, [group.id or 0])
        await groups.refuse_rivals(session, [*rivals, tag.word], where="group_id")
    _dress(tag, draft, group)
    session.add(tag)
    await session.flush()
    await audit.note(session, actor, "tag.changed", "tag", tag.word, now=now, **_told(tag, group))
    return tag


async def rename_tag(session: WriteSession, actor: Actor, word: str, new: str, *, now: datetime) -> None:
    """Every fan keeps it under the new word. A word that is taken is refused: that would be a merge."""
    await get_tag(session, word)
    new = _checked_at("new", new)
    if new == word:
        return
    if await find_tag(session, new):
        raise Conflict("there is a tag “%(word)s” already; merge the two instead", reason="tag_taken", word=new)
    await fans.look_again(session, fans.who_has(word), now=now)
    await session.run(update(Tag).where(col(Tag.word) == word).values(word=new))
    await session.run(update(FanTag).where(col(FanTag.tag) == word).values(tag=new))
    await audit.note(session, actor, "tag.renamed", "tag", new, now=now, old=word, new=new)


async def merge_tags(session: WriteSession, actor: Actor, word: str, into: str, *, now: datetime) -> int:
    """Who has `word` has `into` instead, and `word` is no more; how many fans that were.

    Of an exclusive group `into` wins: other tags of the group come off these fans.
    """
    await get_tag(session, word)
    kept = await find_tag(session, into)
    if kept is None or into == word:
        raise Invalid("choose another tag", where=("into",))
    others = set(await groups.rivals(session, [into])) - {into, word}
    await fans.look_again(session, fans.who_has(word), now=now)
    came_off = await session.run(
        delete(FanTag).where(col(FanTag.tag).in_(others), col(FanTag.fan_id).in_(fans.who_has(word)))
    )
    theirs = select(FanTag.fan_id, literal(into), literal(now, Instant())).where(col(FanTag.tag) == word)
    taking = session.insert(FanTag).from_select(["fan_id", "tag", "at"], theirs)
    await session.run(taking.on_conflict_do_nothing())
    number = await _remove(session, word)
    told = {"old": word, "new": into, "fans": number, "came_off": came_off}
    await audit.note(session, actor, "tag.merged", "tag", into, now=now, **told)
    return number


async def delete_tag(session: WriteSession, actor: Actor, word: str, *, now: datetime) -> int:
    """It comes off every fan who has it; how many fans that were."""
    await get_tag(session, word)
    await fans.look_again(session, fans.who_has(word), now=now)
    number = await _remove(session, word)
    await audit.note(session, actor, "tag.deleted", "tag", word, now=now, fans=number)
    return number


async def _remove(session: WriteSession, word: str) -> int:
    number = await session.run(delete(FanTag).where(col(FanTag.tag) == word))
    await session.run(delete(Tag).where(col(Tag.word) == word))
    return number


async def _group_of(session: WriteSession, draft: NewTag) -> TagGroup | None:
    if draft.group_id is None:
        return None
    try:
        return await groups.locked(session, draft.group_id)
    except NotFound as error:
        raise Invalid(error.sentence, where=("group_id",)) from None


def _dress(tag: Tag, draft: NewTag, group: TagGroup | None) -> None:
    label = draft.label.strip()
    if not is_line(label, least=0, most=LONGEST_LABEL):
        raise Invalid("takes %(least)s to %(most)s characters", where=("label",), least=0, most=LONGEST_LABEL)
    if draft.colour not in set(Colour):
        raise Invalid("choose one of these", where=("colour",))
    tag.label, tag.colour, tag.group_id = label or None, Colour(draft.colour), group.id if group else None


def _told(tag: Tag, group: TagGroup | None) -> dict[str, object]:
    return {"label": tag.label, "colour": tag.colour.value, "group": group.name if group else None}


def _checked_at(field: str, word: str) -> str:
    try:
        return check_word(word)
    except Invalid as mistake:
        mistake.where = (field,)
        raise
