"""A fan's points, for programs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from admin.api.doors import At, Cursor, Limit, Reader, Reading, Shape, Writer, Writing
from siyu import fans, points
from siyu.operators import LARGEST_TELEGRAM_ID
from siyu.points import Movement, Standing
from siyu.tables import PointsKind
from siyu.transfer.rows import Named

router = APIRouter(prefix="/fans/{telegram_id}/points", tags=["points"])

TelegramId = Annotated[int, InPath(ge=1, le=LARGEST_TELEGRAM_ID)]


class MovementShown(Shape):
    """One line of the ledger, which only grows."""

    id: int
    kind: PointsKind
    points: int = Field(description="What it did to the balance.")
    owed: int = Field(description="What it did to the debt: above zero when points were taken back after use.")
    at: datetime
    reason: str | None = Field(description="Only of what was done by hand.")


class LedgerShown(Shape):
    """Where the fan stands now, and a page of movements, the newest first."""

    balance: int
    owed: int = Field(description="Taken back after it was spent; what is earned next pays it.")
    expires_at: datetime | None = Field(description="When points run out next.")
    expiring: int = Field(description="How many then.")
    tier: int = Field(description="The rank, 1 is the lowest; 0 is none.")
    earned: int = Field(description="Within the window of the tiers.")
    items: list[MovementShown]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class Adjustment(BaseModel):
    """Points given, or below zero taken."""

    model_config = ConfigDict(extra="forbid")

    points: Annotated[int, Field(ge=-1_000_000, le=1_000_000)]
    reason: Annotated[str, Field(min_length=1, max_length=200)]
    idempotency_key: Named = Field(description="The same key again changes nothing.")


class Adjusted(Shape):
    status: Literal["adjusted", "duplicate"]
    balance: int


@router.get("", summary="A fan's points, movement by movement")
async def ledger(
    telegram_id: TelegramId, program: Reader, session: Reading, at: At, cursor: Cursor = None, limit: Limit = 50
) -> LedgerShown:
    fan = await fans.get_fan(session, telegram_id)
    stands = await points.standing(session, fan.id or 0, now=at.now)
    page = await points.movements(session, fan.id or 0, cursor=cursor, limit=limit)
    return _shown(stands, page.items, page.next)


@router.post("", summary="Give or take points")
async def adjust(telegram_id: TelegramId, order: Adjustment, program: Writer, session: Writing, at: At) -> Adjusted:
    """409 when more is taken than there is (`points`), or when the key stood for another amount (`key_reused`)."""
    fan = await fans.get_fan(session, telegram_id)
    key = f"api:{order.idempotency_key}"
    fresh = await points.adjust(session, program.actor, fan, order.points, order.reason, key=key, now=at.now)
    balance = await points.balance(session, fan.id or 0, now=at.now)
    return Adjusted(status="adjusted" if fresh else "duplicate", balance=balance)


def _shown(stands: Standing, items: Sequence[Movement], onward: str | None) -> LedgerShown:
    return LedgerShown(
        balance=stands.balance,
        owed=stands.owed,
        expires_at=stands.expires_at,
        expiring=stands.expiring,
        tier=stands.tier.rank if stands.tier else 0,
        earned=stands.earned,
        items=[MovementShown.model_validate(item) for item in items],
        next=onward,
    )
