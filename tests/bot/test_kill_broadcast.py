"""Senders killed in the middle of a broadcast: nobody is messaged twice, everybody is accounted for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest
from sqlmodel import col, select

from bot.road import LEAST_IN_FLIGHT
from bot.sandbox import Sandbox, SandboxOptions
from siyu.app import App
from siyu.tables import Broadcast, Delivery, Fan
from tests.bot.kills import LEAVE, RESEND, Tale, tale_of, write_down
from tests.bot.lines import Line
from tests.bot.senders import send, send_after_long_preparations, send_carelessly
from tests.broadcasting import counted, given_fans, row_of, started, state_of, until
from tests.forks import Child

RATE = 30.0
DELAY = 0.08
# For each kill: so many get it at most before it, so many are in hand then, and whoever is next still finds somebody.
FANS_PER_KILL = 12
FANS_LOST_PER_KILL = FANS_PER_KILL + LEAST_IN_FLIGHT
FANS_PREPARED_PER_KILL = 60
ANYWHERE, ANSWERED, PREPARING, ONE_OF_THREE = "anywhere", "answered, not noted", "preparing", "one of three senders"


@dataclass
class Stage:
    """A broadcast under way, the pretend Telegram it goes to, and the line between them."""

    app: App
    sandbox: Sandbox
    line: Line
    community: list[Fan]
    broadcast_id: int
    dice: Random
    in_hand: list[int] = field(default_factory=lambda: [0])  # by all who died so far, after each death
    others: list[Child] = field(default_factory=list)

    async def kill_anywhere(self) -> None:
        """Counted from the sender's first message, so that it dies in the middle of its work."""
        child, before = self._child(send), len(self.sandbox.calls)
        await until(lambda: len(self.sandbox.calls) > before)
        await asyncio.sleep(self.dice.uniform(0, FANS_PER_KILL / RATE))
        child.kill()
        await self._count_hands()

    async def kill_when_answered(self, does: Callable[..., object] = send) -> None:
        """Telegram's answer is on the line, nobody has written it down: the moment that no ledger can see."""
        child, answers, dead = self._child(does), self.dice.randint(1, FANS_PER_KILL), asyncio.Event()
        told: list[int] = []

        def on_answering(telegram_id: int) -> None:
            told.append(telegram_id)
            if len(told) == answers:
                child.freeze()  # it might be quicker than we are

        def on_answered(telegram_id: int) -> None:
            if told[answers - 1 : answers] == [telegram_id]:
                child.kill()
                dead.set()

        self.line.answering, self.line.answered = on_answering, on_answered
        async with asyncio.timeout(120):
            await dead.wait()
        self.line.answering = self.line.answered = None
        (last,) = [fan for fan in self.community if fan.telegram_id == told[answers - 1]]
        assert (await row_of(self.app, self.broadcast_id, last)).state == "sending"
        await self._count_hands()

    async def kill_preparing(self) -> None:
        before = await self._looked_at()
        child = self._child(send_after_long_preparations)
        await until(lambda: self._has_looked_beyond(before))
        await asyncio.sleep(self.dice.uniform(0, 0.06))
        child.kill()
        assert await state_of(self.app, self.broadcast_id) == "preparing"
        await self._count_hands()

    async def kill_one_of_three(self) -> None:
        while len(self.others) < 3:
            self.others.append(self._child(send))
        before = len(self.sandbox.calls)
        await until(lambda: len(self.sandbox.calls) > before + FANS_PER_KILL // 2)
        await asyncio.sleep(self.dice.uniform(0, 0.2))
        self.others.pop(self.dice.randrange(3)).kill()

    async def send_the_rest(self, does: Callable[..., object] = send) -> None:
        for child in [*self.others, self._child(does)]:
            await until(self._is_finished, seconds=120)
            child.kill()

    async def tale(self, policy: str, where: str, kills: int) -> Tale:
        got = {fan.id or 0: len(self.sandbox.sent_to(fan.telegram_id)) for fan in self.community}
        async with self.app.database.reading() as session:
            of_this = select(Delivery.fan_id, Delivery.state).where(col(Delivery.broadcast_id) == self.broadcast_id)
            states = {fan_id: str(state) for fan_id, state in await session.rows(of_this)}
        return tale_of(policy, self.app.database.dialect, where, kills, got, states)

    def _child(self, does: Callable[..., object]) -> Child:
        return Child(does, self.app.settings.database_url, self.line.url, RATE)

    async def _count_hands(self) -> None:
        """What the dead had in hand: still `sending`, or found since and called unknown."""
        counts = await counted(self.app, self.broadcast_id)
        self.in_hand.append(counts.get("sending", 0) + counts.get("unknown", 0))

    async def _is_finished(self) -> bool:
        return await state_of(self.app, self.broadcast_id) == "finished"

    async def _has_looked_beyond(self, before: int) -> bool:
        return await self._looked_at() > before

    async def _looked_at(self) -> int:
        async with self.app.database.reading() as session:
            return await session.one(select(Broadcast.checked_to).where(col(Broadcast.id) == self.broadcast_id))


@asynccontextmanager
async def stage(app: App, *, fans: int, policy: str = LEAVE, text: str = "Tea") -> AsyncIterator[Stage]:
    async with Sandbox(SandboxOptions(rate=None, delay=DELAY)) as sandbox, Line(sandbox.url) as line:
        community = await given_fans(app, fans)
        for fan in community:
            sandbox.add_person(name=fan.name, telegram_id=fan.telegram_id, known=True)
        broadcast_id = await started(app, on_unknown=policy, text=text)
        yield Stage(app, sandbox, line, community, broadcast_id, Random(fans))


KILLERS = {
    ANYWHERE: Stage.kill_anywhere,
    ANSWERED: Stage.kill_when_answered,
    PREPARING: Stage.kill_preparing,
    ONE_OF_THREE: Stage.kill_one_of_three,
}
TEXTS = {PREPARING: "Dear {first_name|friend}"}
SLICE = [(LEAVE, ANYWHERE, 2), (LEAVE, ANSWERED, 2), (LEAVE, ONE_OF_THREE, 2), (RESEND, ANSWERED, 2)]
LONG = {ANYWHERE: 40, ANSWERED: 50, PREPARING: 20, ONE_OF_THREE: 30}
TORTURE = [pytest.mark.torture, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("policy", "where", "kills"),
    [
        *(pytest.param(*some, marks=pytest.mark.timeout(300)) for some in SLICE),
        *(pytest.param(policy, *kind, marks=TORTURE) for policy in (LEAVE, RESEND) for kind in LONG.items()),
    ],
)
async def test_whenever_and_however_often_its_senders_are_killed_a_broadcast_keeps_its_promise(
    app: App, request: pytest.FixtureRequest, policy: str, where: str, kills: int
):
    """At most once: nobody twice, and nobody about whom the books say nothing. At least once: nobody left out."""
    if where == ONE_OF_THREE and app.database.dialect == "sqlite":
        return  # one process owns the file; what a second one may do there is told below
    fans = kills * (FANS_LOST_PER_KILL if where != PREPARING else FANS_PREPARED_PER_KILL)
    async with stage(app, fans=fans, policy=policy, text=TEXTS.get(where, "Tea")) as scene:
        for _ in range(kills):
            await KILLERS[where](scene)

        await scene.send_the_rest()

        tale = await scene.tale(policy, where, kills)
    if request.node.get_closest_marker("torture"):
        write_down(tale)
    assert (tale.sent + tale.unknown, tale.missing) == (fans, 0)
    if policy == LEAVE:
        assert tale.twice == 0
        assert tale.unknown <= kills * LEAST_IN_FLIGHT
    if policy == LEAVE and where != ONE_OF_THREE:
        # What each had in hand, and nothing else.
        assert max(after - before for before, after in pairwise(scene.in_hand)) <= LEAST_IN_FLIGHT
        assert tale.unknown == scene.in_hand[-1]


@pytest.mark.timeout(300)
async def test_a_second_sender_on_one_sqlite_file_repeats_nobody_and_loses_nobody(app: App):
    """It is not meant to be there, and takes the first for dead; who was in the first's hands is still its own."""
    if app.database.dialect != "sqlite":
        return
    async with stage(app, fans=150) as scene:
        for _ in range(2):
            await scene.kill_one_of_three()

        await scene.send_the_rest()

        tale = await scene.tale(LEAVE, ONE_OF_THREE, 2)
    assert (tale.sent + tale.unknown, tale.twice, tale.missing) == (150, 0, 0)


@pytest.mark.timeout(300)
async def test_a_sender_that_forgets_what_was_in_hand_does_message_fans_twice(app: App):
    """So that the tests above can fail."""
    async with stage(app, fans=60) as scene:
        for _ in range(2):
            await scene.kill_when_answered(send_carelessly)

        await scene.send_the_rest(send_carelessly)

        tale = await scene.tale(LEAVE, ANYWHERE, 2)
    assert tale.twice > 0
