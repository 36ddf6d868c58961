"""Source links, for programs."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from admin.api.doors import At, House, Moment, Reader, Reading, Shape, Writer, Writing
from siyu import home, sources
from siyu.app import App
from siyu.kit.clock import local_day
from siyu.kit.database import ReadSession
from siyu.kit.money import Money, known_currency
from siyu.sources import LinkResult, Overview
from siyu.transfer.rows import Named

router = APIRouter(prefix="/sources", tags=["sources"])

Code = Annotated[str, InPath(max_length=sources.LONGEST_CODE)]
Days = Annotated[
    int, Query(ge=0, le=3650, description="Fans who came in the last so many days; 0: since the beginning.")
]


class SourceDraft(BaseModel):
    """A link to hand out."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(max_length=sources.LONGEST_TITLE)
    channel: Literal["search", "social", "email", "ads", "referral", "offline", "direct"]
    campaign: str = Field("", max_length=sources.LONGEST_TITLE)
    code: str | None = Field(None, description="A code of your own, so that repeating it makes no second link (409).")


class SourceCostGiven(BaseModel):
    """Money spent on a link, counted today."""

    model_config = ConfigDict(extra="forbid")

    amount_minor: int = Field(gt=0, le=10_000_000_000)
    currency: str | None = Field(None, description="The community's own, unless told.")
    idempotency_key: Named = Field(description="The same key again books nothing more.")


class CostShown(Shape):
    amount_minor: int
    currency: str


class ResultShown(Shape):
    joined: int = Field(description="Fans whose very first contact was by it, in the period.")
    active: int = Field(description="Of them, who did something in the last 30 days.")
    buyers: int = Field(description="Of them, who have bought.")
    orders: int = Field(description="Their days with a purchase, until now.")
    revenue_minor: int = Field(description="What they paid until now less refunds, in the main currency.")
    cost_minor: int = Field(description="Booked in the period, in the main currency.")
    other_costs: list[CostShown] = Field(description="Booked in other currencies; never converted.")
    roi: float | None = Field(description="(revenue − cost) / cost; null without a cost or with one not converted.")
    verdict: sources.Verdict = Field(description="`wait`: there is not enough data yet.")
    reason: str = Field(description="Why, as a sentence.")


class SourceShown(ResultShown):
    code: str
    title: str
    channel: str
    campaign: str
    link: str | None = Field(description="Null before the bot's first start.")
    created_at: datetime
    retired_at: datetime | None


class ChannelShown(ResultShown):
    channel: str


class Sources(Shape):
    """Every link, the newest first, and every channel, the biggest first."""

    currency: str
    as_of: date
    items: list[SourceShown]
    channels: list[ChannelShown]


@router.get("", summary="What each link and channel brought")
async def list_all(program: Reader, session: Reading, at: At, app: House, days: Days = 90) -> Sources:
    seen = await _overview(session, app, at, days)
    bot = await _bot(session)
    channels = [ChannelShown(channel=one.channel, **_result(one)) for one in seen.channels]
    items = [_shown(one, bot) for one in seen.links]
    return Sources(currency=app.settings.currency, as_of=local_day(at.now, at.zone), items=items, channels=channels)


@router.post("", summary="Make a link", status_code=201)
async def create(draft: SourceDraft, program: Writer, session: Writing, at: At, app: House) -> SourceShown:
    made = await sources.create_source(session, program.actor, **draft.model_dump(), now=at.now)
    return await _one(session, app, at, made.code)


@router.post("/{code}/costs", summary="Book what a link cost")
async def book(
    code: Code, given: SourceCostGiven, program: Writer, session: Writing, at: At, app: House
) -> SourceShown:
    money = Money(given.amount_minor, known_currency(given.currency or app.settings.currency))
    key = f"{program.actor.key}:{given.idempotency_key}"
    await sources.book_cost(session, program.actor, code, money, key=key, zone=at.zone, now=at.now)
    return await _one(session, app, at, code)


async def _overview(session: ReadSession, app: App, at: Moment, days: int) -> Overview:
    today = local_day(at.now, at.zone)
    return await sources.overview(session, days=days or None, currency=app.settings.currency, today=today)


async def _one(session: ReadSession, app: App, at: Moment, code: str) -> SourceShown:
    found, today = await sources.get_source(session, code), local_day(at.now, at.zone)
    one = await sources.result_of(session, found, days=None, currency=app.settings.currency, today=today)
    return _shown(one, await _bot(session))


async def _bot(session: ReadSession) -> str | None:
    account = await home.bot_account(session)
    return account.username if account else None


def _shown(one: LinkResult, bot: str | None) -> SourceShown:
    source = one.source
    told = {
        name: getattr(source, name) for name in ("code", "title", "channel", "campaign", "created_at", "retired_at")
    }
    link = f"https://t.me/{bot}?start=s_{source.code}" if bot else None
    return SourceShown(**told, link=link, **_result(one))


def _result(one: LinkResult | sources.ChannelResult) -> dict[str, object]:
    names = ("joined", "active", "buyers", "orders", "revenue_minor", "cost_minor", "roi")
    return {
        **{name: getattr(one.result, name) for name in names},
        "other_costs": [CostShown(amount_minor=cost.minor, currency=cost.currency) for cost in one.result.other_costs],
        "verdict": one.advice.verdict,
        "reason": one.advice.reason % one.advice.values,
    }
