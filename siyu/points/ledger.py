"""The ledger: points are given, spent and taken back, each once for its cause; what a fan has is never below zero.

Whoever moves points holds the fan's account first, so that what is read afterwards stands still on PostgreSQL, too.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any  # a row's columns

from sqlalchemy import ColumnElement, Row, bindparam, case, func, select, update
from sqlmodel import col

from siyu import audit, fans
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid
from siyu.points import expiry
from siyu.points.terms import MOST, Rule, rule_in_force, rules
from siyu.tables import Fan, PointsAccount, PointsEntry, PointsKind, PointsLot, PointsNote, Tier

CAP_WINDOW = timedelta(hours=24)
LONGEST_REASON = 200


@dataclass(frozen=True)
class Grant:
    """Points for one cause, before the tier's multiplier and the cap; `at` is when they were earned."""

    fan_id: int
    cause: str
    amount: int
    at: datetime


async def earn(
    session: WriteSession, fan_id: int, rule: PointsKind | str, cause: str, *, now: datetime, amount: int | None = None
) -> int:
    """What the rule gives, once per cause (unique within the rule); how many points that were.

    0 when the rule or the programme is off, the cause had its points, or the fan's cap is reached.
    """
    terms = await rule_in_force(session, PointsKind(rule))
    if terms is None:
        return 0
    grant_ = Grant(fan_id, cause, terms.amount if amount is None else amount, now)
    return (await grant(session, terms, [grant_])).get(cause, 0)


async def grant(session: WriteSession, rule: Rule, grants: Sequence[Grant]) -> dict[str, int]:
    """Give all of these by one rule; the points of each cause that had none yet. Debts are paid first."""
    accounts = await _hold(session, {one.fan_id for one in grants})
    known = await _known(session, rule.kind, [one.cause for one in grants])
    room = await _Room.of(session, rule, grants)
    factors = await _multipliers(session)
    rows = []
    for one in sorted(grants, key=lambda one: one.at):
        if one.cause in known:
            continue  # it took its room under the cap when it was new
        known.add(one.cause)
        account = accounts[one.fan_id]
        amount = room.take(one, one.amount * factors.get(account.tier, 100) // 100)
        if amount > 0:
            rows.append(_row(account, rule.kind, one, account.pay(amount)))
    return await _write(session, rows, rule)


async def take_back(
    session: WriteSession, rule: PointsKind | str, cause: str, *, now: datetime, part: tuple[int, int] = (1, 1)
) -> int:
    """Undo what a cause gave, all or in all `part` of it; how many points, counting those that are owed now.

    What ran out before is not asked for again. A second time takes only what is missing.
    """
    entry = await _find(session, PointsKind(rule), cause)
    if entry is None:
        return 0
    account = (await _hold(session, [entry.fan_id]))[entry.fan_id]
    account.balance -= await expiry.run_out(session, [entry.fan_id], now=now)
    due = await _still_due(session, entry, part)
    if due > 0:
        await _take(session, account, entry, due, now=now)
    return due


async def spend(session: WriteSession, fan_id: int, amount: int, cause: str, *, now: datetime) -> bool:
    """Pay with points, the soonest to run out first; False when this cause paid already.

    Raises Conflict with `points` when there are not enough.
    """
    return await _pay(session, fan_id, PointsKind.SPENT, amount, cause, now=now) is not None


async def adjust(
    session: WriteSession, actor: Actor, fan: Fan, amount: int, reason: str, *, key: str, now: datetime
) -> bool:
    """Give (or, below zero, take) points by hand; the same key again changes nothing and returns False.

    Raises Invalid without a reason or beyond what makes sense, Conflict for more than the fan has.
    """
    reason, fan_id = _reason(reason), fan.id or 0
    if not 0 < abs(amount) <= MOST:
        raise Invalid("between 1 and %(most)d points, given or taken", where=("amount",), most=MOST)
    cause = f"{fan_id}:{key}"
    if amount > 0:
        validity = (await rules(session))[PointsKind.PURCHASE].valid_days
        by_hand = Rule(PointsKind.HAND, amount, valid_days=validity)
        await _hold(session, [fan_id])
        entry_id = await _give_by_hand(session, by_hand, Grant(fan_id, cause, amount, now))
    else:
        entry_id = await _pay(session, fan_id, PointsKind.HAND, -amount, cause, now=now)
    if entry_id is None:
        return await _is_the_same(session, cause, amount)
    session.add(PointsNote(entry_id=entry_id, fan_id=fan_id, reason=reason, by=actor.name))
    await audit.note(session, actor, "points.adjusted", "fan", fan.telegram_id, now=now, points=amount)
    return True


async def balance(session: ReadSession, fan_id: int, *, now: datetime) -> int:
    """What the fan can spend at this moment."""
    mine = col(PointsLot.fan_id) == fan_id, col(PointsLot.remaining) > 0, ~expiry.is_due(now)
    return await session.one(select(expiry.total(col(PointsLot.remaining))).where(*mine))


@dataclass
class _Account:
    """An account that is held, and what it will be."""

    fan_id: int
    balance: int
    owed: int
    tier: int

    def pay(self, amount: int) -> tuple[int, int]:
        """What comes to the balance and what to the debt."""
        debt = min(self.owed, amount)
        self.owed -= debt
        self.balance += amount - debt
        return amount - debt, -debt


async def _hold(session: WriteSession, fan_ids: Collection[int]) -> dict[int, _Account]:
    """These accounts, ours until the end of the transaction; in one order, so that nobody waits in a circle."""
    ordered = sorted(fan_ids)
    missing = [{"fan_id": fan_id, "balance": 0, "owed": 0, "tier": 0} for fan_id in ordered]
    await session.run_many(session.insert(PointsAccount).on_conflict_do_nothing(), missing)
    columns = (col(PointsAccount.fan_id), col(PointsAccount.balance), col(PointsAccount.owed), col(PointsAccount.tier))
    held = select(*columns).where(col(PointsAccount.fan_id).in_(ordered)).order_by(col(PointsAccount.fan_id))
    return {row.fan_id: _Account(*row) for row in await session.rows(held.with_for_update())}


async def _known(session: ReadSession, kind: PointsKind, causes: Sequence[str]) -> set[str]:
    mine = col(PointsEntry.kind) == kind, col(PointsEntry.cause).in_(causes)
    return set(await session.all(select(col(PointsEntry.cause)).where(*mine)))


async def _multipliers(session: ReadSession) -> dict[int, int]:
    rows = await session.rows(select(col(Tier.rank), col(Tier.multiplier)))
    return {row[0]: row[1] for row in rows}


@dataclass(frozen=True)
class _Room:
    """How much each fan may still get by a rule within 24 hours."""

    cap: int | None
    given: dict[int, list[tuple[datetime, int]]]

    @classmethod
    async def of(cls, session: ReadSession, rule: Rule, grants: Sequence[Grant]) -> "_Room":
        if rule.daily_cap is None:
            return cls(None, {})
        about = (col(PointsEntry.fan_id), col(PointsEntry.at), _about().label("points"))
        wanted = (
            col(PointsEntry.fan_id).in_({one.fan_id for one in grants}),
            col(PointsEntry.at) > min(one.at for one in grants) - CAP_WINDOW,
            col(PointsEntry.kind) == rule.kind,
        )
        given: dict[int, list[tuple[datetime, int]]] = {}
        for fan_id, at, points in await session.rows(select(*about).where(*wanted)):
            given.setdefault(fan_id, []).append((at, points))
        return cls(rule.daily_cap, given)

    def take(self, one: Grant, wanted: int) -> int:
        if self.cap is None:
            return wanted
        before = self.given.setdefault(one.fan_id, [])
        used = sum(points for at, points in before if one.at - CAP_WINDOW < at <= one.at)
        allowed = max(0, min(wanted, self.cap - used))
        before.append((one.at, allowed))
        return allowed


def _about() -> ColumnElement[int]:
    """How many points an entry was about, whether they came to the balance or to a debt."""
    return col(PointsEntry.delta) - col(PointsEntry.owed)


def _row(account: _Account, kind: PointsKind, one: Grant, parts: tuple[int, int]) -> dict[str, object]:
    delta, owed = parts
    return {
        "fan_id": account.fan_id, "kind": kind, "cause": one.cause, "delta": delta, "owed": owed, "at": one.at,
        "reverses": None,
    }  # fmt: skip


async def _write(session: WriteSession, rows: Sequence[dict[str, object]], rule: Rule) -> dict[str, int]:
    """Entries, the lots they make, and the accounts; a cause that somebody else wrote meanwhile is left out."""
    written = await _enter(session, rows)
    lots = [
        {
            "entry_id": row.id, "fan_id": row.fan_id, "amount": row.delta, "remaining": row.delta, "expired": 0,
            "expires_at": rule.runs_out(row.at),
        }
        for row in written if row.delta > 0
    ]  # fmt: skip
    await session.run_many(session.insert(PointsLot), lots)
    await _settle(session, written)
    return {row.cause: row.delta - row.owed for row in written}


async def _enter(session: WriteSession, rows: Sequence[dict[str, object]]) -> Sequence[Row[Any]]:
    if not rows:
        return []
    columns = (PointsEntry.id, PointsEntry.fan_id, PointsEntry.cause, PointsEntry.delta, PointsEntry.owed)
    insert = session.insert(PointsEntry).on_conflict_do_nothing(index_elements=["kind", "cause"])
    return await session.returning(insert.returning(*map(col, columns), col(PointsEntry.at)), rows)


async def _settle(session: WriteSession, written: Sequence[Row[Any]]) -> None:
    """The accounts move by what was entered; the tier is looked at again, and so is the fan."""
    soonest = case(
        (col(PointsAccount.recheck_at) < bindparam("moment"), col(PointsAccount.recheck_at)), else_=bindparam("moment")
    )
    moved = update(PointsAccount).where(col(PointsAccount.fan_id) == bindparam("whose"))
    values = {
        "balance": col(PointsAccount.balance) + bindparam("more"),
        "owed": col(PointsAccount.owed) + bindparam("debt"),
        "recheck_at": soonest,
    }
    given = [{"whose": row.fan_id, "more": row.delta, "debt": row.owed, "moment": row.at} for row in written]
    await session.run_many(moved.values(values), given)
    for at in {row.at for row in written}:
        await fans.look_again(session, [row.fan_id for row in written if row.at == at], now=at)


async def _find(session: ReadSession, kind: PointsKind, cause: str) -> Row[Any] | None:
    mine = select(col(PointsEntry.id), col(PointsEntry.fan_id), _about().label("points"))
    mine = mine.where(col(PointsEntry.kind) == kind, col(PointsEntry.cause) == cause)
    return next(iter(await session.rows(mine)), None)


async def _still_due(session: ReadSession, entry: Row[Any], part: tuple[int, int]) -> int:
    whole: int = entry.points * part[0] // part[1]
    left: int = entry.points - await _lost(session, entry.id)
    return min(whole, left) - await _taken(session, entry.id)


async def _lost(session: ReadSession, entry_id: int) -> int:
    return await session.one(select(expiry.total(col(PointsLot.expired))).where(col(PointsLot.entry_id) == entry_id))


async def _taken(session: ReadSession, entry_id: int) -> int:
    return await session.one(select(expiry.total(-_about())).where(col(PointsEntry.reverses) == entry_id))


async def _take(session: WriteSession, account: _Account, entry: Row[Any], due: int, *, now: datetime) -> None:
    """From the lot itself first, then from what else there is; the rest is owed."""
    there = min(due, account.balance)
    taken = select(func.count()).where(col(PointsEntry.reverses) == entry.id)
    row = {
        "fan_id": account.fan_id, "kind": PointsKind.TAKEN_BACK, "cause": f"{entry.id}:{await session.one(taken)}",
        "delta": -there, "owed": due - there, "at": now, "reverses": entry.id,
    }  # fmt: skip
    await _settle(session, await _enter(session, [row]))
    await _draw(session, account.fan_id, there, first=entry.id)


async def _pay(
    session: WriteSession, fan_id: int, kind: PointsKind, amount: int, cause: str, *, now: datetime
) -> int | None:
    """The entry; None where this cause paid already."""
    account = (await _hold(session, [fan_id]))[fan_id]
    if cause in await _known(session, kind, [cause]):
        return None
    # Almost half of all refusals were wrong where points that had run out stood in the balance still.
    account.balance -= await expiry.run_out(session, [fan_id], now=now)
    if not 0 < amount <= account.balance:
        raise Conflict("that takes %(needed)d points, and there are %(there)d", reason="points",
                       needed=amount, there=account.balance)  # fmt: skip
    one = Grant(fan_id, cause, amount, now)
    written = await _enter(session, [_row(account, kind, one, (-amount, 0))])
    await _settle(session, written)
    await _draw(session, fan_id, amount)
    return int(written[0].id)


async def _draw(session: WriteSession, fan_id: int, amount: int, *, first: int = 0) -> None:
    """Use up lots: the named one, then the soonest to run out."""
    mine = col(PointsLot.fan_id) == fan_id, col(PointsLot.remaining) > 0
    lots = select(col(PointsLot.entry_id), col(PointsLot.remaining)).where(*mine).order_by(*_turn(first))
    used = []
    for entry_id, remaining in await session.rows(lots):
        piece = min(remaining, amount)
        amount -= piece
        if piece:
            used.append({"lot": entry_id, "piece": piece})
    statement = update(PointsLot).where(col(PointsLot.entry_id) == bindparam("lot"))
    await session.run_many(statement.values(remaining=col(PointsLot.remaining) - bindparam("piece")), used)


def _turn(first: int) -> tuple[ColumnElement[Any], ...]:
    named = case((col(PointsLot.entry_id) == first, 0), else_=1)
    return named, col(PointsLot.expires_at).asc().nulls_last(), col(PointsLot.entry_id).asc()


async def _give_by_hand(session: WriteSession, rule: Rule, one: Grant) -> int | None:
    """The amount is what was said: no tier multiplies it."""
    account = (await _hold(session, [one.fan_id]))[one.fan_id]
    if not await _write(session, [_row(account, rule.kind, one, account.pay(one.amount))], rule):
        return None
    found = await _find(session, rule.kind, one.cause)
    return int(found.id) if found else None


async def _is_the_same(session: ReadSession, cause: str, amount: int) -> bool:
    """False, for nothing was changed; the same key for another amount is a Conflict."""
    known = await _find(session, PointsKind.HAND, cause)
    if known is None or known.points != amount:
        raise Conflict("this key was used for something else", reason="key_reused")
    return False


def _reason(text: str) -> str:
    reason = text.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise Invalid("say why, in at most %(most)d characters", where=("reason",), most=LONGEST_REASON)
    return reason
