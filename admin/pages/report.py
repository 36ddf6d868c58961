"""The community report: sizes and moves over a period, two dimensions crossed, and who went from where to where."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from admin.api.report import shown
from admin.framing import show_block
from admin.pages.frame import Page, Viewing, app_of, frame_of, refusal, show, words_of
from siyu import report, segments
from siyu.kit.clock import local_day
from siyu.kit.database import ReadSession
from siyu.kit.errors import Invalid
from siyu.kit.wording import Words, phrase
from siyu.report import Cross, Mark, Migration, Period, Report
from siyu.transfer import exporting

router = APIRouter()

SHOWN = "admin/report/index.html"
NOT_YET = phrase("Not there yet")
Row = Sequence[object]
Context = dict[str, Any]  # Any: whatever the template shows


@dataclass(frozen=True)
class Asked:
    """What of the report somebody looks at: everything the address says."""

    days: int = 30
    start: date | None = None
    end: date | None = None
    rows: str = "loyalty"
    columns: str = "interaction_frequency"
    of: str = "loyalty"

    def address(self, path: str = "/report", **other: object) -> str:
        """The same look, but for what is told."""
        known = {"from": self.start, "to": self.end} if self.start or self.end else {"days": self.days}
        told = {**known, "rows": self.rows, "columns": self.columns, "of": self.of, **other}
        return f"{path}?{urlencode({name: value for name, value in told.items() if value is not None})}"


def asked_for(
    days: str = "",
    start: Annotated[str, Query(alias="from")] = "",
    to: str = "",
    rows: str = "loyalty",
    columns: str = "interaction_frequency",
    of: str = "loyalty",
) -> Asked:
    """What cannot be read is as if it were not told: the address is a person's."""
    number = int(days) if days.isdecimal() and len(days) <= 4 and int(days) else 30
    return Asked(number, _day(start), _day(to), rows, columns, of)


Asking = Annotated[Asked, Depends(asked_for)]


@router.get("/report")
async def index(request: Request, me: Viewing, asked: Asking, part: str = "") -> Response:
    """`part` is what htmx wants anew: the cross or the migration alone."""
    page = Page(words_of(request).gettext("Report"), "report")
    async with app_of(request).database.reading() as session:
        period, problem = await _period_or_usual(request, session, asked)
        whole = await segments.whole(session)
        given: Context = {"asked": asked, "period": period, "choices": report.choices(whole), "not_yet": NOT_YET}
        if frame_of(request).partial and part in PARTS:
            given |= await PARTS[part](session, asked, period)
            answer = show_block(request, SHOWN, part, page, **given)
            answer.headers["HX-Push-Url"] = asked.address()
            return answer
        return await show(
            request,
            session,
            SHOWN,
            page,
            **given,
            **await _crossed(session, asked, period),
            **await _moved(session, asked, period),
            report=await report.report(session, period),
            problem=problem,
            periods=report.PERIODS,
            words=words_of(request),
        )


@router.get("/report.csv")
async def as_csv(request: Request, me: Viewing, asked: Asking, part: str = "levels") -> Response:
    """One table of the report: `levels`, `cross` or `migration`."""
    words = words_of(request)
    async with app_of(request).database.reading() as session:
        period = await _period(request, session, asked)
        match part:
            case "levels":
                table = level_rows(await report.report(session, period), words)
            case "cross":
                table = cross_rows(await report.cross(session, asked.rows, asked.columns), words)
            case "migration":
                table = migration_rows(await report.migration(session, asked.of, period), words)
            case _:
                raise Invalid("%(what)s cannot be exported", what=part)
    # A spreadsheet reads Chinese only behind a byte order mark.
    text = "\ufeff" + exporting.text_of(table)
    return Response(text, media_type="text/csv", headers=_file(f"{part}-{period.end}.csv"))


@router.get("/report.json")
async def as_json(request: Request, me: Viewing, asked: Asking) -> Response:
    """The same as programs get it, in the reader's language."""
    async with app_of(request).database.reading() as session:
        period = await _period(request, session, asked)
        told = shown(await report.report(session, period), words_of(request))
    return JSONResponse(told.model_dump(mode="json"), headers=_file(f"report-{period.end}.json"))


def builder(cross: Cross, row: Mark, column: Mark) -> str:
    """Where the people of a cell are looked at, as a rule."""
    return "/segments/new?" + urlencode({"rule": json.dumps(cross.rule(row, column), ensure_ascii=False)})


def level_rows(found: Report, words: Words) -> list[Row]:
    """The report as a table: one row for each level."""
    header = (
        "segment", "dimension", "level", "fans", "fans_before", "change", "share_percent", "share_before_percent",
        "entered", "left", "invites",
    )  # fmt: skip
    return [
        header,
        *(
            (
                one.segment, _plain(one.dimension_label, words), _plain(one.label, words), one.size, one.before,
                one.moved if one.before is not None else None, _percent(one.share), _percent(one.share_before),
                one.entered, one.left, _plain(one.invites, words),
            )
            for one in found.everything
        ),
    ]  # fmt: skip


def cross_rows(cross: Cross, words: Words) -> list[Row]:
    """Counts, the rows' totals at the end."""
    head = f"{_plain(cross.rows.label, words)} \\ {_plain(cross.columns.label, words)}"
    lines: list[Row] = [(head, *(_plain(mark.label, words) for mark in cross.columns.marks), words.gettext("In all"))]
    for row in cross.rows.marks:
        counts = (cross.count(row.key, column.key) for column in cross.columns.marks)
        lines.append((_plain(row.label, words), *counts, cross.totals.get(row.key, 0)))
    return lines


def migration_rows(moved: Migration, words: Words) -> list[Row]:
    """From the rows to the columns."""
    labels = {level.key: _plain(level.label, words) for level in moved.dimension.levels}

    def name(key: str | None) -> str:
        return labels.get(key, key) if key is not None else words.gettext(NOT_YET)

    corner = f"{moved.period.start} \\ {moved.period.end}"
    lines: list[Row] = [(corner, *(name(key) for key in moved.levels), words.gettext("In all"))]
    for old in moved.levels:
        counts = (moved.counts.get((old, new), 0) for new in moved.levels)
        lines.append((name(old), *counts, moved.before.get(old, 0)))
    return lines


async def _crossed(session: ReadSession, asked: Asked, period: Period) -> Context:
    return {"cross": await report.cross(session, asked.rows, asked.columns), "builder": builder}


async def _moved(session: ReadSession, asked: Asked, period: Period) -> Context:
    return {"migration": await report.migration(session, asked.of, period)}


PARTS = {"cross": _crossed, "migration": _moved}


async def _period_or_usual(request: Request, session: ReadSession, asked: Asked) -> tuple[Period, str]:
    """Two days that make no period are told, and the usual one is shown."""
    try:
        return await _period(request, session, asked), ""
    except Invalid as error:
        return await _period(request, session, Asked()), refusal(request, error).text


async def _period(request: Request, session: ReadSession, asked: Asked) -> Period:
    app = app_of(request)
    today = local_day(app.clock(), app.settings.zone)
    return await report.period_of(session, days=asked.days, start=asked.start, end=asked.end, today=today)


def _file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _plain(label: str, words: Words) -> str:
    return words.gettext(label) % {} if label else ""


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share * 100:.1f}"
