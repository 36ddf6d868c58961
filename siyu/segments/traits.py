"""Traits: what rules ask of the staged fans beside their numbers, found once for all rules instead of for each.

Attributes, tags, deeds and the channel become columns of a row, which a rule then reads like a number. By a look for
each of 35 conditions, the attributes alone were half of the time it took to place a tick's fans.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from itertools import groupby
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Insert,
    String,
    Table,
    func,
    insert,
    select,
    true,
)

from siyu.metrics import stage
from siyu.metrics.stage import AS_OF, TODAY, Rows
from siyu.segments.rules import Attribute, Channel, Did, Leaf, Tagged
from siyu.tables import Fan, FanAttribute, FanTag, Interaction

fan, attribute, tag, did = (stage.table_of(model) for model in (Fan, FanAttribute, FanTag, Interaction))

Found = tuple[Rows, Iterator[ColumnElement[Any]]]  # Any: a word, or how often
Trait = tuple[str, str, int]  # what it is, its word, and of how many days


class How(StrEnum):
    """How the traits of the staged fans are looked for."""

    EVERYBODY = "everybody"
    LISTED = "listed"  # of a list of them
    ASKED = "asked"  # fan by fan, which PostgreSQL can say, whatever it thinks of how many there are


ATTRIBUTE, CHANNEL, TAG, DID = "attribute", "channel", "tag", "did"
# More are asked for rule by rule: a SELECT of SQLite has 2,000 columns at most, and 64 tables.
MOST, MOST_KINDS = 500, 20


def trait_of(leaf: Leaf) -> Trait | None:
    """What a condition asks for, if it is one of these."""
    match leaf:
        case Attribute():
            return ATTRIBUTE, leaf.attribute, 0
        case Tagged():
            return TAG, leaf.tag, 0
        case Did():
            return DID, leaf.did, leaf.days
        case Channel():
            return CHANNEL, "", 0
        case _:
            return None


def asked_for(leaves: Iterable[Leaf]) -> tuple[Trait, ...]:
    """By these conditions, in order and each once."""
    found = sorted({trait for leaf in leaves if (trait := trait_of(leaf))})
    kinds = list(dict.fromkeys(word for kind, word, _ in found if kind == DID))[:MOST_KINDS]
    return tuple(trait for trait in found if trait[0] != DID or trait[1] in kinds)[:MOST]


def table_for(traits: Sequence[Trait]) -> Table:
    """The same for all that are as many."""
    words = sum(_is_word(trait) for trait in traits)
    return _table(words, len(traits) - words)


def columns(traits: Sequence[Trait]) -> Mapping[Trait, ColumnElement[Any]]:  # Any: a word, or how often
    """Where each of them is staged; NULL where there is nothing."""
    ordered = [*filter(_is_word, traits), *(trait for trait in traits if not _is_word(trait))]
    return dict(zip(ordered, list(table_for(traits).c)[1:], strict=True))


def staged(traits: Sequence[Trait], wanted: Iterable[Trait], *, fans: Rows, how: How) -> Insert:
    """A row for each of these fans, with those that are wanted; the others stay empty."""
    # SQLite counts deeds of a few fans one by one, rather than walking through everybody's.
    found = {trait: _times(trait) for trait in wanted if trait[0] == DID and how is How.LISTED}
    joined: FromClause = stage.metrics
    for rows, theirs in _sources(sorted(trait for trait in wanted if trait not in found), how):
        joined = joined.outerjoin(rows, true() if how is How.ASKED else rows.c.fan_id == stage.metrics.c.fan_id)
        found |= {trait: rows.c[f"t{n}"] for n, trait in enumerate(theirs)}
    into = columns(traits)
    whole = fans.add_columns(*found.values()).select_from(joined)
    return insert(table_for(traits)).from_select(["fan_id", *(into[trait].name for trait in found)], whole)


def _is_word(trait: Trait) -> bool:
    return trait[0] in (ATTRIBUTE, CHANNEL)


@cache
def _table(words: int, counts: int) -> Table:
    columns: list[Column[Any]] = [Column(f"w{n}", String()) for n in range(words)]
    columns += [Column(f"n{n}", BigInteger()) for n in range(counts)]
    return stage.by_fan(f"stage_trait_{words}_{counts}", columns)


def _sources(wanted: Iterable[Trait], how: How) -> Iterator[tuple[FromClause, Sequence[Trait]]]:
    """For each kind `fan_id, t0, t1 …` of whoever has any: a fan's rows are looked through once."""
    for (kind, word), theirs in groupby(wanted, key=_source):
        traits = list(theirs)
        found, values = _FOUND[kind](word, traits, how)
        rows = found.add_columns(*(value.label(f"t{n}") for n, value in enumerate(values)))
        fan_id = found.selected_columns.fan_id
        match how:
            case How.EVERYBODY:
                yield rows.subquery(), traits
            case How.LISTED:
                yield rows.where(fan_id.in_(select(stage.metrics.c.fan_id))).subquery(), traits
            case How.ASKED:
                yield rows.where(fan_id == stage.metrics.c.fan_id).lateral(), traits


def _source(trait: Trait) -> tuple[str, str]:
    """Deeds of every kind are found by themselves, in the order of their index."""
    return trait[0], trait[1] if trait[0] == DID else ""


def _attributes(_word: str, traits: Sequence[Trait], _how: How) -> Found:
    values = (func.max(attribute.c.value).filter(attribute.c.name == name) for _, name, _ in traits)
    return select(attribute.c.fan_id).group_by(attribute.c.fan_id), values


def _tags(_word: str, traits: Sequence[Trait], how: How) -> Found:
    values = (func.count().filter(tag.c.tag == word) for _, word, _ in traits)
    rows = select(tag.c.fan_id).group_by(tag.c.fan_id)
    # Of one fan all are read: named, PostgreSQL looked for each of them by itself: traits 7 -> 5 ms of a tick.
    return rows if how is How.ASKED else rows.where(tag.c.tag.in_([word for _, word, _ in traits])), values


def _deeds(kind: str, traits: Sequence[Trait], _how: How) -> Found:
    values = (func.count().filter(did.c.day > TODAY - days) for _, _, days in traits)
    longest = max(days for _, _, days in traits)
    rows = select(did.c.fan_id).where(did.c.kind == kind, did.c.day > TODAY - longest, did.c.at <= AS_OF)
    return rows.group_by(did.c.fan_id), values


def _times(trait: Trait) -> ColumnElement[int]:
    _, kind, days = trait
    deeds = did.c.fan_id == stage.metrics.c.fan_id, did.c.kind == kind, did.c.day > TODAY - days, did.c.at <= AS_OF
    return select(func.count()).where(*deeds).correlate(stage.metrics).scalar_subquery()


def _channels(_word: str, _traits: Sequence[Trait], _how: How) -> Found:
    return select(fan.c.id.label("fan_id")), iter([func.lower(fan.c.source_channel)])


_FOUND = {ATTRIBUTE: _attributes, TAG: _tags, DID: _deeds, CHANNEL: _channels}
