"""Claims: a fan takes one coupon, or many fans are given one each; the stock is the limit, whoever races."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Executable, Row, Select, case, exists, or_, select, text, update
from sqlalchemy.orm import aliased
from sqlmodel import col

from siyu import fans, idempotency
from siyu.kit.clock import end_of_day, local_day
from siyu.kit.codes import new_code
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, NotFound, SiyuError
from siyu.tables import Arm, Coupon, CouponState, Fan, Offer, OfferAudience, OfferState

CHUNK = 1_000


@dataclass(frozen=True)
class Issued:
    """What an issue did: new coupons, who had theirs already, whom the stock did not reach, whom the lot left out."""

    issued: int
    already: int
    refused: int
    held_out: int = 0

    def __add__(self, other: "Issued") -> "Issued":
        return Issued(
            self.issued + other.issued,
            self.already + other.already,
            self.refused + other.refused,
            self.held_out + other.held_out,
        )


@dataclass(frozen=True)
class Claimed:
    """The coupon of a claim, and whether it was cut just now or by an earlier tap."""

    coupon: Coupon
    is_new: bool


async def claim(
    session: WriteSession, offer: Offer, fan: Fan, *, claim_key: str, zone: ZoneInfo, now: datetime
) -> Claimed:
    """One coupon for one cause: the same key again gives the same coupon.

    Raises Conflict with `gone`, `today`, `per_fan`, `stacked`, `ended` or `paused`; a refusal leaves nothing behind.
    """
    offer_id, fan_id = offer.id or 0, fan.id or 0
    async with session.savepoint():
        # The fan is part of the key: what two fans were given is never the same cause.
        key = f"claim:{offer_id}:{fan_id}:{claim_key}"
        known = await idempotency.once(session, key, claim_key, now=now)
        code = known or await _take_one(session, offer_id, fan_id, claim_key=claim_key, zone=zone, now=now)
        if known is None:
            await idempotency.remember(session, key, code)
    return Claimed(await session.one(select(Coupon).where(col(Coupon.code) == code)), is_new=known is None)


async def issue(
    session: WriteSession,
    offer_id: int,
    fan_ids: Select[int] | Sequence[int],
    *,
    key: str,
    zone: ZoneInfo,
    now: datetime,
) -> Issued:
    """One coupon for each of these fans; the same key again issues none."""
    wanted = await session.all(fan_ids) if isinstance(fan_ids, Select) else fan_ids
    queue = iter(sorted(set(wanted)))
    total = Issued(0, 0, 0)
    while chunk := list(islice(queue, CHUNK)):
        total += await issue_some(session, offer_id, chunk, key=key, zone=zone, now=now)
    return total


async def issue_some(
    session: WriteSession, offer_id: int, fan_ids: Sequence[int], *, key: str, zone: ZoneInfo, now: datetime
) -> Issued:
    """To at most a thousand of them, which holds the offer's row for a tenth of a second."""
    offer = await _lock(session, offer_id, now=now)
    held = await _held(session, offer_id, fan_ids)
    already = {
        fan_id for fan_id, mine in held.items() if f"issue:{key}:{fan_id}" in mine or len(mine) >= offer.per_fan
    } | await _with_another(session, offer, fan_ids, now=now)
    missing = [fan_id for fan_id in fan_ids if fan_id not in already]
    treated, control = await _drawn(session, offer, missing, now=now)
    lucky = treated[: _left(offer, local_day(now, zone))]
    if lucky:
        await _issue_to(session, offer_id, lucky, held, key=key, zone=zone, now=now)
    return Issued(len(lucky), len(already), len(treated) - len(lucky), len(control))


async def _issue_to(
    session: WriteSession,
    offer_id: int,
    lucky: Sequence[int],
    held: dict[int, dict[str, str]],
    *,
    key: str,
    zone: ZoneInfo,
    now: datetime,
) -> None:
    (taken,) = await session.returning(_take(offer_id, len(lucky), local_day(now, zone), now))
    serials = range(taken.claimed - len(lucky) + 1, taken.claimed + 1)
    pieces = [
        _Piece(fan_id, serial, len(held.get(fan_id, {})) + 1, f"issue:{key}:{fan_id}")
        for fan_id, serial in zip(lucky, serials, strict=True)
    ]
    await _cut(session, taken, pieces, zone=zone, now=now)


async def _take_one(
    session: WriteSession, offer_id: int, fan_id: int, *, claim_key: str, zone: ZoneInfo, now: datetime
) -> str:
    """Count up first: on PostgreSQL this holds the offer's row, so what is read afterwards stands still."""
    taken = await session.returning(_take(offer_id, 1, local_day(now, zone), now))
    mine = (await _held(session, offer_id, [fan_id])).get(fan_id, {})
    claim_key = f"{claim_key}:{fan_id}"
    if claim_key in mine:
        # The key's first answer was pruned long ago: give back the piece just taken.
        less = {name: column - len(taken) for name, column in _COUNTERS.items()}
        await session.run(update(Offer).where(col(Offer.id) == offer_id).values(**less))
        return mine[claim_key]
    if not taken:
        raise await _refusal(session, offer_id, len(mine), now=now)
    if len(mine) >= taken[0].per_fan:
        raise _already_theirs()
    if await _with_another(session, taken[0], [fan_id], now=now):
        raise Conflict("you hold another coupon of this kind: use that one first", reason="stacked")
    piece = _Piece(fan_id, taken[0].claimed, len(mine) + 1, claim_key)
    # Claiming is a signal of wanting to buy.
    await fans.mark_dirty(session, [(fan_id, local_day(now, zone), now)])
    return (await _cut(session, taken[0], [piece], zone=zone, now=now))[piece.serial]


def _take(offer_id: int, pieces: int, today: date, now: datetime) -> Executable:
    """The one guard: nobody counts beyond the stock or the day's share, whatever was read before."""
    that_day = case((col(Offer.claimed_on) == today, col(Offer.claimed_that_day)), else_=0)
    statement = update(Offer).where(
        col(Offer.id) == offer_id,
        col(Offer.state) == OfferState.ACTIVE,
        col(Offer.claimed) + pieces <= col(Offer.stock),
        or_(col(Offer.daily_cap).is_(None), that_day + pieces <= col(Offer.daily_cap)),
        col(Offer.ends_at) > now,
    )
    counted = {"claimed": col(Offer.claimed) + pieces, "claimed_that_day": that_day + pieces, "claimed_on": today}
    return statement.values(**counted).returning(*_TERMS)


_COUNTERS = {"claimed": col(Offer.claimed), "claimed_that_day": col(Offer.claimed_that_day)}


# What a new coupon must know of its offer, as the UPDATE left it; a loaded Offer may be older.
_TERMS = (
    col(Offer.id),
    col(Offer.claimed),
    col(Offer.stock),
    col(Offer.per_fan),
    col(Offer.valid_days),
    col(Offer.ends_at),
    col(Offer.state),
    col(Offer.daily_cap),
    col(Offer.claimed_on),
    col(Offer.claimed_that_day),
    col(Offer.stack_group),
    col(Offer.holdout_percent),
)


async def _lock(session: WriteSession, offer_id: int, *, now: datetime) -> Row[Any]:
    """The offer's row, ours until the end of the transaction; raises unless it can be claimed."""
    touched = update(Offer).where(col(Offer.id) == offer_id).values(claimed=col(Offer.claimed))
    found = await session.returning(touched.returning(*_TERMS))
    if not found:
        raise NotFound("there is no such offer")
    _must_be_open(found[0], now=now)
    return found[0]


async def _held(session: ReadSession, offer_id: int, fan_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """What these fans hold of the offer already: code by claim key."""
    columns = (col(Coupon.fan_id), col(Coupon.claim_key), col(Coupon.code))
    mine = col(Coupon.offer_id) == offer_id, col(Coupon.fan_id).in_(fan_ids)
    held: dict[int, dict[str, str]] = {}
    for fan_id, claim_key, code in await session.rows(select(*columns).where(*mine)):
        held.setdefault(fan_id, {})[claim_key] = code
    return held


def _left(offer: Row[Any], today: date) -> int:
    """How many more can be taken at this moment."""
    in_stock: int = offer.stock - offer.claimed
    if offer.daily_cap is None:
        return in_stock
    taken: int = offer.claimed_that_day if offer.claimed_on == today else 0
    cap: int = offer.daily_cap
    return max(0, min(in_stock, cap - taken))


async def _with_another(session: WriteSession, offer: Row[Any], fan_ids: Sequence[int], *, now: datetime) -> set[int]:
    """Of these, who holds a good coupon of another offer of the same group."""
    if offer.stack_group is None:
        return set()
    if session.dialect == "postgresql":
        # Two offers of one group are two rows: without this a fan could claim both in the same moment.
        group = {"room": _ROOM, "group": offer.stack_group}
        await session.rows(text("SELECT pg_advisory_xact_lock(:room, hashtext(:group))"), group)
    good = (col(Coupon.state) == CouponState.ACTIVE, col(Coupon.valid_until) > now)
    of_group = exists().where(col(_other.id) == col(Coupon.offer_id), col(_other.stack_group) == offer.stack_group)
    others = select(col(Coupon.fan_id)).where(col(Coupon.fan_id).in_(fan_ids), *good, of_group)
    return set(await session.all(others.where(col(Coupon.offer_id) != offer.id)))


_other = aliased(Offer)
_ROOM = 0x0FFE  # any number, the same in every process


async def _drawn(
    session: WriteSession, offer: Row[Any], fan_ids: Sequence[int], *, now: datetime
) -> tuple[list[int], list[int]]:
    """Who gets one, and who is left out to compare with; written down where there is anybody to compare."""
    control = [fan_id for fan_id in fan_ids if _lot(offer.id, fan_id) < offer.holdout_percent]
    treated = sorted(set(fan_ids) - set(control))
    if offer.holdout_percent:
        arms = [(fan_id, Arm.CONTROL) for fan_id in control] + [(fan_id, Arm.TREATED) for fan_id in treated]
        rows = [{"offer_id": offer.id, "fan_id": fan_id, "arm": arm, "at": now} for fan_id, arm in arms]
        await session.run_many(session.insert(OfferAudience).on_conflict_do_nothing(), rows)
    return treated, control


def _lot(offer_id: int, fan_id: int) -> int:
    """From 0 to 99, the same every time: whoever was left out once stays so."""
    return int.from_bytes(sha256(f"offer:{offer_id}:{fan_id}".encode()).digest()[:8]) % 100


@dataclass(frozen=True)
class _Piece:
    """One coupon to be: for whom, and which of the offer's and of the fan's."""

    fan_id: int
    serial: int
    seq: int
    claim_key: str


async def _cut(
    session: WriteSession, offer: Row[Any], pieces: Sequence[_Piece], *, zone: ZoneInfo, now: datetime
) -> dict[int, str]:
    """Write the coupons, codes by serial. A code that exists already is drawn again."""
    validity = {
        "offer_id": offer.id,
        "claimed_at": now,
        "day": local_day(now, zone),
        "valid_until": _valid_until(offer, zone=zone, now=now),
    }
    codes: dict[int, str] = {}
    while missing := [piece for piece in pieces if piece.serial not in codes]:
        rows = [{**asdict(piece), **validity, "code": new_code(), "state": CouponState.ACTIVE} for piece in missing]
        written = await session.inserted(Coupon, rows, unless="code", returning=(col(Coupon.serial), col(Coupon.code)))
        codes |= {row.serial: row.code for row in written}
    return codes


def _valid_until(offer: Row[Any], *, zone: ZoneInfo, now: datetime) -> datetime:
    """The end of the local day `valid_days` after the claim, never beyond the offer's own end."""
    ends_at: datetime = offer.ends_at
    if offer.valid_days is None:
        return ends_at
    return min(end_of_day(local_day(now, zone) + timedelta(days=offer.valid_days), zone), ends_at)


async def _refusal(session: ReadSession, offer_id: int, held: int, *, now: datetime) -> SiyuError:
    """Why nothing could be taken, told as kindly as it can be said."""
    found = await session.rows(select(*_TERMS).where(col(Offer.id) == offer_id))
    if not found:
        return NotFound("there is no such offer")
    if held >= found[0].per_fan:
        return _already_theirs()
    try:
        _must_be_open(found[0], now=now)
    except Conflict as closed:
        return closed
    if found[0].claimed >= found[0].stock:
        return Conflict("sorry, all of them are gone", reason="gone")
    return Conflict("sorry, all of today's are gone: there are more tomorrow", reason="today")


def _must_be_open(offer: Row[Any], *, now: datetime) -> None:
    if offer.ends_at <= now:
        raise Conflict("sorry, this offer has ended", reason="ended")
    if offer.state is not OfferState.ACTIVE:
        raise Conflict("this offer is not open at the moment", reason="paused")


def _already_theirs() -> Conflict:
    return Conflict("you already have yours: it is in your /wallet", reason="per_fan")
