"""Consents: what a fan agreed to, by purpose, with the sentence that was shown; taken back as easily as given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete
from sqlmodel import col, select

from siyu import fans
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.wording import phrase
from siyu.tables import Consent, Fan, GeneralOnly, Purpose, Way


@dataclass(frozen=True)
class Text:
    """A sentence as fans see it, a message id; another sentence is another version."""

    version: int
    sentence: str


@dataclass(frozen=True)
class Standing:
    """A purpose with its sentence, whether it is agreed to, and what was said last if anything was."""

    purpose: Purpose
    sentence: str
    granted: bool
    said: Consent | None


TEXTS: Mapping[Purpose, Text] = {
    Purpose.MESSAGES: Text(1, phrase("We write to you here when something is new or on offer.")),
    Purpose.PROFILING: Text(1, phrase("What we write is chosen by what you do and buy here.")),
}


async def agree_at_first(session: WriteSession, fan: Fan, *, language: str, now: datetime) -> None:
    """A newcomer was shown every sentence, and how to take it back."""
    session.add(*(_said(fan, purpose, True, Way.START, language, now) for purpose in TEXTS))


async def change(
    session: WriteSession, fan: Fan, purpose: Purpose, granted: bool, *, way: Way, language: str, now: datetime
) -> None:
    """Say it and have it so; what stands already is not said again."""
    if (await standing(session, fan))[purpose] is granted:
        return
    await _heed(session, fan, purpose, granted, now=now)
    session.add(_said(fan, purpose, granted, way, language, now))


async def standing(session: ReadSession, fan: Fan) -> dict[Purpose, bool]:
    """How it stands: nothing is assumed of whoever came before these words were kept but what they chose then."""
    general = await session.first(select(GeneralOnly.fan_id).where(GeneralOnly.fan_id == fan.id))
    return {Purpose.MESSAGES: fan.muted_at is None, Purpose.PROFILING: general is None}


async def overview(session: ReadSession, fan: Fan) -> list[Standing]:
    """Every purpose as it stands, to show."""
    said: dict[Purpose, Consent] = {}
    for one in await history(session, fan.id or 0):
        said.setdefault(one.purpose, one)
    now = await standing(session, fan)
    return [Standing(purpose, text.sentence, now[purpose], said.get(purpose)) for purpose, text in TEXTS.items()]


async def history(session: ReadSession, fan_id: int) -> Sequence[Consent]:
    """Everything a fan said about it, the latest first."""
    return await session.all(select(Consent).where(Consent.fan_id == fan_id).order_by(col(Consent.id).desc()))


async def _heed(session: WriteSession, fan: Fan, purpose: Purpose, granted: bool, *, now: datetime) -> None:
    if purpose is Purpose.MESSAGES:
        await (fans.unmute if granted else fans.mute)(session, fan, now=now)
    elif granted:
        await session.run(delete(GeneralOnly).where(col(GeneralOnly.fan_id) == fan.id))
    else:
        once = session.insert(GeneralOnly).on_conflict_do_nothing()
        await session.run(once, {"fan_id": fan.id, "at": now})


def _said(fan: Fan, purpose: Purpose, granted: bool, way: Way, language: str, now: datetime) -> Consent:
    return Consent(
        fan_id=fan.id or 0,
        purpose=purpose,
        granted=granted,
        text_version=TEXTS[purpose].version,
        language=language,
        way=way,
        at=now,
    )
