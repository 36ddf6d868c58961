"""Plans: how much a recompute looks at, decided before it starts, and what it has found when it writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property

from siyu.kit.clock import EPOCH
from siyu.kit.staging import Params
from siyu.metrics.cuts import Places
from siyu.segments.classification import Classification
from siyu.segments.levels import Task
from siyu.segments.meaning import changed, classification
from siyu.segments.places import lay_out
from siyu.segments.sizes import Moves, Sizes
from siyu.tables import AsOf


class Overtaken(Exception):
    """Another run wrote in between; this one starts again from what stands now."""


class Mode(StrEnum):
    """How much a run looks at; it looks at more where that is needed."""

    TICK = "tick"  # fans with new facts
    WINDOW = "window"  # and those for whom time alone changed something
    FULL = "full"  # everybody, from the facts
    AUTO = "auto"


@dataclass(frozen=True)
class Plan:
    """One run, decided before it starts; `before` is the revision it must still find when it writes."""

    now: datetime
    as_of: datetime
    day: date
    mode: Mode
    definitions: str
    before: AsOf | None
    held_until: datetime | None
    currency: str

    @property
    def look(self) -> bool:
        return self.held_until is not None

    @property
    def coming_back(self) -> bool:
        return not self.look and self.before is not None and self.before.held_until is not None

    @property
    def day_number(self) -> int:
        return (self.day - EPOCH).days

    @property
    def classification(self) -> Classification:
        return classification(self.definitions)

    @property
    def anew(self) -> bool:
        """Every fan's numbers are worked out."""
        return self.mode is Mode.FULL or self.before is None

    @cached_property
    def task(self) -> Task:
        if self.before is None:
            everything = frozenset(self.classification.by_key)
            return Task(lay_out(self.definitions, "[]"), added=everything, straight=everything, first=True)
        redefined = changed(self.before.rules, self.definitions)
        added = redefined - frozenset(classification(self.before.rules).by_key)
        return Task(
            lay_out(self.definitions, self.before.slots),
            redefined=redefined,
            added=added,
            # What a look does is told, or it could not be undone.
            straight=frozenset() if self.look or self.coming_back else added,
            everybody=self.anew,
            coming_back=self.coming_back,
        )

    @property
    def gone(self) -> frozenset[str]:
        """What the definitions know no more."""
        if self.before is None:
            return frozenset()
        return frozenset(classification(self.before.rules).by_key) - frozenset(self.classification.by_key)


@dataclass(frozen=True)
class Computed:
    """What a run has staged, counted."""

    touched: int  # fans
    at_once: bool  # all of it in one turn
    rows_in_a_turn: int
    parts: Sequence[tuple[int, int]]  # ranges of fans, a turn each
    word_parts: Sequence[tuple[int, int]]
    first: bool  # nothing stands yet: all levels are written straight from the stage
    moved: Mapping[str, int]  # by dimension
    told_first: Sequence[tuple[int, int]]  # ranges of fans all of whose moves are told before any is made
    history_parts: Mapping[str, Sequence[tuple[int, int]]]  # otherwise, of dimensions that many fans move in
    cuts: Places
    moves: Moves
    sizes: Sizes  # as they will be
    given: Params
