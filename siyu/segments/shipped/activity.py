"""Shipped dimensions of doing: how often, what, with which intention, how quickly, and how it was."""

from siyu.kit.wording import phrase
from siyu.metrics.measures import FAINT
from siyu.segments.dimensions import Dimension, Direction, Level, Threshold, Unit
from siyu.segments.rules import All, Metric, Op

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

BEHAVIOUR = Dimension(
    key="behaviour",
    label=phrase("Behaviour"),
    levels=(
        Level("purchasing", phrase("Buys"), phrase("bought in 90 days"), Metric("purchases_90d", Op.AT_LEAST, 1),
              good=Direction.UP, invites=phrase("Membership")),
        Level("interacting", phrase("Takes part"), phrase("answered, pressed or wrote in 90 days, but bought nothing"),
              Metric("acts_90d", Op.AT_LEAST, 1), good=Direction.UP, invites=phrase("Activities")),
        Level("browsing", phrase("Looks"), phrase("only looked at the catalogue in 90 days"),
              Metric("views_90d", Op.AT_LEAST, 1), invites=phrase("What they looked at, once more")),
        Level("inactive", phrase("Inactive"), phrase("did nothing in 90 days"), told_by="interactions_90d",
              good=Direction.DOWN, invites=phrase("Basic contact")),
    ),
    order=("purchasing", "interacting", "browsing", "inactive"),
)  # fmt: skip

PURCHASE_INTENT = Dimension(
    key="purchase_intent",
    label=phrase("Purchase intent"),
    levels=(
        Level("high", phrase("High"), phrase("signals of wanting to buy add up to %(high)s or more"),
              Metric("intent_score", Op.AT_LEAST, "high"), good=Direction.UP, invites=phrase("Follow up at once")),
        Level("mid", phrase("Middle"),
              phrase("signals of wanting to buy add up to %(mid)s or more, but not to %(high)s"),
              Metric("intent_score", Op.AT_LEAST, "mid"), good=Direction.UP, invites=phrase("Follow up regularly")),
        Level("low", phrase("Low"), phrase("some signals of wanting to buy, fewer than %(mid)s"),
              Metric("intent_score", Op.AT_LEAST, FAINT), invites=phrase("Stay in touch")),
        Level("none", phrase("None"), phrase("no signal of wanting to buy since the last purchase"),
              told_by="intent_score"),
    ),
    order=("high", "mid", "low", "none"),
    thresholds=(
        Threshold("high", phrase("Signals that make it high"), 8, Unit.POINTS, above="mid"),
        Threshold("mid", phrase("Signals that make it middle"), 3, Unit.POINTS),
    ),
)  # fmt: skip

DECISION_SPEED = Dimension(
    key="decision_speed",
    label=phrase("Decision speed"),
    levels=(
        Level("fast", phrase("Fast"), phrase("bought within %(fast_hours)s hours of the first contact"),
              Metric("hours_to_first_purchase", Op.AT_MOST, "fast_hours"), good=Direction.UP),
        Level("mid", phrase("Middle"),
              phrase("bought within %(mid_hours)s hours of the first contact, but not at once"),
              Metric("hours_to_first_purchase", Op.AT_MOST, "mid_hours")),
        Level("slow", phrase("Slow"), phrase("took more than %(mid_hours)s hours to buy for the first time"),
              Metric("hours_to_first_purchase", Op.MORE, "mid_hours")),
        Level("undecided", phrase("Undecided"), phrase("did not buy yet"), told_by="purchases_total",
              invites=phrase("Guidance, and an offer for the first purchase")),
    ),
    order=("fast", "mid", "slow", "undecided"),
    thresholds=(
        Threshold("fast_hours", phrase("Hours from the first contact in which it is fast"), 24, Unit.HOURS),
        Threshold("mid_hours", phrase("Hours from the first contact in which it is middle"), 168, Unit.HOURS,
                  above="fast_hours"),
    ),
)  # fmt: skip


def _rated(score: int) -> All:
    return All((Metric("days_since_feedback", Op.LESS, "days"), Metric("feedback_score", Op.IS, score)))


FEEDBACK = Dimension(
    key="feedback",
    label=phrase("Feedback"),
    levels=(
        Level("positive", phrase("Positive"), phrase("the latest rating within %(days)s days was good"), _rated(1),
              good=Direction.UP, invites=phrase("Say thank you, with a reward")),
        Level("neutral", phrase("Neutral"), phrase("the latest rating within %(days)s days was so-so"), _rated(0),
              invites=phrase("Ask what was missing")),
        Level("negative", phrase("Negative"), phrase("the latest rating within %(days)s days was bad"), _rated(-1),
              good=Direction.DOWN, invites=phrase("Put it right, in time")),
        Level("none", phrase("None"), phrase("gave no rating in %(days)s days"), told_by="days_since_feedback"),
    ),
    order=("positive", "neutral", "negative", "none"),
    thresholds=(Threshold("days", phrase("Days a rating counts"), 180, Unit.DAYS),),
)  # fmt: skip
