"""The composer's form: what is typed becomes a draft and comes back as typed, with every mistake at its field."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import nh3
from markupsafe import Markup

from admin.forms import Errors, Reading, number, number_or_none, sentence
from admin.forms.keyboards import PLACE, Keys, as_json, keys_of, read_keys
from siyu.broadcasts import Draft, draft_of
from siyu.broadcasts.comparing import MAIN
from siyu.broadcasts.timing import Every
from siyu.kit.clock import parse_moment
from siyu.kit.errors import Invalid
from siyu.kit.wording import Words
from siyu.preferences import Preferences
from siyu.tables import Broadcast, Timing

Fields = Sequence[tuple[str, str]]
Json = dict[str, Any]  # Any: as the columns of a broadcast take it
Where = tuple[str | int, ...]

# All that Telegram's HTML knows; the domain refused everything else before.
TAGS = set("b strong i em u ins s strike del tg-spoiler code pre blockquote a span tg-emoji".split())
ATTRIBUTES = {"a": {"href"}, "span": {"class"}, "code": {"class"}}

ON = "1"  # what a box that is ticked says


@dataclass(frozen=True)
class Medium:
    kind: str = "photo"
    file: str = ""


@dataclass(frozen=True)
class Piece:
    """The words again: in another language, as another version to compare, or both."""

    variant: str = ""  # "" is the text itself
    language: str = ""
    text: str = ""
    share: str = ""  # of a version
    keys: Keys | None = None  # None: the buttons of what it stands beside


@dataclass(frozen=True)
class Written:
    """The form as it came: all text, in the order of the page."""

    id: str = ""
    version: str = ""
    title: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rule: str = ""
    topic: str = ""
    follows_id: str = ""
    follows: str = ""
    text: str = ""
    keys: Keys = ()
    media: tuple[Medium, ...] = ()
    copied: str = ""
    offer: str = ""
    pieces: tuple[Piece, ...] = ()
    share_a: str = ""
    test_percent: str = "100"
    winner_by: str = ""
    winner_after_minutes: str = ""
    holdout_percent: str = "0"
    attribution_days: str = str(Preferences.attribution_days)
    timing: str = Timing.NOW
    send_at: str = ""
    send_at_exact: str = ""  # the same with its seconds, and which of the two where clocks go back
    local_at: str = ""
    series_every: str = ""
    series_at: str = ""
    series_on: tuple[str, ...] = ()  # weekdays
    series_dates: str = ""  # days of the month
    series_zone: str = ""
    spread_minutes: str = "0"
    freeze_early: str = ""
    no_preview: str = ""
    silent: str = ""
    paid: str = ""
    ignores_quiet: str = ""
    on_unknown: str = "leave"
    rate: str = ""

    @property
    def broadcast_id(self) -> int | None:
        return _id(self.id)

    @property
    def seen_version(self) -> int | None:
        return _id(self.version)

    @property
    def named(self) -> int:
        """How many people its rule names, where it does nothing else: so begins what was made of a post."""
        match json.loads(self.rule) if _is_json(self.rule) else {}:
            case {"fans": list(people), **others} if not others:
                return len(people)
        return 0

    @property
    def variants(self) -> list[Piece]:
        """The versions beside the text itself."""
        return [piece for piece in self.pieces if piece.variant and not piece.language]


_MANY = ("include", "exclude", "series_on")
_NESTED = ("keys", "media", "pieces")


def read(told: Fields) -> Written:
    """A form as it was sent."""
    one, names = dict(told), {field.name for field in fields(Written)}
    plain: dict[str, Any] = {name: value for name, value in one.items() if name in names - {*_MANY, *_NESTED}}
    many = {name: tuple(dict.fromkeys(value for key, value in told if key == name and value)) for name in _MANY}
    media = tuple(
        Medium(one[f"media-{n}-kind"], one.get(f"media-{n}-file", "").strip()) for n in _numbers(one, "media")
    )
    pieces = tuple(_read_piece(one, n) for n in _numbers(one, "piece"))
    return Written(**(plain | many), keys=read_keys(one, "b0"), media=media, pieces=pieces)


def written(broadcast: Broadcast, zone: ZoneInfo) -> Written:
    """A draft as its form shows it."""
    return replace(filled(draft_of(broadcast), zone), id=_said(broadcast.id), version=str(broadcast.version))


def filled(draft: Draft, zone: ZoneInfo) -> Written:
    series = draft.series or {}
    days = tuple(str(day) for day in series.get("on") or ())
    monthly = series.get("every") == Every.MONTHLY
    return Written(
        title=draft.title,
        include=tuple(draft.include),
        exclude=tuple(draft.exclude),
        rule=json.dumps(draft.rule, ensure_ascii=False, indent=2) if draft.rule is not None else "",
        topic=draft.topic or "",
        follows_id=_said(draft.follows_id),
        follows=draft.follows or "",
        text=draft.text,
        keys=keys_of(draft.buttons),
        media=tuple(Medium(str(one.get("kind", "photo")), str(one.get("file", ""))) for one in draft.media),
        copied=json.dumps(draft.copied) if draft.copied is not None else "",
        offer=_said(draft.offer_id),
        pieces=tuple(_pieces_of(draft)),
        share_a=next((_said(one.get("share")) for one in draft.variants if one.get("key") == MAIN), ""),
        test_percent=_said(draft.test_percent),
        winner_by=draft.winner_by or "",
        winner_after_minutes=_said(draft.winner_after_minutes),
        holdout_percent=_said(draft.holdout_percent),
        attribution_days=_said(draft.attribution_days),
        timing=draft.timing,
        send_at=_local(draft.send_at, zone),
        send_at_exact=draft.send_at.isoformat() if draft.send_at else "",
        local_at=draft.local_at or "",
        series_every=str(series.get("every") or ""),
        series_at=str(series.get("at") or ""),
        series_on=() if monthly else days,
        series_dates=", ".join(days) if monthly else "",
        series_zone=str(series.get("zone") or ""),
        spread_minutes=_said(draft.spread_minutes),
        freeze_early=_box(draft.freeze_early),
        no_preview=_box(not draft.link_preview),
        silent=_box(draft.silent),
        paid=_box(draft.paid),
        ignores_quiet=_box(draft.ignores_quiet),
        on_unknown=draft.on_unknown,
        rate=f"{draft.rate:g}" if draft.rate is not None else "",
    )


def draft_from(form: Written, zone: ZoneInfo) -> tuple[Draft, list[Invalid]]:
    """The draft, and what could not be read of it."""
    reading = Reading()
    draft = Draft(
        title=form.title,
        include=list(form.include),
        exclude=list(form.exclude),
        rule=reading.take(lambda: _rule(form.rule), None),
        topic=form.topic or None,
        follows_id=_id(form.follows_id),
        follows=form.follows or None,
        text=_lines(form.text),
        buttons=as_json(form.keys),
        media=[{"kind": one.kind, "file": one.file} for one in form.media],
        copied=json.loads(form.copied) if _is_json(form.copied) else None,
        offer_id=_id(form.offer),
        versions={one.language: _version(one) for one in form.pieces if one.language and not one.variant},
        variants=_variants(form),
        test_percent=reading.take(lambda: number(form.test_percent, "test_percent"), 100),
        winner_by=form.winner_by or None,
        winner_after_minutes=reading.take(
            lambda: number_or_none(form.winner_after_minutes, "winner_after_minutes"), None
        ),
        holdout_percent=reading.take(lambda: number_or_none(form.holdout_percent, "holdout_percent"), None) or 0,
        attribution_days=reading.take(lambda: number(form.attribution_days, "attribution_days"), 7),
        timing=Timing(form.timing) if form.timing in set(Timing) else Timing.NOW,
        send_at=reading.take(lambda: _moment(form, zone), None),
        local_at=form.local_at or None,
        series=_series(form),
        spread_minutes=reading.take(lambda: number_or_none(form.spread_minutes, "spread_minutes"), None) or 0,
        freeze_early=bool(form.freeze_early),
        link_preview=not form.no_preview,
        silent=bool(form.silent),
        paid=bool(form.paid),
        ignores_quiet=bool(form.ignores_quiet),
        on_unknown=form.on_unknown,
        rate=reading.take(lambda: _rate(form.rate), None),
    )
    return draft, reading.mistakes


def mistakes_at(mistakes: Iterable[Invalid], form: Written, words: Words) -> Errors:
    """Each mistake at its field; one in a button says in which row."""
    told: Errors = {}
    for mistake in mistakes:
        said, (place, row) = sentence(mistake, words), _place(mistake.where or ("",), form)
        if row is not None:
            said = words.gettext("Row %(row)d: %(mistake)s") % {"row": row + 1, "mistake": said}
        told.setdefault(place, said)
    return told


def shown(text: str) -> Markup:
    """Telegram's HTML for our page; whatever could do more than look is taken out."""
    cleaned = nh3.clean(text.strip(), tags=TAGS, attributes=ATTRIBUTES, url_schemes={"http", "https", "tg"})
    return Markup(cleaned)  # nosec B704  # cleaned a line above


def picture(photo: str | None) -> str:
    """What names the picture: the host it comes from, or its file id."""
    try:
        return (urlsplit(photo).hostname or photo) if photo else ""
    except ValueError:  # half an address
        return photo or ""


def file_of(media: Sequence[Mapping[str, object]]) -> str:
    return str(media[0]["file"]) if media else ""


def _read_piece(told: Mapping[str, str], n: int) -> Piece:
    said = {name: told.get(f"piece-{n}-{name}", "") for name in ("variant", "language", "text", "share")}
    own = told.get(f"piece-{n}-own") == ON
    return Piece(**said, keys=read_keys(told, f"b{n + 1}") if own else None)


def _pieces_of(draft: Draft) -> Iterable[Piece]:
    for language, one in draft.versions.items():
        yield _piece("", language, one)
    for variant in draft.variants:
        if variant.get("key") == MAIN:
            continue
        yield _piece(str(variant.get("key") or ""), "", variant)
        for language, one in (variant.get("versions") or {}).items():
            yield _piece(str(variant.get("key") or ""), language, one)


def _piece(variant: str, language: str, one: Mapping[str, Any]) -> Piece:  # Any: JSON
    keys = keys_of(one["buttons"]) if one.get("buttons") is not None else None
    return Piece(variant, language, str(one.get("text") or ""), _said(one.get("share")), keys)


def _variants(form: Written) -> list[Json]:
    found: list[Json] = [{"key": MAIN, "share": _share(form.share_a)}] if form.share_a else []
    for one in form.variants:
        share = {"share": _share(one.share)} if one.share else {}
        inner = [piece for piece in form.pieces if piece.variant == one.variant and piece.language]
        versions = {"versions": {piece.language: _version(piece) for piece in inner}} if inner else {}
        found.append({"key": one.variant, **_version(one), **share, **versions})
    return found


def _version(one: Piece) -> Json:
    text = {"text": _lines(one.text)} if one.text.strip() else {}
    return {**text, **({"buttons": as_json(one.keys)} if one.keys is not None else {})}


def _series(form: Written) -> Json | None:
    """Kept while another time is chosen, so that one may look at both."""
    if form.timing != Timing.SERIES and not form.series_at:
        return None
    every = form.series_every or Every.DAILY
    on = {Every.WEEKLY: list(form.series_on), Every.MONTHLY: form.series_dates.replace("，", ",").split(",")}.get(
        Every(every) if every in set(Every) else Every.DAILY
    )
    days = {"on": [_whole(one) for one in on if one.strip()]} if on is not None else {}
    return {"every": every, "at": form.series_at, **days, **({"zone": form.series_zone} if form.series_zone else {})}


def _moment(form: Written, zone: ZoneInfo) -> datetime | None:
    if not form.send_at.strip():
        return None
    try:
        exact = datetime.fromisoformat(form.send_at_exact) if form.send_at_exact else None
        if exact and exact.tzinfo and _local(exact, zone) == form.send_at:
            return exact.astimezone(UTC)
        return parse_moment(form.send_at, zone)
    except (ValueError, OverflowError):
        raise Invalid("choose a day and a time", where=("send_at",)) from None


def _local(moment: datetime | None, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M") if moment else ""


def _rule(text: str) -> Json | None:
    if not text.strip():
        return None
    try:
        rule = json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid("this is no rule: copy one from a segment, or build it there", where=("rule",)) from None
    if not isinstance(rule, dict):
        raise Invalid("this is no rule: copy one from a segment, or build it there", where=("rule",))
    return rule


def _rate(text: str) -> float | None:
    try:
        rate = float(text) if text.strip() else None
    except ValueError:
        rate = math.nan
    if rate is not None and not math.isfinite(rate):
        raise Invalid("write a number", where=("rate",))
    return rate


def _place(where: Where, form: Written) -> tuple[str, int | None]:
    """The id of the field that a mistake is about, and the row of buttons it is in."""
    match where:
        case ("versions", str(language), *rest):
            return _place_in(form, "", language, tuple(rest))
        case ("variants", int(n), "versions", str(language), *rest):
            return _place_in(form, _variant(form, n), language, tuple(rest))
        case ("variants", int(n), *rest):
            return _place_in(form, _variant(form, n), "", tuple(rest))
        case ("buttons", *rest):
            return _key_place("b0", tuple(rest))
        case ("media", int(n), *_):
            return f"media-{n}-file", None
        case ("series", str(part), *_):
            return f"series_{part}", None
        case _:
            return str(where[0]), None


def _place_in(form: Written, variant: str, language: str, rest: Where) -> tuple[str, int | None]:
    found = (
        n for n, one in enumerate(form.pieces) if (one.variant, one.language.lower()) == (variant, language.lower())
    )
    n = next(found, None)
    if n is None:
        return ("share_a" if "share" in rest else "variants"), None
    if rest[:1] == ("buttons",):
        return _key_place(f"b{n + 1}", rest[1:])
    return (
        f"piece-{n}-{'share' if 'share' in rest else 'text' if 'text' in rest else 'language' if language else 'text'}",
        None,
    )


def _variant(form: Written, n: int) -> str:
    keys = [*([MAIN] if form.share_a else []), *(one.variant for one in form.variants)]
    return keys[n] if n < len(keys) else ""


def _key_place(prefix: str, rest: Where) -> tuple[str, int | None]:
    match rest:
        case (int(row), int(place), *what):
            return f"{prefix}-{row}-{place}-{'text' if 'text' in what else 'value'}", row
        case _:
            return ("buttons" if prefix == "b0" else f"{prefix}-add"), None


def _numbers(told: Mapping[str, str], kind: str) -> list[int]:
    """Which of `media-0-kind`, `piece-1-text`, … there are."""
    mark = "kind" if kind == "media" else "variant"
    parts = (name.split("-") for name in told if name.startswith(f"{kind}-") and name.endswith(f"-{mark}"))
    return sorted(int(part[1]) for part in parts if len(part) == 3 and PLACE.fullmatch(part[1]))


def _said(value: object) -> str:
    return "" if value is None else str(value)


def _box(ticked: object) -> str:
    return ON if ticked else ""


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")


def _whole(text: str) -> int | str:
    """What is no number is told where it stands by whoever reads it."""
    plain = text.strip()
    return int(plain) if plain.isascii() and plain.isdecimal() and len(plain) <= 15 else plain


_share = _whole


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict) if text else False
    except (ValueError, RecursionError):
        return False


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else None
