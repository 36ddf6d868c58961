"""What the invented community tried out: two texts by lot, and a few who got neither, to see who buys anyway."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import bindparam, update
from sqlmodel import col, insert, select

from siyu import broadcasts, purchases
from siyu.app import App
from siyu.broadcasts import Draft
from siyu.demo.history import SOURCE, TEA_HOUSE
from siyu.demo.names import PRODUCTS
from siyu.kit.database import WriteSession
from siyu.kit.errors import Conflict
from siyu.kit.money import Money
from siyu.purchases import Line, Sale
from siyu.tables import Broadcast, BroadcastClick, BroadcastState, Delivery, DeliveryState

DAYS_AGO = 9
SHOP = [[{"text": "🍵 去茶铺 · To the shop", "action": "shop"}]]
CLICKS = {"a": 0.2, "b": 0.42}  # the shorter text is pressed twice as often
BUYS, BUYS_ANYWAY = 0.34, 0.08
# Far above what the pretend Telegram counts up to, so that nobody's reply finds a wrong one.
FIRST_MESSAGE = 900_000_000

SPRING = Draft(
    title="新茶两种写法 · Two ways to say it",
    include=("interaction_frequency.high", "interaction_frequency.mid", "interaction_frequency.low"),
    text="🌱 <b>头采新茶到了</b>\n今年清明前只做了六十斤,先留给常来的朋友。\n\n"
    "<b>The first picking is here.</b> Sixty pounds in all, kept for friends first.",
    buttons=SHOP,
    variants=[{"key": "b", "text": "🌱 头采到了,只有六十斤。\n\nFirst picking, sixty pounds."}],
    topic="new_teas",
    holdout_percent=30,
)

Row = tuple[int, str | None, DeliveryState]


async def compare(app: App, *, now: datetime, dice: Random) -> None:
    """The broadcast as it went that day, who pressed under which text, and who bought in the week after."""
    at = now + timedelta(minutes=10)
    async with app.database.writing() as session:
        broadcast_id = (await broadcasts.compose(session, TEA_HOUSE, SPRING, now=now)).id or 0
        try:
            await broadcasts.start(session, broadcast_id, actor=TEA_HOUSE, now=at)
        except Conflict:  # a very small community may have nobody there that day
            return
        columns = select(col(Delivery.fan_id), col(Delivery.variant), col(Delivery.state))
        ledger = columns.where(col(Delivery.broadcast_id) == broadcast_id).order_by(col(Delivery.fan_id))
        rows: Sequence[Row] = [(fan_id, variant, state) for fan_id, variant, state in await session.rows(ledger)]
        await _deliver(session, broadcast_id, rows, at, dice)
        await purchases.record(session, _sales(app, broadcast_id, rows, at, dice), zone=app.settings.zone)


async def _deliver(session: WriteSession, broadcast_id: int, rows: Sequence[Row], at: datetime, dice: Random) -> None:
    sent = [(fan_id, variant) for fan_id, variant, state in rows if state is DeliveryState.PENDING]
    lines = []
    for number, (fan_id, variant) in enumerate(sent):
        moment = at + timedelta(seconds=number // 28)
        pressed = moment + timedelta(minutes=dice.randint(1, 900)) if dice.random() < CLICKS[variant or "a"] else None
        lines.append({"fan": fan_id, "then": moment, "message": FIRST_MESSAGE + number, "pressed": pressed})
    this = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.fan_id) == bindparam("fan"))
    arrived = {
        "state": DeliveryState.SENT, "attempts": 1, "sent_at": bindparam("then"), "message_id": bindparam("message"),
        "clicked_at": bindparam("pressed"),
    }  # fmt: skip
    await session.run_many(update(Delivery).where(*this).values(arrived), lines)
    clicks = [
        {"broadcast_id": broadcast_id, "fan_id": line["fan"], "button": "shop", "at": line["pressed"]}
        for line in lines
        if line["pressed"]
    ]
    await session.run_many(insert(BroadcastClick), clicks)
    over = {"state": BroadcastState.FINISHED, "finished_at": at + timedelta(seconds=1 + len(sent) // 28)}
    await session.run(update(Broadcast).where(col(Broadcast.id) == broadcast_id).values(over))


def _sales(app: App, broadcast_id: int, rows: Sequence[Row], at: datetime, dice: Random) -> list[Sale]:
    """In the week after: who got it bought more often than who was held out."""
    chances = {DeliveryState.PENDING: BUYS, DeliveryState.HOLDOUT: BUYS_ANYWAY}
    buyers = [fan_id for fan_id, _, state in rows if dice.random() < chances.get(state, 0)]
    return [_sale(app, f"{broadcast_id}:{fan_id}", fan_id, at, dice) for fan_id in buyers]


def _sale(app: App, key: str, fan_id: int, at: datetime, dice: Random) -> Sale:
    product, amount = dice.choice(PRODUCTS), dice.randint(380, 1680) * 10
    return Sale(
        source=SOURCE,
        external_id=f"spring:{key}",
        fan_id=fan_id,
        paid_at=at + timedelta(minutes=dice.randint(40, 6 * 1440)),
        amount=Money(amount, app.settings.currency),
        items=(Line(product.sku, product.title, product.category, 1, amount),),
    )
