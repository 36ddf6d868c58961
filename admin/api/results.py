"""What a broadcast did, and what follows it, for programs."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from admin.api.broadcasts import BroadcastId, BroadcastStanding, standing
from admin.api.doors import At, Reader, Reading, Shape, Writer, Writing
from siyu import broadcasts
from siyu.broadcasts import Results, revising
from siyu.kit.database import ReadSession
from siyu.kit.errors import NotFound
from siyu.operators import LARGEST_TELEGRAM_ID
from siyu.tables import DeliveryState, RevisionState

router = APIRouter(prefix="/broadcasts", tags=["broadcasts"])

RevisionId = Annotated[int, InPath(ge=1, le=LARGEST_TELEGRAM_ID)]


class UpliftShown(Shape):
    """Rate of the treated less rate of the held out, with a 95 % interval; believe it where it is `enough`."""

    treated: int
    bought: int
    held: int
    held_bought: int
    difference: float
    low: float
    high: float
    enough: bool
    needs: int | None = Field(description="About how many fans it takes at these rates; null while nobody bought.")
    extra: int = Field(description="Buyers there would not have been.")


class VersionShown(Shape):
    key: str
    fans: int
    sent: int
    clicks: int
    purchases: int
    against_main: UpliftShown | None = Field(description="By what the winner is found by.")


class MoneyShown(Shape):
    minor: int
    currency: str


class PressedShown(Shape):
    button: str = Field(description="Its row and place, its action, or the word answered.")
    fans: int


class SpeedShown(Shape):
    first_at: datetime | None
    last_at: datetime | None
    rate: float | None = Field(description="Messages a second, from the first to the last.")


class Cause(BaseModel):
    state: DeliveryState
    reason: str
    fans: int


class FunnelShown(BaseModel):
    audience: int
    sent: int
    clicked: int
    bought: int


class ResultsShown(BaseModel):
    """All of it counted from the ledger, each fan once."""

    funnel: FunnelShown
    revenue: list[MoneyShown] = Field(description="Of those who got it, refunds taken off.")
    attribution_days: int
    counts_until: datetime | None = Field(description="When the last fan's days of attribution are over.")
    uplift: UpliftShown | None = Field(description="Against those held out of this broadcast.")
    uplift_over_control: UpliftShown | None = Field(description="Against those who get no broadcast at all.")
    variants: list[VersionShown]
    winner: str | None
    clicks: list[PressedShown]
    failures: list[Cause] = Field(description="Everybody who has not got it, by cause.")
    speed: SpeedShown


class Choice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    choice: Literal["leave", "resend"]


class WinnerChosen(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: str = Field(max_length=16)


class RevisionOrder(BaseModel):
    """`edit` brings a text; `delete` takes back what is less than 48 hours old."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["edit", "delete"]
    text: str = ""
    # Any: rows of {text, url?|action?}, checked by the room that sends them
    buttons: list[list[dict[str, Any]]] = []


class Concerned(BaseModel):
    fans: int = Field(description="How many it concerns.")


class RevisionShown(BaseModel):
    """The three add up to everyone who got the broadcast."""

    id: int
    kind: str
    state: RevisionState
    pending: int
    done: int
    failed: int
    reasons: dict[str, int] = Field(description="Why messages stayed as they were.")
    created_at: datetime
    finished_at: datetime | None


@router.get("/{broadcast_id}/results", summary="What it did")
async def results(broadcast_id: BroadcastId, program: Reader, session: Reading) -> ResultsShown:
    found = await broadcasts.results(session, broadcast_id)
    return ResultsShown(
        funnel=_funnel(found),
        revenue=_money(await broadcasts.earned(session, broadcast_id)),
        attribution_days=found.broadcast.attribution_days,
        counts_until=found.counts_until,
        uplift=_uplift(found.uplift),
        uplift_over_control=_uplift(found.uplift_over_control),
        variants=[VersionShown.model_validate(one) for one in found.versions],
        winner=found.broadcast.winner,
        clicks=[PressedShown.model_validate(one) for one in await broadcasts.clicks_per_button(session, broadcast_id)],
        failures=await _causes(session, broadcast_id),
        speed=SpeedShown.model_validate(await broadcasts.speed(session, broadcast_id)),
    )


@router.post("/{broadcast_id}/unknown", summary="Settle what nobody can know")
async def unknown(broadcast_id: BroadcastId, given: Choice, program: Writer, session: Writing, at: At) -> Concerned:
    """`leave` these fans as they are, or `resend`, and risk that some get it twice."""
    verb = broadcasts.resolve_unknown
    return Concerned(fans=await verb(session, broadcast_id, given.choice, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/retry", summary="Try the failed again")
async def retry(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> Concerned:
    """Whoever cannot be reached is passed over; a finished broadcast runs again."""
    return Concerned(fans=await broadcasts.retry_failed(session, broadcast_id, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/winner", summary="Choose the version that the others get")
async def winner(
    broadcast_id: BroadcastId, chosen: WinnerChosen, program: Writer, session: Writing, at: At
) -> Concerned:
    """Once, while it runs or is paused."""
    verb = broadcasts.choose_winner
    return Concerned(fans=await verb(session, broadcast_id, chosen.key, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/rest", summary="A draft for those who did not get it")
async def rest(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return standing(await broadcasts.send_to_not_reached(session, broadcast_id, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/follow-up", summary="A draft for those who got it and pressed nothing")
async def follow_up(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return standing(await broadcasts.follow_up_not_pressed(session, broadcast_id, actor=program.actor, now=at.now))


@router.post("/{broadcast_id}/copy", summary="A draft with the same words and people")
async def copy(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return standing(await broadcasts.duplicate(session, program.actor, broadcast_id, now=at.now))


@router.post("/{broadcast_id}/archive", summary="Put it away")
async def archive(broadcast_id: BroadcastId, program: Writer, session: Writing, at: At) -> BroadcastStanding:
    return standing(await broadcasts.archive(session, program.actor, broadcast_id, now=at.now))


@router.get("/{broadcast_id}/revisions", summary="How it was changed after it was sent")
async def revisions(broadcast_id: BroadcastId, program: Reader, session: Reading) -> list[RevisionShown]:
    """The newest first."""
    await broadcasts.get_broadcast(session, broadcast_id)
    return await _revisions(session, broadcast_id)


@router.post("/{broadcast_id}/revisions", summary="Edit or delete it for everyone who got it")
async def revise(
    broadcast_id: BroadcastId, order: RevisionOrder, program: Writer, session: Writing, at: At
) -> RevisionShown:
    """Changed message by message, at the bot's pace; one at a time."""
    if order.kind == "edit":
        written = (order.text, order.buttons)
        await revising.start_edit(session, broadcast_id, *written, actor=program.actor, now=at.now)
    else:
        await revising.start_delete(session, broadcast_id, actor=program.actor, now=at.now)
    return (await _revisions(session, broadcast_id))[0]


@router.post("/{broadcast_id}/revisions/{revision_id}/stop", summary="What was changed stays; nobody else's is touched")
async def stop(
    broadcast_id: BroadcastId, revision_id: RevisionId, program: Writer, session: Writing, at: At
) -> RevisionShown:
    if (await revising.get_revision(session, revision_id)).broadcast_id != broadcast_id:
        raise NotFound("there is no change %(id)s", id=revision_id)
    await revising.stop(session, revision_id, actor=program.actor, now=at.now)
    return next(one for one in await _revisions(session, broadcast_id) if one.id == revision_id)


def _funnel(found: Results) -> FunnelShown:
    sent = found.counts[DeliveryState.SENT]
    return FunnelShown(audience=found.audience, sent=sent, clicked=found.clicks, bought=found.purchases)


def _money(earned: broadcasts.Earned) -> list[MoneyShown]:
    return [MoneyShown.model_validate(amount) for amount in earned.total]


def _uplift(found: broadcasts.Uplift | None) -> UpliftShown | None:
    return UpliftShown.model_validate(found) if found else None


async def _causes(session: ReadSession, broadcast_id: int) -> list[Cause]:
    found = await broadcasts.reasons(session, broadcast_id)
    most_first = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    return [Cause(state=state, reason=reason, fans=fans) for (state, reason), fans in most_first]


async def _revisions(session: ReadSession, broadcast_id: int) -> list[RevisionShown]:
    return [
        RevisionShown(
            **one.revision.model_dump(include={"id", "kind", "state", "created_at", "finished_at"}),
            pending=one.pending,
            done=one.done,
            failed=one.failed,
            reasons=dict(await revising.reasons(session, one.revision.id or 0)),
        )
        for one in await revising.revisions_of(session, broadcast_id)
    ]
