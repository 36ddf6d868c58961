"""Rules worth starting from, as data: adding one is adding an entry here."""

from dataclasses import dataclass

from siyu.kit.wording import phrase
from siyu.segments.dimensions import Direction
from siyu.segments.rules import All, Metric, Op, Rule, Stands


@dataclass(frozen=True)
class Composite:
    """A saved segment somebody may begin with; label and note are message ids."""

    key: str
    label: str
    note: str
    rule: Rule
    good: Direction = Direction.NONE
    colour: str = ""


COMPOSITES: tuple[Composite, ...] = (
    Composite(
        "potential_high_value", phrase("Potential high value"),
        phrase("They buy seldom, and much at a time: a reason to come back pays."),
        All((Stands("purchase_amount", ("high",)), Metric("purchases_365d", Op.AT_MOST, 2))),
        good=Direction.UP, colour="green",
    ),
    Composite(
        "high_intent_not_bought", phrase("High intent, not bought yet"),
        phrase("They look, press and ask, and have not paid: follow up today."),
        All((Stands("purchase_intent", ("high",)), Metric("purchases_total", Op.IS, 0))),
        good=Direction.NONE, colour="orange",
    ),
    Composite(
        "at_risk_high_value", phrase("At risk, high value"),
        phrase("The best buyers who have gone quiet: win them back, one by one."),
        All((Stands("value", ("high",)), Stands("loyalty", ("at_risk",)))),
        good=Direction.DOWN, colour="red",
    ),
    Composite(
        "silent_14_days", phrase("Silent for 14 days"),
        phrase("They talked with us once and have stopped: say hello."),
        All((Metric("days_silent", Op.AT_LEAST, 14),)),
        good=Direction.DOWN, colour="gray",
    ),
    Composite(
        "referrers_without_coupon", phrase("Active referrers who never used a coupon"),
        phrase("They bring friends and never asked for anything: say thank you."),
        All((
            Stands("referral", ("ambassador", "referrer")),
            Stands("interaction_frequency", ("high", "mid")),
            Metric("purchases_with_coupon", Op.IS, 0),
        )),
        good=Direction.NONE, colour="purple",
    ),
)  # fmt: skip
