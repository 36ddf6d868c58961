"""Codes fans type: a word shared by all, or one printed for whoever is first; and a door that closes on guessers."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from sqlalchemy import Executable, delete, func, literal, or_, select, update
from sqlmodel import col

from siyu import audit
from siyu.audit import Actor
from siyu.coupons.claims import Claimed, claim
from siyu.coupons.offers import get_offer
from siyu.coupons.wallet import Carried, carried_by_code
from siyu.coupons.words import is_word, spelled
from siyu.kit.codes import has_the_shape, is_well_formed, new_code, tidy
from siyu.kit.columns import Instant
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, SiyuError
from siyu.kit.paging import Page
from siyu.kit.wording import phrase
from siyu.tables import CodeAsked, CodeAttempt, Coupon, Fan, Offer, OfferCode

# Six wrong ones in ten minutes, and the door stays closed until the first of them is ten minutes old.
MOST_WRONG = 6
WRONG_WITHIN = timedelta(minutes=10)
ASKED_FOR = timedelta(minutes=10)
MOST_AT_ONCE = 100_000
CHUNK = 1_000

_NOT_GOOD = phrase("this code cannot be used: look at it once more, or it was used or has ended")
_LOCKED = phrase("that were too many wrong codes: try again in ten minutes")
# About the offer, not the code: who typed the right one may know.
_TOLD = {"gone", "today", "per_fan", "stacked"}


@dataclass(frozen=True)
class Entered:
    """What came of a code: a coupon, new or known, or a refusal. It is returned and not raised: the try must stay."""

    carried: Carried | None = None
    is_new: bool = False
    refusal: SiyuError | None = None


@dataclass(frozen=True)
class Stocked:
    """What became of imported codes: how many are new, how many were there; the others by their line, with a reason."""

    added: int
    known: int
    rejected: Sequence[tuple[int, str, str]] = ()


async def enter(session: WriteSession, fan: Fan, text: str, *, zone: ZoneInfo, now: datetime) -> Entered:
    """The coupon of a code. Used, expired, foreign, guessed and unknown ones are refused alike."""
    if _is_slip(text):  # of the finger: it asks nobody and counts for nothing
        return Entered(refusal=_not_good())
    wrong = await _wrong_lately(session, fan, now=now)
    if wrong >= MOST_WRONG:
        return Entered(refusal=Conflict(_LOCKED, reason="locked"))
    try:
        async with session.savepoint():
            return await _exchange(session, fan, text, zone=zone, now=now)
    except SiyuError as no:
        if no.reason in _TOLD:
            return Entered(refusal=no)
    session.add(CodeAttempt(fan_id=fan.id or 0, at=now))
    await session.flush()
    return Entered(refusal=Conflict(_LOCKED, reason="locked") if wrong + 1 >= MOST_WRONG else _not_good())


def looks_printed(text: str) -> bool:
    """Whether a plain message is a code beyond doubt: only one text in 32 of its shape is."""
    return len(text) <= 2 * MOST_WRONG and is_well_formed(tidy(text))


async def is_shared(session: ReadSession, text: str) -> bool:
    """Whether a plain message is the word of an offer."""
    word = spelled(text) if len(text) <= 32 else ""
    return (
        is_word(word) and await session.first(select(col(Offer.id)).where(col(Offer.shared_code) == word)) is not None
    )


async def ask(session: WriteSession, fan: Fan, *, now: datetime) -> None:
    """What this fan writes next is a code, if they do so soon."""
    kept = {"until": now + ASKED_FOR}
    insert = session.insert(CodeAsked).values(fan_id=fan.id, **kept)
    await session.run(insert.on_conflict_do_update(index_elements=["fan_id"], set_=kept))


async def was_asked(session: WriteSession, fan: Fan, *, now: datetime) -> bool:
    """Whether we wait for a code from this fan; asked once, we wait no longer."""
    mine = delete(CodeAsked).where(col(CodeAsked.fan_id) == fan.id).returning(col(CodeAsked.until))
    return any(until > now for (until,) in await session.returning(mine))


async def forget_attempts(session: WriteSession, *, now: datetime) -> int:
    """Drop tries nobody counts any more; how many."""
    return await session.run(delete(CodeAttempt).where(col(CodeAttempt.at) < now - WRONG_WITHIN))


async def print_codes(session: WriteSession, actor: Actor, offer_id: int, number: int, *, now: datetime) -> int:
    """So many more codes, each good for one coupon. Raises Conflict `stock` beyond the offer's pieces."""
    if not 1 <= number <= MOST_AT_ONCE:
        raise Invalid("must lie between %(least)s and %(most)s", where=("number",), least=1, most=MOST_AT_ONCE)
    await _must_have_room(session, offer_id, number)
    printed = 0
    while printed < number:
        fresh = (new_code() for _ in range(min(CHUNK, number - printed)))
        printed += await _add(session, offer_id, fresh, now=now)
    await audit.note(session, actor, "offer.codes_printed", "offer", offer_id, now=now, number=number)
    return printed


async def import_codes(
    session: WriteSession, actor: Actor, offer_id: int, codes: Iterable[str], *, now: datetime
) -> Stocked:
    """Codes made elsewhere, one a line; the same ones again add none."""
    rejected: list[tuple[int, str, str]] = []
    good = dict.fromkeys(_readable(codes, rejected))
    mine, foreign = await _known(session, offer_id, good)
    rejected += [(good_line, code, "taken") for good_line, code in _lines(codes) if code in foreign]
    fresh = [code for code in good if code not in mine and code not in foreign]
    await _must_have_room(session, offer_id, len(fresh))
    added = await _add(session, offer_id, fresh, now=now)
    if added:
        await audit.note(session, actor, "offer.codes_imported", "offer", offer_id, now=now, number=added)
    return Stocked(added, len(good) - len(foreign) - added, sorted(rejected))


def codes_of_csv(text: str) -> list[str]:
    """The column `code` of a file, or its first column. A blank line stays, so that lines can be named."""
    rows = [row or [""] for row in csv.reader(text.removeprefix("\ufeff").splitlines())]
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "code" not in header:
        return [row[0] for row in rows]
    place = header.index("code")
    return ["", *(row[place] if place < len(row) else "" for row in rows[1:])]


async def count_codes(session: ReadSession, offer_id: int) -> tuple[int, int]:
    """How many were printed or imported, and how many of them are taken."""
    counted = select(func.count(), func.count(col(OfferCode.fan_id))).where(col(OfferCode.offer_id) == offer_id)
    ((all_of_them, taken),) = await session.rows(counted)
    return all_of_them, taken


async def list_codes(
    session: ReadSession, offer_id: int, *, cursor: str | None = None, limit: int = CHUNK
) -> Page[OfferCode]:
    """In the order of the alphabet."""
    statement = select(OfferCode).where(col(OfferCode.offer_id) == offer_id).order_by(col(OfferCode.code))
    if cursor:
        statement = statement.where(col(OfferCode.code) > cursor)
    found = list(await session.all(statement.limit(limit + 1)))
    return Page(found[:limit], found[limit - 1].code if len(found) > limit else None)


def _is_slip(text: str) -> bool:
    code = tidy(text)
    return has_the_shape(code) and not is_well_formed(code)


async def _wrong_lately(session: ReadSession, fan: Fan, *, now: datetime) -> int:
    lately = (col(CodeAttempt.fan_id) == fan.id, col(CodeAttempt.at) > now - WRONG_WITHIN)
    return await session.one(select(func.count()).select_from(CodeAttempt).where(*lately))


async def _exchange(session: WriteSession, fan: Fan, text: str, *, zone: ZoneInfo, now: datetime) -> Entered:
    carried = await carried_by_code(session, text)
    if carried is not None and carried.coupon.fan_id == fan.id:
        return Entered(carried)
    code = spelled(text)
    for offer_id, known in await session.returning(_take(code, fan, now)) or await _offer_of_word(session, code):
        offer = await get_offer(session, offer_id)
        done: Claimed = await claim(session, offer, fan, claim_key=f"code:{known}", zone=zone, now=now)
        return Entered(Carried(done.coupon, offer), done.is_new)
    raise _not_good()


def _take(code: str, fan: Fan, now: datetime) -> Executable:
    """A printed code is whose it is first; theirs again is no harm."""
    printed = col(OfferCode.code).in_([code, tidy(code)])
    free = or_(col(OfferCode.fan_id).is_(None), col(OfferCode.fan_id) == fan.id)
    at = func.coalesce(col(OfferCode.taken_at), literal(now, Instant()))
    taken = update(OfferCode).where(printed, free).values(fan_id=fan.id, taken_at=at)
    return taken.returning(col(OfferCode.offer_id), col(OfferCode.code))


async def _offer_of_word(session: ReadSession, word: str) -> Sequence[tuple[int, str]]:
    found = await session.first(select(col(Offer.id)).where(col(Offer.shared_code) == word))
    return [(found, word)] if found is not None else []


async def _must_have_room(session: ReadSession, offer_id: int, number: int) -> None:
    offer = await get_offer(session, offer_id)
    printed, _ = await count_codes(session, offer_id)
    if printed + number > offer.stock:
        raise Conflict(
            "there would be more codes than pieces: %(left)s more fit",
            reason="stock",
            left=max(0, offer.stock - printed),
        )


async def _add(session: WriteSession, offer_id: int, codes: Iterable[str], *, now: datetime) -> int:
    queue, added = iter(codes), 0
    insert = session.insert(OfferCode).on_conflict_do_nothing().returning(col(OfferCode.code))
    while chunk := list(islice(queue, CHUNK)):
        rows = [{"code": code, "offer_id": offer_id, "created_at": now} for code in chunk]
        added += len(await session.returning(insert, rows))
    return added


def _lines(codes: Iterable[str]) -> Iterator[tuple[int, str]]:
    for line, text in enumerate(codes, start=1):
        if text.strip():
            yield line, tidy(text) if has_the_shape(tidy(text)) else spelled(text)


def _readable(codes: Iterable[str], rejected: list[tuple[int, str, str]]) -> Iterator[str]:
    for line, code in _lines(codes):
        if has_the_shape(code) and not is_well_formed(code):
            rejected.append((line, code, "check"))
        elif not (has_the_shape(code) or (6 <= len(code) <= 32 and code.isascii() and code.isalnum())):
            rejected.append((line, code[:32], "malformed"))
        else:
            yield code


async def _known(session: ReadSession, offer_id: int, codes: Iterable[str]) -> tuple[set[str], set[str]]:
    """Which are there already: of this offer, and of another or as a coupon."""
    mine, foreign, queue = set[str](), set[str](), iter(codes)
    while chunk := list(islice(queue, CHUNK)):
        for code, owner in await session.rows(
            select(col(OfferCode.code), col(OfferCode.offer_id)).where(col(OfferCode.code).in_(chunk))
        ):
            (mine if owner == offer_id else foreign).add(code)
        foreign |= set(await session.all(select(col(Coupon.code)).where(col(Coupon.code).in_(chunk))))
        words = select(col(Offer.shared_code)).where(col(Offer.shared_code).in_(chunk))
        foreign |= {word for word in await session.all(words) if word}
    return mine, foreign


def _not_good() -> Conflict:
    return Conflict(_NOT_GOOD, reason="unknown")
