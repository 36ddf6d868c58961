"""Shipped dimensions of what is to be expected: by the models fitted on the community's own purchases."""

from siyu.kit.wording import phrase
from siyu.segments.dimensions import Dimension, Direction, Level, Threshold, Unit
from siyu.segments.rules import Above, Metric, NoneOf, Op

CHURN_RISK = Dimension(
    key="churn_risk",
    label=phrase("Churn risk"),
    levels=(
        Level("high", phrase("High"), phrase("will come back with a chance below %(high)s %%"),
              Metric("p_alive", Op.LESS, "high"), good=Direction.DOWN, invites=phrase("Win back")),
        Level("mid", phrase("Middle"), phrase("will come back with a chance below %(mid)s %%"),
              Metric("p_alive", Op.LESS, "mid"), good=Direction.DOWN, invites=phrase("A reason to come back sooner")),
        Level("low", phrase("Low"), phrase("will come back with a chance of at least %(mid)s %%"), told_by="p_alive",
              good=Direction.UP, invites=phrase("Keep them active")),
        Level("none", phrase("None"), phrase("never bought, or the models have not looked yet"),
              NoneOf((Metric("p_alive", Op.AT_LEAST, 0),))),
    ),
    order=("none", "high", "mid", "low"),
    thresholds=(
        Threshold("high", phrase("Chance of coming back, in percent, below which the risk is high"), 30, Unit.PERCENT,
                  at_most=98),
        Threshold("mid", phrase("Chance of coming back, in percent, below which the risk is middle"), 70, Unit.PERCENT,
                  at_most=99, above="high"),
    ),
)  # fmt: skip

PREDICTED_VALUE = Dimension(
    key="predicted_value",
    label=phrase("Predicted value"),
    levels=(
        Level("high", phrase("High"), phrase("will spend more in 90 days than %(high)s %% of buyers"),
              Above(above="expected_spend_90d", share="high"), good=Direction.UP, invites=phrase("VIP service")),
        Level("mid", phrase("Middle"),
              phrase("will spend more in 90 days than %(mid)s %% of buyers, but not than %(high)s %%"),
              Above(above="expected_spend_90d", share="mid"), good=Direction.UP, invites=phrase("Personal picks")),
        Level("low", phrase("Low"), phrase("will spend no more in 90 days than others"), told_by="expected_spend_90d",
              invites=phrase("Bundles and discounts")),
        Level("none", phrase("None"), phrase("never bought, or the models have not looked yet"),
              NoneOf((Metric("expected_spend_90d", Op.AT_LEAST, 0),))),
    ),
    order=("none", "high", "mid", "low"),
    thresholds=(
        Threshold("high", phrase("Percent of buyers with less that make it high"), 80, Unit.PERCENT, at_most=99,
                  above="mid"),
        Threshold("mid", phrase("Percent of buyers with less that make it middle"), 40, Unit.PERCENT, at_most=98),
    ),
)  # fmt: skip
