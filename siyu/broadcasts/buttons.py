"""Buttons under a broadcast: what operators may put there, what we add, and what a press says."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from siyu.kit.errors import Invalid
from siyu.kit.wording import Words

MOST_BUTTONS = 100  # Telegram's limit for one message
# Room for what we add: the opt-out, Claim, and the mark of a test.
MOST_OWN_BUTTONS = MOST_BUTTONS - 3
LONGEST_TEXT = 64
LONGEST_URL = 2048

_DATA = re.compile(r"b:([1-9][0-9]{0,17}):([a-z]+)(:test)?")
_URL = re.compile(r"(?:https?://[^\s/.]+\.\S+|tg://\S+)", re.IGNORECASE)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


class Action(StrEnum):
    """What a press asks for."""

    CLAIM = "claim"
    SHOP = "shop"
    WALLET = "wallet"
    MUTE = "mute"


OPERATORS_ACTIONS = (Action.CLAIM, Action.SHOP, Action.WALLET)


@dataclass(frozen=True)
class Button:
    """A link or an action; never both."""

    text: str
    url: str | None = None
    action: Action | None = None

    def as_json(self) -> dict[str, str]:
        return {"text": self.text, **({"url": self.url} if self.url else {"action": str(self.action)})}


@dataclass(frozen=True)
class Press:
    """What callback data of ours says: which broadcast, what is asked, and whether it was a test copy."""

    broadcast_id: int
    action: Action
    test: bool = False

    @property
    def data(self) -> str:
        """At most 64 bytes, as Telegram wants: 18 digits and a short word make 33."""
        return f"b:{self.broadcast_id}:{self.action}{':test' if self.test else ''}"


Rows = tuple[tuple[Button, ...], ...]
Keyboard = list[list[dict[str, str]]]


def read_buttons(rows: Sequence[Sequence[Mapping[str, object]]]) -> Rows:
    """Buttons out of `[[{text, url?|action?}]]`. Raises Invalid for the first mistake."""
    found, wrong = check_buttons(rows)
    if wrong:
        raise wrong[0]
    return found


def check_buttons(rows: object) -> tuple[Rows, list[Invalid]]:
    """The good buttons and every mistake, each with its row and place in the row."""
    if not isinstance(rows, list | tuple) or not all(isinstance(row, list | tuple) for row in rows):
        return (), [Invalid("buttons are rows of buttons: [[{text, url}]]", where=("buttons",))]
    found, wrong = [], list[Invalid]()
    for y, row in enumerate(rows):
        found.append(tuple(_readable(row, y, wrong)))
    if sum(map(len, rows)) > MOST_OWN_BUTTONS:
        wrong.append(Invalid("at most %(most)d buttons fit", where=("buttons",), most=MOST_OWN_BUTTONS))
    return tuple(row for row in found if row), wrong


def parse_press(data: str) -> Press | None:
    """What a press says, or None when the data is none of ours."""
    match = _DATA.fullmatch(data)
    if match is None or match[2] not in set(Action):
        return None
    return Press(int(match[1]), Action(match[2]), test=bool(match[3]))


def broadcast_of(data: str) -> int | None:
    """Which broadcast a press claims to come from; forged data claims too, so hold it against the ledger."""
    press = parse_press(data)
    return press.broadcast_id if press and not press.test else None


def keyboard(broadcast_id: int, rows: Rows, *, offer: bool, words: Words, test: bool = False) -> Keyboard:
    """The rows as Telegram takes them, with Claim for an attached offer and always the way out."""
    keys = [[_key(button, broadcast_id, test=test) for button in row] for row in rows]
    if offer and not any(button.action is Action.CLAIM for row in rows for button in row):
        keys.append([_pressed(label(Action.CLAIM, words), broadcast_id, Action.CLAIM, test=test)])
    keys.append([_pressed(label(Action.MUTE, words), broadcast_id, Action.MUTE, test=test)])
    if test:
        keys.append([_pressed(words.gettext("🧪 A test: only you got this"), broadcast_id, Action.MUTE, test=True)])
    return keys


def label(action: Action, words: Words) -> str:
    """What stands on a button of this action when nobody wrote anything else."""
    _ = words.gettext
    match action:
        case Action.CLAIM:
            return _("🎁 Claim the coupon")
        case Action.SHOP:
            return _("🛍 Look at the shop")
        case Action.WALLET:
            return _("🎟 My coupons")
        case Action.MUTE:
            return _("🔕 No more of these")
        case _ as never:
            assert_never(never)


def is_printable(text: str) -> bool:
    """No half characters and no control signs, which neither Telegram nor PostgreSQL take."""
    return not _UNPRINTABLE.search(text)


def _readable(row: Iterable[object], y: int, wrong: list[Invalid]) -> Iterable[Button]:
    for x, button in enumerate(row):
        mistakes = list(_mistakes(button, ("buttons", y, x)))
        wrong.extend(mistakes)
        if not mistakes and isinstance(button, Mapping):
            action = button.get("action")
            url = str(button["url"]).strip() if button.get("url") else None
            yield Button(str(button["text"]).strip(), url, Action(str(action)) if action else None)


def _mistakes(button: object, where: tuple[str | int, ...]) -> Iterable[Invalid]:
    if not isinstance(button, Mapping):
        yield Invalid("a button is {text, url} or {text, action}", where=where)
        return
    yield from _text_mistakes(button.get("text"), (*where, "text"))
    url, action = button.get("url"), button.get("action")
    if bool(url) == bool(action):
        yield Invalid("a button needs either a link or an action", where=where)
    if url and not (isinstance(url, str) and len(url) <= LONGEST_URL and _URL.fullmatch(url.strip())):
        yield Invalid("a link starts with https://, http:// or tg://", where=(*where, "url"))
    if action and action not in OPERATORS_ACTIONS:
        known = ", ".join(OPERATORS_ACTIONS)
        yield Invalid("an action is one of: %(known)s", where=(*where, "action"), known=known)


def _text_mistakes(text: object, where: tuple[str | int, ...]) -> Iterable[Invalid]:
    if not isinstance(text, str) or not text.strip():
        yield Invalid("a button needs words", where=where)
    elif len(text) > LONGEST_TEXT or not is_printable(text):
        yield Invalid("at most %(most)d plain characters on a button", where=where, most=LONGEST_TEXT)


def _key(button: Button, broadcast_id: int, *, test: bool) -> dict[str, str]:
    if button.url:
        return {"text": button.text, "url": button.url}
    return _pressed(button.text, broadcast_id, Action(str(button.action)), test=test)


def _pressed(text: str, broadcast_id: int, action: Action, *, test: bool) -> dict[str, str]:
    return {"text": text, "callback_data": Press(broadcast_id, action, test).data}
