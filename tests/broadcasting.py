"""A community to send to, and a pretend Telegram that answers as it is told."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import insert

from siyu import broadcasts, fans
from siyu.app import App
from siyu.audit import Actor
from siyu.broadcasts import Draft
from siyu.fans import Newcomer
from siyu.outcomes import Outcome, Sent
from siyu.tables import Broadcast, Delivery, Fan, FanLevel

MEI = Actor("operator:7", "Mei")
SEGMENT = "loyalty.at_risk"
FIRST = 1001


async def given_fans(app: App, number: int, *, segment: str = SEGMENT, first: int = FIRST) -> list[Fan]:
    """So many fans in a segment, with Telegram ids in a row."""
    dimension, level = segment.split(".")
    newcomers = [Newcomer(first + i, f"Fan {i}", language="zh-hans" if i % 2 else "en") for i in range(number)]
    now = app.clock()
    async with app.database.writing() as session:
        admitted = await fans.admit(session, newcomers, zone=app.settings.zone, now=now)
        rows = [{"dimension": dimension, "fan_id": fan.id, "level": level, "since": now} for fan in admitted.values()]
        await session.run_many(insert(FanLevel), rows)
    return sorted(admitted.values(), key=lambda fan: fan.telegram_id)


async def composed(app: App, **changes: Any) -> Broadcast:  # Any: fields of a draft
    draft = Draft(**{"title": "Come back", "include": (SEGMENT,), "text": "We <b>miss</b> you", **changes})
    async with app.database.writing() as session:
        return await broadcasts.compose(session, MEI, draft, now=app.clock())


async def started(app: App, **changes: Any) -> int:  # Any: fields of a draft
    broadcast = await composed(app, **changes)
    async with app.database.writing() as session:
        await broadcasts.start(session, broadcast.id or 0, actor=MEI, now=app.clock())
    app.bells.broadcasts.set()
    return broadcast.id or 0


async def counted(app: App, broadcast_id: int) -> dict[str, int]:
    """The ledger's counts, without the zeros."""
    async with app.database.reading() as session:
        found = await broadcasts.counts(session, broadcast_id)
    return {str(state): number for state, number in found.items() if number}


async def row_of(app: App, broadcast_id: int, fan: Fan) -> Delivery:
    async with app.database.reading() as session:
        delivery = await session.get(Delivery, (broadcast_id, fan.id))
    assert delivery is not None
    return delivery


async def state_of(app: App, broadcast_id: int) -> str:
    async with app.database.reading() as session:
        return str((await broadcasts.get_broadcast(session, broadcast_id)).state)


async def until(holds: Callable[[], Any], *, seconds: float = 60) -> None:  # Any: a truth, or a coroutine of one
    """Look again and again; fail when it does not come true in time."""
    async with asyncio.timeout(seconds):
        while True:
            answer = holds()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            await asyncio.sleep(0.02)


class FakeTelegram:
    """Answers every send after `delay`, with what is scripted for the chat, else with Sent."""

    def __init__(self, *, delay: float = 0.0) -> None:
        self.delay = delay
        self.calls: list[tuple[str, Mapping[str, Any]]] = []  # Any: fields of a method
        self.in_flight = 0
        self.answers = asyncio.Event()  # clear it, and every call hangs
        self.answers.set()
        self._scripts: dict[int, list[Outcome]] = {}

    def will_say(self, telegram_ids: Iterable[int], *outcomes: Outcome) -> None:
        """To each of these chats, one after another; afterwards Sent."""
        for telegram_id in telegram_ids:
            self._scripts[telegram_id] = list(outcomes)

    async def call(self, method: str, payload: Mapping[str, Any]) -> Outcome:  # Any: fields of a method
        self.calls.append((method, payload))
        self.in_flight += 1
        try:
            await asyncio.sleep(self.delay)
            await self.answers.wait()
        finally:
            self.in_flight -= 1
        script = self._scripts.get(payload["chat_id"])
        return script.pop(0) if script else Sent(len(self.calls))

    @property
    def receivers(self) -> Sequence[int]:
        return [payload["chat_id"] for _, payload in self.calls]

    def calls_per_fan(self) -> Counter[int]:
        return Counter(self.receivers)
