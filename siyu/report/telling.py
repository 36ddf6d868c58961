"""What a period brought, in words."""

from siyu.report.migration import Migration
from siyu.segments import Direction, Sentence
from siyu.segments.sentences import phrases

# Whose moves are worth a sentence, and how many saved segments get one.
DIMENSIONS = ("loyalty", "referral")
SEGMENTS = 2

BECAME = phrases("%(num)d fan became “%(level)s”.", "%(num)d fans became “%(level)s”.")
SLIPPED = phrases("%(num)d slipped into “%(level)s”.", "%(num)d slipped into “%(level)s”.")
SAME = phrases("The community has %(num)d fan, as before.", "The community has %(num)d fans, as before.")
GREW = phrases("The community has %(num)d fan, %(other)d more.", "The community has %(num)d fans, %(other)d more.")
SHRANK = phrases("The community has %(num)d fan, %(other)d fewer.", "The community has %(num)d fans, %(other)d fewer.")
GAINED = phrases("“%(name)s” gained %(num)d fan.", "“%(name)s” gained %(num)d fans.")
LOST = phrases("“%(name)s” lost %(num)d fan.", "“%(name)s” lost %(num)d fans.")


def of_everybody(fans: int, before: int) -> Sentence:
    if not before or fans == before:
        return _counted(SAME, fans)
    return _counted(GREW if fans > before else SHRANK, fans, other=abs(fans - before))


def of_moves(moves: Migration) -> list[Sentence]:
    """Who came from another level into one that should grow, or should not; newcomers did not move."""
    told = []
    for level in moves.dimension.levels:
        came = sum(count for (old, new), count in moves.counts.items() if old and new == level.key != old)
        if came and level.good is not Direction.NONE:
            words = BECAME if level.good is Direction.UP else SLIPPED
            told.append(_counted(words, came, level=Sentence(level.label)))
    return told


def of_segment(label: str, moved: int) -> Sentence:
    return _counted(GAINED if moved > 0 else LOST, abs(moved), name=Sentence(label))


def _counted(words: tuple[str, str], number: int, **values: int | Sentence) -> Sentence:
    return Sentence(*words, number, {"num": number, **values})
