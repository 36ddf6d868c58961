"""The community report: how big everything is and how it moved over a period, crosses, and who went where."""

from siyu.report.crossing import Axis, Cross, Mark, choices, cross
from siyu.report.growth import DimensionGrowth, Growth, Report, report
from siyu.report.migration import Migration, migration
from siyu.report.periods import PERIODS, Period, period_of

__all__ = [
    "PERIODS", "Axis", "Cross", "DimensionGrowth", "Growth", "Mark", "Migration", "Period", "Report", "choices",
    "cross", "migration", "period_of", "report",
]  # fmt: skip
