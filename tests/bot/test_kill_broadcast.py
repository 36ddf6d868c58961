"""Senders killed in the middle of a broadcast: nobody is messaged twice, everybody is accounted for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import pytest

from bot.sandbox import Sandbox, SandboxOptions
from bot.sender import LEAST_IN_FLIGHT
from siyu.app import App
from tests.bot.senders import send, send_carelessly
from tests.broadcasting import counted, given_fans, started, state_of, until
from tests.forks import Child

RATE = 30.0
DELAY = 0.08


@dataclass
class Stage:
    """A broadcast under way, and the pretend Telegram it goes to."""

    app: App
    sandbox: Sandbox
    broadcast_id: int

    async def kill_in_the_middle(self, does: Callable[..., object], *, after: float) -> None:
        """Counted from the sender's first message, so that it dies in the middle of its work."""
        child = self._child(does)
        before = len(self.sandbox.calls)
        await until(lambda: len(self.sandbox.calls) > before, seconds=30)
        await asyncio.sleep(after)
        child.kill()

    async def send_the_rest(self, does: Callable[..., object] = send) -> None:
        child = self._child(does)
        await until(self._is_finished, seconds=60)
        child.kill()

    async def in_hand(self) -> int:
        """What dead senders had in hand: still `sending`, or found since and called unknown."""
        counts = await counted(self.app, self.broadcast_id)
        return counts.get("sending", 0) + counts.get("unknown", 0)

    def received(self) -> list[int]:
        """How many messages each fan got."""
        return [len(self.sandbox.sent_to(telegram_id)) for telegram_id in self.sandbox.people]

    def _child(self, does: Callable[..., object]) -> Child:
        return Child(does, self.app.settings.database_url, self.sandbox.url, RATE)

    async def _is_finished(self) -> bool:
        return await state_of(self.app, self.broadcast_id) == "finished"


@asynccontextmanager
async def stage(app: App, *, fans: int, on_unknown: str = "leave") -> AsyncIterator[Stage]:
    async with Sandbox(SandboxOptions(rate=None, delay=DELAY)) as sandbox:
        for fan in await given_fans(app, fans):
            sandbox.add_person(name=fan.name, telegram_id=fan.telegram_id, known=True)
        yield Stage(app, sandbox, await started(app, on_unknown=on_unknown))


@pytest.mark.parametrize(
    ("fans", "kills"),
    [(120, 4), pytest.param(500, 30, marks=[pytest.mark.torture, pytest.mark.timeout(600)])],
)
async def test_killed_again_and_again_a_broadcast_reaches_nobody_twice_and_loses_nobody(app, fans, kills):
    dice = Random(kills)
    in_hand = [0]
    async with stage(app, fans=fans) as scene:
        for _ in range(kills):
            await scene.kill_in_the_middle(send, after=dice.uniform(0.0, fans / RATE / kills))
            in_hand.append(await scene.in_hand())

        await scene.send_the_rest()

        received, counts = scene.received(), await counted(app, scene.broadcast_id)
    assert max(received) == 1
    assert sum(counts.values()) == fans
    assert set(counts) <= {"sent", "unknown"}
    assert counts["sent"] <= sum(received)
    assert sum(received) >= fans - counts.get("unknown", 0)
    assert max(after - before for before, after in pairwise(in_hand)) <= LEAST_IN_FLIGHT
    # At 30/s and 80 ms there are 3 in flight (30 kills here left 3.7 each); far more on a busy machine.
    assert in_hand[-1] / kills <= LEAST_IN_FLIGHT / 2
    assert counts.get("unknown", 0) == in_hand[-1]


async def test_under_resend_nobody_is_missing_after_kills(app):
    async with stage(app, fans=60, on_unknown="resend") as scene:
        for _ in range(2):
            await scene.kill_in_the_middle(send, after=0.5)

        await scene.send_the_rest()

        received, counts = scene.received(), await counted(app, scene.broadcast_id)
    assert min(received) == 1
    assert counts == {"sent": 60}


async def test_a_sender_that_forgets_what_was_in_hand_does_message_fans_twice(app):
    """So that the test above can fail."""
    async with stage(app, fans=60) as scene:
        for _ in range(2):
            await scene.kill_in_the_middle(send_carelessly, after=0.5)

        await scene.send_the_rest(send_carelessly)

        received = scene.received()
    assert max(received) > 1
