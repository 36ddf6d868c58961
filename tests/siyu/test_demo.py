"""The invented community's broadcasts are alive: compared, under way, waiting, kept as a template."""

from random import Random

from sqlmodel import select

from siyu import broadcasts, topics
from siyu.app import App
from siyu.audit import Actor
from siyu.demo import comparison, plans, talks
from siyu.demo.history import TEA_HOUSE
from siyu.segments import Draft, recompute, saved
from siyu.tables import Broadcast, ConversationLine
from tests.broadcasting import given_fans

MANI = Actor("operator:2", "Mani")


async def _compared(app: App) -> int:
    await talks.choose(app, now=app.clock(), dice=Random(5))
    await comparison.compare(app, now=app.clock(), dice=Random(11))
    async with app.database.reading() as session:
        (broadcast,) = await session.all(select(Broadcast))
    return broadcast.id or 0


async def test_the_two_texts_and_those_who_got_neither_show_an_effect_to_believe_in(app: App):
    await given_fans(app, 220, segment="interaction_frequency.high")

    broadcast_id = await _compared(app)

    async with app.database.reading() as session:
        found = await broadcasts.results(session, broadcast_id)
        pressed = await broadcasts.clicks_per_button(session, broadcast_id)
    versions = {one.key: one for one in found.versions}
    assert found.uplift is not None
    assert (found.uplift.enough, found.uplift.low > 0) == (True, True)
    assert versions["b"].clicks > versions["a"].clicks
    assert sum(found.counts.values()) == found.audience == 220
    assert [(one.button, one.fans) for one in pressed] == [("shop", found.clicks)]


async def test_what_fans_answered_stands_beside_the_broadcast(app: App):
    await given_fans(app, 60, segment="interaction_frequency.high")
    broadcast_id = await _compared(app)

    await talks.talk(app, now=app.clock())

    async with app.database.reading() as session:
        lines = await session.all(select(ConversationLine))
        declined = await topics.list_topics(session)
    assert sum(line.broadcast_id == broadcast_id for line in lines) == len(talks.REPLIES)
    assert any(one.fans for one in declined)


async def test_a_series_a_draft_that_waits_for_somebody_else_and_a_template_lie_ahead(app: App):
    await given_fans(app, 10)
    await talks.choose(app, now=app.clock(), dice=Random(5))
    async with app.database.writing() as session:
        segment = Draft("green_curious", "Green", {"metric": "days_silent", "op": ">", "value": 1})
        await saved.create(session, MANI, segment, now=app.clock())
    await recompute(app.database, zone=app.settings.zone, currency=app.settings.currency, now=app.clock())

    await plans.plan(app, MANI, now=app.clock())

    async with app.database.reading() as session:
        listed = (await broadcasts.list_broadcasts(session)).items
        templates = (await broadcasts.list_broadcasts(session, templates=True)).items
    assert [(one.state, one.timing, one.created_by) for one in listed] == [
        ("awaiting_approval", "now", MANI.key), ("scheduled", "series", TEA_HOUSE.key),
    ]  # fmt: skip
    assert [one.is_template for one in templates] == [True]
