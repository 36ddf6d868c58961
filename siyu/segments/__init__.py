"""Segments: every fan stands in exactly one level of each dimension, or in saved segments, and is told why.

Each level is a segment; its key is the dimension's and the level's, as in `loyalty.at_risk`. A saved rule has a key
of its own.
"""

from siyu.segments.changes import Change, changes_of, dimension_of_change, take_back
from siyu.segments.classification import INTERESTS, Classification
from siyu.segments.comings import Coming, comings
from siyu.segments.custom import CustomDraft
from siyu.segments.definitions import classification_in_force, present
from siyu.segments.dimensions import Dimension, Direction, Level, Own, Threshold, Unit
from siyu.segments.foreseen import Foreseen, LevelForeseen, foresee
from siyu.segments.membership import (
    DayChange,
    LevelOf,
    Member,
    SegmentView,
    audience,
    get_segment,
    grouped,
    history,
    levels_of,
    list_segments,
    members,
    segments_of,
    tags_of,
    whole,
)
from siyu.segments.near_home import note_place
from siyu.segments.plans import Mode
from siyu.segments.preview import Preview, Step, everybody, fans_fitting, funnel, overlap, preview
from siyu.segments.reasons import Explanation, Group, Leaf, explain, explain_rule
from siyu.segments.rfm import Cell, Matrix, matrix
from siyu.segments.runs import Run, is_due, may_move, recompute, settle
from siyu.segments.saved import Draft, rule_as_json
from siyu.segments.sentences import Sentence
from siyu.segments.thresholds import change_thresholds, own_of, thresholds_in_force, thresholds_of

__all__ = [
    "INTERESTS", "Cell", "Change", "Classification", "Coming", "CustomDraft", "DayChange", "Dimension",
    "Direction", "Draft", "Explanation", "Foreseen", "Group", "Leaf", "Level", "LevelForeseen", "LevelOf",
    "Matrix", "Member", "Mode", "Own", "Preview", "Run", "SegmentView", "Sentence", "Step", "Threshold", "Unit",
    "audience", "change_thresholds", "changes_of", "classification_in_force", "comings", "dimension_of_change",
    "everybody", "explain", "explain_rule", "fans_fitting", "foresee", "funnel", "get_segment", "grouped",
    "history", "is_due", "levels_of", "list_segments", "matrix", "may_move", "members", "note_place", "overlap",
    "own_of", "present", "preview", "recompute", "rule_as_json", "segments_of", "settle", "tags_of", "take_back",
    "thresholds_in_force", "thresholds_of", "whole",
]  # fmt: skip
