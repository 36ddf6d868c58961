from datetime import timedelta

from siyu import broadcasts
from siyu.app import App
from siyu.broadcasts import Pressed, Results
from siyu.kit.money import Money
from siyu.tables import Delivery, DeliveryState
from tests.broadcasting import given_fans
from tests.ledgers import buys, given_broadcast, given_rows, presses


async def _results(app: App, broadcast_id: int) -> Results:
    async with app.database.reading() as session:
        return await broadcasts.results(session, broadcast_id)


async def test_every_fan_of_the_ledger_is_counted_once_whatever_they_did(app):
    fans = await given_fans(app, 40)
    broadcast_id = await given_broadcast(app, variants=[{"key": "b"}])
    await given_rows(app, broadcast_id, fans[:10], "sent", variant="a")
    await given_rows(app, broadcast_id, fans[10:20], "sent", variant="b")
    await given_rows(app, broadcast_id, fans[20:25], "holdout", reason="holdout")
    await given_rows(app, broadcast_id, fans[25:28], "holdout", reason="control")
    await given_rows(app, broadcast_id, fans[28:30], "unknown", variant="a", reason="no_answer")
    await given_rows(app, broadcast_id, fans[30:40], "pending", variant="b")
    await presses(app, broadcast_id, fans[0], fans[11])
    await presses(app, broadcast_id, fans[0], button="yes")
    await buys(app, fans[0], fans[0], fans[1], fans[20], fans[26])

    found = await _results(app, broadcast_id)

    async with app.database.reading() as session:
        assert found.counts == await broadcasts.counts(session, broadcast_id)
    assert (found.audience, sum(found.counts.values())) == (40, 40)
    assert (found.clicks, found.purchases) == (2, 2)
    assert [(one.key, one.fans, one.sent, one.clicks, one.purchases) for one in found.versions] == [
        ("a", 12, 10, 1, 2),
        ("b", 20, 10, 1, 0),
    ]


async def test_what_was_sent_is_held_against_who_was_held_out_of_it(app):
    fans = await given_fans(app, 12)
    broadcast_id = await given_broadcast(app, holdout_percent=40)
    await given_rows(app, broadcast_id, fans[:5], "sent")
    await given_rows(app, broadcast_id, fans[5:6], "blocked", reason="blocked")
    await given_rows(app, broadcast_id, fans[6:10], "holdout", reason="holdout")
    await given_rows(app, broadcast_id, fans[10:11], "holdout", reason="control")
    await given_rows(app, broadcast_id, fans[11:], "skipped", reason="muted")
    await buys(app, *fans[:3], fans[6], fans[11])

    found = await _results(app, broadcast_id)

    effect, over_control = found.uplift, found.uplift_over_control
    assert effect is not None
    assert over_control is not None
    assert (effect.treated, effect.bought, effect.held, effect.held_bought) == (6, 3, 4, 1)
    assert (effect.difference, effect.enough) == (0.25, False)
    assert (over_control.held, over_control.held_bought) == (1, 0)


async def test_without_a_hold_out_nothing_is_claimed(app):
    fans = await given_fans(app, 2)
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, fans, "sent")

    found = await _results(app, broadcast_id)

    assert (found.uplift, found.uplift_over_control, found.versions) == (None, None, [])


async def test_days_of_attribution_run_from_the_planned_moment_alike_for_the_held_out(app, clock):
    sent, held, late, early = await given_fans(app, 4)
    broadcast_id = await given_broadcast(app, attribution_days=3, holdout_percent=50)
    planned, slow = clock() + timedelta(hours=5), clock() + timedelta(hours=9)
    await given_rows(app, broadcast_id, (sent, late, early), "sent", planned_at=planned, sent_at=slow)
    await given_rows(app, broadcast_id, (held,), "holdout", reason="holdout", planned_at=planned)

    await buys(app, early, at=planned - timedelta(seconds=1))
    await buys(app, sent, held, at=planned + timedelta(days=3))
    await buys(app, late, at=planned + timedelta(days=3, seconds=1))

    found = await _results(app, broadcast_id)
    assert found.uplift is not None
    assert (found.uplift.bought, found.uplift.held_bought, found.purchases) == (1, 1, 1)
    assert found.counts_until == planned + timedelta(days=3)
    async with app.database.reading() as session:
        lines = (await broadcasts.deliveries(session, broadcast_id)).items
    assert {line.telegram_id for line in lines if line.bought} == {sent.telegram_id, held.telegram_id}


async def test_the_money_is_added_up_by_currency_and_version_with_refunds_taken_off(app):
    fans = await given_fans(app, 4)
    broadcast_id = await given_broadcast(app, variants=[{"key": "b"}])
    await given_rows(app, broadcast_id, fans[:2], "sent", variant="a")
    await given_rows(app, broadcast_id, fans[2:3], "sent", variant="b")
    await given_rows(app, broadcast_id, fans[3:], "holdout", reason="holdout")
    await buys(app, fans[0], fans[2], fans[3], amount=5000)
    await buys(app, fans[0], amount=2000, refunded=500)
    await buys(app, fans[1], amount=3000, refunded=3000)
    await buys(app, fans[2], amount=70, currency="XTR")

    async with app.database.reading() as session:
        found = await broadcasts.earned(session, broadcast_id)

    assert found.total == [Money(11_500, "CNY"), Money(70, "XTR")]
    assert found.by_variant == {"a": [Money(6500, "CNY")], "b": [Money(5000, "CNY"), Money(70, "XTR")]}


async def test_each_button_has_its_fans_the_most_pressed_first(app):
    fans = await given_fans(app, 3)
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, fans, "sent")
    await presses(app, broadcast_id, *fans, button="0.1")
    await presses(app, broadcast_id, fans[0], button="claim")

    async with app.database.reading() as session:
        found = await broadcasts.clicks_per_button(session, broadcast_id)

    assert found == [Pressed("0.1", 3), Pressed("claim", 1)]
    assert (await _results(app, broadcast_id)).clicks == 3


async def test_the_speed_is_from_the_first_message_to_the_last(app, clock):
    fans = await given_fans(app, 5)
    broadcast_id = await given_broadcast(app)
    async with app.database.reading() as session:
        before = await broadcasts.speed(session, broadcast_id)
    first = clock()
    for fan in fans:
        await given_rows(app, broadcast_id, (fan,), "sent", sent_at=clock())
        clock.pass_(seconds=2)

    async with app.database.reading() as session:
        found = await broadcasts.speed(session, broadcast_id)

    assert (before.first_at, before.rate) == (None, None)
    assert (found.first_at, found.last_at, found.rate) == (first, first + timedelta(seconds=8), 0.5)


async def test_the_pace_just_now_is_seen_whoever_was_sent_to_last(app, clock):
    """Fans of an eastern zone may have the highest numbers and have been first."""
    fans = await given_fans(app, 30)
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, fans[20:], "sent")
    clock.pass_(hours=3)
    await given_rows(app, broadcast_id, fans[:20], "sent")

    async with app.database.reading() as session:
        found = await broadcasts.progress(session, broadcast_id, now=clock())

    assert found.rate == 2.0


async def test_the_causes_of_who_was_not_reached_are_told_and_settled_ones_are_none(app):
    fans = await given_fans(app, 6)
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, fans[:2], "failed", reason="gone")
    await given_rows(app, broadcast_id, fans[2:3], "blocked", reason="blocked")
    await given_rows(app, broadcast_id, fans[3:4], "pending", reason="quiet")
    await given_rows(app, broadcast_id, fans[4:], "sent", reason="interrupted")

    async with app.database.reading() as session:
        found = await broadcasts.reasons(session, broadcast_id)

    assert found == {
        (DeliveryState.FAILED, "gone"): 2,
        (DeliveryState.BLOCKED, "blocked"): 1,
        (DeliveryState.PENDING, "quiet"): 1,
    }


async def test_the_ledger_tells_each_fans_version_tries_and_moment(app):
    (fan,) = await given_fans(app, 1)
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, (fan,), "sent", variant="b", attempts=2)

    async with app.database.reading() as session:
        (line,) = (await broadcasts.deliveries(session, broadcast_id)).items
        row = await session.get(Delivery, (broadcast_id, fan.id))

    assert row is not None
    assert (line.variant, line.attempts, line.planned_at, line.bought) == ("b", 2, row.planned_at, False)


async def test_who_waits_for_a_later_moment_is_no_part_of_the_time_left(app, clock):
    fans = await given_fans(app, 40)
    broadcast_id = await given_broadcast(app)
    await given_rows(app, broadcast_id, fans[:20], "sent")
    await given_rows(app, broadcast_id, fans[20:30], "pending")
    await given_rows(app, broadcast_id, fans[30:], "pending", not_before=clock() + timedelta(hours=1))

    async with app.database.reading() as session:
        found = await broadcasts.progress(session, broadcast_id, now=clock())

    assert (found.rate, found.later, found.seconds_left) == (2.0, 10, 5)
