"""Dimensions for programs: what levels there are, by which thresholds, how many fans stand in each; and recompute."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, model_validator

from admin.api.doors import At, House, Listing, Moment, Reader, Reading, Writer
from siyu import segments
from siyu.app import App
from siyu.kit.clock import whole_day
from siyu.kit.database import ReadSession
from siyu.kit.wording import ENGLISH, words
from siyu.segments import CustomDraft, Dimension, Mode, SegmentView, Sentence, custom, thresholds
from siyu.transfer.rows import Moment as Told
from siyu.transfer.rows import utc

router = APIRouter()

AsOf = Annotated[Told, BeforeValidator(lambda value: whole_day(value) if isinstance(value, str) else value)]


class LevelShown(BaseModel):
    level: str
    label: str
    rule: str = Field(description="In words, with the thresholds in force.")
    invites: str = Field(description="What operators may do with it.")
    segment: str = Field(description="The segment's key.")
    size: int
    reachable: int


class DimensionShown(BaseModel):
    key: str
    label: str
    custom: bool = Field(description="Made by operators; can be replaced and deleted.")
    thresholds: dict[str, int]
    # Any: names, categories, a grid
    own: dict[str, Any] = Field(description="What operators made their own of it, beside the thresholds.")
    rule: dict[str, str] = Field(description="By level, in words; a fan stands in the first that holds.")
    levels: list[LevelShown]
    sizes: dict[str, int]
    computed_at: datetime | None = Field(description="The moment the sizes are true for; null before the first run.")


class DimensionChange(BaseModel):
    """What is left out stays. Only dimensions that have categories, a grid or a home take those."""

    model_config = ConfigDict(extra="forbid")

    thresholds: dict[str, StrictInt] = Field(default_factory=dict, description="By name; those left out stay.")
    names: dict[str, str] | None = Field(None, description="Of levels; those left out are as shipped.")
    invites: dict[str, str] | None = Field(None, description="What levels invite; those left out are as shipped.")
    categories: list[dict[str, str]] | None = Field(None, description="More levels: `[{key, label}]`, all of them.")
    grid: dict[str, str] | None = Field(None, description="The level of each RFM cell, such as `54` or `321`; all.")
    home: dict[str, str] | None = Field(None, description="`{country, region}` of the community.")

    @model_validator(mode="after")
    def says_something(self) -> Self:
        if not self.thresholds and not self.own:
            raise ValueError("nothing to change is named")
        return self

    @property
    def own(self) -> dict[str, object]:
        return self.model_dump(exclude={"thresholds"}, exclude_none=True)


class DimensionOrder(BaseModel):
    """Levels in the order they are tried: a fan stands in the first whose rule holds."""

    model_config = ConfigDict(extra="forbid")

    label: str
    # Any: RULEs, checked with their names
    levels: list[dict[str, Any]] = Field(
        description="`[{key, label, rule, note?, invites?, good?}]`; the last has no rule and takes everybody else."
    )


class NewDimension(DimensionOrder):
    key: str = Field(description="A word of a-z, 0-9 and _, by which programs and rules name it. It stays.")


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


@router.post("/dimensions", summary="Make a dimension", tags=["dimensions"], status_code=201)
async def create(order: NewDimension, program: Writer, at: At, app: House) -> DimensionShown:
    """Every fan has a level of it before the answer comes."""
    draft = CustomDraft(order.key, order.label, order.levels)
    async with app.database.writing() as session:
        await custom.create(session, program.actor, draft, now=at.now)
    return await _worked_out(app, at, order.key)


@router.put("/dimensions/{key}", summary="Replace a dimension of one's own", tags=["dimensions"])
async def replace(key: str, order: DimensionOrder, program: Writer, at: At, app: House) -> DimensionShown:
    """Refused with 409 for a shipped one, and while something needs a level that would go."""
    async with app.database.writing() as session:
        await custom.change(session, program.actor, CustomDraft(key, order.label, order.levels), now=at.now)
    return await _worked_out(app, at, key)


@router.delete("/dimensions/{key}", summary="Delete a dimension of one's own", tags=["dimensions"], status_code=204)
async def delete(key: str, program: Writer, at: At, app: House) -> None:
    """Refused with 409 for a shipped one, and while something needs it."""
    async with app.database.writing() as session:
        await custom.delete(session, program.actor, key, now=at.now)
    await segments.settle(app.database, zone=at.zone, currency=app.settings.currency, now=at.now)


@router.patch("/dimensions/{key}", summary="Change thresholds, names, categories", tags=["dimensions"])
async def change(key: str, order: DimensionChange, program: Writer, at: At, app: House) -> DimensionShown:
    """Fans stand where the change puts them before the answer comes.

    While a look at another time is held, or a long run is under way, they follow when that is over.
    """
    async with app.database.writing() as session:
        await thresholds.change(
            session, program.actor, key, thresholds=order.thresholds, own=order.own, now=at.now
        )  # fmt: skip
    return await _worked_out(app, at, key)


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


async def _worked_out(app: App, at: Moment, key: str) -> DimensionShown:
    await segments.settle(app.database, zone=at.zone, currency=app.settings.currency, now=at.now)
    async with app.database.reading() as session:
        return next(dimension for dimension in await _shown(session) if dimension.key == key)


async def _shown(session: ReadSession) -> list[DimensionShown]:
    whole = await segments.classification_in_force(session)
    views = {view.key: view for view in await segments.list_segments(session)}
    own = await thresholds.own_of_all(session)
    return [
        _dimension(dimension, whole.thresholds[dimension.key], own.get(dimension.key, {}), views)
        for dimension in whole.dimensions
    ]


def _dimension(
    dimension: Dimension, numbers: Mapping[str, int], own: Mapping[str, Any], views: Mapping[str, SegmentView]
) -> DimensionShown:
    """What is in force; sizes as of the last run, which may not know a new level yet."""
    levels, computed_at = [], None
    for level in dimension.levels:
        view = views.get(f"{dimension.key}.{level.key}")
        computed_at = view.computed_at if view else computed_at
        shown = LevelShown(
            level=level.key,
            label=Sentence(level.label).said(words(ENGLISH)),
            rule=Sentence(level.sentence, values=numbers).said(words(ENGLISH)),
            invites=Sentence(level.invites).said(words(ENGLISH)) if level.invites else "",
            segment=f"{dimension.key}.{level.key}",
            size=view.size if view else 0,
            reachable=view.reachable if view else 0,
        )
        levels.append(shown)
    return DimensionShown(
        key=dimension.key,
        label=Sentence(dimension.label).said(words(ENGLISH)),
        custom=dimension.custom,
        thresholds=dict(numbers),
        own=dict(own),
        rule={level.level: level.rule for level in levels},
        levels=levels,
        sizes={level.level: level.size for level in levels},
        computed_at=computed_at,
    )
