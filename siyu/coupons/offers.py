"""Offers: what a coupon is worth, how many there are, and until when."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from siyu.audit import Actor, note
from siyu.kit.codes import new_code
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.money import LARGEST_MAJOR, Money, exponent
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.tables import Offer, OfferKind, OfferState

LARGEST_STOCK = 10_000_000
LONGEST_TITLE = 64


@dataclass(frozen=True)
class NewOffer:
    """What an operator fills in; amounts are minor units of `currency`."""

    title: str
    kind: OfferKind
    value: int  # minor units, or whole percent; not used for a gift
    currency: str
    stock: int
    ends_at: datetime
    per_fan: int = 1
    min_spend_minor: int = 0
    max_discount_minor: int | None = None
    valid_days: int | None = None
    budget_minor: int | None = None


async def create(session: WriteSession, actor: Actor, draft: NewOffer, *, now: datetime) -> Offer:
    """A draft: nobody can claim it before `activate`."""
    _check(draft)
    offer = Offer(code=new_code(), created_at=now, created_by=actor.key, **_columns(draft))
    session.add(offer)
    await session.flush()
    await note(session, actor, "offer.created", "offer", offer.id, now=now, title=offer.title)
    return offer


async def change(session: WriteSession, actor: Actor, offer_id: int, draft: NewOffer, *, now: datetime) -> Offer:
    """Rewrite a draft; once active, what fans were promised stays as it is."""
    offer = await get_offer(session, offer_id)
    if offer.state is not OfferState.DRAFT:
        raise Conflict("only a draft can be changed: fans already hold coupons of this offer", reason="not_a_draft")
    _check(draft)
    for name, value in _columns(draft).items():
        setattr(offer, name, value)
    session.add(offer)
    await session.flush()
    await note(session, actor, "offer.changed", "offer", offer.id, now=now, title=offer.title)
    return offer


async def activate(session: WriteSession, actor: Actor, offer_id: int, *, now: datetime) -> Offer:
    """From now on fans can claim it."""
    offer = await get_offer(session, offer_id)
    if offer.ends_at <= now:
        raise Conflict("this offer has already ended", reason="ended")
    return await _move(session, actor, offer, OfferState.ACTIVE, "offer.activated", now=now)


async def pause(session: WriteSession, actor: Actor, offer_id: int, *, now: datetime) -> Offer:
    """No new claims. Coupons already handed out keep their promise and stay good."""
    offer = await get_offer(session, offer_id)
    if offer.state is OfferState.DRAFT:
        raise Conflict("a draft cannot be paused", reason="not_active")
    return await _move(session, actor, offer, OfferState.PAUSED, "offer.paused", now=now)


async def get_offer(session: ReadSession, offer_id: int) -> Offer:
    offer = await session.get(Offer, offer_id)
    if offer is None:
        raise NotFound("there is no such offer")
    return offer


async def get_offer_by_code(session: ReadSession, code: str) -> Offer:
    """The offer of a deep link `o_CODE`."""
    offer = await session.first(select(Offer).where(Offer.code == code))
    if offer is None:
        raise NotFound("there is no such offer")
    return offer


async def list_offers(
    session: ReadSession, *, state: OfferState | None = None, cursor: str | None = None, limit: int = 50
) -> Page[Offer]:
    """The newest first."""
    statement = select(Offer).order_by(col(Offer.id).desc()).limit(limit + 1)
    if state:
        statement = statement.where(Offer.state == state)
    if cursor:
        statement = statement.where(col(Offer.id) < key_of(cursor, length=1)[0])
    found = await session.all(statement)
    return Page(found[:limit], cursor_of((found[limit - 1].id or 0,)) if len(found) > limit else None)


def ceiling(offer: Offer) -> Money | None:
    """The most this offer can ever cost; None when a percentage has neither a cap nor a budget."""
    dearest = {
        OfferKind.AMOUNT: offer.value,
        OfferKind.PERCENT: offer.max_discount_minor,
        OfferKind.GIFT: 0,
    }[offer.kind]
    limits = [offer.budget_minor, None if dearest is None else dearest * offer.stock]
    known = [limit for limit in limits if limit is not None]
    return Money(min(known), offer.currency) if known else None


async def _move(
    session: WriteSession, actor: Actor, offer: Offer, state: OfferState, action: str, *, now: datetime
) -> Offer:
    if offer.state is not state:
        offer.state = state
        session.add(offer)
        await session.flush()
        await note(session, actor, action, "offer", offer.id, now=now, title=offer.title)
    return offer


def _columns(draft: NewOffer) -> dict[str, Any]:  # Any: each column's own type
    worthless = {"value": 0, "max_discount_minor": None} if draft.kind is OfferKind.GIFT else {}
    return {**asdict(draft), "title": draft.title.strip(), **worthless}


def _check(draft: NewOffer) -> None:
    if not 1 <= len(draft.title.strip()) <= LONGEST_TITLE:
        raise Invalid("a title has 1 to %(most)s characters", where=("title",), most=LONGEST_TITLE)
    # The database keeps 64 bits; ten million major units are more than any community gives away.
    most = LARGEST_MAJOR * 10 ** exponent(draft.currency)
    _between("stock", draft.stock, 1, LARGEST_STOCK)
    _between("per_fan", draft.per_fan, 1, 1_000)
    _between("min_spend_minor", draft.min_spend_minor, 0, most)
    _between("max_discount_minor", draft.max_discount_minor, 1, most)
    _between("budget_minor", draft.budget_minor, 1, most)
    _between("valid_days", draft.valid_days, 1, 3_650)
    if draft.kind is OfferKind.AMOUNT:
        _between("value", draft.value, 1, most)
    if draft.kind is OfferKind.PERCENT:
        _between("value", draft.value, 1, 100)


def _between(name: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise Invalid("must lie between %(least)s and %(most)s", where=(name,), least=least, most=most)
