"""Topics: what a fan may want to hear about, or not."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func
from sqlmodel import col, select

from siyu import audit
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.lines import is_line
from siyu.tables import Fan, Topic, TopicDeclined

LONGEST_LABEL = 30  # what fits a button in chat
KEY = r"[a-z0-9_]{1,32}"


@dataclass(frozen=True)
class Declined:
    """A topic, and how many fans do not want it."""

    topic: Topic
    fans: int


async def list_topics(session: ReadSession) -> list[Declined]:
    """Every topic with how many declined it, those in use first."""
    counted = select(col(TopicDeclined.topic), func.count()).group_by(col(TopicDeclined.topic))
    fans = {row[0]: row[1] for row in await session.rows(counted)}
    found = await session.all(select(Topic).order_by(col(Topic.archived_at).is_not(None), *_BY_LABEL))
    return [Declined(topic, fans.get(topic.key, 0)) for topic in found]


async def offered(session: ReadSession) -> Sequence[Topic]:
    """What fans can choose from, and broadcasts can be about."""
    return await session.all(select(Topic).where(col(Topic.archived_at).is_(None)).order_by(*_BY_LABEL))


async def get_topic(session: ReadSession, key: str) -> Topic:
    topic = await session.get(Topic, key)
    if topic is None:
        raise NotFound("there is no topic %(key)s", key=key)
    return topic


async def create_topic(session: WriteSession, actor: Actor, key: str, label: str, *, now: datetime) -> Topic:
    """Every fan hears about it until they decline. Raises Invalid, or Conflict where the key is taken."""
    key, label = key.strip(), _checked(label)
    if not re.fullmatch(KEY, key):
        raise Invalid("a key is 1 to 32 of a-z, 0-9 and _", where=("key",))
    if await session.get(Topic, key):
        raise Conflict("there is a topic %(key)s already", reason="topic_taken", key=key)
    topic = Topic(key=key, label=label, created_at=now)
    session.add(topic)
    await session.flush()
    await audit.note(session, actor, "topic.created", "topic", key, now=now, label=label)
    return topic


async def rename_topic(session: WriteSession, actor: Actor, key: str, label: str, *, now: datetime) -> None:
    """Fans keep what they chose."""
    topic, label = await get_topic(session, key), _checked(label)
    if label == topic.label:
        return
    await audit.note(session, actor, "topic.renamed", "topic", key, now=now, old=topic.label, new=label)
    topic.label = label
    session.add(topic)


async def archive_topic(session: WriteSession, actor: Actor, key: str, *, now: datetime) -> None:
    """Not offered any more; who declined it is remembered."""
    topic = await get_topic(session, key)
    if topic.archived_at is None:
        topic.archived_at = now
        session.add(topic)
        await audit.note(session, actor, "topic.archived", "topic", key, now=now, label=topic.label)


async def restore_topic(session: WriteSession, actor: Actor, key: str, *, now: datetime) -> None:
    topic = await get_topic(session, key)
    if topic.archived_at is not None:
        topic.archived_at = None
        session.add(topic)
        await audit.note(session, actor, "topic.restored", "topic", key, now=now, label=topic.label)


async def declined_by(session: ReadSession, fan_id: int) -> set[str]:
    """The topics this fan does not want to hear about."""
    return set(await session.all(select(TopicDeclined.topic).where(col(TopicDeclined.fan_id) == fan_id)))


async def decline(session: WriteSession, fan: Fan, key: str, *, now: datetime) -> None:
    """A second time changes nothing."""
    await _must_be_offered(session, key)
    once = session.insert(TopicDeclined).on_conflict_do_nothing()
    await session.run(once, {"fan_id": fan.id, "topic": key, "at": now})


async def want(session: WriteSession, fan: Fan, key: str) -> None:
    await _must_be_offered(session, key)
    this = (col(TopicDeclined.fan_id) == fan.id, col(TopicDeclined.topic) == key)
    await session.run(delete(TopicDeclined).where(*this))


_BY_LABEL = (func.lower(Topic.label), col(Topic.key))


async def _must_be_offered(session: ReadSession, key: str) -> None:
    topic = await session.get(Topic, key)
    if topic is None or topic.archived_at is not None:
        raise NotFound("this topic is not there any more")


def _checked(label: str) -> str:
    label = label.strip()
    if not is_line(label, least=1, most=LONGEST_LABEL):
        raise Invalid("takes %(least)s to %(most)s characters", where=("label",), least=1, most=LONGEST_LABEL)
    return label
