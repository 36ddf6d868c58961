"""A broadcast's draft, as programs write it, and mistakes in it, at the field they wrote."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from string import ascii_lowercase
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from siyu.broadcasts import Draft
from siyu.kit.errors import Invalid
from siyu.operators import LARGEST_TELEGRAM_ID
from siyu.tables import Timing
from siyu.transfer.rows import Moment as Time
from siyu.transfer.rows import utc

# Any: rows of {text, url?|action?, value?}, checked by the room that sends them
Rows = list[list[dict[str, Any]]]
MOST_LANGUAGES = 50  # of one text
SegmentKey = Annotated[str, Field(max_length=200)]
TELLS_WHEN = ("scheduled_at", "local_at", "series")


class Version(BaseModel):
    """The same in another language."""

    model_config = ConfigDict(extra="forbid")

    text: str
    buttons: Rows | None = Field(None, description="Instead of the broadcast's own.")


class Variant(BaseModel):
    """Another version of the text; the broadcast's own is `a`."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field("", max_length=16, description="A short name; `b`, `c` and so on, unless told.")
    text: str
    buttons: Rows = Field([], description="Instead of the broadcast's own.")
    versions: dict[str, Version] = Field({}, max_length=MOST_LANGUAGES, description="By language.")
    share: int | None = Field(None, ge=1, le=99, description="Percent of the fans; an equal part, unless told.")

    def as_json(self, n: int) -> dict[str, Any]:  # Any: JSON
        named = {"key": self.key or ascii_lowercase[n + 1], "text": self.text}
        own = {"buttons": self.buttons, "share": self.share, "versions": _versions(self.versions)}
        return named | {name: value for name, value in own.items() if value}


class Media(BaseModel):
    """A Telegram file id, or an address Telegram can fetch."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["photo", "video", "document"]
    file: str


class Copied(BaseModel):
    """A post in a chat the bot is in; every fan gets a copy."""

    model_config = ConfigDict(extra="forbid")

    chat_id: int = Field(ge=-LARGEST_TELEGRAM_ID, le=LARGEST_TELEGRAM_ID)
    message_id: int = Field(ge=1, le=LARGEST_TELEGRAM_ID)


class BroadcastDraft(BaseModel):
    """One message to some segments, or to whom a rule fits."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(description="For yourselves; fans do not see it.")
    segment: SegmentKey | None = Field(None, description="Key of a segment, e.g. `loyalty.at_risk`.")
    segments: list[SegmentKey] = Field([], max_length=100, description="In any of several; with `rule`, who fits both.")
    exclude: list[SegmentKey] = Field([], max_length=100, description="And in none of these segments.")
    # Any: the contract's RULE, checked by the room of segments
    rule: dict[str, Any] | None = Field(
        None, validate_default=True, description="Whom it goes to, where no segment says it."
    )
    topic: str | None = Field(None, max_length=64, description="Fans who declined this topic do not get it.")
    freeze_early: bool = Field(False, description="Who is in it is settled by `start`, not when it leaves.")
    ignores_quiet: bool = Field(False, description="For what must be known: no quiet hours, no weekly cap.")
    text: str = Field("", description="Telegram's HTML: <b> <i> <u> <s> <a> <code> <tg-spoiler> …")
    buttons: Rows = Field([], description="Rows of `{text, url}` or `{text, action, value?}`.")
    photo: str | None = Field(None, description="A Telegram file id, or an address Telegram can fetch.")
    media: list[Media] = Field([], max_length=10, description="Instead of `photo`; several are an album.")
    copied: Copied | None = Field(None, description="Instead of text and media: a post to copy.")
    versions: dict[str, Version] = Field(
        {}, max_length=MOST_LANGUAGES, description="The same in other languages: `en`, `zh-hans`."
    )
    offer: int | None = Field(None, ge=1, le=LARGEST_TELEGRAM_ID, description="An active offer: adds a Claim button.")
    link_preview: bool = True
    silent: bool = Field(False, description="Arrives without a sound.")
    scheduled_at: Time | None = Field(None, description="When `start` lets it go; at once, unless told.")
    local_at: str | None = Field(None, max_length=40, description="By each fan's own clock: `2026-12-24T18:00`.")
    # Any: {every, at, on?, zone?}, checked by the room of timing
    series: dict[str, Any] | None = Field(
        None, description='Again and again: `{"every": "daily|weekly|monthly", "at": "18:00", "on": [1], "zone"?}`.'
    )
    spread_minutes: int = Field(0, ge=0, le=7 * 24 * 60, description="Evenly over so many minutes.")
    holdout_percent: int = Field(0, ge=0, le=90, description="So many get nothing, to compare with.")
    variants: list[Variant] = Field([], max_length=7, description="Other versions of the text, by lot.")
    test_percent: int = Field(100, ge=1, le=100, description="So many get a variant; the others wait for the winner.")
    winner_by: Literal["clicks", "purchases"] | None = None
    winner_after_minutes: int | None = Field(None, ge=1, le=30 * 24 * 60)
    attribution_days: int = Field(7, ge=1, le=90, description="A purchase within these counts as the broadcast's.")
    on_unknown: Literal["leave", "resend"] = Field(
        "leave",
        description="After a crash it may be unknown whether a message arrived: leave it, or risk a second one.",
    )
    rate: float | None = Field(None, gt=0, description="Messages a second, below the bot's own pace.")
    paid: bool = Field(False, description="Beyond Telegram's free pace, for Stars.")

    @field_validator("rule")
    @classmethod
    def _somebody(cls, rule: dict[str, Any] | None, given: ValidationInfo) -> dict[str, Any] | None:
        one, some = given.data.get("segment") is not None, bool(given.data.get("segments"))
        # Whether it names anybody at all is the domain's to say: a follow-up need not.
        if one and (some or rule is not None):
            raise ValueError("give either segment, or segments or rule")
        return rule

    @model_validator(mode="after")
    def _one_moment(self) -> Self:
        if sum(getattr(self, name) is not None for name in TELLS_WHEN) > 1:
            raise ValueError("give one of scheduled_at, local_at and series")
        if self.photo and self.media:
            raise ValueError("give either photo or media")
        return self

    def draft(self, zone: ZoneInfo) -> Draft:
        same = {"variants", "versions", "media", "copied", *_CALLED_OTHERWISE}
        return Draft(
            **self.model_dump(exclude=same),
            include=(self.segment,) if self.segment is not None else tuple(self.segments),
            media=_media(self.photo, self.media),
            copied=self.copied.model_dump() if self.copied else None,
            versions=_versions(self.versions),
            offer_id=self.offer,
            variants=[one.as_json(n) for n, one in enumerate(self.variants)],
            timing=self._timing(),
            send_at=utc(self.scheduled_at, zone) if self.scheduled_at else None,
        )

    @contextmanager
    def in_our_words(self) -> Iterator[None]:
        """A mistake at the field that was written."""
        names: dict[str | int, str | int] = {
            "include": "segments" if self.segments else "segment",
            "send_at": "scheduled_at",
            "media": "photo" if self.photo else "media",
        }
        with renamed(names):
            yield

    def _timing(self) -> Timing:
        if self.series is not None:
            return Timing.SERIES
        if self.local_at is not None:
            return Timing.LOCAL
        return Timing.AT if self.scheduled_at else Timing.NOW


@contextmanager
def renamed(names: Mapping[str | int, str | int]) -> Iterator[None]:
    """What the domain calls otherwise than a program."""
    try:
        yield
    except Invalid as mistake:
        mistake.where = tuple(names.get(part, part) for part in mistake.where)
        raise


_CALLED_OTHERWISE = {"segment", "segments", "photo", "offer", "scheduled_at"}


def _media(photo: str | None, media: list[Media]) -> tuple[dict[str, str], ...]:
    if photo:
        return ({"kind": "photo", "file": photo},)
    return tuple(one.model_dump() for one in media)


def _versions(versions: Mapping[str, Version]) -> dict[str, dict[str, Any]]:  # Any: JSON
    return {language: one.model_dump(exclude_none=True) for language, one in versions.items()}
