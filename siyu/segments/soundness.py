"""Soundness: every name a rule mentions is known, and no rule leads back to itself."""

from siyu.kit.errors import Invalid, NotFound
from siyu.segments import rules
from siyu.segments.classification import INTERESTS, INTERESTS_LABEL, Classification, asks_for, needs
from siyu.segments.dimensions import Dimension
from siyu.segments.names import must_be_a_metric
from siyu.segments.rules import InSegment, Metric, Rule, Stands, Tagged

# With those of the segments it names, wherever they stand: twenty that name each other twice would be a million.
MOST_CONDITIONS = 2_000


def must_be_sound(rule: Rule | None, whole: Classification, *, within: str = "") -> None:
    """Every name in it is known, and it does not lead back to itself. Raises Invalid with the place."""
    if rule is None:
        return
    for where, leaf in rules.walk(rule):
        _must_be_known(leaf, whole, where)
        for key in asks_for(leaf):
            path = _path_back(key, within, whole, (within,))
            if path:
                raise Invalid("this leads back to itself: %(path)s", where=where, path=" → ".join(path))
    if _conditions(rule, whole, {}) > MOST_CONDITIONS:
        raise Invalid("with the segments it names this has more than %(most)s conditions", most=MOST_CONDITIONS)


def _conditions(rule: Rule, whole: Classification, known: dict[str, int]) -> int:
    """Spelled out, each saved segment and tag counted once and for all."""
    total = 0
    for leaf in rules.leaves(rule):
        for key in asks_for(leaf) if isinstance(leaf, InSegment | Tagged) else ():
            if key in whole.by_key and whole.by_key[key].sparse:
                if key not in known:
                    known[key] = _conditions(whole.rule_of(key), whole, known)
                total += known[key]
        total += 1
    return total


def _must_be_known(leaf: rules.Leaf, whole: Classification, where: rules.Where) -> None:
    match leaf:
        case Metric():
            must_be_a_metric(leaf, where)
        case Stands():
            dimension = _known_dimension(leaf.dimension, whole, where)
            for n, key in enumerate(leaf.levels):
                if key not in {level.key for level in dimension.levels} | _interests(leaf.dimension, whole):
                    raise Invalid(
                        "%(dimension)s has no level %(level)s",
                        where=(*where, "in", n),
                        dimension=leaf.dimension,
                        level=key,
                    )
        case InSegment():
            _known_segment(leaf.segment, whole, (*where, "segment"))
        case rules.Was():
            _known_segment(leaf.was, whole, (*where, "was"))
        case _:
            pass


def _known_dimension(key: str, whole: Classification, where: rules.Where) -> Dimension:
    if key == INTERESTS:
        return Dimension(INTERESTS, INTERESTS_LABEL, (), ())
    try:
        return whole.dimension(key)
    except NotFound:
        raise Invalid("there is no dimension %(key)s", where=(*where, "dimension"), key=key) from None


def _known_segment(key: str, whole: Classification, where: rules.Where) -> None:
    try:
        whole.place(key)
    except NotFound:
        raise Invalid("there is no segment %(key)s", where=where, key=key) from None


def _interests(key: str, whole: Classification) -> frozenset[str]:
    return whole.interests if key == INTERESTS else frozenset()


def _path_back(key: str, goal: str, whole: Classification, path: tuple[str, ...]) -> tuple[str, ...] | None:
    if key == goal and goal:
        return (*path, key)
    if key in path or key not in whole.by_key:
        return None
    for needed in needs(whole.by_key[key]):
        found = _path_back(needed, goal, whole, (*path, key))
        if found:
            return found
    return None
