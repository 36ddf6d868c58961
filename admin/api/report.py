"""The community report for programs."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from admin.api.doors import At, Reader, Reading
from siyu import report
from siyu.kit.clock import local_day
from siyu.kit.wording import ENGLISH, Words, words
from siyu.report import Growth, Migration, Report

router = APIRouter(prefix="/report", tags=["report"])

Days = Annotated[int, Query(ge=1, le=3_650, description="How many days back from the last.")]
First = Annotated[date | None, Query(alias="from", description="From the end of this day; instead of `days`.")]
Last = Annotated[date | None, Query(alias="to", description="To the end of this day; the last known, if not told.")]


class LevelShown(BaseModel):
    segment: str = Field(description="The segment's key.")
    level: str
    label: str
    invites: str = Field(description="What helps there.")
    good: str = Field(description="Which way it should grow: up, down or none.")
    size: int
    before: int | None = Field(description="At the end of the first day; null where nothing was known of it.")
    entered: int = Field(description="Times somebody came in the period, newcomers included.")
    left: int
    share: float = Field(description="Of everybody, 0 to 1.")
    share_before: float | None


class DimensionShown(BaseModel):
    key: str
    label: str
    levels: list[LevelShown]


class ReportShown(BaseModel):
    start: date
    end: date
    computed_at: datetime | None = Field(description="The moment the levels are true for; null before the first run.")
    fans: int
    fans_before: int | None
    told: list[str] = Field(description="The period in words.")
    moves: list[str] = Field(description="Keys of the segments that moved most, the biggest first.")
    dimensions: list[DimensionShown]
    interests: list[LevelShown]
    segments: list[LevelShown] = Field(description="Saved segments.")


class CellShown(BaseModel):
    row: str
    column: str
    count: int
    share: float = Field(description="Of the row's fans, 0 to 1.")


class CrossShown(BaseModel):
    rows: str
    columns: str
    totals: dict[str, int] = Field(description="Fans of each row.")
    cells: list[CellShown] = Field(description="Those that hold somebody.")


class MoveShown(BaseModel):
    old: str | None = Field(description="The level at the end of the first day; null: in none yet.")
    new: str | None
    count: int


class MigrationShown(BaseModel):
    dimension: str
    start: date
    end: date
    moves: list[MoveShown]
    causes: dict[str, int] = Field(description="Of every change on the way: fact, time, rule, peers.")


@router.get("", summary="The community report")
async def get(
    program: Reader, session: Reading, at: At, days: Days = 30, first: First = None, last: Last = None
) -> ReportShown:
    """Sizes, shares and moves over the last `days`, or `from` one day `to` another; from each day's own sizes."""
    period = await report.period_of(session, days=days, start=first, end=last, today=local_day(at.now, at.zone))
    return shown(await report.report(session, period), words(ENGLISH))


@router.get("/cross", summary="Two dimensions against each other")
async def cross(program: Reader, session: Reading, rows: str, columns: str) -> CrossShown:
    """`rows` and `columns` are dimensions, saved segments, or `interests`."""
    found = await report.cross(session, rows, columns)
    cells = [
        CellShown(row=row, column=column, count=count, share=found.share(row, column))
        for (row, column), count in sorted(found.counts.items())
    ]
    return CrossShown(rows=rows, columns=columns, totals=dict(found.totals), cells=cells)


@router.get("/migration", summary="Who went from which level to which")
async def migration(
    program: Reader,
    session: Reading,
    at: At,
    dimension: str,
    days: Days = 30,
    first: First = None,
    last: Last = None,
) -> MigrationShown:
    """How many fans stood in which level of a dimension on the first day, and in which on the last."""
    period = await report.period_of(session, days=days, start=first, end=last, today=local_day(at.now, at.zone))
    return _moved(await report.migration(session, dimension, period))


def shown(found: Report, words: Words) -> ReportShown:
    """A report in the language of `words`."""
    return ReportShown(
        start=found.period.start,
        end=found.period.end,
        computed_at=found.computed_at,
        fans=found.fans,
        fans_before=found.fans_before,
        told=[sentence.said(words) for sentence in found.told],
        moves=[one.segment for one in found.moves],
        dimensions=[
            DimensionShown(
                key=one.key, label=_plain(one.label, words), levels=[_level(level, words) for level in one.levels]
            )
            for one in found.dimensions
        ],
        interests=[_level(one, words) for one in found.interests],
        segments=[_level(one, words) for one in found.saved],
    )


def _level(one: Growth, words: Words) -> LevelShown:
    return LevelShown(
        segment=one.segment,
        level=one.level,
        label=_plain(one.label, words),
        invites=_plain(one.invites, words),
        good=one.good,
        size=one.size,
        before=one.before,
        entered=one.entered,
        left=one.left,
        share=one.share,
        share_before=one.share_before,
    )


def _moved(found: Migration) -> MigrationShown:
    moves = [MoveShown(old=old, new=new, count=count) for (old, new), count in found.counts.items()]
    return MigrationShown(
        dimension=found.dimension.key,
        start=found.period.start,
        end=found.period.end,
        moves=sorted(moves, key=lambda move: (-move.count, move.old or "", move.new or "")),
        causes=dict(found.causes),
    )


def _plain(label: str, words: Words) -> str:
    return words.gettext(label) % {} if label else ""
