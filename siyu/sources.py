"""Source links: where a fan's first contact came from."""

from datetime import datetime

from sqlmodel import col, select

from siyu.audit import Actor, note
from siyu.kit.codes import new_code
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid
from siyu.tables import Source

CHANNELS = ("search", "social", "email", "ads", "referral", "offline", "direct")


async def channel_of(session: ReadSession, payload: str) -> str:
    """The channel a start payload tells: of a source link, `referral` for a friend's, else `direct`."""
    if payload.startswith("i_"):
        return "referral"
    if payload.startswith("s_"):
        source = await session.get(Source, payload.removeprefix("s_"))
        return source.channel if source else "direct"
    return "direct"


async def create_source(
    session: WriteSession, actor: Actor, *, title: str, channel: str, now: datetime, code: str | None = None
) -> Source:
    """A link `/start s_CODE` to hand out."""
    if not title.strip():
        raise Invalid("a source needs a title", where=("title",))
    if channel not in CHANNELS:
        raise Invalid("%(channel)s is not a channel", channel=channel, where=("channel",))
    source = Source(code=code or new_code(), title=title.strip(), channel=channel, created_at=now)
    session.add(source)
    await note(session, actor, "source.created", "source", source.code, now=now, title=source.title, channel=channel)
    return source


async def list_sources(session: ReadSession) -> list[Source]:
    return list(await session.all(select(Source).order_by(col(Source.created_at).desc())))
