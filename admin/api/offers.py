"""Offers, for programs."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlmodel import col, select

from admin.api.doors import At, House, Moment, Reader, Reading, Shape, Writer, Writing
from siyu import audit, coupons, segments
from siyu.coupons import NewOffer
from siyu.kit.database import WriteSession
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
    kind: Literal["amount", "percent", "gift"]
    value: Minor = Field(0, description="Minor units for `amount`, whole percent for `percent`, nothing for `gift`.")
    currency: str | None = Field(None, description="The community's own, unless told.")
    min_spend_minor: Minor = 0
    max_discount_minor: Minor | None = None
    stock: Minor
    per_fan: Minor = 1
    ends_at: Time
    valid_days: Minor | None = Field(None, description="Days a coupon is good after its claim, never beyond ends_at.")
    budget_minor: Minor | None = Field(None, description="The most all redemptions together may take off.")


class OfferShown(Shape):
    id: int
    code: str = Field(description="A fan claims it with the link `?start=o_CODE`.")
    title: str
    kind: OfferKind
    value: int
    currency: str
    min_spend_minor: int
    max_discount_minor: int | None
    stock: int
    per_fan: int
    ends_at: datetime
    valid_days: int | None
    budget_minor: int | None
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
    refused: int = Field(description="Fans the stock did not reach, and ids nobody knows.")


@router.post("", summary="Draft an offer")
async def create(draft: OfferDraft, program: Writer, session: Writing, at: At, app: House) -> OfferShown:
    """Nobody can claim a draft; activate it."""
    given = draft.model_dump(exclude={"kind", "currency", "ends_at"})
    currency = known_currency(draft.currency or app.settings.currency)
    offer = NewOffer(**given, kind=OfferKind(draft.kind), currency=currency, ends_at=utc(draft.ends_at, at.zone))
    return _shown(await coupons.create(session, program.actor, offer, now=at.now))


@router.get("/{offer_id}", summary="One offer and its counters")
async def get(offer_id: OfferId, program: Reader, session: Reading) -> OfferShown:
    return _shown(await coupons.get_offer(session, offer_id))


@router.post("/{offer_id}/activate", summary="Let fans claim it")
async def activate(offer_id: OfferId, program: Writer, session: Writing, at: At) -> OfferShown:
    return _shown(await coupons.activate(session, program.actor, offer_id, now=at.now))


@router.post("/{offer_id}/pause", summary="No new claims; coupons handed out stay good")
async def pause(offer_id: OfferId, program: Writer, session: Writing, at: At) -> OfferShown:
    return _shown(await coupons.pause(session, program.actor, offer_id, now=at.now))


@router.post("/{offer_id}/issue", summary="Give a coupon to each of these fans")
async def issue(offer_id: OfferId, order: IssueOrder, program: Writer, session: Writing, at: At) -> IssueAnswer:
    await coupons.get_offer(session, offer_id)
    if order.segment is not None:
        issued = await _to_segment(session, offer_id, order, at)
    else:
        issued = await _to_fans(session, offer_id, order, at)
    counts = issued.model_dump()
    await audit.note(session, program.actor, "offer.issued", "offer", offer_id, now=at.now, **counts)
    return issued


async def _to_segment(session: WriteSession, offer_id: int, order: IssueOrder, at: Moment) -> IssueAnswer:
    fans = await segments.audience(session, order.segment or "")
    done = await coupons.issue(session, offer_id, fans, key=order.idempotency_key, zone=at.zone, now=at.now)
    return IssueAnswer.model_validate(done)


async def _to_fans(session: WriteSession, offer_id: int, order: IssueOrder, at: Moment) -> IssueAnswer:
    wanted = set(order.telegram_ids or ())
    known = await session.all(select(col(Fan.id)).where(col(Fan.telegram_id).in_(wanted)))
    ids = [fan_id for fan_id in known if fan_id is not None]
    done = await coupons.issue(session, offer_id, ids, key=order.idempotency_key, zone=at.zone, now=at.now)
    strangers = len(wanted) - len(ids)
    return IssueAnswer(issued=done.issued, already=done.already, refused=done.refused + strangers)


def _shown(offer: Offer) -> OfferShown:
    return OfferShown.model_validate(offer)
