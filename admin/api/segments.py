"""Segments for programs: how big, who is in them, who came and went, and why."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from admin.api.doors import Cursor, Limit, Listing, Reader, Reading, Shape
from siyu import segments
from siyu.kit.wording import ENGLISH, words
from siyu.operators import LARGEST_TELEGRAM_ID
from siyu.segments import Leaf, SegmentView
from siyu.segments.reasons import Node

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
    level: str = Field(description="Where the fan stands in this dimension.")
    since: datetime
    computed_at: datetime
    # Any: a tree
    rule: dict[str, Any] = Field(
        description="Groups `{all|any|none: […], holds}` over leaves `{metric, op, threshold, fact, holds, text}`."
    )


@router.get("", summary="List segments")
async def list_segments(program: Reader, session: Reading) -> Listing[SegmentShown]:
    return Listing(items=[_shown(view) for view in await segments.list_segments(session)], next=None)


@router.get("/{key}", summary="One segment")
async def get(key: str, program: Reader, session: Reading) -> SegmentShown:
    return _shown(await segments.get_segment(session, key))


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


def _shown(view: SegmentView) -> SegmentShown:
    return SegmentShown(
        key=view.key,
        label=f"{view.dimension_label}: {view.label}",
        rule={"dimension": view.dimension, "in": [view.level]},
        size=view.size,
        reachable=view.reachable,
        computed_at=view.computed_at,
    )


def _tree(node: Node) -> dict[str, Any]:  # Any: a tree
    text = node.sentence.said(words(ENGLISH)) if node.sentence else None
    if isinstance(node, Leaf):
        return {
            "metric": node.metric,
            "op": node.op,
            "threshold": node.threshold,
            "fact": node.fact,
            "holds": node.holds,
            "text": text,
        }
    return {node.kind: [_tree(part) for part in node.of], "holds": node.holds, **({"text": text} if text else {})}
