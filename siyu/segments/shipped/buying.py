"""Shipped dimensions of buying: how often, how much, since when, and where that puts a fan among the buyers."""

from siyu.kit.wording import phrase
from siyu.segments.dimensions import Dimension, Direction, Level, Own, Threshold, Unit
from siyu.segments.rules import Above, All, AnyOf, Metric, OnGrid, Op, Stands

NEVER_BOUGHT = Metric("purchases_total", Op.IS, 0)

PURCHASE_FREQUENCY = Dimension(
    key="purchase_frequency",
    label=phrase("Purchase frequency"),
    levels=(
        Level(
            "high", phrase("High"), phrase("bought at least %(high)s times in 90 days"),
            Metric("purchases_90d", Op.AT_LEAST, "high"),
            good=Direction.UP, invites=phrase("A member discount, or points"),
        ),
        Level(
            "mid", phrase("Middle"), phrase("bought at least %(mid)s times in 90 days, but less often than high"),
            Metric("purchases_90d", Op.AT_LEAST, "mid"),
            good=Direction.UP, invites=phrase("A promotion"),
        ),
        Level(
            "low", phrase("Low"), phrase("bought in 90 days, but fewer than %(mid)s times"),
            Metric("purchases_90d", Op.AT_LEAST, 1),
            invites=phrase("A limited-time offer, or what sells best"),
        ),
        Level(
            "none", phrase("None"), phrase("bought nothing in 90 days"),
            told_by="purchases_90d", good=Direction.DOWN,
        ),
    ),
    order=("high", "mid", "low", "none"),
    thresholds=(
        Threshold("high", phrase("Purchases in 90 days that make it high"), 4, Unit.TIMES, above="mid"),
        Threshold("mid", phrase("Purchases in 90 days that make it middle"), 2, Unit.TIMES, at_least=2),
    ),
)  # fmt: skip


def _by_share(
    key: str, label: str, measure: str, words: tuple[str, str, str], invites: tuple[str, str, str]
) -> Dimension:
    """Levels by the share of buyers a fan leaves behind."""
    high, mid, low = words
    return Dimension(
        key=key,
        label=label,
        levels=(
            Level(
                "high", phrase("High"), high, Above(above=measure, share="high"), good=Direction.UP, invites=invites[0]
            ),
            Level(
                "mid", phrase("Middle"), mid, Above(above=measure, share="mid"), good=Direction.UP, invites=invites[1]
            ),
            Level("low", phrase("Low"), low, told_by=measure, invites=invites[2]),
            Level(
                "none",
                phrase("Never bought"),
                phrase("never bought anything"),
                NEVER_BOUGHT,
                invites=phrase("Guidance, and an offer for the first purchase"),
            ),
        ),
        order=("none", "high", "mid", "low"),
        thresholds=(
            Threshold(
                "high",
                phrase("Percent of buyers with less that make it high"),
                80,
                Unit.PERCENT,
                at_most=99,
                above="mid",
            ),
            Threshold("mid", phrase("Percent of buyers with less that make it middle"), 40, Unit.PERCENT, at_most=98),
        ),
    )


PURCHASE_AMOUNT = _by_share(
    "purchase_amount", phrase("Purchase amount"), "spend_365d",
    (
        phrase("spent more in 365 days than %(high)s %% of buyers"),
        phrase("spent more in 365 days than %(mid)s %% of buyers, but not than %(high)s %%"),
        phrase("bought before, and spent no more in 365 days than others"),
    ),
    (phrase("VIP service"), phrase("Personal picks"), phrase("Bundles and discounts")),
)  # fmt: skip

VALUE = _by_share(
    "value", phrase("Customer value"), "value_halves",
    (
        phrase("worth more in 365 days, with half of what friends spent, than %(high)s %% of buyers"),
        phrase("worth more in 365 days than %(mid)s %% of buyers, but not than %(high)s %%"),
        phrase("bought before, and worth no more in 365 days than others"),
    ),
    (phrase("VIP service and exclusive offers"), phrase("Coupons and value-added service"), phrase("Basic contact")),
)  # fmt: skip

LOYALTY = Dimension(
    key="loyalty",
    label=phrase("Loyalty"),
    levels=(
        Level(
            "loyal", phrase("Loyal"),
            phrase("bought at least %(loyal_purchases)s times in 365 days and interacts often or regularly"),
            All((
                Metric("purchases_365d", Op.AT_LEAST, "loyal_purchases"),
                Stands("interaction_frequency", ("high", "mid")),
            )),
            good=Direction.UP, invites=phrase("Exclusive interaction and benefits"),
        ),
        Level(
            "growing", phrase("Growing"), phrase("bought at least %(growing_purchases)s times in 365 days"),
            Metric("purchases_365d", Op.AT_LEAST, "growing_purchases"),
            good=Direction.UP, invites=phrase("A reason to come back sooner"),
        ),
        Level(
            "casual", phrase("Casual"), phrase("bought, but not often enough yet to count as growing"),
            told_by="purchases_365d", invites=phrase("A second purchase"),
        ),
        Level(
            "at_risk", phrase("At risk"),
            phrase(
                "bought at least %(at_risk_purchases)s times, the last time more than %(at_risk_days)s days ago; "
                "or silent for more than %(at_risk_silent_days)s days"
            ),
            AnyOf((
                All((
                    Metric("purchases_total", Op.AT_LEAST, "at_risk_purchases"),
                    Metric("days_since_purchase", Op.MORE, "at_risk_days"),
                )),
                Metric("days_silent", Op.MORE, "at_risk_silent_days"),
            )),
            good=Direction.DOWN, invites=phrase("Win back"),
        ),
        Level(
            "lost", phrase("Lost"), phrase("last bought more than %(lost_days)s days ago"),
            Metric("days_since_purchase", Op.MORE, "lost_days"),
            good=Direction.DOWN, invites=phrase("Win back, and ask for the reason"),
        ),
        Level(
            "none", phrase("Never bought"), phrase("never bought anything"),
            Metric("purchases_total", Op.IS, 0), invites=phrase("Guidance, and an offer for the first purchase"),
        ),
    ),
    order=("none", "lost", "at_risk", "loyal", "growing", "casual"),
    thresholds=(
        Threshold(
            "lost_days", phrase("Days since the last purchase after which a fan is lost"), 365, Unit.DAYS,
            above="at_risk_days",
        ),
        Threshold("at_risk_purchases", phrase("Purchases in life from which a fan can be at risk"), 2, Unit.TIMES),
        Threshold("at_risk_days", phrase("Days since the last purchase after which a fan is at risk"), 90, Unit.DAYS),
        Threshold("at_risk_silent_days", phrase("Days of silence after which a buyer is at risk"), 60, Unit.DAYS),
        Threshold(
            "loyal_purchases", phrase("Purchases in 365 days from which a fan is loyal"), 3, Unit.TIMES,
            above="growing_purchases",
        ),
        Threshold("growing_purchases", phrase("Purchases in 365 days from which a fan is growing"), 2, Unit.TIMES),
    ),
)  # fmt: skip

LIFECYCLE = Dimension(
    key="lifecycle",
    label=phrase("Life cycle"),
    levels=(
        Level(
            "potential", phrase("Potential"), phrase("never bought anything"),
            Metric("purchases_total", Op.IS, 0), invites=phrase("Guidance, and an offer for the first purchase"),
        ),
        Level(
            "new", phrase("New"), phrase("bought for the first time at most %(new_days)s days ago"),
            Metric("days_since_first_purchase", Op.AT_MOST, "new_days"),
            good=Direction.UP, invites=phrase("A good first experience"),
        ),
        Level(
            "active", phrase("Active"), phrase("last bought at most %(active_days)s days ago, and is not new any more"),
            Metric("days_since_purchase", Op.AT_MOST, "active_days"),
            good=Direction.UP, invites=phrase("Keep them active"),
        ),
        Level(
            "dormant", phrase("Dormant"), phrase("last bought at most %(dormant_days)s days ago, but not lately"),
            Metric("days_since_purchase", Op.AT_MOST, "dormant_days"),
            good=Direction.DOWN, invites=phrase("Wake them"),
        ),
        Level(
            "lost", phrase("Lost"), phrase("last bought more than %(dormant_days)s days ago"),
            told_by="days_since_purchase",
            good=Direction.DOWN, invites=phrase("Win back, and ask for the reason"),
        ),
    ),
    order=("potential", "new", "active", "dormant", "lost"),
    thresholds=(
        Threshold("new_days", phrase("Days since the first purchase in which a fan is new"), 30, Unit.DAYS),
        Threshold("active_days", phrase("Days since the last purchase in which a fan is active"), 90, Unit.DAYS),
        Threshold(
            "dormant_days", phrase("Days since the last purchase after which a dormant fan is lost"), 180, Unit.DAYS,
            above="active_days",
        ),
    ),
)  # fmt: skip

PURCHASE_STAGE = Dimension(
    key="purchase_stage",
    label=phrase("Purchase stage"),
    levels=(
        Level("potential", phrase("Potential"), phrase("never bought anything"), told_by="purchases_total"),
        Level(
            "first", phrase("First purchase"), phrase("bought, but fewer than %(repeat)s times"),
            Metric("purchases_total", Op.AT_LEAST, 1),
            good=Direction.UP, invites=phrase("A second purchase"),
        ),
        Level(
            "repeat", phrase("Repeat purchase"),
            phrase("bought at least %(repeat)s times, but fewer than %(loyal)s times"),
            Metric("purchases_total", Op.AT_LEAST, "repeat"), good=Direction.UP,
        ),
        Level(
            "loyal", phrase("Loyal buyer"), phrase("bought at least %(loyal)s times"),
            Metric("purchases_total", Op.AT_LEAST, "loyal"), good=Direction.UP,
        ),
    ),
    order=("loyal", "repeat", "first", "potential"),
    thresholds=(
        Threshold("repeat", phrase("Purchases in life from which it is a repeat purchase"), 2, Unit.TIMES, at_least=2),
        Threshold("loyal", phrase("Purchases in life that make a loyal buyer"), 5, Unit.TIMES, above="repeat"),
    ),
)  # fmt: skip

# By recency and frequency, 1 to 5 each, 5 best; every cell once.
GRID_25 = {
    "champions": (54, 55),
    "loyal": (34, 35, 44, 45),
    "potential_loyalist": (42, 43, 52, 53),
    "new": (51,),
    "promising": (41,),
    "needs_attention": (33,),
    "about_to_sleep": (31, 32),
    "at_risk": (13, 14, 23, 24),
    "cannot_lose": (15, 25),
    "hibernating": (11, 12, 21, 22),
}
# By recency, frequency and money, 1 to 3 each.
GRID_27 = {
    "champions": (332, 333),
    "loyal": (232, 233, 331),
    "potential_loyalist": (321, 322, 323),
    "new": (311, 312),
    "promising": (313,),
    "needs_attention": (221, 222, 223),
    "about_to_sleep": (211, 212, 213),
    "at_risk": (122, 123, 131, 231),
    "cannot_lose": (132, 133),
    "hibernating": (111, 112, 113, 121),
}


def _on_grid(key: str) -> OnGrid:
    return OnGrid(cells=GRID_25[key], parts=5)


RFM = Dimension(
    key="rfm",
    label=phrase("RFM"),
    levels=(
        Level("champions", phrase("Champions"), phrase("bought lately and often"), _on_grid("champions"),
              good=Direction.UP, invites=phrase("Reward them, and ask them to bring friends")),
        Level("loyal", phrase("Loyal customers"), phrase("buy often, and not long ago"), _on_grid("loyal"),
              good=Direction.UP, invites=phrase("Points and a higher tier")),
        Level("potential_loyalist", phrase("Potential loyalists"), phrase("bought lately, more than once"),
              _on_grid("potential_loyalist"), good=Direction.UP, invites=phrase("Membership, and what goes with it")),
        Level("new", phrase("New customers"), phrase("bought for the first time, just now"), _on_grid("new"),
              good=Direction.UP, invites=phrase("A good first experience")),
        Level("promising", phrase("Promising"), phrase("bought once, lately"), _on_grid("promising"),
              invites=phrase("A second purchase")),
        Level("needs_attention", phrase("Need attention"), phrase("in the middle of everything"),
              _on_grid("needs_attention"), invites=phrase("A limited-time offer, or what sells best")),
        Level("about_to_sleep", phrase("About to sleep"), phrase("bought seldom, a while ago"),
              _on_grid("about_to_sleep"), good=Direction.DOWN, invites=phrase("Wake them")),
        Level("at_risk", phrase("At risk"), phrase("bought regularly, but long ago"), _on_grid("at_risk"),
              good=Direction.DOWN, invites=phrase("Win back")),
        Level("cannot_lose", phrase("Cannot lose them"), phrase("bought most often of all, but long ago"),
              _on_grid("cannot_lose"), good=Direction.DOWN, invites=phrase("Write to them in person")),
        Level("hibernating", phrase("Hibernating"), phrase("bought seldom, long ago"), told_by="rfm_recency_days",
              good=Direction.DOWN, invites=phrase("Win back, and ask for the reason")),
        Level("none", phrase("Never bought"), phrase("never bought anything"), NEVER_BOUGHT,
              invites=phrase("Guidance, and an offer for the first purchase")),
    ),
    order=("none", *(key for key in GRID_25 if key != "hibernating"), "hibernating"),
    own=frozenset({Own.NAMES, Own.INVITES, Own.GRID}),
)  # fmt: skip
