"""The links themselves: made, paid for, put away; and the channel each stands for."""

import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import delete, update
from sqlmodel import col, select

from siyu.audit import Actor, note
from siyu.kit.clock import local_day
from siyu.kit.codes import new_code
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.money import LARGEST_MAJOR, Money, exponent
from siyu.tables import Source, SourceCost

CHANNELS = ("search", "social", "email", "ads", "referral", "offline", "direct")
LONGEST_TITLE = 80
LONGEST_CODE = 62  # a start payload has 64 characters, two are `s_`
_CODE = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_CODE}}}")


async def channel_of(session: ReadSession, payload: str) -> str:
    """The channel a start payload tells: of a source link, `referral` for a friend's, else `direct`."""
    if payload.startswith("i_"):
        return "referral"
    if payload.startswith("s_"):
        source = await session.get(Source, payload.removeprefix("s_"))
        return source.channel if source else "direct"
    return "direct"


async def create_source(
    session: WriteSession,
    actor: Actor,
    *,
    title: str,
    channel: str,
    campaign: str = "",
    now: datetime,
    code: str | None = None,
) -> Source:
    """A link `/start s_CODE` to hand out. Raises Invalid with its place, and Conflict for a code that is taken."""
    title, campaign = _title(title), _short(campaign, "campaign")
    if channel not in CHANNELS:
        raise Invalid("%(channel)s is not a channel", channel=channel, where=("channel",))
    source = Source(code=_code(code), title=title, channel=channel, campaign=campaign, created_at=now)
    insert = session.insert(Source).values(source.model_dump()).on_conflict_do_nothing().returning(col(Source.code))
    if not await session.returning(insert):
        raise Conflict("there is a link with the code %(code)s already", code=source.code)
    told = {"title": title, "channel": channel, "campaign": campaign}
    await note(session, actor, "source.created", "source", source.code, now=now, **told)
    return source


async def get_source(session: ReadSession, code: str) -> Source:
    """Raises NotFound."""
    found = await session.get(Source, code)
    if found is None:
        raise NotFound("there is no link %(code)s", code=code)
    return found


async def list_sources(session: ReadSession) -> Sequence[Source]:
    """The newest first."""
    return await session.all(select(Source).order_by(col(Source.created_at).desc(), col(Source.code)))


async def book_cost(
    session: WriteSession, actor: Actor, code: str, money: Money, *, key: str, zone: ZoneInfo, now: datetime
) -> None:
    """Spent on a link today; the same key again changes nothing. Raises NotFound, and Invalid for nothing spent."""
    await get_source(session, code)
    if not 0 < money.minor <= LARGEST_MAJOR * 10 ** exponent(money.currency):
        raise Invalid("write what it cost, above 0 and at most 10,000,000", where=("cost",))
    spent = {"amount_minor": money.minor, "currency": money.currency}
    row = {"key": key, "code": code, "day": local_day(now, zone), "at": now, **spent}
    insert = session.insert(SourceCost).values(row).on_conflict_do_nothing().returning(col(SourceCost.id))
    if await session.returning(insert):
        await note(session, actor, "source.cost_booked", "source", code, now=now, **spent)


async def costs_of(session: ReadSession, code: str) -> Sequence[SourceCost]:
    """The newest first."""
    return await session.all(
        select(SourceCost).where(SourceCost.code == code).order_by(col(SourceCost.id).desc()).limit(100)
    )


async def delete_cost(session: WriteSession, actor: Actor, code: str, cost_id: int, *, now: datetime) -> None:
    """One that was booked by mistake; gone already is gone."""
    gone = delete(SourceCost).where(col(SourceCost.id) == cost_id, col(SourceCost.code) == code)
    returned = gone.returning(col(SourceCost.amount_minor), col(SourceCost.currency))
    for minor, currency in await session.returning(returned):
        told = {"amount_minor": minor, "currency": currency}
        await note(session, actor, "source.cost_deleted", "source", code, now=now, **told)


async def retire(session: WriteSession, actor: Actor, code: str, *, now: datetime) -> None:
    """It is not handed out any more; posters still hang, so whoever scans one is still counted."""
    await _turn(session, actor, code, "source.retired", now, now)


async def revive(session: WriteSession, actor: Actor, code: str, *, now: datetime) -> None:
    await _turn(session, actor, code, "source.revived", None, now)


async def _turn(session: WriteSession, actor: Actor, code: str, deed: str, at: datetime | None, now: datetime) -> None:
    await get_source(session, code)
    before = col(Source.retired_at).is_(None) if at else col(Source.retired_at).is_not(None)
    turned = update(Source).where(col(Source.code) == code, before).values(retired_at=at).returning(col(Source.code))
    if await session.returning(turned):
        await note(session, actor, deed, "source", code, now=now)


def _title(text: str) -> str:
    if not text.strip():
        raise Invalid("a source needs a title", where=("title",))
    return _short(text, "title")


def _short(text: str, place: str) -> str:
    if len(text.strip()) > LONGEST_TITLE:
        raise Invalid("at most %(most)d characters", most=LONGEST_TITLE, where=(place,))
    return text.strip()


def _code(code: str | None) -> str:
    if code is None:
        return new_code()
    if not _CODE.fullmatch(code):
        raise Invalid("a code is 1 to %(most)d of A-Z, a-z, 0-9, _ and -", most=LONGEST_CODE, where=("code",))
    return code
