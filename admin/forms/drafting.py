"""What the composer's small buttons do to the form: one more row, picture, language or version; or one less."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from admin.forms.broadcasts import Medium, Piece, Written
from admin.forms.keyboards import KINDS, LINK, Key, Keys, added, moved, removed
from siyu.broadcasts.buttons import Action, label
from siyu.kit.wording import Words

# What a version's name may be, after the text itself, which is `a`.
LETTERS = "bcdefgh"


@dataclass(frozen=True)
class Deed:
    """The form after it, and the id of what the keys go on with."""

    form: Written
    focus: str = ""


def done(form: Written, deed: str, told: Mapping[str, str], words: Words) -> Deed:
    """`deed` is a button's value, such as `up b0 1 0`; one that leads nowhere changes nothing."""
    match deed.split():
        case ["medium"]:
            return Deed(replace(form, media=(*form.media, Medium())), f"media-{len(form.media)}-file")
        case ["medium-off", n] if _is_in(n, form.media):
            return Deed(replace(form, media=_without(form.media, int(n))), "media-add")
        case ["copied-off"]:
            return Deed(replace(form, copied=""), "text")
        case ["rule-off"]:
            return Deed(replace(form, rule=""), "include")
        case ["language", variant] if language := told.get(f"language-{variant}", "").strip().lower():
            return _with_piece(form, Piece("" if variant == "a" else variant, language))
        case ["variant"]:
            free = next((one for one in LETTERS if one not in {piece.variant for piece in form.variants}), "")
            return _with_piece(form, Piece(free)) if free else Deed(form)
        case ["piece-off", n] if _is_in(n, form.pieces):
            return Deed(replace(form, pieces=_taken_off(form.pieces, int(n))), "text")
        case ["own", n] if _is_in(n, form.pieces):
            return _own(form, int(n), form.keys)
        case ["same", n] if _is_in(n, form.pieces):
            return _own(form, int(n), None)
        case [verb, board, *place]:
            return _on_keys(form, verb, board, [int(one) for one in place if one.isdecimal()], told, words)
        case _:
            return Deed(form)


def _on_keys(form: Written, verb: str, board: str, place: list[int], told: Mapping[str, str], words: Words) -> Deed:
    keys = _board(form, board)
    match verb, place:
        case "key", _:
            kind = told.get(f"{board}-new", LINK)
            keys, at = added(keys, _begun(kind if kind in KINDS else LINK, words), place[0] if place else None)
        case "key-off", [y, x] if _is_key(keys, y, x):
            return Deed(_with_board(form, board, removed(keys, y, x)), f"{board}-add")
        case (("up" | "down" | "left" | "right"), [y, x]) if _is_key(keys, y, x):
            keys, at = moved(keys, y, x, verb)
            return Deed(_with_board(form, board, keys), f"{board}-{at[0]}-{at[1]}-{verb}")
        case _:
            return Deed(form)
    return Deed(_with_board(form, board, keys), f"{board}-{at[0]}-{at[1]}-text")


def _begun(kind: str, words: Words) -> Key:
    return Key("" if kind == LINK else label(Action(kind), words), kind)


def _board(form: Written, board: str) -> Keys:
    n = _number_of(board)
    if n is None or n > len(form.pieces):
        return ()
    return form.keys if n == 0 else form.pieces[n - 1].keys or ()


def _with_board(form: Written, board: str, keys: Keys) -> Written:
    n = _number_of(board)
    if n is None or n > len(form.pieces):
        return form
    if n == 0:
        return replace(form, keys=keys)
    pieces = list(form.pieces)
    pieces[n - 1] = replace(pieces[n - 1], keys=keys)
    return replace(form, pieces=tuple(pieces))


def _own(form: Written, n: int, keys: Keys | None) -> Deed:
    """Buttons of its own begin as those it had."""
    pieces = (*form.pieces[:n], replace(form.pieces[n], keys=keys), *form.pieces[n + 1 :])
    return Deed(replace(form, pieces=pieces), f"b{n + 1}-add" if keys is not None else f"piece-{n}-own")


def _with_piece(form: Written, piece: Piece) -> Deed:
    """A version's languages stand behind it."""
    known = [(one.variant, one.language) for one in form.pieces]
    if (piece.variant, piece.language) in known:
        return Deed(form, f"piece-{known.index((piece.variant, piece.language))}-text")
    place = max((n + 1 for n, one in enumerate(form.pieces) if one.variant == piece.variant), default=len(form.pieces))
    if not piece.variant:
        place = max((n + 1 for n, one in enumerate(form.pieces) if not one.variant), default=0)
    return Deed(replace(form, pieces=(*form.pieces[:place], piece, *form.pieces[place:])), f"piece-{place}-text")


def _taken_off(pieces: tuple[Piece, ...], n: int) -> tuple[Piece, ...]:
    """A version goes with its languages."""
    gone = pieces[n]
    whole = bool(gone.variant) and not gone.language
    return tuple(one for m, one in enumerate(pieces) if m != n and not (whole and one.variant == gone.variant))


def _without(media: tuple[Medium, ...], n: int) -> tuple[Medium, ...]:
    return tuple(one for m, one in enumerate(media) if m != n)


def _number_of(board: str) -> int | None:
    return int(board[1:]) if board.startswith("b") and board[1:].isdecimal() and len(board) < 5 else None


def _is_in(n: str, some: tuple[object, ...]) -> bool:
    return n.isdecimal() and len(n) < 5 and int(n) < len(some)


def _is_key(keys: Keys, row: int, place: int) -> bool:
    return row < len(keys) and place < len(keys[row])
