"""Placeholders in a broadcast's text: `{first_name|friend}` is the fan's first name, or "friend" where there is none.

What may stand there is a whitelist; `{{` is a brace. What we know of a fan is data: it is escaped where it is filled
in, so that nobody's name can become a link.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from itertools import pairwise
from typing import Protocol

from sqlmodel import col, select

from siyu import mailroom, segments
from siyu.broadcasts.editions import Written, pieces_of
from siyu.kit import figures
from siyu.kit.database import ReadSession
from siyu.kit.errors import Invalid
from siyu.kit.money import Money
from siyu.kit.wording import Words, choose_locale, phrase, words
from siyu.metrics.measures import MEASURES, MOMENTS, Kind, Measure, Present
from siyu.segments import Classification
from siyu.tables import AsOf, Coupon, CouponState, Fan, FanLevel, FanMetrics

Values = Mapping[str, str]  # by a placeholder's name; what is not known of the fan is missing
NOTHING: Values = {}

FIRST_NAME, NAME, USERNAME, POINTS, COUPON = "first_name", "name", "username", "points", "coupon"
LEVEL, METRIC = "level:", "metric:"
PLAIN = (FIRST_NAME, NAME, USERNAME, POINTS, COUPON)
# No placeholder: what the share button leads to.
REFERRAL_LINK = "referral_link"

# "Dear none" would be read by those of whom nothing is known.
_SAYS_NOTHING = frozenset({"none", "unknown"})
_MARK = re.compile(r"\{\{|\{([^{}|]*)(?:\|([^{}<>]*))?\}|\{")
_TAG = re.compile(r"<[^<>]*>")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Signs that turn the direction of what follows: after such a name the rest of the message would stand reversed.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\x00-\x1f\x7f\ud800-\udfff]+")
_SAMPLES = {
    FIRST_NAME: phrase("Alex"),
    NAME: phrase("Alex Morgan"),
    USERNAME: "alex",
    POINTS: "120",
    COUPON: "7KQ2M9XWT4",
}


class Offering(Written, Protocol):
    """A broadcast, or what it is changed into."""

    @property
    def offer_id(self) -> int | None: ...


@dataclass(frozen=True)
class Placeholder:
    """A place in a text; `fallback` stands there where the fan has no such value. None: there must be one."""

    name: str
    fallback: str | None = None


def used(text: str) -> tuple[Placeholder, ...]:
    """The placeholders of a text, in their order. Raises Invalid for one that is not known."""
    return tuple(piece for piece in _read(text) if isinstance(piece, Placeholder))


def fill(text: str, values: Values) -> str:
    """The text with the fan's values, escaped, or the fallbacks."""
    return "".join(piece if isinstance(piece, str) else _filled(piece, values) for piece in _read(text))


def fill_plain(text: str, values: Values) -> str:
    """The same where no markup is read, as in what a button copies."""
    return "".join(
        piece if isinstance(piece, str) else values.get(piece.name) or piece.fallback or "" for piece in _read(text)
    )


def missing(text: str, values: Values) -> list[Placeholder]:
    """What the fan lacks; where one of these has no fallback, the text cannot be sent."""
    return [one for one in used(text) if not values.get(one.name)]


def sample(names: Collection[str], said: Words) -> Values:
    """An invented fan's values, for a preview."""
    return {name: _sample(name, said) for name in names}


def are_in(written: Written) -> bool:
    """Whether something is filled in for each fan."""
    pieces = pieces_of(written)
    return pieces.shares or bool(names_in(pieces.texts))


def names_in(texts: Collection[str]) -> frozenset[str]:
    return frozenset(one.name for text in texts for one in used(text))


async def values_for(session: ReadSession, broadcast: Offering, fan_ids: Sequence[int]) -> Mapping[int, Values]:
    """What this broadcast's placeholders are for each of these fans: at most six statements, however many they are."""
    wanted = names_in(pieces_of(broadcast).texts) | ({REFERRAL_LINK} if pieces_of(broadcast).shares else set())
    found: dict[int, dict[str, str]] = {fan_id: {} for fan_id in fan_ids}
    if not wanted:
        return found
    people = await session.all(select(Fan).where(col(Fan.id).in_(fan_ids)))
    languages = {fan.id or 0: words(choose_locale(fan.chosen_language or fan.language)) for fan in people}
    told = [_persons(people, wanted)]
    if REFERRAL_LINK in wanted:
        told.append(await _links(session, people))
    if COUPON in wanted and broadcast.offer_id is not None:
        told.append(await _coupons(session, broadcast.offer_id, fan_ids))
    if any(name.startswith(LEVEL) for name in wanted):
        told.append(await _levels(session, languages, wanted))
    if any(name == POINTS or name.startswith(METRIC) for name in wanted):
        told.append(await _metrics(session, languages, wanted))
    for source in told:
        for fan_id, values in source.items():
            found[fan_id] |= {name: tidy for name, value in values.items() if (tidy := _tidy(value))}
    return found


async def must_be_known(session: ReadSession, names: Collection[str]) -> list[Invalid]:
    """A mistake for each dimension that a placeholder names and nobody knows; dimensions are made by operators, too."""
    asked = sorted(name.removeprefix(LEVEL) for name in names if name.startswith(LEVEL))
    known = {one.key for one in (await segments.whole(session)).dimensions} if asked else set()
    return [Invalid("there is no dimension %(key)s", where=("text",), key=key) for key in asked if key not in known]


@lru_cache(maxsize=256)
def _read(text: str) -> tuple[str | Placeholder, ...]:
    tags = [tag.span() for tag in _TAG.finditer(text)]
    pieces: list[str | Placeholder] = []
    marks = [(mark.start(), mark.end(), mark) for mark in _MARK.finditer(text)]
    for (_, end, mark), (start, _, _) in pairwise([(0, 0, None), *marks, (len(text), len(text), None)]):
        if mark is not None:
            pieces.append("{" if mark[0] == "{{" else _placeholder(mark, tags))
        pieces.append(text[end:start])
    return tuple(piece for piece in pieces if piece != "")


def _placeholder(mark: re.Match[str], tags: Sequence[tuple[int, int]]) -> Placeholder:
    name = (mark[1] or "").strip()
    if not _is_known(name):
        raise Invalid("there is no placeholder %(placeholder)s; a plain brace is written {{", placeholder=mark[0])
    if any(start < mark.start() < end for start, end in tags):
        raise Invalid("a placeholder cannot stand inside a tag: %(placeholder)s", placeholder=mark[0])
    return Placeholder(name, mark[2])


def _is_known(name: str) -> bool:
    if name.startswith(METRIC):
        return name.removeprefix(METRIC) in MEASURES
    return name in PLAIN or (name.startswith(LEVEL) and bool(_KEY.fullmatch(name.removeprefix(LEVEL))))


def _filled(place: Placeholder, values: Values) -> str:
    value = values.get(place.name)
    return escape(value) if value else place.fallback or ""


def _sample(name: str, said: Words) -> str:
    if name.startswith(LEVEL):
        return said.gettext(phrase("Loyal"))
    return said.gettext(_SAMPLES.get(name, "120"))


def _tidy(value: str) -> str:
    """One line that keeps its direction."""
    return " ".join(_TURNING.sub(" ", value).split())


def _persons(people: Sequence[Fan], wanted: Collection[str]) -> dict[int, dict[str, str]]:
    return {fan.id or 0: {name: value for name, value in _person(fan).items() if name in wanted} for fan in people}


def _person(fan: Fan) -> dict[str, str]:
    return {NAME: fan.name, FIRST_NAME: next(iter(fan.name.split()), ""), USERNAME: fan.username or ""}


async def _links(session: ReadSession, people: Sequence[Fan]) -> dict[int, dict[str, str]]:
    bot = await mailroom.latest_username(session)
    link = f"https://t.me/{bot}?start=i_"
    return {fan.id or 0: {REFERRAL_LINK: link + fan.referral_code} for fan in people} if bot else {}


async def _coupons(session: ReadSession, offer_id: int, fan_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """The newest that can still be used."""
    mine = select(Coupon.fan_id, Coupon.code).where(
        col(Coupon.offer_id) == offer_id,
        col(Coupon.fan_id).in_(fan_ids),
        col(Coupon.state) == CouponState.ACTIVE,
    )
    return {row.fan_id: {COUPON: row.code} for row in await session.rows(mine.order_by(col(Coupon.id)))}


async def _levels(
    session: ReadSession, languages: Mapping[int, Words], wanted: Collection[str]
) -> dict[int, dict[str, str]]:
    keys = [name.removeprefix(LEVEL) for name in wanted if name.startswith(LEVEL)]
    whole = await segments.whole(session)
    standing = select(FanLevel).where(col(FanLevel.fan_id).in_(languages), col(FanLevel.dimension).in_(keys))
    found: dict[int, dict[str, str]] = {}
    for row in await session.all(standing):
        label = _label(whole, row.dimension, row.level)
        said = languages[row.fan_id].gettext(label) if label else ""
        found.setdefault(row.fan_id, {})[LEVEL + row.dimension] = said
    return found


def _label(whole: Classification, dimension: str, level: str) -> str:
    known = whole.by_key.get(dimension)
    labels = {one.key: one.label for one in known.levels} if known else {}
    return "" if level in _SAYS_NOTHING else labels.get(level, "")


async def _metrics(
    session: ReadSession, languages: Mapping[int, Words], wanted: Collection[str]
) -> dict[int, dict[str, str]]:
    as_of = await session.get(AsOf, 1)
    if as_of is None:
        return {}
    present = await segments.present(session, as_of)
    measures = {name: MEASURES[name.removeprefix(METRIC)] for name in wanted if name == POINTS or METRIC in name}
    rows = await session.all(select(FanMetrics).where(col(FanMetrics.fan_id).in_(languages)))
    return {
        row.fan_id: {
            name: _said(measure, row, present, languages[row.fan_id].locale) for name, measure in measures.items()
        }
        for row in rows
    }


def _said(measure: Measure, row: FanMetrics, present: Present, locale: str) -> str:
    if measure.kind is Kind.MOMENT:
        day = getattr(row, MOMENTS[measure.name][1])
        return figures.day(day, locale) if day else ""
    value = measure.read(row, present)
    if not isinstance(value, int | float):
        return ""
    if measure.kind is Kind.MONEY and present.currency:
        return figures.money(Money(round(value), present.currency), locale)
    return figures.number(value, locale)
