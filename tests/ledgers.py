"""Ledgers as sending would leave them, written by hand: who is in which state, with which version, since when."""

from collections.abc import Iterable
from datetime import datetime
from itertools import count
from typing import Any

from siyu.app import App
from siyu.audit import Actor
from siyu.tables import Broadcast, BroadcastClick, BroadcastState, Delivery, Fan, Purchase

MEI = Actor("operator:7", "Mei")

_keys = count(1)


async def given_broadcast(app: App, **columns: Any) -> int:  # Any: columns of the broadcast
    """One that runs since now."""
    now = app.clock()
    usual: dict[str, Any] = {
        "title": "Tea", "text": "Tea", "created_at": now, "created_by": MEI.key,
        "state": BroadcastState.RUNNING, "started_at": now,
    }  # fmt: skip
    async with app.database.writing() as session:
        broadcast = Broadcast(**{**usual, **columns})
        session.add(broadcast)
        await session.flush()
    return broadcast.id or 0


async def given_rows(app: App, broadcast_id: int, fans: Iterable[Fan], state: str, **columns: Any) -> None:
    """A row of this state for each of them, planned for now; Any: columns of the delivery."""
    now = app.clock()
    usual = {"attempts": 1, "sent_at": now} if state == "sent" else {}
    rows = [
        Delivery(
            **{"planned_at": now, **usual, "broadcast_id": broadcast_id, "fan_id": fan.id, "state": state, **columns}
        )
        for fan in fans
    ]
    async with app.database.writing() as session:
        session.add(*rows)


async def presses(app: App, broadcast_id: int, *fans: Fan, button: str = "0.0") -> None:
    """Each presses the button for the first time."""
    async with app.database.writing() as session:
        for fan in fans:
            delivery = await session.get(Delivery, (broadcast_id, fan.id))
            assert delivery is not None
            delivery.clicked_at = delivery.clicked_at or app.clock()
            session.add(
                delivery, BroadcastClick(broadcast_id=broadcast_id, fan_id=fan.id, button=button, at=app.clock())
            )


async def buys(
    app: App,
    *fans: Fan,
    amount: int = 1000,
    currency: str = "CNY",
    refunded: int = 0,
    at: datetime | None = None,
) -> None:
    """Each pays, now."""
    moment = at or app.clock()
    async with app.database.writing() as session:
        for fan in fans:
            session.add(
                Purchase(
                    source="csv:test", external_id=f"p{next(_keys)}", fan_id=fan.id, paid_at=moment, day=moment.date(),
                    amount_minor=amount, refunded_minor=refunded, currency=currency, body_hash="",
                )
            )  # fmt: skip
