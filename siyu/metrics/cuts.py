"""Cuts among the buyers: the values that a share of them does not pass, kept exact as single buyers move.

The first run finds them by one sort of each measure. After that a cut is moved by what the staged fans did to the
number of buyers below it: a few steps in an index, whatever the number of buyers. A full run counts everybody instead.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import groupby
from math import ceil

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    and_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.selectable import Subquery

from siyu.kit.staging import Batch, Params
from siyu.metrics import affected, stage
from siyu.metrics.measures import Cut, Cuts
from siyu.metrics.stage import Rows
from siyu.metrics.sums import fan_metrics
from siyu.tables import ScoreCut

score_cut = stage.table_of(ScoreCut)

Key = tuple[str, int, int]
Condition = Callable[[ColumnElement[int]], ColumnElement[bool]]


@dataclass(frozen=True)
class Place:
    """A cut's value; how many buyers have less, how many have no more, and how many there are."""

    value: int
    below: int
    upto: int
    buyers: int


Places = Mapping[Key, Place]


def stored(batch: Batch) -> Places:
    """The cuts of the run before."""
    names = ("measure", "k", "n", "value", "below", "upto", "buyers")
    rows = batch.rows(select(*(score_cut.c[name] for name in names)))
    return {(measure, k, n): Place(*place) for measure, k, n, *place in rows}


def find(batch: Batch, wanted: Iterable[Cut], before: Places, *, everybody: bool) -> Places:
    """The cuts as they are with the staged fans' new numbers; if those are everybody's, counted from them alone."""
    cuts = sorted(wanted, key=lambda cut: cut.key)
    known = [cut for cut in cuts if cut.key in before]
    found = _moved_on(batch, known, before, everybody=everybody) if known else {}
    for measure, new in groupby((cut for cut in cuts if cut.key not in found), key=lambda cut: cut.measure):
        found |= _sorted_out(batch, measure, list(new))
    return found


def stage_passed(batch: Batch, before: Places, after: Places) -> None:
    """Fans whom a cut passed on its way are looked at too."""
    for key, place in after.items():
        old = before.get(key)
        if old is not None and old.value != place.value and old.buyers and place.buyers:
            low, high = sorted((old.value, place.value))
            affected.stage_fans_between(batch, key[0], low, high)


def write_cuts(batch: Batch, places: Places) -> None:
    batch.run(delete(score_cut))
    rows = [{"measure": m, "k": k, "n": n, **asdict(place)} for (m, k, n), place in places.items()]
    batch.run_many(batch.insert(score_cut), rows)


def parameters(wanted: Iterable[Cut], known: Cuts) -> Params:
    """A value for every cut a statement may name; none where nobody bought."""
    return {"cut_{}_{}_{}".format(*cut.key): known.get(cut.key) for cut in wanted}


def values(places: Places) -> Cuts:
    return {key: place.value for key, place in places.items() if place.buyers}


def _sorted_out(batch: Batch, measure: str, cuts: Sequence[Cut]) -> Places:
    """By one sort of all buyers."""
    everybody = _merged(measure, _any)
    buyers = batch.one(select(func.count()).select_from(everybody))
    if buyers == 0:
        return {cut.key: Place(0, 0, 0, 0) for cut in cuts}
    numbered = select(everybody.c.value, func.row_number().over(order_by=everybody.c.value).label("rank")).subquery()
    ranks = {cut.key: _rank(cut, buyers) for cut in cuts}
    at_rank = select(numbered.c.rank, numbered.c.value).where(numbered.c.rank.in_(sorted(set(ranks.values()))))
    value_at: dict[int, int] = {rank: value for rank, value in batch.rows(at_rank)}  # noqa: C416 - types
    return _counted(batch, everybody, {key: value_at[rank] for key, rank in ranks.items()}, buyers)


def _counted(batch: Batch, everybody: Subquery, values: Mapping[Key, int], buyers: int) -> Places:
    """How many have less than each value, and how many no more: in one walk."""
    value = everybody.c.value
    sums = [func.count().filter(holds) for limit in values.values() for holds in (value < limit, value <= limit)]
    counts = iter(batch.rows(select(*sums).select_from(everybody))[0])
    return {key: Place(limit, next(counts), next(counts), buyers) for key, limit in values.items()}


def _moved_on(batch: Batch, cuts: Sequence[Cut], before: Places, *, everybody: bool) -> dict[Key, Place]:
    """Each cut with the staged fans counted, and at the value that has its rank now; all in one question.

    A value with fewer below it than the rank, and no fewer up to it, is the cut, wherever it is known from.
    """
    values = {f"cut_{n}": before[cut.key].value for n, cut in enumerate(cuts)}
    numbers = iter(batch.rows(_changes(tuple(cut.measure for cut in cuts), everybody=everybody), values)[0])
    found = {}
    for cut in cuts:
        old = before[cut.key]
        start = Place(old.value, 0, 0, 0) if everybody else old
        place = Place(old.value, start.below + next(numbers), start.upto + next(numbers), start.buyers + next(numbers))
        if not place.buyers:
            found[cut.key] = Place(0, 0, 0, 0)
        elif old.buyers:  # where there was nobody before, there is no value to start from
            found[cut.key] = _settled(batch, cut.measure, place, _rank(cut, place.buyers))
    return found


@lru_cache
def _changes(measures: Sequence[str], *, everybody: bool) -> Rows:
    """By how much the staged fans change the number of those below and up to each value, and of all buyers."""
    sums = []
    for n, measure in enumerate(measures):
        limit = bindparam(f"cut_{n}", type_=BigInteger())
        new, old = (_value_of(rows, measure) for rows in (stage.metrics, fan_metrics))
        for now, then in (
            (new < limit, old < limit),
            (new <= limit, old <= limit),
            (new.is_not(None), old.is_not(None)),
        ):
            change = _one_if(now) if everybody else _one_if(now) - _one_if(then)
            sums.append(func.coalesce(func.sum(change), stage.ZERO))
    if everybody:
        return select(*sums).where(affected.is_buyer(stage.metrics))
    joined = stage.metrics.outerjoin(fan_metrics, fan_metrics.c.fan_id == stage.metrics.c.fan_id)
    # Most fans did not buy: asked of the values first, before each is held against twenty cuts.
    moved = (
        stage.metrics.c[name].is_distinct_from(fan_metrics.c[name]) for name in sorted({"orders_total", *measures})
    )
    return select(*sums).select_from(joined).where(or_(*moved))


def _settled(batch: Batch, measure: str, place: Place, rank: int) -> Place:
    """Moved to the value that has this rank."""
    if rank > place.upto:
        return _next(batch, measure, place, rank - place.upto)
    if rank <= place.below:
        return _previous(batch, measure, place, place.below - rank)
    return place


def _next(batch: Batch, measure: str, place: Place, steps: int) -> Place:
    """The value so many buyers above."""
    above = _merged(measure, _is_above(place.value))
    value = batch.one(select(above.c.value).order_by(above.c.value).limit(1).offset(steps - 1))
    less, same = _around(batch, measure, value, _is_between(place.value, value))
    return replace(place, value=value, below=place.upto + less, upto=place.upto + less + same)


def _previous(batch: Batch, measure: str, place: Place, steps: int) -> Place:
    """The value so many buyers below."""
    under = _merged(measure, _is_below(place.value))
    value = batch.one(select(under.c.value).order_by(under.c.value.desc()).limit(1).offset(steps))
    more, same = _around(batch, measure, value, _is_between(value, place.value))
    return replace(place, value=value, below=place.below - more - same, upto=place.below - more)


def _around(batch: Batch, measure: str, value: int, between: Condition) -> tuple[int, int]:
    """How many buyers lie in between, and how many have the value itself."""
    apart, at = _merged(measure, between), _merged(measure, _is_exactly(value))
    return batch.one(select(func.count()).select_from(apart)), batch.one(select(func.count()).select_from(at))


def _any(_: ColumnElement[int]) -> ColumnElement[bool]:
    return true()


def _is_above(limit: int) -> Condition:
    return lambda value: value > limit


def _is_below(limit: int) -> Condition:
    return lambda value: value < limit


def _is_exactly(limit: int) -> Condition:
    return lambda value: value == limit


def _is_between(low: int, high: int) -> Condition:
    return lambda value: and_(value > low, value < high)


def _merged(measure: str, condition: Condition) -> Subquery:
    """Every buyer's value that fits, the staged ones' as it is now; both halves come in order from an index."""
    parts = []
    for rows in (stage.metrics, fan_metrics):
        value = type_coerce(rows.c[measure], BigInteger)
        fitting = select(value.label("value")).where(affected.is_buyer(rows), value.is_not(None), condition(value))
        parts.append(fitting)
    staged = select(stage.fans.c.fan_id).where(stage.fans.c.fan_id == fan_metrics.c.fan_id).exists()
    return union_all(parts[0], parts[1].where(~staged)).subquery()


def _value_of(rows: FromClause, measure: str) -> ColumnElement[int]:
    """NULL for whoever is no buyer."""
    return case((affected.is_buyer(rows), type_coerce(rows.c[measure], BigInteger)))


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, stage.ONE), else_=stage.ZERO)


def _rank(cut: Cut, buyers: int) -> int:
    return ceil(cut.share * buyers)
