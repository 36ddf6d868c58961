"""What fans did and bought, told by programs: each fact once by its key."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from admin.api.doors import (
    LARGEST_BATCH,
    At,
    BadRow,
    EachAlone,
    Writer,
    Writing,
    reason_of,
)
from siyu.transfer.facts import take_interactions, take_purchases, take_refund
from siyu.transfer.rows import InteractionRow, Keyed, PurchaseRow, RefundRow, Ruling

router = APIRouter(tags=["facts"])


class PurchaseBatch(BaseModel):
    """Up to 1,000 purchases; a bad row is rejected alone."""

    purchases: list[Annotated[PurchaseRow | BadRow, EachAlone(PurchaseRow)]] = Field(max_length=LARGEST_BATCH)


class InteractionBatch(BaseModel):
    """Up to 1,000 interactions; a bad row is rejected alone."""

    interactions: list[Annotated[InteractionRow | BadRow, EachAlone(InteractionRow)]] = Field(max_length=LARGEST_BATCH)


class FactResult(BaseModel):
    external_id: str | None
    status: Literal["created", "duplicate", "conflict", "rejected"]
    reason: str | None = None


class FactResults(BaseModel):
    """One result per row, in the order they came."""

    results: list[FactResult]


class RefundResult(BaseModel):
    status: Literal["created", "duplicate", "rejected"]
    reason: str | None = None


@router.post("/purchases", summary="Tell purchases")
async def put_purchases(batch: PurchaseBatch, program: Writer, session: Writing, at: At) -> FactResults:
    """The key is `(source, external_id)`: the same body again is a `duplicate`, another body a `conflict`.

    An unknown `telegram_id` becomes a fan known by import: counted, but not reachable until they talk to the bot.
    """
    good = [row for row in batch.purchases if isinstance(row, PurchaseRow)]
    return _results(batch.purchases, await take_purchases(session, good, zone=at.zone, now=at.now))


@router.post("/interactions", summary="Tell interactions")
async def put_interactions(batch: InteractionBatch, program: Writer, session: Writing, at: At) -> FactResults:
    """The key is `(source, external_id)`: the same body again is a `duplicate`, another body a `conflict`."""
    good = [row for row in batch.interactions if isinstance(row, InteractionRow)]
    return _results(batch.interactions, await take_interactions(session, good, zone=at.zone, now=at.now))


@router.post("/refunds", summary="Tell a refund")
async def put_refund(refund: RefundRow, program: Writer, session: Writing, at: At) -> RefundResult:
    """Once per `refund_id`; never more than is left of the purchase."""
    ruling = await take_refund(session, refund, zone=at.zone, now=at.now)
    return RefundResult.model_validate({"status": ruling.verdict, "reason": reason_of(ruling)})


def _results(rows: Sequence[Keyed | BadRow], rulings: list[Ruling]) -> FactResults:
    ruled = iter(rulings)
    return FactResults(results=[_bad(row) if isinstance(row, BadRow) else _result(row, next(ruled)) for row in rows])


def _result(row: Keyed, ruling: Ruling) -> FactResult:
    told = {"external_id": row.external_id, "status": ruling.verdict, "reason": reason_of(ruling)}
    return FactResult.model_validate(told)


def _bad(row: BadRow) -> FactResult:
    given = row.key("external_id")
    known = given if isinstance(given, str) else None
    return FactResult(external_id=known, status="rejected", reason=reason_of(row.ruling))
