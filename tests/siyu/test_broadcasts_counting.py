"""The funnel of a draft is the ledger it becomes, fan by fan, whatever the community and the house are like."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from siyu import broadcasts, preferences
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.broadcasts import Draft, Funnel
from siyu.kit.errors import NotFound
from siyu.preferences import Preferences
from siyu.tables import Delivery, Fan, GeneralOnly, Reach, Topic, TopicDeclined
from tests.broadcasting import MEI, SEGMENT, composed, given_fans
from tests.clocks import FakeClock
from tests.effort import examples
from tests.ledgers import given_broadcast, given_rows

SHANGHAI = ZoneInfo("Asia/Shanghai")
OTHER = "loyalty.lost"
LEDGER = {"control": "control", "held_out": "holdout"}  # where the ledger has another word, or none of its own
LEFT_OUT = ("gone", "blocked", "unreachable", "muted", "declined", "general_only", "control", "held_out")
LATER = ("resting", "quiet", "capped")


@dataclass(frozen=True)
class Own:
    """What a fan wants and got, as the oracle below reads it."""

    rests_until: datetime | None
    zone: str | None
    quiet: tuple[int, int] | None
    got_this_week: int


def _invented_own(dice: Random, now: datetime) -> dict[str, Any]:  # Any: columns of a fan
    quiet = dice.choice([None, (22 * 60, 8 * 60), (11 * 60, 14 * 60), (0, 23 * 60 + 59)])
    return {
        "reach": dice.choices(list(Reach), weights=[6, 1, 1, 1])[0],
        "muted_at": dice.choice([None, None, None, now]),
        "rests_until": dice.choice([None, None, now + timedelta(days=1), now, now - timedelta(days=1)]),
        "zone": dice.choice([None, None, "Europe/Berlin", "America/New_York", "Mars/Base"]),
        "quiet_from": quiet and quiet[0],
        "quiet_to": quiet and quiet[1],
    }


async def _invented_community(app: App, dice: Random) -> None:
    here, there = await given_fans(app, 50), await given_fans(app, 20, segment=OTHER, first=9000)
    now = app.clock()
    async with app.database.writing() as session:
        session.add(Topic(key="news", label="News", created_at=now))
        await session.flush()
        for fan in (*here, *there):
            own = _invented_own(dice, now)
            await session.run(update(Fan).where(col(Fan.id) == fan.id).values(own))
            if dice.random() < 0.15:
                session.add(TopicDeclined(fan_id=fan.id or 0, topic="news", at=now))
            if dice.random() < 0.15:
                session.add(GeneralOnly(fan_id=fan.id or 0, at=now))
    for days in (0, 6.9, 7.1, 9):
        got = [fan for fan in (*here, *there) if dice.random() < 0.4]
        await given_rows(app, await given_broadcast(app), got, "sent", sent_at=now - timedelta(days=days))


async def _invented_house(app: App, dice: Random) -> Preferences:
    quiet = dice.choice([(None, None), (22 * 60, 8 * 60), (11 * 60, 14 * 60)])
    async with app.database.writing() as session:
        return await preferences.change(
            session, COMMAND_LINE, now=app.clock(), weekly_cap=dice.choice([None, 1, 3]),
            control_percent=dice.choice([0, 20]), quiet_from=quiet[0], quiet_to=quiet[1],
        )  # fmt: skip


def _invented_draft(dice: Random) -> dict[str, Any]:  # Any: fields of a draft
    return {
        "include": dice.choice([(SEGMENT,), (SEGMENT, OTHER)]),
        "exclude": dice.choice([(), (), (OTHER,)]),
        "topic": dice.choice([None, "news"]),
        "ignores_quiet": dice.random() < 0.2,
        "holdout_percent": dice.choice([0, 30]),
        "variants": dice.choice([(), ({"key": "b", "text": "Come"},)]),
    }


async def _funnel(app: App, whom: Any, **saved: int | None) -> Funnel:  # Any: a draft or a broadcast
    async with app.database.reading() as session:
        return await broadcasts.funnel(session, whom, at=app.clock(), zone=SHANGHAI, **saved)


async def _behind(app: App, whom: Any, line: str, **saved: int | None) -> set[int]:  # Any: a draft or a broadcast
    """All pages of it."""
    found, cursor = set[int](), None
    async with app.database.reading() as session:
        while True:
            page = await broadcasts.members(
                session, whom, line, at=app.clock(), zone=SHANGHAI, cursor=cursor, limit=9, **saved
            )
            found |= {fan.id or 0 for fan in page.items}
            if not (cursor := page.next):
                return found


async def _frozen(app: App, broadcast_id: int) -> Mapping[str, set[int]]:
    """Started, and who is in which line of its ledger."""
    async with app.database.writing() as session:
        await broadcasts.start(session, broadcast_id, actor=MEI, now=app.clock())
    lines = defaultdict[str, set[int]](set)
    words = {of_ledger: line for line, of_ledger in LEDGER.items()}
    async with app.database.reading() as session:
        rows = await session.all(select(Delivery).where(col(Delivery.broadcast_id) == broadcast_id))
    for row in rows:
        lines["will_get" if row.state == "pending" else words.get(row.reason or "", row.reason or "")].add(row.fan_id)
    return lines


async def _own(app: App) -> Mapping[int, Own]:
    week_ago = app.clock() - timedelta(days=7)
    async with app.database.reading() as session:
        fans = await session.all(select(Fan))
        got = Counter(await session.all(select(Delivery.fan_id).where(col(Delivery.sent_at) >= week_ago)))
    return {
        fan.id or 0: Own(
            fan.rests_until,
            fan.zone,
            (fan.quiet_from, fan.quiet_to) if fan.quiet_from is not None and fan.quiet_to is not None else None,
            got[fan.id or 0],
        )
        for fan in fans
    }


def _waits(own: Own, house: Preferences, now: datetime, *, ignores_quiet: bool) -> str | None:
    """Why a fan gets it later, read off the definition."""
    if own.rests_until and own.rests_until > now:
        return "resting"
    if ignores_quiet:
        return None
    here = now.astimezone(ZoneInfo(own.zone) if own.zone not in (None, "Mars/Base") else SHANGHAI)
    of_house = (house.quiet_from, house.quiet_to) if house.quiet_from is not None else None
    if (quiet := own.quiet or of_house) and _is_within(here.hour * 60 + here.minute, *quiet):
        return "quiet"
    return "capped" if house.weekly_cap is not None and own.got_this_week >= house.weekly_cap else None


def _is_within(minute: int, beginning: int | None, end: int | None) -> bool:
    assert beginning is not None
    assert end is not None
    return beginning <= minute < end if beginning <= end else minute >= beginning or minute < end


def _sum(funnel: Funnel, lines: Iterable[str]) -> int:
    return sum(getattr(funnel, line) for line in lines)


@pytest.mark.parametrize("seed", range(examples(6)))
async def test_the_funnel_of_a_draft_is_the_ledger_it_becomes_fan_by_fan(app: App, clock: FakeClock, seed: int):
    dice = Random(seed)
    clock.pass_(hours=dice.randrange(24))
    await _invented_community(app, dice)
    house, written = await _invented_house(app, dice), _invented_draft(dice)
    draft = Draft(title="Tea", text="Tea", **written)
    saved = (await composed(app, **written)).id or 0
    own, later = await _own(app), defaultdict[str | None, set[int]](set)

    funnel = await _funnel(app, draft, broadcast_id=saved)
    unheard = {"" if draft.topic else "declined", "general_only" if draft.ignores_quiet else ""}
    left_out = [line for line in LEFT_OUT if line not in unheard]
    behind = {line: await _behind(app, draft, line, broadcast_id=saved) for line in (*left_out, *LATER)}
    ledger = await _frozen(app, saved)

    everybody = set[int]().union(*ledger.values())
    for fan_id in ledger["will_get"]:
        later[_waits(own[fan_id], house, app.clock(), ignores_quiet=written["ignores_quiet"])].add(fan_id)
    assert behind == {line: ledger[line] for line in left_out} | {line: later[line] for line in LATER}
    assert {line: getattr(funnel, line) for line in behind} == {line: len(behind[line]) for line in behind}
    assert (funnel.in_segment, funnel.will_get) == (len(everybody), len(ledger["will_get"]))
    assert funnel.in_segment == funnel.will_get + _sum(funnel, LEFT_OUT)


async def test_what_was_never_saved_holds_nobody_out_and_knows_the_control_group(app: App):
    await given_fans(app, 300)
    async with app.database.writing() as session:
        await preferences.change(session, COMMAND_LINE, now=app.clock(), control_percent=20)
    draft = Draft(title="Tea", text="Tea", include=(SEGMENT,), holdout_percent=50)

    unsaved, saved = await _funnel(app, draft), await _funnel(app, draft, broadcast_id=41)

    assert unsaved.held_out == 0
    assert await _behind(app, draft, "held_out") == set()
    assert 30 < unsaved.control == saved.control < 90
    assert (unsaved.will_get, saved.will_get) == (300 - saved.control, 300 - saved.control - saved.held_out)
    assert 80 < saved.held_out < 160
    assert saved.can_get == 300


async def test_a_broadcast_brings_its_own_lots(app: App):
    await given_fans(app, 60)
    broadcast = await composed(app, holdout_percent=50)
    draft = broadcasts.draft_of(broadcast)

    assert await _funnel(app, broadcast) == await _funnel(app, draft, broadcast_id=broadcast.id)
    assert await _behind(app, broadcast, "held_out") == await _behind(app, draft, "held_out", broadcast_id=broadcast.id)


async def test_what_everybody_must_know_waits_for_nobody_and_holds_back_no_control_group(app: App):
    await given_fans(app, 60)
    async with app.database.writing() as session:
        await preferences.change(
            session, COMMAND_LINE, now=app.clock(), control_percent=50, quiet_from=0, quiet_to=1439, weekly_cap=1
        )

    funnel = await _funnel(app, broadcasts.Audience((SEGMENT,), ignores_quiet=True))

    assert (funnel.control, funnel.will_get, funnel.later) == (0, 60, 0)


@pytest.mark.parametrize("line", ["declined", "holdout", "nobody"])
async def test_a_line_that_a_funnel_has_not_opens_nobody(app: App, line: str):
    with pytest.raises(NotFound):
        await _behind(app, broadcasts.Audience((SEGMENT,)), line)
