"""Offers: what a coupon is worth, how many there are, and until when."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, assert_never

from sqlalchemy import update
from sqlmodel import col, select

from siyu.audit import Actor, note
from siyu.catalogue import DEAREST
from siyu.coupons.words import LONGEST_WORD, SHORTEST_WORD, is_word, spelled
from siyu.kit.codes import new_code
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.money import LARGEST_MAJOR, STARS, Money, exponent
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.kit.wording import phrase
from siyu.tables import Offer, OfferKind, OfferState

LARGEST_STOCK = 10_000_000
LONGEST_TITLE = 64
LONGEST_GROUP = 32
MOST_IN_SCOPE = 50
MOST_HELD_OUT = 50  # percent: with more, an offer is hardly one


@dataclass(frozen=True)
class NewOffer:
    """What an operator fills in; amounts are minor units of `currency`."""

    title: str
    kind: OfferKind
    value: int  # minor units, or whole percent; not used for a gift or an exchange
    currency: str
    stock: int
    ends_at: datetime
    per_fan: int = 1
    min_spend_minor: int = 0
    max_discount_minor: int | None = None
    valid_days: int | None = None
    budget_minor: int | None = None
    hundredths: int = 0  # of a percent, beyond the whole ones of `value`
    products: tuple[str, ...] = ()  # SKUs it is good for; with no category either: for everything
    categories: tuple[str, ...] = ()
    daily_cap: int | None = None
    stack_group: str | None = None
    shared_code: str | None = None
    holdout_percent: int = 0


NO_CEILING = phrase("say what it may cost at the most: set “at most” for each, or a budget for all together")


async def create(session: WriteSession, actor: Actor, draft: NewOffer, *, now: datetime) -> Offer:
    """A draft: nobody can claim it before `activate`."""
    _check(draft)
    await _word_must_be_free(session, draft.shared_code)
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
    await _word_must_be_free(session, draft.shared_code, offer_id)
    for name, value in _columns(draft).items():
        setattr(offer, name, value)
    session.add(offer)
    await session.flush()
    await note(session, actor, "offer.changed", "offer", offer.id, now=now, title=offer.title)
    return offer


async def activate(
    session: WriteSession, actor: Actor, offer_id: int, *, at_any_price: bool = False, now: datetime
) -> Offer:
    """From now on fans can claim it. Raises Conflict `ended`, or `no_ceiling` where nobody can say what it may cost.

    A program may open an offer at any price: it was promised that a budget can be left out.
    """
    offer = await get_offer(session, offer_id)
    if offer.ends_at <= now:
        raise Conflict("this offer has already ended", reason="ended")
    if ceiling(offer) is None and not at_any_price:
        raise Conflict(NO_CEILING, reason="no_ceiling")
    return await _move(session, actor, offer, OfferState.ACTIVE, "offer.activated", now=now)


async def pause(session: WriteSession, actor: Actor, offer_id: int, *, now: datetime) -> Offer:
    """No new claims. Coupons already handed out keep their promise and stay good."""
    offer = await get_offer(session, offer_id)
    if offer.state is OfferState.DRAFT:
        raise Conflict("a draft cannot be paused", reason="not_active")
    return await _move(session, actor, offer, OfferState.PAUSED, "offer.paused", now=now)


async def pause_all(session: WriteSession, actor: Actor, *, now: datetime) -> int:
    """Every open offer at once, for when something is wrong and nobody knows yet with which; how many they were."""
    opened = update(Offer).where(col(Offer.state) == OfferState.ACTIVE).values(state=OfferState.PAUSED)
    paused = await session.returning(opened.returning(col(Offer.id), col(Offer.title)))
    for offer_id, title in paused:
        await note(session, actor, "offer.paused", "offer", offer_id, now=now, title=title, all_at_once=True)
    return len(paused)


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
    """The most this offer can ever cost; None when a share of a price has neither a cap nor a budget."""
    dearest = _dearest_use(offer)
    limits = [offer.budget_minor, None if dearest is None else dearest * offer.stock]
    known = [limit for limit in limits if limit is not None]
    return Money(min(known), offer.currency) if known else None


def ceiling_in_stars(offer: Offer) -> Money | None:
    """What it can cost beside that where fans pay with Stars: no product costs more than 10,000 of them."""
    return Money(_share_of_dearest(offer) * offer.stock, STARS) if is_good_for_stars_too(offer) else None


def is_good_for_stars_too(offer: Offer) -> bool:
    """Whether a share of a price in money is one of a price in Stars as well: no amount of money is part of it."""
    is_share = offer.kind in (OfferKind.PERCENT, OfferKind.EXCHANGE)
    no_money = offer.min_spend_minor == 0 and offer.max_discount_minor is None
    return is_share and no_money and offer.currency != STARS


def is_for(offer: Offer, sku: str, category: str) -> bool:
    """Whether this is among what the offer is good for."""
    everything = not (offer.products or offer.categories)
    return everything or sku in offer.products or category in offer.categories


def _dearest_use(offer: Offer) -> int | None:
    match offer.kind:
        case OfferKind.AMOUNT:
            return offer.value
        case OfferKind.GIFT:
            return 0
        case OfferKind.PERCENT | OfferKind.EXCHANGE:
            if offer.max_discount_minor is None and offer.currency == STARS:
                return _share_of_dearest(offer)
            return offer.max_discount_minor
        case _ as never:
            assert_never(never)


def _share_of_dearest(offer: Offer) -> int:
    return DEAREST if offer.kind is OfferKind.EXCHANGE else -(-DEAREST * offer.basis_points // 10_000)


async def _word_must_be_free(session: ReadSession, word: str | None, offer_id: int | None = None) -> None:
    if not word:
        return
    taken = select(Offer).where(Offer.shared_code == spelled(word), Offer.id != (offer_id or 0))
    if await session.first(taken) is not None:
        raise Invalid("another offer has this word already", where=("shared_code",))


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
    match draft.kind:
        case OfferKind.GIFT:
            unused: dict[str, Any] = {"value": 0, "hundredths": 0, "max_discount_minor": None}
        case OfferKind.EXCHANGE:
            unused = {"value": 0, "hundredths": 0}
        case OfferKind.AMOUNT:
            unused = {"hundredths": 0}
        case OfferKind.PERCENT:
            unused = {}
        case _ as never:
            assert_never(never)
    scope = {"products": list(draft.products), "categories": list(draft.categories)}
    words = {"shared_code": spelled(draft.shared_code or "") or None, "stack_group": draft.stack_group or None}
    return {**asdict(draft), **scope, **words, "title": draft.title.strip(), **unused}


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
        _between("value", draft.value, 0 if draft.hundredths > 0 else 1, 100)
        _between("hundredths", draft.hundredths, 0, 0 if draft.value == 100 else 99)
    _between("daily_cap", draft.daily_cap, 1, LARGEST_STOCK)
    _between("holdout_percent", draft.holdout_percent, 0, MOST_HELD_OUT)
    _check_scope(draft)
    _check_words(draft)


def _check_scope(draft: NewOffer) -> None:
    for name, listed in (("products", draft.products), ("categories", draft.categories)):
        if len(listed) > MOST_IN_SCOPE or not all(0 < len(one) <= LONGEST_TITLE for one in listed):
            raise Invalid("name at most %(most)s, each with 1 to 64 characters", where=(name,), most=MOST_IN_SCOPE)
    if draft.kind is OfferKind.EXCHANGE and not (draft.products or draft.categories):
        raise Invalid("say what it can be exchanged for", where=("products",))


def _check_words(draft: NewOffer) -> None:
    if len(draft.stack_group or "") > LONGEST_GROUP:
        raise Invalid("takes %(least)s to %(most)s characters", where=("stack_group",), least=1, most=LONGEST_GROUP)
    if draft.shared_code and not is_word(spelled(draft.shared_code)):
        raise Invalid(
            "a word of %(least)s to %(most)s letters and digits, such as SPRING",
            where=("shared_code",), least=SHORTEST_WORD, most=LONGEST_WORD,
        )  # fmt: skip


def _between(name: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise Invalid("must lie between %(least)s and %(most)s", where=(name,), least=least, most=most)
