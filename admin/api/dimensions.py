"""Dimensions for programs: what levels there are, by which thresholds, how many fans stand in each; and recompute."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from admin.api.doors import At, House, Listing, Reader, Reading, Writer, Writing
from siyu import segments
from siyu.kit.clock import whole_day
from siyu.kit.database import ReadSession
from siyu.kit.wording import ENGLISH, words
from siyu.segments import Dimension, Mode, SegmentView, Sentence
from siyu.transfer.rows import Moment, utc

router = APIRouter()

AsOf = Annotated[Moment, BeforeValidator(lambda value: whole_day(value) if isinstance(value, str) else value)]


class LevelShown(BaseModel):
    level: str
    label: str
    rule: str = Field(description="In words, with the thresholds in force.")
    segment: str = Field(description="The segment's key.")
    size: int
    reachable: int


class DimensionShown(BaseModel):
    key: str
    label: str
    thresholds: dict[str, int]
    rule: dict[str, str] = Field(description="By level, in words; a fan stands in the first that holds.")
    levels: list[LevelShown]
    sizes: dict[str, int]
    computed_at: datetime | None = Field(description="The moment the sizes are true for; null before the first run.")


class ThresholdChange(BaseModel):
    """Thresholds by name; those left out stay."""

    model_config = ConfigDict(extra="forbid")

    thresholds: dict[str, int] = Field(min_length=1)


class RecomputeOrder(BaseModel):
    model_config = ConfigDict(extra="forbid")

    as_of: AsOf | None = Field(None, description="The moment to look at, a bare day with all of it; now, if not told.")
    full: bool = Field(False, description="Every fan, not only those something changed for.")


class RecomputeAnswer(BaseModel):
    run_id: int | None
    mode: Mode
    fans: int
    changed: int
    ms: int
    computed_at: datetime


@router.get("/dimensions", summary="List dimensions", tags=["dimensions"])
async def list_dimensions(program: Reader, session: Reading) -> Listing[DimensionShown]:
    return Listing(items=await _shown(session), next=None)


@router.patch("/dimensions/{key}", summary="Change thresholds", tags=["dimensions"])
async def change(key: str, order: ThresholdChange, program: Writer, session: Writing, at: At) -> DimensionShown:
    """The next recompute puts every fan where the new thresholds say; until then sizes are the old ones."""
    await segments.change_thresholds(session, program.actor, key, order.thresholds, now=at.now)
    return next(dimension for dimension in await _shown(session) if dimension.key == key)


@router.post("/recompute", summary="Recompute now", tags=["dimensions"])
async def recompute(program: Writer, at: At, app: House, order: RecomputeOrder | None = None) -> RecomputeAnswer:
    """Metrics, dimensions and segments as of a moment. Another moment than now stays to be looked at for a while."""
    wanted = order or RecomputeOrder(full=False)
    run = await segments.recompute(
        app.database,
        zone=at.zone,
        currency=app.settings.currency,
        as_of=utc(wanted.as_of, at.zone) if wanted.as_of else None,
        now=at.now,
        mode=Mode.FULL if wanted.full else Mode.AUTO,
    )
    return RecomputeAnswer(
        run_id=run.id, mode=run.mode, fans=run.fans, changed=run.changed, ms=run.ms, computed_at=run.computed_at
    )


async def _shown(session: ReadSession) -> list[DimensionShown]:
    thresholds = await segments.thresholds_in_force(session)
    by_dimension: dict[str, list[SegmentView]] = {}
    for view in await segments.list_segments(session):
        by_dimension.setdefault(view.dimension, []).append(view)
    return [
        _dimension(dimension, thresholds[dimension.key], by_dimension[dimension.key])
        for dimension in segments.DIMENSIONS
    ]


def _dimension(dimension: Dimension, thresholds: Mapping[str, int], views: Sequence[SegmentView]) -> DimensionShown:
    levels = [
        LevelShown(
            level=view.level,
            label=view.label,
            rule=Sentence(view.sentence, values=thresholds).said(words(ENGLISH)),
            segment=view.key,
            size=view.size,
            reachable=view.reachable,
        )
        for view in views
    ]
    return DimensionShown(
        key=dimension.key,
        label=dimension.label,
        thresholds=dict(thresholds),
        rule={level.level: level.rule for level in levels},
        levels=levels,
        sizes={level.level: level.size for level in levels},
        computed_at=views[0].computed_at,
    )
