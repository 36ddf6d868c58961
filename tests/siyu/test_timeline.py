"""A fan's timeline: everything that happened, once, the newest first; visits told as one."""

from datetime import timedelta

from siyu import interactions
from siyu.app import App
from siyu.interactions import Interacted
from siyu.tables import Broadcast, Delivery, DeliveryState, Fan, LevelChange
from siyu.timeline import Bought, Deed, Did, Event, Got, Moved, Visit, timeline, visits
from tests.admin.community import given_purchase
from tests.people import given_fan, given_interactions


async def test_every_kind_of_event_is_told_newest_first(app: App) -> None:
    fan = await given_fan(app)
    await given_interactions(app, fan, days_ago=4)
    await given_purchase(app, fan, days_ago=3)
    await _given_a_move(app, fan, days_ago=2)
    await _given_a_broadcast(app, fan, days_ago=1)

    events = await _all(app, fan)

    assert [type(event) for event in events] == [Got, Moved, Bought, Did]


async def test_pages_of_any_length_hold_every_event_once_in_the_same_order(app: App) -> None:
    fan = await given_fan(app)
    for days_ago in (3, 2, 1):  # everything of a day in the same second
        await given_interactions(app, fan, 3, days_ago=days_ago)
        await given_purchase(app, fan, days_ago=days_ago)
        await given_purchase(app, fan, days_ago=days_ago)
        await _given_a_move(app, fan, days_ago=days_ago)
        await _given_a_broadcast(app, fan, days_ago=days_ago)

    whole = await _all(app, fan)

    assert len(whole) == 21
    for limit in (1, 2, 5, 20):
        assert await _all(app, fan, limit=limit) == whole


async def test_the_first_classification_and_a_look_at_another_time_are_no_events(app: App) -> None:
    fan = await given_fan(app)
    await _given_a_move(app, fan, old_level=None)
    await _given_a_move(app, fan, cause="look")

    assert await _all(app, fan) == []


async def test_somebody_else_s_life_stays_theirs(app: App) -> None:
    fan, other = await given_fan(app), await given_fan(app)
    await given_interactions(app, other)
    await given_purchase(app, other)
    await _given_a_broadcast(app, other)

    assert await _all(app, fan) == []


async def test_what_is_done_in_one_go_is_one_visit(app: App) -> None:
    fan = await given_fan(app)
    await _did(
        app,
        fan,
        ("view", "tea", 100),
        ("view", "pot", 90),
        ("press", "shop", 80),
        ("view", "tea", 60),
        ("message", None, 0),
    )

    (latest, before) = visits(await _all(app, fan))

    assert latest == Visit(app.clock(), (Deed("message", 1, ()),))
    assert isinstance(before, Visit)
    assert before.deeds == (Deed("view", 3, ("tea", "pot")), Deed("press", 1, ("shop",)))


async def test_a_purchase_parts_two_visits(app: App) -> None:
    fan = await given_fan(app)
    await _did(app, fan, ("view", "tea", 9), ("view", "pot", 1))
    await given_purchase(app, fan, days_ago=5 / 24 / 60)

    told = visits(await _all(app, fan))

    assert [type(event) for event in told] == [Visit, Bought, Visit]


async def _all(app: App, fan: Fan, *, limit: int = 100) -> list[Event]:
    """Every page after the other."""
    found: list[Event] = []
    cursor = None
    async with app.database.reading() as session:
        while True:
            page = await timeline(session, fan.id or 0, cursor=cursor, limit=limit)
            found += page.items
            if page.next is None:
                return found
            cursor = page.next


async def _did(app: App, fan: Fan, *deeds: tuple[str, str | None, int]) -> None:
    """Kind, detail, and how many minutes ago."""
    facts = [
        Interacted(
            "test", f"{kind}{detail}{minutes}", fan.id or 0, app.clock() - timedelta(minutes=minutes), kind, detail
        )
        for kind, detail, minutes in deeds
    ]
    async with app.database.writing() as session:
        await interactions.record(session, facts, zone=app.settings.zone)


async def _given_a_move(
    app: App, fan: Fan, *, days_ago: float = 0, old_level: str | None = "none", cause: str = "fact"
) -> None:
    at = app.clock() - timedelta(days=days_ago)
    async with app.database.writing() as session:
        session.add(
            LevelChange(
                fan_id=fan.id or 0,
                dimension="loyalty",
                old_level=old_level,
                new_level="casual",
                at=at,
                day=at.date(),
                cause=cause,
            )
        )


async def _given_a_broadcast(app: App, fan: Fan, *, days_ago: float = 0) -> None:
    at = app.clock() - timedelta(days=days_ago)
    async with app.database.writing() as session:
        broadcast = Broadcast(title="Tea", include=["loyalty.none"], text="Tea", created_at=at, created_by="operator:1")
        session.add(broadcast)
        await session.flush()
        session.add(Delivery(broadcast_id=broadcast.id or 0, fan_id=fan.id or 0, state=DeliveryState.SENT, sent_at=at))
