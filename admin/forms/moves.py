"""Changing the tree of a rule part by part: what every button of the builder does, and what is looked at next."""

from dataclasses import dataclass, replace

from admin.forms.rules import FIELDS, Condition, Group, Part, Path, path_of, place
from siyu.kit.errors import Invalid

DEEDS = ("add", "group", "remove", "up", "down")
# How a condition begins that nobody has filled in.
BEGUN = {
    "metric": {"op": (">=",)},
    "did": {"days": ("30",), "at_least": ("1",)},
    "attribute": {"op": ("=",)},
}


@dataclass(frozen=True)
class Changed:
    """The tree after a deed, and the id of what the eye and the keys go on with."""

    tree: Group
    focus: str


def done(tree: Group, deed: str, new: str = "") -> Changed:
    """`deed` is a button's value, such as `up rule.1.0`; `new` what to add. Raises Invalid where it cannot be."""
    verb, _, text = deed.partition(" ")
    path = path_of(text)
    if verb not in DEEDS or (not path and verb not in {"add", "group"}):
        raise Invalid("there is no such place in the rule")
    match verb:
        case "add" | "group":
            return _added(tree, path, Group("any") if verb == "group" else begun(new))
        case "remove":
            return _removed(tree, path)
        case _:
            return _moved(tree, path, -1 if verb == "up" else 1)


def begun(new: str) -> Condition:
    """A condition to be filled in: `tag`, or what it is about as well, `metric:spend_90d`."""
    kind, _, about = new.partition(":")
    if kind not in FIELDS:
        raise Invalid("choose one of these")
    first = {FIELDS[kind][0]: (about,)} if about else {}
    return Condition(kind, {**first, **BEGUN.get(kind, {})})


def part_at(tree: Part, path: Path) -> Part:
    """Raises Invalid where there is nothing."""
    for n in path:
        if not isinstance(tree, Group) or n >= len(tree.of):
            raise Invalid("there is no such place in the rule")
        tree = tree.of[n]
    return tree


def first_field(path: Path, part: Part) -> str:
    """The id of what is filled in first."""
    if isinstance(part, Group):
        return f"{place(path)}.new"
    names = FIELDS[part.kind]
    return f"{place(path)}.{next((name for name in names if not part.text(name)), names[-1])}"


def _added(tree: Group, path: Path, new: Part) -> Changed:
    group = _group_at(tree, path)
    below = (*path, len(group.of))
    return Changed(_with(tree, path, replace(group, of=(*group.of, new))), first_field(below, new))


def _removed(tree: Group, path: Path) -> Changed:
    tree, _ = _taken(tree, path)
    *above, n = path
    group = _group_at(tree, tuple(above))
    left = min(n, len(group.of) - 1)
    focus = f"{place((*above, left))}.remove" if group.of else f"{place(tuple(above))}.new"
    return Changed(tree, focus)


def _moved(tree: Group, path: Path, by: int) -> Changed:
    """One place up or down as the eye sees it: a condition goes into the group it meets, and out at its end."""
    part = part_at(tree, path)
    goal = _goal(tree, path, by)
    if goal is None:
        return Changed(tree, _button(path, by))
    tree, _ = _taken(tree, path)
    *above, n = goal
    group = _group_at(tree, tuple(above))
    tree = _with(tree, tuple(above), replace(group, of=(*group.of[:n], part, *group.of[n:])))
    return Changed(tree, _button(goal, by))


def _goal(tree: Group, path: Path, by: int) -> Path | None:
    """Where it stands afterwards, in the tree without it; None at the very end."""
    *above, n = path
    group, beside = _group_at(tree, tuple(above)), n + by
    if 0 <= beside < len(group.of):
        met = group.of[beside]
        if isinstance(met, Group) and isinstance(group.of[n], Condition):
            # Going down, what was below moves up by the one that leaves.
            return (*above, beside - (by > 0), 0 if by > 0 else len(met.of))
        return (*above, beside)
    if not above:
        return None
    *higher, at = above
    return (*higher, at + (by > 0))


def _button(path: Path, by: int) -> str:
    return f"{place(path)}.{'up' if by < 0 else 'down'}"


def _group_at(tree: Group, path: Path) -> Group:
    found = part_at(tree, path)
    if not isinstance(found, Group):
        raise Invalid("there is no such place in the rule")
    return found


def _taken(tree: Group, path: Path) -> tuple[Group, Part]:
    *above, n = path
    part, group = part_at(tree, path), _group_at(tree, tuple(above))
    return _with(tree, tuple(above), replace(group, of=group.of[:n] + group.of[n + 1 :])), part


def _with(tree: Group, path: Path, part: Group) -> Group:
    """The tree with another group at this place."""
    if not path:
        return part
    first, *rest = path
    below = tree.of[first]
    assert isinstance(below, Group), "the place was looked at before"
    return replace(tree, of=(*tree.of[:first], _with(below, tuple(rest), part), *tree.of[first + 1 :]))
