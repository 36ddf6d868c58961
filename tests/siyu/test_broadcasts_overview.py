"""What a list says of broadcasts is what their pages say, whichever way it is counted."""

from datetime import timedelta
from itertools import product
from random import Random

import pytest

from siyu import broadcasts
from siyu.app import App
from siyu.broadcasts import overview
from siyu.broadcasts.comparing import CONTROL, HELD_OUT
from siyu.tables import DeliveryState, Fan
from tests.broadcasting import given_fans
from tests.clocks import FakeClock
from tests.ledgers import buys, given_broadcast, given_rows, presses

STATES = ("pending", "sending", "sent", "sent", "failed", "blocked", "unknown", "skipped", "holdout", "holdout")
DAYS = 7


async def given_any_broadcast(
    app: App, fans: list[Fan], dice: Random, *, state: str, hours: int, minutes: int, share: int
) -> int:
    """Settled now, its start so many hours later, spread over minutes, over after that share of them."""
    start = app.clock() + timedelta(hours=hours)
    over = {} if state == "running" else {"finished_at": start + timedelta(minutes=minutes * share)}
    broadcast_id = await given_broadcast(
        app, state=state, frozen_at=app.clock(), started_at=start, spread_minutes=minutes, attribution_days=DAYS, **over
    )
    for fan in fans:
        its = dice.choice(STATES)
        planned = start + timedelta(minutes=dice.randint(0, minutes))
        why = {"reason": dice.choice([HELD_OUT, CONTROL])} if its == "holdout" else {}
        sent = {"attempts": 1, "sent_at": planned} if its == "sent" else {}
        await given_rows(app, broadcast_id, [fan], its, planned_at=planned, **why, **sent)
        if its == "sent" and dice.random() < 0.4:
            await presses(app, broadcast_id, fan)
    return broadcast_id


@pytest.mark.parametrize("few", [0, 10_000], ids=["from what was bought", "from the fans"])
async def test_a_list_says_what_the_pages_say(
    app: App, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(overview, "FEW", few)
    dice = Random(7)
    ids = []
    for n, given in enumerate(product(["running", "finished", "cancelled"], [0, 5], [0, 6 * 24 * 60], [0, 1])):
        state, hours, minutes, share = given
        fans = await given_fans(app, 15, first=1000 * (n + 1))
        kind = {"state": state, "hours": hours, "minutes": minutes, "share": share}
        ids.append(await given_any_broadcast(app, fans, dice, **kind))
        for fan in fans:
            at = clock() + timedelta(hours=dice.randint(-10, 24 * 13))
            await buys(app, fan, at=at, refunded=dice.choice([0, 0, 0, 400, 1000]))
        clock.pass_(days=2)
    nothing = await given_broadcast(app)

    async with app.database.reading() as session:
        listed = await broadcasts.figures(session, [*ids, nothing])
        pages = {one: await broadcasts.results(session, one) for one in ids}

    assert listed == {
        one: broadcasts.Figures(
            page.audience, page.counts[DeliveryState.SENT], page.clicks, page.purchases, page.uplift
        )
        for one, page in pages.items()
    }
    assert sum(one.purchases for one in listed.values()) > 10
