"""Using a coupon at a till that is not ours."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from admin.api.doors import At, Writer, Writing
from siyu import audit, coupons
from siyu.coupons import Use
from siyu.kit.money import Money, known_currency
from siyu.transfer.rows import Named

router = APIRouter(prefix="/coupons", tags=["coupons"])


class RedeemOrder(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: Named = Field(description="As printed or typed; blanks, dashes and lower case do not matter.")
    amount_minor: int = Field(ge=0, le=10_000_000_000, description="The price before the discount.")
    currency: str
    idempotency_key: Named = Field(description="The same key again gives the first answer and uses nothing twice.")
    staff: str | None = Field(None, max_length=256)


class RedeemAnswer(BaseModel):
    status: Literal["redeemed"] = "redeemed"
    discount_minor: int
    coupon: str


@router.post("/redeem", summary="Redeem a coupon")
async def redeem(order: RedeemOrder, program: Writer, session: Writing, at: At) -> RedeemAnswer:
    """Refused with 409 and a `reason`: unknown, used, expired, foreign, held, min_spend, currency or budget."""
    amount = Money(order.amount_minor, known_currency(order.currency))
    use = Use(amount=amount, channel="api", key=f"api:{order.idempotency_key}", staff=order.staff or program.name)
    redeemed = await coupons.redeem(session, order.code, use, now=at.now)
    if not redeemed.replayed:
        discount = redeemed.discount_minor
        await audit.note(
            session, program.actor, "coupon.redeemed", "coupon", redeemed.code, now=at.now, discount_minor=discount
        )
    return RedeemAnswer(discount_minor=redeemed.discount_minor, coupon=redeemed.code)
