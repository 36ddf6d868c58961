from siyu import broadcasts
from siyu.app import App
from siyu.broadcasts import answers, ledger
from siyu.broadcasts.tasks import Noted
from siyu.outcomes import Blocked, Rejected, Sent, Unknown
from siyu.tables import DeliveryState, Purchase
from tests.broadcasting import given_fans, started


async def _deliver(app: App, broadcast_id: int, *outcomes) -> None:
    async with app.database.writing() as session:
        tasks = await ledger.claim(session, broadcast_id, "me", limit=len(outcomes), now=app.clock())
        noted = [Noted(task, outcome) for task, outcome in zip(tasks, outcomes, strict=True)]
        await answers.note(session, noted, "me", now=app.clock())


async def _buys(app: App, fan, *, key: str, refunded: int = 0) -> None:
    async with app.database.writing() as session:
        session.add(
            Purchase(
                source="csv:test",
                external_id=key,
                fan_id=fan.id,
                paid_at=app.clock(),
                day=app.clock().date(),
                amount_minor=1000,
                refunded_minor=refunded,
                currency="CNY",
                body_hash="",
            )
        )


async def _results(app: App, broadcast_id: int) -> broadcasts.Results:
    async with app.database.reading() as session:
        return await broadcasts.results(session, broadcast_id)


async def test_the_counts_name_all_eight_states_and_add_up_to_the_audience(app):
    await given_fans(app, 6)
    broadcast_id = await started(app)
    await _deliver(app, broadcast_id, Sent(1), Blocked(), Rejected("no"), Unknown())

    found = await _results(app, broadcast_id)

    assert found.counts == {
        DeliveryState.PENDING: 2, DeliveryState.SENDING: 0, DeliveryState.SENT: 1, DeliveryState.FAILED: 1,
        DeliveryState.BLOCKED: 1, DeliveryState.UNKNOWN: 1, DeliveryState.SKIPPED: 0, DeliveryState.HOLDOUT: 0,
    }  # fmt: skip
    assert found.audience == 6


async def test_a_fan_who_buys_within_a_week_of_getting_it_counts_once(app, clock):
    buyer, early, late, unsent = await given_fans(app, 4)
    await _buys(app, early, key="before")
    clock.pass_(hours=1)
    broadcast_id = await started(app)
    await _deliver(app, broadcast_id, Sent(1), Sent(2), Sent(3), Unknown())

    await _buys(app, buyer, key="at once")
    clock.pass_(days=7)
    await _buys(app, buyer, key="on the last day")
    await _buys(app, unsent, key="nobody knows whether it arrived")
    clock.pass_(seconds=1)
    await _buys(app, late, key="a second too late")

    assert (await _results(app, broadcast_id)).purchases == 1


async def test_a_purchase_that_was_refunded_in_full_is_none_and_in_part_is_one(app):
    whole, part = await given_fans(app, 2)
    broadcast_id = await started(app)
    await _deliver(app, broadcast_id, Sent(1), Sent(2))

    await _buys(app, whole, key="1", refunded=1000)
    await _buys(app, part, key="2", refunded=400)

    assert (await _results(app, broadcast_id)).purchases == 1


async def test_a_list_shows_the_same_numbers_as_the_page(app):
    fan, _ = await given_fans(app, 2)
    broadcast_id = await started(app)
    await _deliver(app, broadcast_id, Sent(1), Blocked())
    await _buys(app, fan, key="1")

    async with app.database.reading() as session:
        (figures,) = (await broadcasts.figures(session, [broadcast_id])).values()
    found = await _results(app, broadcast_id)

    assert (figures.audience, figures.sent, figures.clicks, figures.purchases) == (2, 1, 0, 1)
    assert (found.audience, found.counts[DeliveryState.SENT], found.clicks, found.purchases) == (2, 1, 0, 1)


async def test_progress_tells_the_pace_and_the_time_left(app, clock):
    await given_fans(app, 50)
    broadcast_id = await started(app)
    await _deliver(app, broadcast_id, *[Sent(n) for n in range(10)])
    clock.pass_(seconds=30)
    await _deliver(app, broadcast_id, *[Sent(n) for n in range(20)])

    async with app.database.reading() as session:
        progress = await broadcasts.progress(session, broadcast_id, now=app.clock())

    assert (progress.done, progress.audience, progress.rate, progress.seconds_left) == (30, 50, 2.0, 10)


async def test_the_ledger_is_read_page_by_page_and_by_state(app):
    community = await given_fans(app, 5)
    broadcast_id = await started(app)
    await _deliver(app, broadcast_id, Sent(1), Blocked(), Sent(3))

    async with app.database.reading() as session:
        first = await broadcasts.deliveries(session, broadcast_id, limit=3)
        rest = await broadcasts.deliveries(session, broadcast_id, limit=3, cursor=first.next)
        sent = await broadcasts.deliveries(session, broadcast_id, state=DeliveryState.SENT)

    assert [line.telegram_id for line in (*first.items, *rest.items)] == [fan.telegram_id for fan in community]
    assert rest.next is None
    assert [(line.message_id, line.sent_at) for line in sent.items] == [(1, app.clock()), (3, app.clock())]
