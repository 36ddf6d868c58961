"""Buttons under a broadcast: what operators may put there, what we add, and what a press says."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never
from urllib.parse import urlencode, urlsplit

from siyu.kit.errors import Invalid
from siyu.kit.wording import Words

MOST_BUTTONS = 100  # Telegram's limit for one message
# Room for what we add: the opt-out, Claim, and the mark of a test.
MOST_OWN_BUTTONS = MOST_BUTTONS - 3
LONGEST_TEXT = 64
LONGEST_URL = 2048
LONGEST_COPIED = 256
# `b:`, 18 digits, `:=` and `:test` leave 37 of Telegram's 64 bytes.
LONGEST_ANSWER = 30

_ANSWER = re.compile(r"[^:=\s]+")
_URL = re.compile(r"(?:https?://[^\s/.]+\.\S+|tg://\S+)", re.IGNORECASE)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


class Action(StrEnum):
    """What a press asks for."""

    CLAIM = "claim"
    SHOP = "shop"
    WALLET = "wallet"
    MUTE = "mute"
    ANSWER = "answer"  # with a word of the operator's
    COPY = "copy"  # Telegram puts a code into the fan's clipboard, and nobody hears of it
    SHARE = "share"  # the fan's own link, to a friend
    SURVEY = "survey"  # a questionnaire, by its key


OPERATORS_ACTIONS = (
    Action.CLAIM, Action.SHOP, Action.WALLET, Action.ANSWER, Action.COPY, Action.SHARE, Action.SURVEY,
)  # fmt: skip
_PRESSED = (Action.CLAIM, Action.SHOP, Action.WALLET, Action.MUTE)  # in a word of their own
_SURVEY = re.compile(r"[a-z][a-z0-9_]{0,29}")
# What stands behind `b:`. An answer and a questionnaire are marked, so that no word can be taken for an action, or for
# the mark of a test.
SHAPE = rf"([1-9][0-9]{{0,17}}):({'|'.join(_PRESSED)}|=[^:\s]{{1,30}}|\?{_SURVEY.pattern})(:test)?"
_DATA = re.compile(f"b:{SHAPE}")
_WITH_VALUE = (Action.ANSWER, Action.COPY, Action.SURVEY)
_MARKS = {Action.ANSWER: "=", Action.SURVEY: "?"}  # their value comes back with the press


@dataclass(frozen=True)
class Button:
    """A link or an action; never both.

    `value` is the word answered, the code copied, with placeholders, or the key of a questionnaire.
    """

    text: str
    url: str | None = None
    action: Action | None = None
    value: str | None = None

    def is_(self, action: Action) -> bool:
        return self.action is action

    def as_json(self) -> dict[str, str]:
        does = {"url": self.url} if self.url else {"action": str(self.action)}
        return {"text": self.text, **does, **({"value": self.value} if self.value else {})}


@dataclass(frozen=True)
class Press:
    """What callback data of ours says: which broadcast, what is asked, and whether it was a test copy."""

    broadcast_id: int
    action: Action
    test: bool = False
    word: str | None = None  # of an answer, or a questionnaire's key

    @property
    def data(self) -> str:
        """At most 64 bytes, as Telegram wants: 18 digits and the longest answer make 57."""
        asked = f"{_MARKS[self.action]}{self.word}" if self.action in _MARKS else self.action
        return f"b:{self.broadcast_id}:{asked}{':test' if self.test else ''}"


Rows = tuple[tuple[Button, ...], ...]
Json = dict[str, Any]  # Any: a button as Telegram spells it
Keyboard = list[list[Json]]


@dataclass(frozen=True)
class Hand:
    """Whose keyboard it is: what a button copies and shares for this fan, and where their links lead."""

    copied: Callable[[str], str] = str
    referral_link: str = ""
    address: Callable[[str, str], str] = lambda _place, url: url  # of a button's place and link


NOBODY = Hand()


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
    if match is None:
        return None
    asked, test = match[2], bool(match[3])
    if asked.startswith("="):
        word = asked[1:]
        return Press(int(match[1]), Action.ANSWER, test, word) if _is_answer(word) else None
    if asked.startswith("?"):
        return Press(int(match[1]), Action.SURVEY, test, asked[1:])
    return Press(int(match[1]), Action(asked), test)


def broadcast_of(data: str) -> int | None:
    """Which broadcast a press claims to come from; forged data claims too, so hold it against the ledger."""
    press = parse_press(data)
    return press.broadcast_id if press and not press.test else None


def keyboard(
    broadcast_id: int, rows: Rows, *, offer: bool, words: Words, test: bool = False, hand: Hand = NOBODY
) -> Keyboard:
    """The rows as Telegram takes them, with Claim for an attached offer and always the way out."""
    keys = [_row(row, y, broadcast_id, words, hand, test=test) for y, row in enumerate(rows)]
    if offer and not any(button.action is Action.CLAIM for row in rows for button in row):
        keys.append([_pressed(label(Action.CLAIM, words), Press(broadcast_id, Action.CLAIM, test))])
    keys.append([_pressed(label(Action.MUTE, words), Press(broadcast_id, Action.MUTE, test))])
    if test:
        mark = words.gettext("🧪 A test: only you got this")
        keys.append([_pressed(mark, Press(broadcast_id, Action.MUTE, test=True))])
    return [row for row in keys if row]


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
        case Action.ANSWER:
            return _("👍 Yes")
        case Action.COPY:
            return _("📋 Copy the code")
        case Action.SHARE:
            return _("📣 Send to a friend")
        case Action.SURVEY:
            return _("📝 Answer a few questions")
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
            yield _read(button)


def _read(button: Mapping[str, object]) -> Button:
    action = Action(str(button["action"])) if button.get("action") else None
    url = str(button["url"]).strip() if button.get("url") else None
    value = str(button["value"]).strip() if action in _WITH_VALUE else None
    return Button(str(button["text"]).strip(), url, action, value)


def _mistakes(button: object, where: tuple[str | int, ...]) -> Iterable[Invalid]:
    if not isinstance(button, Mapping):
        yield Invalid("a button is {text, url} or {text, action}", where=where)
        return
    yield from _text_mistakes(button.get("text"), (*where, "text"))
    url, action = button.get("url"), button.get("action")
    if bool(url) == bool(action):
        yield Invalid("a button needs either a link or an action", where=where)
    if url and not (isinstance(url, str) and len(url) <= LONGEST_URL and _is_link(url.strip())):
        yield Invalid("a link starts with https://, http:// or tg://", where=(*where, "url"))
    if action and action not in OPERATORS_ACTIONS:
        known = ", ".join(OPERATORS_ACTIONS)
        yield Invalid("an action is one of: %(known)s", where=(*where, "action"), known=known)
    if action in _WITH_VALUE:
        yield from _value_mistakes(Action(str(action)), str(button.get("value") or "").strip(), (*where, "value"))


def _value_mistakes(action: Action, value: str, where: tuple[str | int, ...]) -> Iterable[Invalid]:
    """Placeholders in what is copied are looked at with the texts."""
    if action is Action.ANSWER and not _is_answer(value):
        most = LONGEST_ANSWER
        yield Invalid(
            "an answer is one word of at most %(most)d bytes (a Chinese sign is 3), without : and =",
            where=where, most=most,
        )  # fmt: skip
    if action is Action.SURVEY and not _SURVEY.fullmatch(value):
        yield Invalid("name the questionnaire by its key", where=where)
    if action is Action.COPY and not (0 < len(value) <= LONGEST_COPIED and is_printable(value)):
        yield Invalid("what is copied has 1 to %(most)d plain characters", where=where, most=LONGEST_COPIED)


def _is_link(url: str) -> bool:
    try:
        return bool(_URL.fullmatch(url) and is_printable(url) and urlsplit(url).hostname)
    except ValueError:  # brackets that hold no address
        return False


def _is_answer(word: str) -> bool:
    return bool(_ANSWER.fullmatch(word)) and is_printable(word) and len(word.encode()) <= LONGEST_ANSWER


def _text_mistakes(text: object, where: tuple[str | int, ...]) -> Iterable[Invalid]:
    if not isinstance(text, str) or not text.strip():
        yield Invalid("a button needs words", where=where)
    elif len(text) > LONGEST_TEXT or not is_printable(text):
        yield Invalid("at most %(most)d plain characters on a button", where=where, most=LONGEST_TEXT)


def _row(row: Iterable[Button], y: int, broadcast_id: int, words: Words, hand: Hand, *, test: bool) -> list[Json]:
    keys = (_key(button, f"{y}.{x}", broadcast_id, words, hand, test=test) for x, button in enumerate(row))
    return [key for key in keys if key]


def _key(button: Button, place: str, broadcast_id: int, words: Words, hand: Hand, *, test: bool) -> Json | None:
    """None where Telegram would refuse it: nothing to copy, nobody's link."""
    if button.url:
        return {"text": button.text, "url": hand.address(place, button.url)}
    if button.is_(Action.COPY):
        copied = hand.copied(button.value or "")[:LONGEST_COPIED]
        return {"text": button.text, "copy_text": {"text": copied}} if copied else None
    if button.is_(Action.SHARE):
        return {"text": button.text, "url": _shared(hand.referral_link, words)} if hand.referral_link else None
    action = Action(str(button.action))
    return _pressed(button.text, Press(broadcast_id, action, test, button.value if action in _MARKS else None))


def _shared(link: str, words: Words) -> str:
    return "https://t.me/share/url?" + urlencode({"url": link, "text": words.gettext("Come and have a look")})


def _pressed(text: str, press: Press) -> Json:
    return {"text": text, "callback_data": press.data}
