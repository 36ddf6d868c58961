"""The dimensions, as data: adding one is adding an entry here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from siyu.kit.errors import NotFound
from siyu.kit.wording import phrase
from siyu.segments.rules import All, AnyOf, Metric, Op, Rule, Stands


class Direction(StrEnum):
    """Which way a level should grow."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


class Unit(StrEnum):
    TIMES = "times"
    DAYS = "days"
    PEOPLE = "people"


@dataclass(frozen=True)
class Threshold:
    """A number operators may change; it stays above `above`, another threshold of the dimension."""

    name: str
    label: str
    shipped: int
    unit: Unit
    at_least: int = 1
    above: str | None = None


@dataclass(frozen=True)
class Level:
    """A place in a dimension. Without a rule it takes whom no other level takes, and `told_by` says what shows it."""

    key: str
    label: str
    sentence: str  # the rule in words, with thresholds by name
    rule: Rule | None = None
    told_by: str = ""
    good: Direction = Direction.NONE
    invites: str = ""


@dataclass(frozen=True)
class Dimension:
    """One way of looking at fans. A fan stands in the first level of `order` whose rule holds."""

    key: str
    label: str
    levels: tuple[Level, ...]  # as people read them
    order: tuple[str, ...]  # as they are tried; the last takes the rest
    thresholds: tuple[Threshold, ...]

    def tried(self) -> Iterator[Level]:
        return (self.level(key) for key in self.order)

    def level(self, key: str) -> Level:
        found = next((level for level in self.levels if level.key == key), None)
        if found is None:
            raise NotFound("there is no segment %(key)s", key=f"{self.key}.{key}")
        return found

    def shipped(self) -> Mapping[str, int]:
        return {threshold.name: threshold.shipped for threshold in self.thresholds}


INTERACTION_FREQUENCY = Dimension(
    key="interaction_frequency",
    label=phrase("Interaction frequency"),
    levels=(
        Level(
            "high", phrase("High"), phrase("interacted at least %(high)s times in 30 days"),
            Metric("interactions_30d", Op.AT_LEAST, "high"),
            good=Direction.UP, invites=phrase("More interaction and care"),
        ),
        Level(
            "mid", phrase("Middle"), phrase("interacted at least %(mid)s times in 30 days, but less often than high"),
            Metric("interactions_30d", Op.AT_LEAST, "mid"),
            good=Direction.UP, invites=phrase("Regular contact"),
        ),
        Level(
            "low", phrase("Low"), phrase("interacted in 30 days, but fewer than %(mid)s times"),
            Metric("interactions_30d", Op.AT_LEAST, 1),
            invites=phrase("Light contact"),
        ),
        Level(
            "none", phrase("None"), phrase("did not interact in 30 days"),
            told_by="interactions_30d", good=Direction.DOWN,
        ),
    ),
    order=("high", "mid", "low", "none"),
    thresholds=(
        Threshold("high", phrase("Interactions in 30 days that make it high"), 20, Unit.TIMES, above="mid"),
        Threshold("mid", phrase("Interactions in 30 days that make it middle"), 5, Unit.TIMES, at_least=2),
    ),
)  # fmt: skip

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

REFERRAL = Dimension(
    key="referral",
    label=phrase("Referral"),
    levels=(
        Level(
            "ambassador", phrase("Ambassador"), phrase("brought at least %(ambassador)s friends who bought"),
            Metric("referrals_qualified", Op.AT_LEAST, "ambassador"),
            good=Direction.UP, invites=phrase("Rewards and care"),
        ),
        Level(
            "referrer", phrase("Referrer"), phrase("brought a friend who bought"),
            Metric("referrals_qualified", Op.AT_LEAST, 1),
            good=Direction.UP, invites=phrase("Rewards and care"),
        ),
        Level(
            "none", phrase("None yet"), phrase("brought nobody who bought yet"),
            told_by="referrals_qualified", invites=phrase("Guidance on inviting friends"),
        ),
    ),
    order=("ambassador", "referrer", "none"),
    thresholds=(
        Threshold("ambassador", phrase("Buying friends from which a fan is an ambassador"), 3, Unit.PEOPLE, at_least=2),
        Threshold("join_days", phrase("Days from joining to a friend's first purchase"), 7, Unit.DAYS, at_least=0),
        Threshold("hold_days", phrase("Days that purchase must stand without a refund"), 14, Unit.DAYS, at_least=0),
    ),
)  # fmt: skip

DIMENSIONS: tuple[Dimension, ...] = (
    INTERACTION_FREQUENCY,
    PURCHASE_FREQUENCY,
    LOYALTY,
    LIFECYCLE,
    PURCHASE_STAGE,
    REFERRAL,
)


def get_dimension(key: str) -> Dimension:
    found = next((dimension for dimension in DIMENSIONS if dimension.key == key), None)
    if found is None:
        raise NotFound("there is no dimension %(key)s", key=key)
    return found


def parse_key(key: str) -> tuple[Dimension, Level]:
    """The dimension and level of a segment key such as `loyalty.at_risk`."""
    dimension_key, _, level_key = key.partition(".")
    dimension = next((dimension for dimension in DIMENSIONS if dimension.key == dimension_key), None)
    if dimension is None:
        raise NotFound("there is no segment %(key)s", key=key)
    return dimension, dimension.level(level_key)
