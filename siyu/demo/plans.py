"""What lies ahead of the invented community: a series, a draft that waits for a second person, a template."""

from datetime import datetime, timedelta

from siyu import broadcasts
from siyu.app import App
from siyu.audit import Actor
from siyu.broadcasts import Draft
from siyu.demo.history import TEA_HOUSE
from siyu.tables import Timing

SERIES = Draft(
    title="周五新到 · New on Friday",
    include=("interaction_frequency.high", "interaction_frequency.mid"),
    exclude=("loyalty.lost",),
    text="{first_name|茶友},这周到了三款新茶。\n\nThree new teas this week, {first_name|friend}.",
    buttons=[[{"text": "🍵 Shop", "action": "shop"}]],
    topic="new_teas",
    timing=Timing.SERIES,
    series={"every": "weekly", "on": [5], "at": "19:30"},
)
AWAITING = Draft(
    title="周年庆 · Our anniversary",
    include=("loyalty.loyal", "loyalty.growing", "loyalty.at_risk"),
    text="🎂 <b>茶社三岁了</b>\n周六下午来店里,茶水点心都备好了。\n\n<b>We are three.</b> Come on Saturday afternoon.",
    buttons=[[{"text": "来 · Coming", "action": "answer", "value": "coming"}]],
    topic="sessions",
    holdout_percent=10,
)
TEMPLATE = Draft(
    title="到货通知(模板) · Back in stock, a template",
    include=("green_curious",),
    text="{first_name|茶友},你看过的茶又有了。\n\nWhat you looked at is back, {first_name|friend}.",
    buttons=[[{"text": "🍵 Shop", "action": "shop"}]],
    topic="new_teas",
)


async def plan(app: App, writer: Actor, *, now: datetime) -> None:
    """The series runs on by itself; what waits was written by somebody who may not approve it."""
    async with app.database.writing() as session:
        series = await broadcasts.compose(session, TEA_HOUSE, SERIES, now=now - timedelta(days=2))
        await broadcasts.start(session, series.id or 0, actor=TEA_HOUSE, now=now - timedelta(days=2, minutes=-5))
        waits = await broadcasts.compose(session, writer, AWAITING, now=now - timedelta(hours=2))
        await broadcasts.submit(session, waits.id or 0, actor=writer, now=now - timedelta(hours=1))
        original = await broadcasts.compose(session, TEA_HOUSE, TEMPLATE, now=now - timedelta(days=20))
        await broadcasts.save_as_template(session, TEA_HOUSE, original.id or 0, now=now - timedelta(days=20))
        await broadcasts.archive(session, TEA_HOUSE, original.id or 0, now=now - timedelta(days=20))
