"""What a rule is: conditions on a fan's numbers and levels, nested with all, any and none."""

from dataclasses import dataclass
from enum import StrEnum


class Op(StrEnum):
    LESS = "<"
    AT_MOST = "<="
    IS = "="
    IS_NOT = "!="
    AT_LEAST = ">="
    MORE = ">"


@dataclass(frozen=True)
class Metric:
    """A number against a threshold, which is a number too, or the name of one of the dimension's own."""

    metric: str
    op: Op
    value: int | str


@dataclass(frozen=True)
class Stands:
    """In one of these levels of another dimension."""

    dimension: str
    levels: tuple[str, ...]


@dataclass(frozen=True)
class All:
    of: tuple["Rule", ...]


@dataclass(frozen=True)
class AnyOf:
    of: tuple["Rule", ...]


@dataclass(frozen=True)
class NoneOf:
    of: tuple["Rule", ...]


Rule = Metric | Stands | All | AnyOf | NoneOf
