"""What the invented community's operators sort and watch: industries of their own, and a few saved segments."""

from datetime import datetime

from siyu.app import App
from siyu.demo.history import TEA_HOUSE
from siyu.demo.names import INDUSTRIES
from siyu.segments import Direction, Draft, Own, saved, thresholds

SEGMENTS = (
    Draft(
        "regulars",
        "老茶客 · Old friends",
        {"all": [{"dimension": "value", "in": ["high"]}, {"metric": "days_since_purchase", "op": "<=", "value": 60}]},
        note="Spend the most, and were here lately.",
        colour="green",
        good=Direction.UP,
        pinned=True,
    ),
    Draft(
        "quiet_buyers",
        "买过却沉默 · Bought, then silent",
        {
            "all": [
                {"metric": "purchases_365d", "op": ">=", "value": 1},
                {"metric": "days_silent", "op": ">", "value": 30},
            ]
        },
        colour="orange",
        good=Direction.DOWN,
    ),
    Draft(
        "green_curious",
        "看绿茶没买 · Looking at green tea",
        {
            "all": [
                {"dimension": "interests", "in": ["绿茶 Green"]},
                {"none": [{"metric": "purchases_90d", "op": ">=", "value": 1}]},
            ]
        },
        colour="teal",
    ),
    Draft(
        "gift_companies",
        "企业送礼 · Companies that give",
        {"any": [{"tag": "企业送礼 Gifts"}, {"dimension": "customer_type", "in": ["enterprise", "government"]}]},
        colour="purple",
        good=Direction.UP,
    ),
)


async def watch(app: App, *, now: datetime) -> None:
    """Written down before the first evening, so that there is a history of who came and went."""
    categories = [{"key": key, "label": label} for key, label in INDUSTRIES.items()]
    async with app.database.writing() as session:
        own = {Own.CATEGORIES.value: categories}
        await thresholds.change(session, TEA_HOUSE, "industry", thresholds={}, own=own, now=now)
        for draft in SEGMENTS:
            await saved.create(session, TEA_HOUSE, draft, now=now)
