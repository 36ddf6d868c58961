"""The bot killed while updates stream in: none is lost, none has its effect twice."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from bot.courier import MOST_UNDER_WAY
from bot.sandbox import Sandbox, SandboxOptions
from siyu.app import App
from siyu.tables import AuditEntry, Fan, Inbox, InboxState, Interaction, Outbox, OutboxState
from tests.bot.running import until
from tests.bot.talkers import talk
from tests.forks import Child

PEOPLE = 30
UPDATES_A_SECOND = 100
# Enough for every bot to find some when it starts; more would only be work for the last one.
PATIENT_UPDATES = 150
DELAY = 0.03  # the way to Telegram and back
OPEN = (OutboxState.WAITING, OutboxState.SENDING)


@dataclass
class Story:
    """What was said, and how many calls each bot had under way when it died."""

    said: list[tuple[int, str]] = field(default_factory=list)
    under_way: list[int] = field(default_factory=list)


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(3, marks=pytest.mark.timeout(300)),
        pytest.param(50, marks=[pytest.mark.torture, pytest.mark.timeout(600)]),
    ],
)
async def test_killed_again_and_again_the_bot_loses_no_update_and_repeats_none(app: App, kills: int) -> None:
    async with Sandbox(SandboxOptions(rate=None, delay=DELAY)) as sandbox:
        story = await _talk_through_kills(app, sandbox, kills=kills, dice=Random(kills))

        heard = {telegram_id: _heard(sandbox, telegram_id) for telegram_id in sandbox.people}

    said = Counter(text for _, text in story.said)
    async with app.database.reading() as session:
        facts = await session.all(select(Interaction.external_id))
        effects = Counter(await session.all(select(AuditEntry.subject)))
        states = Counter(await session.all(select(Outbox.state)))
        assert await session.one(select(func.count()).select_from(Fan)) == PEOPLE
        assert set(await session.all(select(Inbox.state))) == {InboxState.DONE}
    assert len(facts) == len(said)
    assert effects == said
    received = Counter(text for texts in heard.values() for text in texts)
    assert max(received.values()) == 1
    assert sum(states.values()) == len(said)
    assert set(states) <= {OutboxState.SENT, OutboxState.UNKNOWN}
    assert len(said) - states[OutboxState.UNKNOWN] <= len(received) <= len(said)
    assert max(story.under_way) <= 2 * MOST_UNDER_WAY
    for telegram_id, texts in heard.items():
        assert texts == [text for who, text in story.said if who == telegram_id and text in texts]


async def _talk_through_kills(app: App, sandbox: Sandbox, *, kills: int, dice: Random) -> Story:
    story = Story()
    for number in range(PEOPLE):
        sandbox.add_person(name=f"Fan {number}")
    silence = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_chatter(sandbox, story, silence))
        for _ in range(kills):
            child = Child(talk, app.settings.database_url, sandbox.url)
            before = len(sandbox.calls)
            # Counted from its first message, so that it dies in the middle of its work.
            await until(lambda seen=before: bool(sandbox.calls.find("sendMessage", since=seen)), within=60)
            await asyncio.sleep(dice.uniform(0.0, 0.6))
            child.kill()
            story.under_way.append(await _count(app, Outbox, col(Outbox.state) == OutboxState.SENDING))
        silence.set()
    child = Child(talk, app.settings.database_url, sandbox.url)
    await until(lambda: _is_all_done(app, len(story.said)), within=90)
    child.kill()
    return story


async def _chatter(sandbox: Sandbox, story: Story, silence: asyncio.Event) -> None:
    people = list(sandbox.people.values())
    number = 0
    while not silence.is_set():
        await asyncio.sleep(1 / UPDATES_A_SECOND)
        if len(sandbox.world.queue) >= PATIENT_UPDATES:
            continue
        who = people[number % len(people)]
        who.says(f"number {number}")
        story.said.append((who.telegram_id, f"number {number}"))
        number += 1


async def _is_all_done(app: App, updates: int) -> bool:
    handled = await _count(app, Inbox, col(Inbox.state) == InboxState.DONE)
    return handled == updates and await _count(app, Outbox, col(Outbox.state).in_(OPEN)) == 0


async def _count(app: App, table: type[Inbox] | type[Outbox], which: object) -> int:
    async with app.database.reading() as session:
        return await session.one(select(func.count()).select_from(table).where(which))


def _heard(sandbox: Sandbox, telegram_id: int) -> list[str]:
    return [message.text.removeprefix("noted ") for message in sandbox.sent_to(telegram_id)]
