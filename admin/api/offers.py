"""Offers, for programs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlmodel import col, select

from admin.api.doors import At, House, Reader, Reading, Shape, Writer, Writing
from siyu import coupons, segments
from siyu.broadcasts.comparing import uplift
from siyu.coupons import NewOffer
from siyu.kit.database import ReadSession
from siyu.kit.money import known_currency
from siyu.operators import LARGEST_TELEGRAM_ID
from siyu.tables import Fan, Offer, OfferKind, OfferState
from siyu.transfer.rows import Moment as Time
from siyu.transfer.rows import Named, TelegramId, utc

router = APIRouter(prefix="/offers", tags=["offers"])

Minor = Annotated[int, Field(ge=0, le=10_000_000_000)]
OfferId = Annotated[int, InPath(ge=1, le=LARGEST_TELEGRAM_ID)]


class OfferDraft(BaseModel):
    """A new offer; amounts are minor units of its currency."""

    model_config = ConfigDict(extra="forbid")

    title: str
    kind: Literal["amount", "percent", "gift", "exchange"]
    value: Minor = Field(0, description="Minor units for `amount`, whole percent for `percent`, else nothing.")
    basis_points: int | None = Field(None, ge=1, le=10_000, description="Instead of `value`: 1250 is 12.5 %.")
    currency: str | None = Field(None, description="The community's own, unless told.")
    min_spend_minor: Minor = 0
    max_discount_minor: Minor | None = None
    stock: Minor
    per_fan: Minor = 1
    ends_at: Time
    valid_days: Minor | None = Field(None, description="Days a coupon is good after its claim, never beyond ends_at.")
    budget_minor: Minor | None = Field(
        None,
        description="The most all redemptions together may take off. Left out, with no max_discount_minor either, a"
        " percentage has no ceiling; people who open an offer in the browser are asked for one.",
    )
    products: list[str] = Field([], description="SKUs it is good for; with no category either: for everything.")
    categories: list[str] = []
    daily_cap: Minor | None = Field(None, description="Pieces on one of the community's days.")
    stack_group: str | None = Field(None, description="Of all offers with this word a fan holds one good coupon.")
    shared_code: str | None = Field(None, description="A word fans type to claim it, such as SPRING.")
    holdout_percent: int = Field(0, ge=0, le=50, description="Of a segment it is issued to, who get none, to compare.")

    @model_validator(mode="after")
    def _one_percentage(self) -> Self:
        if self.basis_points is not None and (self.kind != "percent" or self.value):
            raise ValueError("basis_points stands instead of value, for a percent offer")
        return self


class OfferShown(Shape):
    id: int
    code: str = Field(description="A fan claims it with the link `?start=o_CODE`.")
    title: str
    kind: OfferKind
    value: int
    basis_points: int | None
    currency: str
    min_spend_minor: int
    max_discount_minor: int | None
    stock: int
    per_fan: int
    ends_at: datetime
    valid_days: int | None
    budget_minor: int | None
    ceiling_minor: int | None = Field(description="The most it can cost; null: nobody can say, and it stays a draft.")
    products: list[str]
    categories: list[str]
    daily_cap: int | None
    stack_group: str | None
    shared_code: str | None
    holdout_percent: int
    state: OfferState
    claimed: int
    redeemed: int
    spent_minor: int


class IssueOrder(BaseModel):
    """To a segment, or to these fans."""

    model_config = ConfigDict(extra="forbid")

    segment: str | None = None
    telegram_ids: list[TelegramId] | None = Field(None, max_length=1_000)
    idempotency_key: Named = Field(description="The same key again issues nothing more.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.segment is None) == (self.telegram_ids is None):
            raise ValueError("give either segment or telegram_ids")
        return self


class IssueAnswer(Shape):
    issued: int
    already: int = Field(description="Fans who have had as many as each may have, or this very issue.")
    refused: int = Field(description="Fans the stock did not reach or the lot left out, and ids nobody knows.")


class PausedAnswer(Shape):
    paused: int


class WayShown(Shape):
    way: str
    claimed: int
    redeemed: int


class ChannelShown(Shape):
    channel: str
    redeemed: int
    currency: str
    discount_minor: int
    revenue_minor: int = Field(description="What was paid after the discount.")


class UpliftShown(Shape):
    treated: int
    bought: int
    held: int
    held_bought: int
    difference: float
    low: float
    high: float
    enough: bool


class ResultsAnswer(Shape):
    ways: list[WayShown]
    channels: list[ChannelShown]
    uplift: UpliftShown | None


class RevokedAnswer(Shape):
    revoked: int
    held: int = Field(description="Coupons in a payment under way; ask again in half an hour.")


class CodesOrder(BaseModel):
    """Codes printed elsewhere, or so many new ones."""

    model_config = ConfigDict(extra="forbid")

    codes: list[str] | None = Field(None, max_length=10_000)
    print: int | None = Field(None, ge=1, le=10_000, description="So many fresh codes; GET lists them.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.codes is None) == (self.print is None):
            raise ValueError("give either codes or print")
        return self


class CodeRejected(Shape):
    place: int = Field(description="In the list, from 1.")
    code: str
    reason: str = Field(description="`check`: mistyped; `malformed`; `taken`: of another offer or a coupon.")


class CodesAnswer(Shape):
    added: int
    known: int
    rejected: list[CodeRejected]


class CodeShown(Shape):
    code: str
    taken_at: datetime | None


class CodesPage(Shape):
    items: list[CodeShown]
    next: str | None


@router.post("", summary="Draft an offer")
async def create(draft: OfferDraft, program: Writer, session: Writing, at: At, app: House) -> OfferShown:
    """Nobody can claim a draft; activate it."""
    given = draft.model_dump(exclude={"kind", "currency", "ends_at", "basis_points"})
    if draft.basis_points is not None:
        given |= {"value": draft.basis_points // 100, "hundredths": draft.basis_points % 100}
    given |= {"products": tuple(draft.products), "categories": tuple(draft.categories)}
    currency = known_currency(draft.currency or app.settings.currency)
    offer = NewOffer(**given, kind=OfferKind(draft.kind), currency=currency, ends_at=utc(draft.ends_at, at.zone))
    return _shown(await coupons.create(session, program.actor, offer, now=at.now))


@router.post("/pause", summary="Pause every open offer at once")
async def pause_all(program: Writer, session: Writing, at: At) -> PausedAnswer:
    """For when something is wrong. Coupons handed out stay good; `revoke` takes those of one offer back."""
    return PausedAnswer(paused=await coupons.pause_all(session, program.actor, now=at.now))


@router.get("/{offer_id}", summary="One offer and its counters")
async def get(offer_id: OfferId, program: Reader, session: Reading) -> OfferShown:
    return _shown(await coupons.get_offer(session, offer_id))


@router.post("/{offer_id}/activate", summary="Let fans claim it")
async def activate(offer_id: OfferId, program: Writer, session: Writing, at: At) -> OfferShown:
    return _shown(await coupons.activate(session, program.actor, offer_id, at_any_price=True, now=at.now))


@router.post("/{offer_id}/pause", summary="No new claims; coupons handed out stay good")
async def pause(offer_id: OfferId, program: Writer, session: Writing, at: At) -> OfferShown:
    return _shown(await coupons.pause(session, program.actor, offer_id, now=at.now))


@router.post("/{offer_id}/issue", summary="Give a coupon to each of these fans")
async def issue(offer_id: OfferId, order: IssueOrder, program: Writer, at: At, app: House) -> IssueAnswer:
    """By the thousand, each in a transaction of its own: broken off, the same key goes on where it was."""
    async with app.database.reading() as session:
        await coupons.get_offer(session, offer_id)
        fans, strangers = await _meant(session, order)
    done = await coupons.hand_out(
        app.database, program.actor, offer_id, fans, key=order.idempotency_key, zone=at.zone, clock=app.clock
    )
    return IssueAnswer(issued=done.issued, already=done.already, refused=done.refused + done.held_out + strangers)


@router.get("/{offer_id}/results", summary="How it was claimed, where it was used, what was paid")
async def results(offer_id: OfferId, program: Reader, session: Reading) -> ResultsAnswer:
    """`uplift`: how many more of those it was issued to bought within 30 days than of those left out by lot."""
    found = await coupons.effects(session, offer_id)
    arms = found.compared
    against = uplift(arms.treated, arms.bought, arms.held, arms.held_bought) if arms else None
    return ResultsAnswer(
        ways=[WayShown.model_validate(way) for way in found.ways],
        channels=[
            ChannelShown(
                channel=till.channel, redeemed=till.redeemed, currency=till.discount.currency,
                discount_minor=till.discount.minor, revenue_minor=till.revenue.minor,
            )
            for till in found.tills
        ],
        uplift=UpliftShown.model_validate(against) if against else None,
    )  # fmt: skip


@router.post("/{offer_id}/revoke", summary="Take back every unused coupon of a paused offer")
async def revoke(offer_id: OfferId, program: Writer, session: Writing, at: At) -> RevokedAnswer:
    """Refused with 409 `active` while it is open: pause it first."""
    return RevokedAnswer.model_validate(await coupons.revoke(session, program.actor, offer_id, now=at.now))


@router.post("/{offer_id}/codes", summary="Codes that claim it, one coupon each")
async def add_codes(offer_id: OfferId, order: CodesOrder, program: Writer, session: Writing, at: At) -> CodesAnswer:
    """The same codes again add none. Never more than the offer has pieces."""
    if order.print is not None:
        added = await coupons.print_codes(session, program.actor, offer_id, order.print, now=at.now)
        return CodesAnswer(added=added, known=0, rejected=[])
    done = await coupons.import_codes(session, program.actor, offer_id, order.codes or [], now=at.now)
    rejected = [CodeRejected(place=place, code=code, reason=why) for place, code, why in done.rejected]
    return CodesAnswer(added=done.added, known=done.known, rejected=rejected)


@router.get("/{offer_id}/codes", summary="The codes of an offer, a thousand a page")
async def list_codes(
    offer_id: OfferId, program: Reader, session: Reading, cursor: Annotated[str | None, Query(max_length=64)] = None
) -> CodesPage:
    await coupons.get_offer(session, offer_id)
    page = await coupons.list_codes(session, offer_id, cursor=cursor)
    return CodesPage(items=[CodeShown.model_validate(one) for one in page.items], next=page.next)


async def _meant(session: ReadSession, order: IssueOrder) -> tuple[Sequence[int], int]:
    """Their ids with us, and how many nobody knows."""
    if order.segment is not None:
        return await session.all(await segments.audience(session, order.segment)), 0
    wanted = set(order.telegram_ids or ())
    known = await session.all(select(col(Fan.id)).where(col(Fan.telegram_id).in_(wanted)))
    return [fan_id for fan_id in known if fan_id is not None], len(wanted) - len(known)


def _shown(offer: Offer) -> OfferShown:
    most, is_share = coupons.ceiling(offer), offer.kind is OfferKind.PERCENT
    seen = {name: getattr(offer, name) for name in OfferShown.model_fields if hasattr(offer, name)}
    points = offer.basis_points if is_share else None
    return OfferShown(**{**seen, "basis_points": points, "ceiling_minor": most.minor if most else None})
