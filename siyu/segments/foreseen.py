"""What a change of the definitions would do to the sizes: exact, as of the last run, and nothing is kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from sqlalchemy import ColumnElement, FromClause, Integer, func, literal, literal_column, select, type_coerce

from siyu.kit.database import ReadSession
from siyu.kit.staging import Params
from siyu.metrics import affected, sums
from siyu.metrics.measures import Cut, Cuts
from siyu.segments import definitions
from siyu.segments.classification import Classification
from siyu.segments.compiler import Scope, fan_metrics, level_in, parameters
from siyu.segments.dimensions import OUT, Dimension, Level
from siyu.segments.meaning import changed, classification
from siyu.tables import AsOf

# Of so many dimensions few combinations of levels are met.
AT_ONCE = 4


@dataclass(frozen=True)
class LevelForeseen:
    """How many are in a level now, and how many would be."""

    level: Level
    before: int
    after: int


@dataclass(frozen=True)
class Foreseen:
    """What becomes of one dimension, or of one saved segment, whose people are in it or not."""

    dimension: Dimension
    levels: Sequence[LevelForeseen]
    moving: int  # fans who would change their level


async def foresee(session: ReadSession, before: str, after: str) -> list[Foreseen]:
    """Every dimension and saved segment that would mean something else; none before the first run."""
    as_of = await session.get(AsOf, 1)
    if as_of is None:
        return []
    old, new = classification(before), classification(after)
    keys = changed(before, after) | _moved_by_numbers(old, new)
    dimensions = [dimension for dimension in new.everything if dimension.key in keys]
    question = await _question(session, as_of, new)
    found: list[Foreseen] = []
    for start in range(0, len(dimensions), AT_ONCE):
        found += await _foreseen(session, dimensions[start : start + AT_ONCE], question)
    return found


@dataclass(frozen=True)
class _Question:
    """Where everybody stands by what was last worked out, and would by the new definitions: two sets of columns."""

    stands: Scope
    would: Scope
    rows: FromClause
    given: Params

    def before(self, key: str) -> ColumnElement[str]:
        """Nowhere in a dimension that is not there yet: outside of a segment."""
        dimension = self.stands.classification.by_key.get(key)
        return literal(OUT) if dimension is None else level_in(dimension, self.stands)


async def _question(session: ReadSession, as_of: AsOf, new: Classification) -> _Question:
    old = definitions.applied(as_of)
    rows: FromClause = fan_metrics
    joined: FromClause = fan_metrics
    if old.qualifying != new.qualifying:
        rows = _with_other_friends(new)
        joined = fan_metrics.join(rows, rows.c.fan_id == fan_metrics.c.fan_id)
    known = await _cuts(session, new)
    given = {**parameters(old, None, as_of, known), **parameters(new, None, as_of, known)}
    return _Question(Scope(fan_metrics, old), Scope(rows, new), joined, given)


async def _foreseen(session: ReadSession, dimensions: Sequence[Dimension], question: _Question) -> list[Foreseen]:
    """One look at everybody for several dimensions: reading them costs more than comparing."""
    levels = select(
        *(question.before(dimension.key).label(f"old_{n}") for n, dimension in enumerate(dimensions)),
        *(level_in(dimension, question.would).label(f"new_{n}") for n, dimension in enumerate(dimensions)),
    ).select_from(question.rows)  # fmt: skip
    # As a mere subquery the rules were worked out twice for each fan: to be counted, and to be told apart.
    each = levels.cte("each").prefix_with("MATERIALIZED")
    counts = await session.rows(select(*each.c, func.count()).group_by(*each.c), question.given)
    width = len(dimensions)
    return [
        _told(dimension, [(row[n], row[width + n], row[-1]) for row in counts])
        for n, dimension in enumerate(dimensions)
    ]


def _told(dimension: Dimension, moves: Sequence[tuple[str, str, int]]) -> Foreseen:
    shown = dimension.levels[:1] if dimension.sparse else dimension.levels
    levels = [
        LevelForeseen(
            level,
            sum(fans for old, _, fans in moves if old == level.key),
            sum(fans for _, new, fans in moves if new == level.key),
        )
        for level in shown
    ]
    return Foreseen(dimension, levels, sum(fans for old, new, fans in moves if old != new))


async def _cuts(session: ReadSession, whole: Classification) -> Cuts:
    """Those that are kept, and those the change would ask for."""
    known = await definitions.cuts_known(session)
    new = sorted((cut for cut in whole.cuts if cut.key not in known), key=lambda cut: cut.key)
    found: dict[tuple[str, int, int], int] = {}
    for measure in sorted({cut.measure for cut in new}):
        found |= await _cuts_of(session, measure, [cut for cut in new if cut.measure == measure])
    return {**known, **found}


async def _cuts_of(session: ReadSession, measure: str, cuts: Iterable[Cut]) -> Cuts:
    """By one sort of the buyers, as a full run finds them."""
    value = type_coerce(fan_metrics.c[measure], Integer)
    buyers = select(value.label("value")).where(affected.is_buyer(), value.is_not(None)).subquery()
    number = await session.one(select(func.count()).select_from(buyers))
    rank = func.row_number().over(order_by=buyers.c.value).label("rank")
    numbered = select(buyers.c.value, rank).subquery()
    ranks = {cut.key: ceil(cut.share * number) for cut in cuts}
    wanted = select(numbered.c.rank, numbered.c.value).where(numbered.c.rank.in_(sorted(set(ranks.values()))))
    value_at = {place: value for place, value in await session.rows(wanted)}  # noqa: C416  # types
    return {key: value_at[place] for key, place in ranks.items() if place in value_at}


def _with_other_friends(whole: Classification) -> FromClause:
    """Everybody's numbers, but friends who count by the new hold and the new days from joining."""
    brought = sums.qualified_by(whole.qualifying).subquery()
    counted = func.coalesce(brought.c.referrals_qualified, literal_column("0")).label("referrals_qualified")
    columns = [counted if column.name == "referrals_qualified" else column for column in fan_metrics.c]
    joined = fan_metrics.outerjoin(brought, brought.c.referrer_id == fan_metrics.c.fan_id)
    return select(*columns).select_from(joined).subquery()


def _moved_by_numbers(old: Classification, new: Classification) -> frozenset[str]:
    """A friend who counts otherwise is in the numbers, not in the rules: whoever asks for them may move."""
    return new.asking_for("referrals_qualified") if old.qualifying != new.qualifying else frozenset()
