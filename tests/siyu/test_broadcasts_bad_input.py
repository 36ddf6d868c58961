"""Whatever is wrong with a broadcast is told at its field, and nobody is written to."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from siyu import broadcasts
from siyu.app import App
from siyu.broadcasts import preparing
from siyu.kit.errors import Conflict, Invalid, SiyuError
from siyu.segments import Draft as Segment
from siyu.segments import recompute, saved
from siyu.tables import Delivery, Fan, Offer, OfferKind, OfferState, Outbox, Reach, SavedSegment, Timing
from tests.broadcasting import MEI, SEGMENT, composed, counted, given_fans, row_of
from tests.clocks import FakeClock

QUIET = {"metric": "days_silent", "op": ">", "value": 9}
SERIES = {"every": "daily", "at": "18:00"}


async def _start(app: App, broadcast_id: int | None) -> None:
    async with app.database.writing() as session:
        await broadcasts.start(session, broadcast_id or 0, actor=MEI, now=app.clock())


async def _is_untouched(app: App, broadcast_id: int | None) -> bool:
    """Still a draft, without a ledger, and nothing on its way."""
    async with app.database.reading() as session:
        state = (await broadcasts.get_broadcast(session, broadcast_id or 0)).state
        return state == "draft" and not [*await session.all(select(Delivery)), *await session.all(select(Outbox))]


async def _written(app: App, **changes: Any) -> int:  # Any: fields of a draft
    """Kept while it was written, whatever is wrong with it."""
    draft = broadcasts.Draft(**{"title": "Tea", "include": (SEGMENT,), "text": "Tea", **changes})
    async with app.database.writing() as session:
        return (await broadcasts.compose(session, MEI, draft, now=app.clock(), unfinished=True)).id or 0


async def _an_offer(app: App, **changes: Any) -> int:  # Any: columns of an offer
    now = app.clock()
    columns = {"ends_at": now + timedelta(days=1), "state": OfferState.ACTIVE, "created_at": now, **changes}
    offer = Offer(
        code="TEN", title="Ten", kind=OfferKind.PERCENT, value=10, currency="CNY", stock=9, created_by="x", **columns
    )
    async with app.database.writing() as session:
        session.add(offer)
        await session.flush()
    return offer.id or 0


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"text": "<b>Tea"}, ("text",)),
        ({"text": "<b><i>Tea</b></i>"}, ("text",)),
        ({"text": "<marquee>Tea</marquee>"}, ("text",)),
        ({"text": ""}, ("text",)),
        ({"text": "茶" * 4097}, ("text",)),
        ({"media": [{"kind": "photo", "file": "tea.jpg"}]}, ("media", 0)),
        ({"include": ()}, ("include",)),
        ({"include": ("loyalty.imaginary",)}, ("include",)),
        ({"include": (), "rule": {"segment": "imaginary"}}, ("rule", "segment")),
        ({"timing": Timing.AT}, ("send_at",)),
        ({"timing": Timing.SERIES, "series": {**SERIES, "zone": "Mars/Base"}}, ("series", "zone")),
        ({"timing": Timing.SERIES, "series": {**SERIES, "zone": 8}}, ("series", "zone")),
        ({"timing": Timing.LOCAL, "local_at": "2020-01-01T10:00"}, ("local_at",)),
    ],
)
async def test_what_is_wrong_is_kept_while_it_is_written_and_refused_at_its_field_when_it_should_go(
    app: App, changes: dict[str, Any], where: tuple[str | int, ...]
):
    await given_fans(app, 2)
    written = await _written(app, **changes)

    with pytest.raises(Invalid) as refusal:
        await _start(app, written)

    assert refusal.value.where == where
    assert await _is_untouched(app, written)


async def test_a_time_that_has_passed_is_refused_when_it_is_written_and_when_it_should_go(app: App, clock: FakeClock):
    await given_fans(app, 1)
    with pytest.raises(Invalid) as written:
        await composed(app, timing=Timing.AT, send_at=app.clock() - timedelta(seconds=1))
    broadcast = await composed(app, timing=Timing.AT, send_at=app.clock() + timedelta(minutes=1))

    clock.pass_(minutes=2)
    with pytest.raises(Invalid) as started:
        await _start(app, broadcast.id)

    assert written.value.where == started.value.where == ("send_at",)
    assert await _is_untouched(app, broadcast.id)


@pytest.mark.parametrize("reach", [Reach.BLOCKED, Reach.GONE, Reach.IMPORTED, None])
async def test_a_broadcast_that_nobody_would_get_does_not_start(app: App, reach: Reach | None):
    await given_fans(app, 2, segment=SEGMENT if reach else "loyalty.lost")
    async with app.database.writing() as session:
        await session.run(update(Fan).values(reach=reach or Reach.REACHABLE))
    broadcast = await composed(app)

    with pytest.raises(Conflict) as refusal:
        await _start(app, broadcast.id)

    assert refusal.value.reason == "empty"
    assert await _is_untouched(app, broadcast.id)


async def test_a_name_that_makes_the_text_too_long_leaves_out_that_fan_and_nobody_else(app: App):
    short, long = await given_fans(app, 2)
    async with app.database.writing() as session:
        await session.run(update(Fan).where(col(Fan.id) == long.id).values(name="x" * 200))
    broadcast = await composed(app, text="x" * 4000 + "{name}")
    await _start(app, broadcast.id)

    await _prepare(app, broadcast.id or 0)

    assert await counted(app, broadcast.id or 0) == {"pending": 1, "skipped": 1}
    assert (await row_of(app, broadcast.id or 0, short)).state == "pending"
    assert (await row_of(app, broadcast.id or 0, long)).reason == "too_long"


async def test_where_it_is_too_long_for_everybody_it_fails_and_says_so(app: App):
    await given_fans(app, 2)
    broadcast = await composed(app, text="x" * 4090 + "{name}{name}")
    await _start(app, broadcast.id)

    await _prepare(app, broadcast.id or 0)

    async with app.database.reading() as session:
        failed = await broadcasts.get_broadcast(session, broadcast.id or 0)
    assert (failed.state, failed.state_reason, failed.report["counts"]) == ("failed", "empty", {"too_long": 2})
    assert await counted(app, broadcast.id or 0) == {"skipped": 2}


async def _prepare(app: App, broadcast_id: int) -> None:
    going_on = True
    while going_on:
        async with app.database.writing() as session:
            going_on = await preparing.advance(session, broadcast_id, now=app.clock(), zone=app.settings.zone)


async def test_an_offer_that_has_ended_is_refused_when_it_is_written_and_when_it_should_go(app: App, clock: FakeClock):
    await given_fans(app, 1)
    offer = await _an_offer(app)
    broadcast = await composed(app, offer_id=offer)

    clock.pass_(days=1)
    with pytest.raises(Invalid) as started:
        await _start(app, broadcast.id)
    with pytest.raises(Invalid) as written:
        await composed(app, offer_id=offer)

    assert started.value.where == written.value.where == ("offer",)
    assert await _is_untouched(app, broadcast.id)


async def test_an_offer_that_ends_before_the_broadcast_leaves_makes_it_fail(app: App, clock: FakeClock):
    await given_fans(app, 1)
    later = {"timing": Timing.AT, "send_at": app.clock() + timedelta(days=2)}
    broadcast = await composed(app, offer_id=await _an_offer(app), **later)
    await _start(app, broadcast.id)

    clock.pass_(days=2)
    await _prepare(app, broadcast.id or 0)

    async with app.database.reading() as session:
        failed = await broadcasts.get_broadcast(session, broadcast.id or 0)
    assert (failed.state, failed.state_reason) == ("failed", "offer_not_open")
    assert await counted(app, broadcast.id or 0) == {}


@pytest.mark.parametrize("place", ["include", "exclude"])
async def test_a_segment_whose_rule_is_broken_is_refused_until_it_is_mended(app: App, place: str):
    await given_fans(app, 1)
    async with app.database.writing() as session:
        await saved.create(session, MEI, Segment("quiet", "Quiet", QUIET), now=app.clock())
    await recompute(app.database, zone=app.settings.zone, currency=app.settings.currency, now=app.clock())
    chosen = {"include": ("loyalty.none",), place: ("loyalty.none", "quiet")[place == "exclude" :]}
    broadcast = await composed(app, **chosen)

    await _rewrite(app, {"all": [{"segment": "nowhere"}]})
    with pytest.raises(Invalid) as refusal:
        await _start(app, broadcast.id)
    untouched = await _is_untouched(app, broadcast.id)
    await _rewrite(app, QUIET)
    await _start(app, broadcast.id)

    assert refusal.value.where == (place,)
    assert untouched


async def _rewrite(app: App, rule: dict[str, Any]) -> None:  # Any: the contract's RULE
    async with app.database.writing() as session:
        await session.run(update(SavedSegment).values(rule=rule))


async def test_of_two_operators_at_one_draft_the_second_is_told_and_the_first_ones_words_stay(app: App):
    await given_fans(app, 1)
    broadcast = await composed(app)
    mine, theirs = (broadcasts.Draft(title="Tea", include=(SEGMENT,), text=text) for text in ("First", "<b>Second"))

    async with app.database.writing() as session:
        await broadcasts.edit(session, MEI, broadcast.id or 0, mine, now=app.clock(), seen_version=1)
    with pytest.raises(SiyuError) as refusal:
        async with app.database.writing() as session:
            await broadcasts.edit(
                session, MEI, broadcast.id or 0, theirs, now=app.clock(), seen_version=1, unfinished=True
            )

    async with app.database.reading() as session:
        kept = await broadcasts.get_broadcast(session, broadcast.id or 0)
    assert refusal.value.reason == "edited"
    assert kept.text == "First"
