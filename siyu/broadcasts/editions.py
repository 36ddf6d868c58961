"""Editions of a broadcast: what was written, the same in other languages, and the variants that are compared."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

from siyu.broadcasts.buttons import Action, Button, Rows, check_buttons

Json = Mapping[str, Any]  # Any: {text, buttons}, checked by content.mistakes
Where = tuple[str | int, ...]

FIRST_VARIANT = "a"  # the text itself


class Written(Protocol):
    """A draft, or a broadcast."""

    @property
    def text(self) -> str: ...
    @property
    def buttons(self) -> Sequence[Sequence[Json]]: ...
    @property
    def versions(self) -> Mapping[str, Json]: ...
    @property
    def variants(self) -> Sequence[Json]: ...


@dataclass(frozen=True)
class Edition:
    """One text with its buttons; `where` it stands among what was written, `first` the number of its first button."""

    where: Where
    text: str
    rows: Rows
    first: int = 0

    def buttons(self) -> Iterator[tuple[str, Button]]:
        """Each with its place: `0.1` is the second of the first row, in every language."""
        for y, row in enumerate(self.rows):
            for x, button in enumerate(row):
                yield f"{y}.{x}", button

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Of its buttons, by their place."""
        return {place: number for number, (place, _) in enumerate(self.buttons(), self.first)}


@dataclass(frozen=True)
class Pieces:
    """All editions of a broadcast, in an order that stays: buttons are numbered through them."""

    editions: tuple[Edition, ...]

    @cached_property
    def by_where(self) -> Mapping[Where, Edition]:
        return {one.where: one for one in self.editions}

    @cached_property
    def texts(self) -> frozenset[str]:
        """Wherever a placeholder may stand."""
        copied = {button.value or "" for one in self.editions for _, button in one.buttons() if button.is_(Action.COPY)}
        return frozenset({one.text for one in self.editions} | copied)

    @cached_property
    def shares(self) -> bool:
        return any(button.is_(Action.SHARE) for one in self.editions for _, button in one.buttons())

    @cached_property
    def answers(self) -> frozenset[str]:
        """The words a fan may answer with."""
        asked = (button for one in self.editions for _, button in one.buttons() if button.is_(Action.ANSWER))
        return frozenset(button.value or "" for button in asked)

    @cached_property
    def surveys(self) -> frozenset[str]:
        """The questionnaires that its buttons begin, by key."""
        asked = (button for one in self.editions for _, button in one.buttons() if button.is_(Action.SURVEY))
        return frozenset(button.value or "" for button in asked)

    @cached_property
    def numbered(self) -> Sequence[tuple[str, Button]]:
        return tuple(placed for one in self.editions for placed in one.buttons())


def pieces_of(written: Written) -> Pieces:
    """Read once for all its fans: anew for each, it would cost more than the call to Telegram."""
    return _pieces(json.dumps([written.text, written.buttons, written.versions, written.variants], default=dict))


def edition_for(pieces: Pieces, variant: str | None, language: str | None) -> Edition:
    """The variant in the fan's language, else as it was written; a variant nobody wrote is the text itself."""
    found = pieces.by_where
    base: Where = ("variants", variant) if variant and ("variants", variant) in found else ()
    for tag in _tags(language):
        if (*base, "versions", tag) in found:
            return found[*base, "versions", tag]
    return found[base]


@dataclass(frozen=True)
class _Plain:
    """What was written, as JSON brings it."""

    text: str
    buttons: Sequence[Sequence[Json]]
    versions: Mapping[str, Json]
    variants: Sequence[Json]


@lru_cache(maxsize=64)
def _pieces(written: str) -> Pieces:
    editions: list[Edition] = []
    for where, text, rows in _all(_Plain(*json.loads(written))):
        last = editions[-1] if editions else None
        first = last.first + sum(map(len, last.rows)) if last else 0
        editions.append(Edition(where, text, rows, first))
    return Pieces(tuple(editions))


def _all(written: Written) -> Iterator[tuple[Where, str, Rows]]:
    yield from _with_versions((), written.text, check_buttons(written.buttons)[0], written.versions)
    for one in written.variants:
        if one.get("key") == FIRST_VARIANT:
            continue
        text, rows = _own(one, written.text, check_buttons(written.buttons)[0])
        yield from _with_versions(("variants", str(one.get("key"))), text, rows, one.get("versions") or {})


def _with_versions(
    where: Where, text: str, rows: Rows, versions: Mapping[str, Json]
) -> Iterator[tuple[Where, str, Rows]]:
    yield where, text, rows
    for language, one in sorted(versions.items()):
        yield (*where, "versions", language.lower()), *_own(one, text, rows)


def _own(one: Json, text: str, rows: Rows) -> tuple[str, Rows]:
    """What was not written anew is as in the edition it stands beside."""
    own_rows = check_buttons(one["buttons"])[0] if one.get("buttons") is not None else rows
    return str(one.get("text") or text), own_rows


def _tags(language: str | None) -> Iterator[str]:
    """`zh-hans` is looked for as itself, then as `zh`."""
    tag = (language or "").lower().replace("_", "-")
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]
