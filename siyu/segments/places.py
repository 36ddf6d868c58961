"""Places: where every staged fan stands in every dimension and saved segment, worked out in one pass.

A place is a letter: 0 is where whoever no rule fits stands, so of a saved segment 1 is in it. Dimensions come first,
in a table of their own, so that rules about levels read a letter instead of working the level out again. All letters
of a fan make a word: who moved is found by comparing words, without a look at the levels that stand.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache, reduce

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Insert,
    Select,
    String,
    Table,
    case,
    func,
    insert,
    literal_column,
    select,
)

from siyu.kit.staging import Batch, Params
from siyu.metrics import stage, upkeep
from siyu.metrics.stage import Cause, Rows
from siyu.segments import traits
from siyu.segments.classification import Classification
from siyu.segments.compiler import Scope, level_in
from siyu.segments.dimensions import OUT, Dimension
from siyu.segments.meaning import classification
from siyu.segments.rules import leaves
from siyu.segments.traits import How, Trait

FANS_AT_ONCE = 100_000  # whose words are counted: 6.5 MB with 65 places
MOST_LETTERS = 99  # in a call of a function: SQLite takes a hundred arguments
Place = tuple[str, str]  # dimension and level


@dataclass(frozen=True)
class Layout:
    """Whose letter is which in a fan's places; what is no more keeps its slot, empty."""

    definitions: str
    slots: tuple[str, ...]

    @property
    def places(self) -> Iterator[tuple[int, Dimension]]:
        known = classification(self.definitions).by_key
        return ((n, known[key]) for n, key in enumerate(self.slots) if key in known)


def lay_out(definitions: str, before: str) -> Layout:
    """Every key in its slot; new ones behind all others, so that what stands need not be written anew."""
    slots: list[str] = json.loads(before)
    new = [key for key in classification(definitions).by_key if key not in set(slots)]
    return Layout(definitions, (*slots, *new))


def stage_places(
    batch: Batch, given: Params, layout: Layout, *, everybody: bool, asked_anew: frozenset[str] | None
) -> None:
    """Of every staged fan; whether that is everybody, and of those staged for the rules alone what is asked anew.

    None: all about everybody was worked out. For forty new segments over 100,000 fans, reading where they stand in 25
    dimensions saved 5 of 14 seconds.
    """
    known = _traits_asked(layout.definitions)
    upkeep.make(batch, [*tables(layout.definitions), traits.table_for(known)])
    for for_rules_alone in (False, True) if asked_anew else (False,):
        part = _Part(layout, everybody, asked_anew, for_rules_alone, batch.dialect)
        for statement in (_traits, _levels, _sets):
            batch.run(statement(part), given)
    batch.run(_spelled(layout, batch.dialect))


def place_of(dimension: Dimension, definitions: str) -> tuple[Table, ColumnElement[str]]:
    """Where a dimension's places are staged."""
    whole = classification(definitions)
    levels, sets = tables(definitions)
    if dimension.sparse:
        return sets, sets.c[f"p{whole.sparse.index(dimension)}"]
    return levels, levels.c[f"p{whole.dimensions.index(dimension)}"]


def level_at(dimension: Dimension, place: ColumnElement[str]) -> ColumnElement[str]:
    """The level of a letter, by its key."""
    return case({letter: key for key, letter in dimension.letters.items()}, value=place, else_=dimension.order[-1])


def as_they_stand(definitions: str, slots: str, rows: FromClause, *, everybody: bool = True) -> Scope:
    """A scope over rows with words: what is known of levels and saved segments is read, not worked out."""
    layout, whole = lay_out(definitions, slots), classification(definitions)
    standing = {dimension.key: func.substr(rows.c.places, n + 1, 1) for n, dimension in layout.places}
    sets = {d.key: standing[d.key] == "1" for d in whole.sparse}
    return Scope(rows, whole, everybody=everybody, letters=standing, sets=sets)


def count(batch: Batch, layout: Layout, keys: Sequence[str]) -> dict[Place, tuple[int, int]]:
    """How many staged fans stand in each level of these dimensions, and how many of them can be reached.

    Few cannot be reached, so those are counted and taken off. Of saved segments nobody is kept who is out.
    """
    everybody, out_of_reach = (_tally(batch, layout, keys, only_out=only) for only in (False, True))
    sparse = {dimension.key for dimension in classification(layout.definitions).sparse}
    kept = (place for place in everybody if place[0] not in sparse or place[1] != OUT)
    return {place: (everybody[place], everybody[place] - out_of_reach[place]) for place in kept}


@lru_cache
def tables(definitions: str) -> tuple[Table, Table]:
    """One for dimensions, one for saved segments: the same for all definitions with as many of them."""
    whole = classification(definitions)
    return _table("stage_place", len(whole.dimensions)), _table("stage_set", len(whole.sparse))


@cache
def _table(name: str, size: int) -> Table:
    return stage.by_fan(f"{name}_{size}", [Column(f"p{n}", String(1)) for n in range(size)])


@dataclass(frozen=True)
class _Part:
    """Staged fans to be placed: those with facts of their own, or those whom only other rules ask for."""

    layout: Layout
    everybody: bool
    asked_anew: frozenset[str] | None
    for_rules_alone: bool
    dialect: str

    @property
    def how(self) -> How:
        if self.everybody:
            return How.EVERYBODY
        return How.ASKED if self.dialect == "postgresql" else How.LISTED

    @property
    def whole(self) -> Classification:
        return classification(self.layout.definitions)

    @cached_property
    def kept(self) -> Mapping[str, ColumnElement[str]]:
        """The letters of whatever means what it meant, out of the word that stands."""
        if not self.for_rules_alone:
            return {}
        kept = ((n, d) for n, d in self.layout.places if d.key not in (self.asked_anew or frozenset()))
        return {d.key: func.substr(stage.metrics.c.places, n + 1, 1) for n, d in kept}

    @property
    def scope(self) -> Scope:
        columns, anew = traits.columns(_traits_asked(self.layout.definitions)), self.asked_anew is None
        return Scope(stage.metrics, self.whole, everybody=self.everybody, anew=anew, letters=self.kept, traits=columns)

    @property
    def rows(self) -> Rows:
        rows = select(stage.metrics.c.fan_id)
        if not self.asked_anew:
            return rows
        alone = select(stage.fans.c.fan_id).where(stage.fans.c.cause == Cause.RULE)
        theirs = stage.metrics.c.fan_id.in_(alone)
        return rows.where(theirs if self.for_rules_alone else ~theirs)


@lru_cache
def _traits_asked(definitions: str) -> tuple[Trait, ...]:
    return _traits_of(classification(definitions).everything)


def _traits_of(dimensions: Iterable[Dimension]) -> tuple[Trait, ...]:
    """What their rules ask for beside the numbers."""
    asked = (level.rule for dimension in dimensions for level in dimension.levels if level.rule is not None)
    return traits.asked_for(leaf for rule in asked for leaf in leaves(rule))


@lru_cache
def _traits(part: _Part) -> Insert:
    asked = _traits_asked(part.layout.definitions)
    wanted = set(_traits_of(d for d in part.whole.everything if d.key not in part.kept)).intersection(asked)
    return traits.staged(asked, wanted, fans=part.rows, how=part.how)


@lru_cache
def _levels(part: _Part) -> Insert:
    levels, _ = tables(part.layout.definitions)
    letters = [_letter(dimension, part, part.scope) for dimension in part.whole.dimensions]
    rows = part.rows.add_columns(*letters).select_from(_beside(stage.metrics, _trait_table(part)))
    return insert(levels).from_select(levels.c.keys(), rows)


@lru_cache
def _sets(part: _Part) -> Insert:
    levels, sets = tables(part.layout.definitions)
    scope = replace(
        part.scope,
        letters={d.key: place_of(d, part.layout.definitions)[1] for d in part.whole.dimensions},
        sets={d.key: part.kept[d.key] == "1" for d in part.whole.sparse if d.key in part.kept},
    )
    letters = [_letter(dimension, part, scope) for dimension in part.whole.sparse]
    rows = part.rows.add_columns(*letters).select_from(_beside(stage.metrics, levels, _trait_table(part)))
    return insert(sets).from_select(sets.c.keys(), rows)


def _trait_table(part: _Part) -> Table:
    return traits.table_for(_traits_asked(part.layout.definitions))


def _beside(fans: FromClause, *tables: Table) -> FromClause:
    return reduce(lambda joined, table: joined.join(table, table.c.fan_id == fans.c.fan_id), tables, fans)


def _letter(dimension: Dimension, part: _Part, scope: Scope) -> ColumnElement[str]:
    kept = part.kept.get(dimension.key)
    return _place_in(dimension, scope) if kept is None else kept


def _place_in(dimension: Dimension, scope: Scope) -> ColumnElement[str]:
    """The letter of the first level whose rule holds; said in the statement, for there are hundreds of them."""
    letters = {key: literal_column(f"'{letter}'", String()) for key, letter in dimension.letters.items()}
    return level_in(dimension, scope, letters.__getitem__)


@lru_cache
def _spelled(layout: Layout, dialect: str) -> Insert:
    """All of a fan's letters as one word, in their slots; in a row of its own, for the numbers' rows are wide."""
    levels, sets = tables(layout.definitions)
    standing = {n: place_of(dimension, layout.definitions)[1] for n, dimension in layout.places}
    letters = [standing.get(n, literal_column("'0'")) for n in range(len(layout.slots))]
    joined = levels.join(sets, sets.c.fan_id == levels.c.fan_id)
    rows = select(levels.c.fan_id, _joined(letters, dialect)).select_from(joined)
    return insert(stage.words).from_select(["fan_id", "places"], rows)


def _joined(letters: Sequence[ColumnElement[str]], dialect: str) -> ColumnElement[str]:
    """SQLite copies what it has so far for every || of 64: 0.33 s for 100,000 fans, and 0.15 in one call."""
    parts = [letters[start : start + MOST_LETTERS] for start in range(0, len(letters), MOST_LETTERS)]
    called = [func.printf("%s" * len(part), *part, type_=String()) for part in parts]
    return reduce(lambda so_far, letter: so_far.concat(letter), called if dialect == "sqlite" else letters)


def _tally(batch: Batch, layout: Layout, keys: Sequence[str], *, only_out: bool) -> Counter[Place]:
    """In all words one behind the other a slot is every so manieth letter: 0.03 s where 190 counts in SQL took 0.4."""
    wanted, found = set(keys), Counter[Place]()
    slots = [(n, dimension) for n, dimension in layout.places if dimension.key in wanted]
    for words in _words(batch, only_out=only_out):
        for n, dimension in slots:
            letters = words[n :: len(layout.slots)]
            for level in dimension.levels:
                found[dimension.key, level.key] += letters.count(dimension.letters[level.key])
    return found


def _words(batch: Batch, *, only_out: bool) -> Iterator[str]:
    last = batch.one(select(func.coalesce(func.max(stage.words.c.fan_id), 0)))
    for after in range(0, last, FANS_AT_ONCE):
        yield batch.one(_in_a_row(only_out=only_out), stage.range_of((after, after + FANS_AT_ONCE))) or ""


@cache
def _in_a_row(*, only_out: bool) -> Select[str | None]:
    new, words = stage.metrics.c, stage.words
    row = select(func.aggregate_strings(words.c.places, "")).where(stage.within(words))
    return row.where(words.c.fan_id.in_(select(new.fan_id).where(~new.reachable))) if only_out else row
