"""Buttons under a message as a form: rows of them, each with its words, what it does, and what with."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from siyu.broadcasts import Action

Json = Mapping[str, Any]  # Any: a button as it is kept

LINK = "url"
# What an operator may choose, in the order of the menu.
KINDS = (LINK, Action.CLAIM, Action.SHOP, Action.WALLET, Action.ANSWER, Action.COPY, Action.SHARE, Action.SURVEY)

# The number in the name of a field, written one way only.
PLACE = re.compile(r"0|[1-9][0-9]{0,3}")


@dataclass(frozen=True)
class Key:
    """One button, as typed."""

    text: str = ""
    kind: str = LINK
    value: str = ""

    def as_json(self) -> dict[str, str]:
        if self.kind == LINK:
            return {"text": self.text, "url": self.value}
        value = {"value": self.value} if self.kind in (Action.ANSWER, Action.COPY, Action.SURVEY) else {}
        return {"text": self.text, "action": self.kind, **value}


Keys = tuple[tuple[Key, ...], ...]


def read_keys(fields: Mapping[str, str], prefix: str) -> Keys:
    """The rows whose fields are called `b0-ROW-PLACE-text`, `…-kind` and `…-value`."""
    rows: dict[int, dict[int, Key]] = {}
    for name in fields:
        match name.removeprefix(f"{prefix}-").split("-") if name.startswith(f"{prefix}-") else ():
            case [row, place, "kind"] if PLACE.fullmatch(row) and PLACE.fullmatch(place):
                at = f"{prefix}-{row}-{place}"
                kind = fields[name] if fields[name] in KINDS else LINK
                key = Key(fields.get(f"{at}-text", ""), kind, fields.get(f"{at}-value", ""))
                rows.setdefault(int(row), {})[int(place)] = key
    return tuple(tuple(key for _, key in sorted(row.items())) for _, row in sorted(rows.items()))


def keys_of(rows: Iterable[Sequence[Json]]) -> Keys:
    return tuple(tuple(_key(button) for button in row) for row in rows)


def as_json(keys: Keys) -> list[list[dict[str, str]]]:
    return [[key.as_json() for key in row] for row in keys]


def added(keys: Keys, new: Key, row: int | None = None) -> tuple[Keys, tuple[int, int]]:
    """With one more button, in a row of its own or at the end of one; and where it stands."""
    if row is None or not 0 <= row < len(keys):
        return (*keys, (new,)), (len(keys), 0)
    return _with(keys, row, (*keys[row], new)), (row, len(keys[row]))


def removed(keys: Keys, row: int, place: int) -> Keys:
    left = tuple(key for n, key in enumerate(keys[row]) if n != place)
    return _with(keys, row, left)


def moved(keys: Keys, row: int, place: int, way: str) -> tuple[Keys, tuple[int, int]]:
    """A step to the left or right in its row; up or down into the next row, or out into one of its own."""
    if way in ("left", "right"):
        there = min(max(place + (1 if way == "right" else -1), 0), len(keys[row]) - 1)
        line = list(keys[row])
        line.insert(there, line.pop(place))
        return _with(keys, row, tuple(line)), (row, there)
    alone, edge = len(keys[row]) == 1, row == (0 if way == "up" else len(keys) - 1)
    if alone and edge:
        return keys, (row, place)
    key, rest = keys[row][place], list(removed(keys, row, place))
    if edge:
        rest.insert(0 if way == "up" else len(rest), (key,))
        return tuple(rest), (0 if way == "up" else len(rest) - 1, 0)
    there = row - 1 if way == "up" else row + (0 if alone else 1)
    return _with(tuple(rest), there, (*rest[there], key)), (there, len(rest[there]))


def _with(keys: Keys, row: int, line: tuple[Key, ...]) -> Keys:
    """A row without buttons is none."""
    return (*keys[:row], *((line,) if line else ()), *keys[row + 1 :])


def _key(button: Json) -> Key:
    text = str(button.get("text") or "")
    if button.get("action"):
        return Key(text, str(button["action"]), str(button.get("value") or ""))
    return Key(text, LINK, str(button.get("url") or ""))
