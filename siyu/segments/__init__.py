"""Segments: every fan stands in exactly one level of each dimension, and is told why.

Each level is a segment; its key is the dimension's and the level's, as in `loyalty.at_risk`.
"""

from siyu.segments.dimensions import DIMENSIONS, Dimension, Direction, Level, Threshold, get_dimension, parse_key
from siyu.segments.membership import (
    DayChange,
    LevelOf,
    Member,
    SegmentView,
    audience,
    get_segment,
    history,
    levels_of,
    list_segments,
    members,
)
from siyu.segments.reasons import Explanation, Group, Leaf, explain
from siyu.segments.runs import Mode, Run, is_due, may_move, recompute
from siyu.segments.sentences import Sentence
from siyu.segments.thresholds import change_thresholds, thresholds_in_force, thresholds_of

__all__ = [
    "DIMENSIONS", "DayChange", "Dimension", "Direction", "Explanation", "Group", "Leaf", "Level", "LevelOf", "Member",
    "Mode", "Run", "SegmentView", "Sentence", "Threshold", "audience", "change_thresholds", "explain", "get_dimension",
    "get_segment", "history", "is_due", "levels_of", "list_segments", "may_move", "members", "parse_key", "recompute",
    "thresholds_in_force", "thresholds_of",
]  # fmt: skip
