"""Whatever a call to Telegram meets on its way: the ledger, the broadcast and the fan say exactly what is known."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from statistics import median
from typing import Any

import pytest
from sqlmodel import select

from bot.revising import Reviser
from bot.sandbox import Person, Sandbox
from bot.sender import Sender
from siyu import broadcasts, fans
from siyu.app import App
from siyu.broadcasts import revising
from siyu.tables import Fan, Reach, RevisionLine, RevisionState
from tests.bot.lines import HastyMessenger, Line, Mishap, refusal
from tests.bot.running import echo, press, running
from tests.broadcasting import MEI, counted, given_fans, row_of, started, state_of, until
from tests.clocks import FakeClock

PHOTO = {"kind": "photo", "file": "https://tea.example/a.jpg"}
EDITOR = 77  # whose post is copied
NEW_CHAT = 50_000  # further on, where a chat has moved to

TOO_FAST = refusal(429, "Too Many Requests: retry after 0.3", retry_after=0.3)
SERVER_ERROR = refusal(500, "Internal Server Error")
RESTARTING = refusal(503, "Service Unavailable: restart")
BLOCKED = refusal(403, "Forbidden: bot was blocked by the user")
DEACTIVATED = refusal(403, "Forbidden: user is deactivated")
NEVER_MET = refusal(403, "Forbidden: bot can't initiate conversation with a user")
NO_CHAT = refusal(400, "Bad Request: chat not found")
CONTENT = refusal(400, "Bad Request: can't parse entities: unexpected end tag")
NO_TOKEN = refusal(401, "Unauthorized")
HTML = b"<html><h1>502 Bad Gateway</h1></html>"


@dataclass(frozen=True)
class Fate:
    """A mishap, and what the books say afterwards under each policy; `got`: how many messages the fan has."""

    mishap: Mishap
    leave: tuple[str, str | None] = ("sent", None)
    resend: tuple[str, str | None] = ("sent", None)
    got: tuple[int, int] = (1, 1)
    tries: tuple[int, int] = (1, 1)
    reach: Reach = Reach.REACHABLE


def final(mishap: Mishap, state: str, reason: str, reach: Reach) -> Fate:
    return Fate(mishap, (state, reason), (state, reason), got=(0, 0), reach=reach)


def either(mishap: Mishap, reason: str = "no_answer") -> Fate:
    """Nobody can know: `leave` says so, `resend` tries again, and whoever had it has it twice."""
    arrived = int(mishap.arrives)
    return Fate(mishap, leave=("unknown", reason), got=(arrived, arrived + 1), tries=(1, 2))


FATES = {
    "too fast": Fate(TOO_FAST),
    "server error": either(SERVER_ERROR, "server_error"),
    "restarting": either(RESTARTING, "server_error"),
    "blocked": final(BLOCKED, "blocked", "blocked", Reach.BLOCKED),
    "deactivated": final(DEACTIVATED, "failed", "gone", Reach.GONE),
    "never met": final(NEVER_MET, "failed", "unreachable", Reach.IMPORTED),
    "no such chat": final(NO_CHAT, "failed", "unreachable", Reach.IMPORTED),
    "cut before it arrived": either(Mishap(comes_back=0)),
    "cut after it arrived": either(Mishap(arrives=True, comes_back=0)),
    "half an answer": either(Mishap(arrives=True, comes_back=0.5)),
    "half an answer that looks whole": either(Mishap(arrives=True, says=b'{"ok":true,"result":{"mess')),
    "no answer": either(Mishap(arrives=True, hangs=True)),
    "no answer and not done": either(Mishap(hangs=True)),
    "not JSON": either(Mishap(status=502, says=HTML)),
    "not JSON but done": either(Mishap(arrives=True, status=504, says=HTML)),
}
METHODS: dict[str, dict[str, Any]] = {  # Any: fields of a draft
    "sendMessage": {},
    "sendPhoto": {"media": [PHOTO]},
    "sendMediaGroup": {"media": [PHOTO, PHOTO]},
    "copyMessage": {"text": ""},
}


ECHO_TO = range(9001, 9011)  # people who chat with the bot meanwhile


@dataclass
class Stage:
    """A sender, the line it calls through, and the pretend Telegram behind it."""

    app: App
    sandbox: Sandbox
    line: Line

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with HastyMessenger(self.app.settings, self.line) as messenger, asyncio.TaskGroup() as group:
            group.create_task(Sender(self.app, messenger, self.app.pace).run(stop))
            try:
                yield
            finally:
                stop.set()

    async def given_fans(self, number: int) -> list[Fan]:
        community = await given_fans(self.app, number)
        for fan in community:
            self.sandbox.add_person(name=fan.name, telegram_id=fan.telegram_id, known=True)
        return community

    async def started(self, method: str, **changes: Any) -> int:  # Any: fields of a draft
        post = {"copied": self._post()} if method == "copyMessage" else {}
        return await started(self.app, **METHODS[method], **post, **changes)

    def got(self, fan: Fan, method: str) -> int:
        """How many times they got it; an album is two messages."""
        return len(self.sandbox.sent_to(fan.telegram_id)) // (2 if method == "sendMediaGroup" else 1)

    async def reach_of(self, fan: Fan) -> Reach:
        async with self.app.database.reading() as session:
            return (await fans.get_fan(session, fan.telegram_id)).reach

    def _post(self) -> dict[str, int]:
        editor = self.sandbox.add_person(name="Editor", telegram_id=EDITOR, known=True)
        return {"chat_id": EDITOR, "message_id": editor.says("Tea is here").message_id}


@pytest.fixture
async def scene(app: App, sandbox: Sandbox) -> AsyncIterator[Stage]:
    async with Line(sandbox.url) as line:
        settings = app.settings.model_copy(update={"telegram_api_url": line.url, "send_rate": 500.0})
        yield Stage(replace(app, settings=settings), sandbox, line)


def _struck(community: Sequence[Fan]) -> list[tuple[Fan, Fate]]:
    """Every fifth: nothing holds a broadcast most of whose calls succeed."""
    return list(zip(community[4::5], FATES.values(), strict=True))


async def _is(scene: Stage, broadcast_id: int, state: str, clock: FakeClock) -> bool:
    """Whoever waits for another try waits only as long as the clock says."""
    clock.pass_(seconds=2)
    return await state_of(scene.app, broadcast_id) == state


@pytest.mark.parametrize("on_unknown", ["leave", "resend"])
@pytest.mark.parametrize("method", METHODS)
async def test_whatever_befalls_a_call_the_books_say_what_is_known(
    scene: Stage, clock: FakeClock, method: str, on_unknown: str
):
    community = await scene.given_fans(5 * len(FATES))
    struck = _struck(community)
    for fan, fate in struck:
        scene.line.strike([fan.telegram_id], fate.mishap)
    broadcast_id = await scene.started(method, on_unknown=on_unknown)

    async with scene.sending():
        await until(lambda: _is(scene, broadcast_id, "finished", clock), seconds=60)

    told, meant, policy = {}, {}, int(on_unknown == "resend")
    for name, (fan, fate) in zip(FATES, struck, strict=True):
        row, reach = await row_of(scene.app, broadcast_id, fan), await scene.reach_of(fan)
        told[name] = (str(row.state), row.reason, row.attempts, scene.got(fan, method), reach)
        meant[name] = (*getattr(fate, on_unknown), fate.tries[policy], fate.got[policy], fate.reach)
    assert told == meant
    assert {scene.got(fan, method) for n, fan in enumerate(community) if n % 5 != 4} == {1}
    assert sum((await counted(scene.app, broadcast_id)).values()) == len(community)


@pytest.mark.parametrize("method", METHODS)
async def test_a_chat_that_moved_is_written_to_where_it_is_now(scene: Stage, clock: FakeClock, method: str):
    community = await scene.given_fans(3)
    there = community[1].telegram_id + NEW_CHAT
    scene.sandbox.add_person(name="Moved", telegram_id=there, known=True)
    scene.line.strike([community[1].telegram_id], refusal(400, "Bad Request: upgraded", migrate_to_chat_id=there))
    broadcast_id = await scene.started(method)

    async with scene.sending():
        await until(lambda: _is(scene, broadcast_id, "finished", clock), seconds=60)

    row = await row_of(scene.app, broadcast_id, community[1])
    assert await counted(scene.app, broadcast_id) == {"sent": 3}
    assert scene.got(community[1], method) == 0
    assert row.message_id == scene.sandbox.sent_to(there)[0].message_id


@pytest.mark.parametrize("method", METHODS)
async def test_content_that_telegram_refuses_holds_the_broadcast_and_spares_the_list(
    scene: Stage, clock: FakeClock, method: str
):
    community = await scene.given_fans(80)
    scene.line.strike([fan.telegram_id for fan in community], CONTENT)
    broadcast_id = await scene.started(method)

    async with scene.sending():
        await until(lambda: _is(scene, broadcast_id, "paused", clock))

    counts = await counted(scene.app, broadcast_id)
    async with scene.app.database.reading() as session:
        broadcast = await broadcasts.get_broadcast(session, broadcast_id)
    assert (broadcast.state_reason or "").startswith("rejected: Bad Request: can't parse entities")
    assert set(counts) == {"failed", "pending"}
    assert not any(scene.got(fan, method) for fan in community)
    assert {await scene.reach_of(fan) for fan in community[:5]} == {Reach.REACHABLE}


@pytest.mark.parametrize("method", METHODS)
async def test_a_revoked_token_holds_everything_and_a_new_one_goes_on(scene: Stage, clock: FakeClock, method: str):
    community = await scene.given_fans(30)
    scene.line.strike([community[3].telegram_id], NO_TOKEN)
    broadcast_id = await scene.started(method)

    async with scene.sending():
        await until(lambda: _is(scene, broadcast_id, "paused", clock))
    held, row = await _got(scene, broadcast_id), await row_of(scene.app, broadcast_id, community[3])
    async with scene.app.database.writing() as session:
        await broadcasts.resume(session, broadcast_id, actor=MEI, now=scene.app.clock())
    async with scene.sending():
        await until(lambda: _is(scene, broadcast_id, "finished", clock), seconds=60)

    assert (held.state_reason, str(row.state), row.attempts) == ("unauthorized", "pending", 0)
    assert await counted(scene.app, broadcast_id) == {"sent": 30}
    assert {scene.got(fan, method) for fan in community} == {1}


@pytest.mark.parametrize("method", METHODS)
async def test_where_no_connection_is_made_nobody_is_lost_and_no_try_is_counted(
    scene: Stage, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, method: str
):
    monkeypatch.setattr("bot.sender.REST_SECONDS", 0.1)
    community = await scene.given_fans(6)
    broadcast_id = await scene.started(method)

    async def refused() -> bool:
        return (await row_of(scene.app, broadcast_id, community[0])).reason == "no_line"

    await scene.line.cut()
    async with scene.sending():
        await until(refused)
        await scene.line.mend()
        await until(lambda: _is(scene, broadcast_id, "finished", clock), seconds=60)

    assert await counted(scene.app, broadcast_id) == {"sent": 6}
    assert {scene.got(fan, method) for fan in community} == {1}
    assert {(await row_of(scene.app, broadcast_id, fan)).attempts for fan in community} == {1}


async def _got(scene: Stage, broadcast_id: int) -> Any:  # Any: a broadcast
    async with scene.app.database.reading() as session:
        return await broadcasts.get_broadcast(session, broadcast_id)


async def test_in_a_storm_of_429_everybody_gets_it_once_and_who_chats_does_not_wait_for_its_end(
    house: App, sandbox: Sandbox
):
    async with Line(sandbox.url) as line:
        settings = house.settings.model_copy(update={"telegram_api_url": line.url, "send_rate": 30.0})
        scene = Stage(replace(house, settings=settings), sandbox, line)
        community = await scene.given_fans(60)
        people = [sandbox.add_person(name=f"Talker {number}", telegram_id=number, known=True) for number in ECHO_TO]
        line.strike([fan.telegram_id for fan in community[::6]], TOO_FAST)

        async with running(scene.app, echo, press), scene.sending():
            await asyncio.gather(*(_exchange(sandbox, who) for who in people))
            broadcast_id = await scene.started("sendMessage")
            heard, over = await _chat(sandbox, people, until_finished=lambda: state_of(scene.app, broadcast_id))

        counts = await counted(scene.app, broadcast_id)
    assert counts == {"sent": 60}
    assert {scene.got(fan, "sendMessage") for fan in community} == {1}
    assert {(await row_of(house, broadcast_id, fan)).attempts for fan in community} == {1}
    # Behind the broadcast they would hear nothing before all of its ten pauses are over; the rest is the machine's.
    assert median(heard) < over


async def _chat(
    sandbox: Sandbox, people: Sequence[Person], *, until_finished: Callable[[], Awaitable[str]]
) -> tuple[list[float], float]:
    """They say something in turn, as long as the broadcast runs; when each hears the answer, and when it is over."""
    said: list[asyncio.Task[float]] = []
    async with asyncio.TaskGroup() as group:
        for who in cycle(people):
            if await until_finished() == "finished":
                over = time.monotonic()
                break
            said.append(group.create_task(_exchange(sandbox, who)))
            await asyncio.sleep(0.4)
    return [one.result() for one in said], over


async def _exchange(sandbox: Sandbox, who: Person) -> float:
    before = len(sandbox.sent_to(who.telegram_id))
    who.says("Is there tea?")
    await until(lambda: len(sandbox.sent_to(who.telegram_id)) > before)
    return time.monotonic()


# What was sent is changed: doing it twice does no harm, so whatever broke off is done again.
CHANGED, BLOCKED_FAN, LEFT = ("done", None), ("failed", "blocked"), ("failed", "gone")
UNREACHED = ("failed", "unreachable")
LINES = {
    "too fast": CHANGED,
    "server error": CHANGED,
    "restarting": CHANGED,
    "blocked": BLOCKED_FAN,
    "deactivated": LEFT,
    "never met": UNREACHED,
    "no such chat": UNREACHED,
} | {name: CHANGED for name, fate in FATES.items() if fate.leave[0] == "unknown"}


@pytest.mark.parametrize("kind", ["edit", "delete"])
async def test_whatever_befalls_a_change_it_is_made_or_said_why_not(scene: Stage, clock: FakeClock, kind: str):
    community = await scene.given_fans(5 * len(FATES))
    broadcast_id = await scene.started("sendMessage")
    async with scene.sending():
        await until(lambda: _is(scene, broadcast_id, "finished", clock), seconds=60)
    for fan, fate in _struck(community):
        scene.line.strike([fan.telegram_id], fate.mishap)

    await _changed(scene, broadcast_id, kind)

    lines = await _lines(scene)
    struck = list(zip(FATES, _struck(community), strict=True))
    assert {name: lines[fan.id or 0] for name, (fan, _) in struck} == LINES
    assert [await scene.reach_of(fan) for _, (fan, _) in struck] == [fate.reach for _, (_, fate) in struck]
    texts = [[message.text for message in scene.sandbox.sent_to(fan.telegram_id)] for fan in community]
    gone = [[message.deleted for message in scene.sandbox.sent_to(fan.telegram_id)] for fan in community]
    reached = [lines[fan.id or 0] == CHANGED for fan in community]
    assert [text == ["Better words"] for text in texts] == (reached if kind == "edit" else [False] * len(community))
    assert [one == [True] for one in gone] == (reached if kind == "delete" else [False] * len(community))


async def _changed(scene: Stage, broadcast_id: int, kind: str) -> None:
    now, stop = scene.app.clock(), asyncio.Event()
    async with scene.app.database.writing() as session:
        if kind == "edit":
            await revising.start_edit(session, broadcast_id, "Better words", actor=MEI, now=now)
        else:
            await revising.start_delete(session, broadcast_id, actor=MEI, now=now)

    async def is_over() -> bool:
        async with scene.app.database.reading() as session:
            (newest,) = await revising.revisions_of(session, broadcast_id)
        return newest.revision.state is RevisionState.FINISHED

    async with HastyMessenger(scene.app.settings, scene.line) as messenger, asyncio.TaskGroup() as group:
        group.create_task(Reviser(scene.app, messenger).run(stop))
        await until(is_over, seconds=60)
        stop.set()


async def _lines(scene: Stage) -> dict[int, tuple[str, str | None]]:
    async with scene.app.database.reading() as session:
        found = await session.rows(select(RevisionLine.fan_id, RevisionLine.state, RevisionLine.reason))
    return {fan_id: (state, reason) for fan_id, state, reason in found}
