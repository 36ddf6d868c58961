"""Which tags a fan has: hung and taken off by hand, from a file or by a program, with the same rules everywhere."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete
from sqlmodel import col, select

from siyu import audit, fans
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid
from siyu.kit.lines import is_line
from siyu.tables import Colour, Fan, FanTag, Tag
from siyu.tags import groups

LONGEST_WORD = 40  # characters; a semicolon separates tags in files

Wanted = Sequence[tuple[Fan, Sequence[str]]]


async def tags_of(session: ReadSession, fan_id: int) -> list[Tag]:
    """What a fan has, by word."""
    statement = select(Tag).join(FanTag, col(FanTag.tag) == col(Tag.word)).where(col(FanTag.fan_id) == fan_id)
    return list(await session.all(statement.order_by(col(Tag.word))))


async def tag(session: WriteSession, actor: Actor, fan: Fan, word: str, *, now: datetime) -> None:
    """Hang a word on a fan; hung already, nothing changes."""
    word = check_word(word)
    if await hang(session, actor, [(fan, [word])], now=now):
        await audit.note(session, actor, "fan.tagged", "fan", fan.telegram_id, now=now, tag=word)


async def untag(session: WriteSession, actor: Actor, fan: Fan, word: str, *, now: datetime) -> None:
    """Take a word off a fan; not there, nothing changes."""
    hung = col(FanTag.fan_id) == fan.id, col(FanTag.tag) == word
    if await session.run(delete(FanTag).where(*hung)):
        await fans.look_again(session, [fan.id or 0], now=now)
        await audit.note(session, actor, "fan.untagged", "fan", fan.telegram_id, now=now, tag=word)


async def hang(session: WriteSession, actor: Actor, wanted: Wanted, *, now: datetime) -> frozenset[int]:
    """Hang these checked words on these fans, each named once; whose tags changed, by fan id.

    Of an exclusive group a fan's last word wins, and what they had of it comes off, with a line in the audit.
    """
    words = {word for _, words in wanted for word in words}
    if not words:
        return frozenset()
    await _be_known(session, words, actor, now=now)
    rival = await groups.rivals(session, words)
    before = await _before(session, [fan for fan, _ in wanted])
    added, gone = list[tuple[Fan, str]](), list[tuple[Fan, str, str]]()
    for fan, asked in wanted:
        had, meant = before[fan.id or 0], _last_of_each(asked, rival)
        winners = {rival[word]: word for word in meant if word in rival}
        added += [(fan, word) for word in meant if word not in had]
        gone += [(fan, word, winners[rival[word]]) for word in sorted(had - set(meant)) if rival.get(word) in winners]
    await _take_off(session, actor, gone, now=now)
    rows = [{"fan_id": fan.id, "tag": word, "at": now} for fan, word in added]
    await session.run_many(session.insert(FanTag).on_conflict_do_nothing(), rows)
    changed = frozenset(fan.id or 0 for fan in (*(fan for fan, _ in added), *(fan for fan, _, _ in gone)))
    await fans.look_again(session, changed, now=now)
    return changed


def check_word(word: str) -> str:
    """The word as it is kept. Raises Invalid for what cannot be a tag."""
    word = word.strip()
    if not is_line(word, least=1, most=LONGEST_WORD) or ";" in word:
        raise Invalid("a tag has 1 to %(most)s characters and no semicolon", where=("tag",), most=LONGEST_WORD)
    return word


async def _be_known(session: WriteSession, words: Collection[str], actor: Actor, *, now: datetime) -> None:
    """A word that nobody has used before becomes a tag. In one order for all, so that nobody waits in a circle."""
    plain = {"colour": Colour.GREY, "created_at": now, "created_by": actor.key}
    rows = [{"word": word, **plain} for word in sorted(words)]
    await session.run_many(session.insert(Tag).on_conflict_do_nothing(), rows)


async def _before(session: ReadSession, who: Sequence[Fan]) -> Mapping[int, set[str]]:
    found: defaultdict[int, set[str]] = defaultdict(set)
    hung = select(FanTag.fan_id, FanTag.tag).where(col(FanTag.fan_id).in_([fan.id for fan in who]))
    for fan_id, word in await session.rows(hung):
        found[fan_id].add(word)
    return found


def _last_of_each(words: Sequence[str], rival: Mapping[str, int]) -> list[str]:
    """The words, and of each exclusive group only the one named last."""
    winners = {rival[word]: word for word in words if word in rival}
    return [word for word in dict.fromkeys(words) if word not in rival or winners[rival[word]] == word]


async def _take_off(
    session: WriteSession, actor: Actor, gone: Sequence[tuple[Fan, str, str]], *, now: datetime
) -> None:
    """Tags that gave way to another of their exclusive group."""
    for fan, word, winner in gone:
        await session.run(delete(FanTag).where(col(FanTag.fan_id) == fan.id, col(FanTag.tag) == word))
        told = {"tag": word, "instead": winner}
        await audit.note(session, actor, "fan.untagged", "fan", fan.telegram_id, now=now, **told)
