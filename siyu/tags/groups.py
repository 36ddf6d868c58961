"""Groups of tags: a name for what belongs together, and whether a fan may have only one of it."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, update
from sqlmodel import col, select

from siyu import audit
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.lines import is_line
from siyu.tables import Fan, FanTag, Tag, TagGroup

LONGEST_GROUP = 40


async def list_groups(session: ReadSession) -> list[TagGroup]:
    """All of them by name."""
    return list(await session.all(select(TagGroup).order_by(func.lower(TagGroup.name), col(TagGroup.id))))


async def get_group(session: ReadSession, group_id: int) -> TagGroup:
    found = await session.get(TagGroup, group_id)
    if found is None:
        raise NotFound("there is no such group of tags")
    return found


async def create_group(
    session: WriteSession, actor: Actor, name: str, *, exclusive: bool = False, now: datetime
) -> TagGroup:
    """Raises Invalid, or Conflict where the name is taken."""
    group = TagGroup(name=await _free(session, name), exclusive=exclusive)
    session.add(group)
    await session.flush()
    told = {"name": group.name, "exclusive": exclusive}
    await audit.note(session, actor, "tag_group.created", "tag_group", group.id, now=now, **told)
    return group


async def change_group(
    session: WriteSession, actor: Actor, group_id: int, name: str, *, exclusive: bool, now: datetime
) -> TagGroup:
    """Refused where fans have two of its tags and may have only one."""
    group = await locked(session, group_id)
    name = await _free(session, name, but=group)
    if exclusive and not group.exclusive:
        await refuse_rivals(session, await members(session, [group_id]), where="exclusive")
    group.name, group.exclusive = name, exclusive
    session.add(group)
    await session.flush()
    told = {"name": name, "exclusive": exclusive}
    await audit.note(session, actor, "tag_group.changed", "tag_group", group_id, now=now, **told)
    return group


async def delete_group(session: WriteSession, actor: Actor, group_id: int, *, now: datetime) -> None:
    """Its tags stay, without a group."""
    group = await locked(session, group_id)
    await session.run(update(Tag).where(col(Tag.group_id) == group_id).values(group_id=None))
    await session.delete(group)
    await audit.note(session, actor, "tag_group.deleted", "tag_group", group_id, now=now, name=group.name)


async def locked(session: WriteSession, group_id: int) -> TagGroup:
    """The group, with everybody kept waiting who would hang one of its tags meanwhile. Raises NotFound."""
    found = await session.first(select(TagGroup).where(TagGroup.id == group_id).with_for_update())
    if found is None:
        raise NotFound("there is no such group of tags")
    return found


async def rivals(session: WriteSession, words: Collection[str]) -> dict[str, int]:
    """Every tag of the exclusive groups of these words, by its group.

    The groups stay locked until the end: two who hang two tags of one group on the same fan do it one after another.
    """
    named = select(col(Tag.group_id)).where(col(Tag.word).in_(words), col(Tag.group_id).is_not(None))
    if not (ids := set(await session.all(named))):
        return {}
    groups = select(TagGroup).where(col(TagGroup.id).in_(ids)).order_by(col(TagGroup.id)).with_for_update()
    exclusive = [group.id or 0 for group in await session.all(groups) if group.exclusive]
    found = await session.all(select(Tag).where(col(Tag.group_id).in_(exclusive)))
    return {tag.word: tag.group_id for tag in found if tag.group_id}


async def members(session: ReadSession, group_ids: Collection[int]) -> list[str]:
    """The words of these groups."""
    return list(await session.all(select(Tag.word).where(col(Tag.group_id).in_(group_ids)).order_by(Tag.word)))


async def refuse_rivals(session: ReadSession, words: Collection[str], *, where: str) -> None:
    """Raises Invalid where somebody has two of these words."""
    both = select(col(FanTag.fan_id)).where(col(FanTag.tag).in_(words)).group_by(col(FanTag.fan_id))
    both = both.having(func.count() > 1)
    number = await session.one(select(func.count()).select_from(both.subquery()))
    if number:
        names = await session.all(select(Fan.name).where(col(Fan.id).in_(both)).order_by(col(Fan.id)).limit(3))
        raise Invalid(
            "fans who have more than one of these tags: %(number)s, such as %(names)s",
            where=(where,),
            number=number,
            names=", ".join(names),
        )


async def _free(session: ReadSession, name: str, *, but: TagGroup | None = None) -> str:
    name = name.strip()
    if not is_line(name, least=1, most=LONGEST_GROUP):
        raise Invalid("takes %(least)s to %(most)s characters", where=("name",), least=1, most=LONGEST_GROUP)
    same = await session.first(select(TagGroup).where(TagGroup.name == name))
    if same is not None and (but is None or same.id != but.id):
        raise Conflict("there is a group “%(name)s” already", reason="group_taken", name=name)
    return name
