"""Segments for programs: how big, who is in them, who came and went, and why."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from admin.api.doors import At, Cursor, House, Limit, Listing, Moment, Reader, Reading, Shape, Writer, Writing
from siyu import segments
from siyu.app import App
from siyu.kit.database import ReadSession
from siyu.kit.wording import ENGLISH, words
from siyu.operators import LARGEST_TELEGRAM_ID
from siyu.segments import Direction, Draft, Leaf, SegmentView, saved
from siyu.segments.reasons import Node
from siyu.segments.rules import to_json
from siyu.segments.saved import COLOURS

# Any: the contract's RULE, checked with its names
Rule = Annotated[
    dict[str, Any], Field(description='Such as `{"all": [{"metric": "purchases_90d", "op": ">=", "value": 2}]}`.')
]

router = APIRouter(prefix="/segments", tags=["segments"])


class SegmentShown(BaseModel):
    key: str
    label: str
    # Any: the contract's RULE
    rule: dict[str, Any] = Field(description='Such as `{"dimension": "loyalty", "in": ["at_risk"]}`.')
    size: int
    reachable: int
    computed_at: datetime | None


class MemberShown(Shape):
    telegram_id: int
    name: str
    username: str | None
    reachable: bool
    since: datetime


class DayShown(Shape):
    day: date
    entered: int
    left: int


class ExplanationShown(BaseModel):
    key: str
    telegram_id: int
    holds: bool
    level: str = Field(description="Where the fan stands in this dimension; of a saved segment: in or out.")
    since: datetime | None
    computed_at: datetime
    # Any: a tree
    rule: dict[str, Any] = Field(
        description="Groups `{all|any|none: […], holds}` over leaves `{metric, op, threshold, fact, holds, text}`."
    )


class SegmentOrder(BaseModel):
    """A rule with a name. What is left out of a change is as for a new one."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(description="What people call it.")
    rule: Rule
    note: str = ""
    colour: str = Field("", description="One of: " + ", ".join(colour for colour in COLOURS if colour))
    good: Direction = Field(Direction.NONE, description="Which way it should grow.")
    folder: str = ""
    pinned: bool = False


class NewSegment(SegmentOrder):
    key: str = Field(description="A word of a-z, 0-9 and _, by which programs and other rules name it.")


class Question(BaseModel):
    """A rule that nobody saved."""

    model_config = ConfigDict(extra="forbid")

    rule: Rule


class PreviewShown(BaseModel):
    count: int
    reachable: int
    sample: list[int] = Field(description="Telegram ids of the ten newest of them.")


@router.post("", summary="Save a segment", status_code=201)
async def create(order: NewSegment, program: Writer, at: At, app: House) -> SegmentShown:
    """Its people are found before the answer comes."""
    async with app.database.writing() as session:
        await saved.create(session, program.actor, _draft(order.key, order), now=at.now)
    return await _worked_out(app, at, order.key)


@router.post("/preview", summary="Whom a rule fits")
async def preview(order: Question, program: Reader, session: Reading) -> PreviewShown:
    """Exact, as of the last recompute; nothing is stored."""
    found = await segments.preview(session, await saved.checked(session, order.rule))
    return PreviewShown(count=found.count, reachable=found.reachable, sample=[one.telegram_id for one in found.sample])


@router.put("/{key}", summary="Change a saved segment")
async def change(key: str, order: SegmentOrder, program: Writer, at: At, app: House) -> SegmentShown:
    async with app.database.writing() as session:
        await saved.change(session, program.actor, _draft(key, order), now=at.now)
    return await _worked_out(app, at, key)


@router.delete("/{key}", summary="Delete a saved segment", status_code=204)
async def delete(key: str, program: Writer, session: Writing, at: At) -> None:
    """Refused with 409 while something needs it."""
    await saved.delete(session, program.actor, key, now=at.now)


@router.get("", summary="List segments")
async def list_segments(program: Reader, session: Reading) -> Listing[SegmentShown]:
    views = await segments.list_segments(session)
    return Listing(items=[await _shown(session, view) for view in views], next=None)


@router.get("/{key}", summary="One segment")
async def get(key: str, program: Reader, session: Reading) -> SegmentShown:
    return await _shown(session, await segments.get_segment(session, key))


@router.get("/{key}/members", summary="Who is in it")
async def members(
    key: str,
    program: Reader,
    session: Reading,
    q: Annotated[str, Query(description="In names and usernames; or a whole Telegram id.")] = "",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Listing[MemberShown]:
    page = await segments.members(session, key, q=q, cursor=cursor, limit=limit)
    return Listing(items=[MemberShown.model_validate(member) for member in page.items], next=page.next)


@router.get("/{key}/history", summary="Who came and went, day by day")
async def history(
    key: str, program: Reader, session: Reading, days: Annotated[int, Query(ge=1, le=365)] = 30
) -> Listing[DayShown]:
    changes = await segments.history(session, key, days=days)
    return Listing(items=[DayShown.model_validate(change) for change in changes], next=None)


@router.get("/{key}/explain/{telegram_id}", summary="Why a fan is in it, or not")
async def explain(
    key: str,
    telegram_id: Annotated[int, InPath(ge=1, le=LARGEST_TELEGRAM_ID)],
    program: Reader,
    session: Reading,
) -> ExplanationShown:
    told = await segments.explain(session, key, telegram_id)
    return ExplanationShown(
        key=told.key,
        telegram_id=told.telegram_id,
        holds=told.holds,
        level=told.level,
        since=told.since,
        computed_at=told.computed_at,
        rule=_tree(told.rule),
    )


def _draft(key: str, order: SegmentOrder) -> Draft:
    words = order.model_dump(exclude={"key"})
    return Draft(key=key, **words)


async def _worked_out(app: App, at: Moment, key: str) -> SegmentShown:
    """The segment with its people; while a look at another time is held they are found when that ends."""
    async with app.database.reading() as session:
        free = await segments.may_move(session, now=at.now)
    if free:
        await segments.recompute(app.database, zone=at.zone, currency=app.settings.currency, now=at.now)
    async with app.database.reading() as session:
        row = await saved.get_saved(session, key)
        known = key in (await segments.whole(session)).by_key
        view = await segments.get_segment(session, key) if known else None
    return SegmentShown(
        key=key,
        label=row.label,
        rule=row.rule,
        size=view.size if view else 0,
        reachable=view.reachable if view else 0,
        computed_at=view.computed_at if view else None,
    )


async def _shown(session: ReadSession, view: SegmentView) -> SegmentShown:
    return SegmentShown(
        key=view.key,
        label=str(view.name),
        rule=await segments.rule_as_json(session, view),
        size=view.size,
        reachable=view.reachable,
        computed_at=view.computed_at,
    )


def _tree(node: Node) -> dict[str, Any]:  # Any: a tree
    text = node.sentence.said(words(ENGLISH)) if node.sentence else None
    if isinstance(node, Leaf):
        told = {"threshold": node.threshold, "fact": node.fact, "holds": node.holds, "text": text}
        below = {"because": [_tree(part) for part in node.of]} if node.of else {}
        return {**to_json(node.rule), **told, **below}
    return {node.kind: [_tree(part) for part in node.of], "holds": node.holds, **({"text": text} if text else {})}
