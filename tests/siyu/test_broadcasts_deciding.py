import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlmodel import col

from siyu import broadcasts, jobs
from siyu.app import App
from siyu.broadcasts import comparing
from siyu.kit.errors import Conflict, Invalid
from siyu.tables import AuditEntry, Broadcast, BroadcastState, Delivery, Fan
from tests.broadcasting import MEI, given_fans, row_of
from tests.ledgers import buys, given_broadcast, given_rows, presses

TEST = {"variants": [{"key": "b"}], "test_percent": 40, "winner_by": "clicks", "winner_after_minutes": 60}


async def _given_test(app: App, fans: list[Fan], **columns) -> int:
    """Two of each version have it, the others wait."""
    broadcast_id = await given_broadcast(app, **{**TEST, **columns})
    await given_rows(app, broadcast_id, fans[:2], "sent", variant="a")
    await given_rows(app, broadcast_id, fans[2:4], "sent", variant="b")
    waiting = {"reason": comparing.WAITS_FOR_WINNER, "not_before": comparing.UNDECIDED}
    await given_rows(app, broadcast_id, fans[4:], "pending", **waiting)
    return broadcast_id


async def _undecided(app: App) -> list[int]:
    async with app.database.reading() as session:
        return await broadcasts.undecided(session, now=app.clock())


async def _decides(app: App, broadcast_id: int) -> str | None:
    async with app.database.writing() as session:
        return await broadcasts.decide_winner(session, broadcast_id, now=app.clock())


async def _chooses(app: App, broadcast_id: int, key: str) -> int:
    async with app.database.writing() as session:
        return await broadcasts.choose_winner(session, broadcast_id, key, actor=MEI, now=app.clock())


async def _lines(app: App, broadcast_id: int) -> list[Delivery]:
    async with app.database.reading() as session:
        ledger = select(Delivery).where(col(Delivery.broadcast_id) == broadcast_id).order_by(col(Delivery.fan_id))
        return list(await session.all(ledger))


async def test_after_the_minutes_the_version_with_more_clicks_goes_to_the_rest(app, clock):
    fans = await given_fans(app, 10)
    broadcast_id = await _given_test(app, fans)
    await presses(app, broadcast_id, fans[2], fans[3], fans[0])
    early = await jobs.run_if_due(app, jobs.get_job("winners"))
    clock.pass_(minutes=60)

    decided = await jobs.run_if_due(app, jobs.get_job("winners"))

    assert (early, decided) == (False, True)
    rest = (await _lines(app, broadcast_id))[4:]
    assert {(row.state, row.variant, row.reason, row.not_before, row.planned_at) for row in rest} == {
        ("pending", "b", None, None, clock())
    }
    async with app.database.reading() as session:
        broadcast = await broadcasts.get_broadcast(session, broadcast_id)
        entry = await session.one(select(AuditEntry).where(col(AuditEntry.action) == "broadcast.winner"))
    assert broadcast.winner == "b"
    assert entry.details == {"winner": "b", "fans": 6, "versions": {"a": [2, 1, 0], "b": [2, 2, 0]}}
    assert await _undecided(app) == []


async def test_who_is_planned_for_later_keeps_their_moment(app, clock):
    fans = await given_fans(app, 5)
    broadcast_id = await _given_test(app, fans[:4])
    tomorrow = clock() + timedelta(days=1)
    waiting = {"reason": comparing.WAITS_FOR_WINNER, "not_before": comparing.UNDECIDED}
    await given_rows(app, broadcast_id, fans[4:], "pending", planned_at=tomorrow, **waiting)
    clock.pass_(minutes=60)

    await _decides(app, broadcast_id)

    row = await row_of(app, broadcast_id, fans[4])
    assert (row.planned_at, row.not_before) == (tomorrow, tomorrow)


async def test_where_purchases_count_clicks_do_not(app, clock):
    fans = await given_fans(app, 6)
    broadcast_id = await _given_test(app, fans, winner_by="purchases")
    await presses(app, broadcast_id, *fans[:2])
    await buys(app, fans[2], fans[4])

    assert await _decides(app, broadcast_id) == "b"


async def test_rates_are_compared_and_of_equals_the_main_text_stays(app):
    fans = await given_fans(app, 7)
    broadcast_id = await _given_test(app, fans[:5])
    await given_rows(app, broadcast_id, fans[5:], "sent", variant="b")
    await presses(app, broadcast_id, fans[0], fans[2], fans[5])  # one of two, two of four

    assert await _decides(app, broadcast_id) == "a"


async def test_the_minutes_begin_when_the_last_of_the_test_has_its_turn(app, clock):
    fans = await given_fans(app, 8)
    broadcast_id = await _given_test(app, fans[:6])
    await given_rows(app, broadcast_id, fans[6:7], "pending", variant="a", planned_at=clock() + timedelta(hours=2))
    await given_rows(app, broadcast_id, fans[7:], "pending", variant="b", not_before=clock() + timedelta(days=30))
    clock.pass_(hours=1)
    in_line = await _undecided(app)
    async with app.database.writing() as session:
        row = await session.get(Delivery, (broadcast_id, fans[6].id))
        row.state = "sent"
        session.add(row)
    clock.pass_(hours=1, minutes=59)
    too_fresh = await _undecided(app)
    clock.pass_(minutes=1)

    assert (in_line, too_fresh) == ([], [])
    assert await _undecided(app) == [broadcast_id]


async def test_a_paused_broadcast_is_decided_by_hand_only(app, clock):
    fans = await given_fans(app, 6)
    broadcast_id = await _given_test(app, fans, state=BroadcastState.PAUSED)
    clock.pass_(hours=2)

    by_itself = (await _undecided(app), await _decides(app, broadcast_id))
    by_hand = await _chooses(app, broadcast_id, "b")

    assert by_itself == ([], None)
    assert by_hand == 2


async def test_a_winner_is_one_of_the_versions_and_chosen_once(app):
    fans = await given_fans(app, 6)
    broadcast_id = await _given_test(app, fans)

    with pytest.raises(Invalid) as unknown:
        await _chooses(app, broadcast_id, "c")
    await _chooses(app, broadcast_id, "a")
    with pytest.raises(Conflict) as again:
        await _chooses(app, broadcast_id, "b")

    assert unknown.value.where == ("winner",)
    assert again.value.reason == "decided"
    assert {row.variant for row in (await _lines(app, broadcast_id))[4:]} == {"a"}


async def test_a_finished_broadcast_has_no_winner_to_choose(app):
    fans = await given_fans(app, 4)
    broadcast_id = await _given_test(app, fans, state=BroadcastState.FINISHED)

    with pytest.raises(Conflict) as refused:
        await _chooses(app, broadcast_id, "b")

    assert refused.value.reason == "not_running"


async def test_of_two_who_decide_at_once_one_is_heard(app):
    fans = await given_fans(app, 8)
    broadcast_id = await _given_test(app, fans)

    answers = await asyncio.gather(
        *(_chooses(app, broadcast_id, key) for key in ("a", "b", "a", "b")), return_exceptions=True
    )

    refused = [answer for answer in answers if isinstance(answer, Conflict)]
    assert (len(refused), {one.reason for one in refused}) == (3, {"decided"})
    async with app.database.reading() as session:
        winner = await session.one(select(col(Broadcast.winner)).where(col(Broadcast.id) == broadcast_id))
    assert {row.variant for row in (await _lines(app, broadcast_id))[4:]} == {winner}
