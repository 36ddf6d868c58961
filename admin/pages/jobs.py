"""The page of jobs: what the house does by itself, when it did it last, and how it went."""

from fastapi import APIRouter, Request, Response

from admin.pages.frame import Flash, Operating, Page, app_of, go, show_or_block, words_of
from siyu import jobs, purchases

router = APIRouter()


@router.get("/jobs")
async def index(request: Request, me: Operating, cursor: str | None = None) -> Response:
    app = app_of(request)
    async with app.database.reading() as session:
        return await show_or_block(
            request,
            session,
            "admin/jobs/index.html",
            "rows",
            Page(words_of(request).gettext("Jobs"), "jobs"),
            jobs=await jobs.list_jobs(session, app),
            runs=await jobs.list_runs(session, cursor=cursor, limit=25),
            labels={job.key: job.label for job in jobs.JOBS},
            settings=app.settings,
            cursor=cursor,
            star_checks=await purchases.star_checks(session),
        )


@router.post("/jobs/{key}/run")
async def run(request: Request, me: Operating, key: str) -> Response:
    """Due or not; a run that fails has written its own line, which the page shows."""
    app, words, job = app_of(request), words_of(request), jobs.get_job(key)
    label = {"label": words.gettext(job.label)}
    try:
        await jobs.run_job(app, key, asked_by=me.actor)
    except Exception:  # noqa: BLE001  # whatever it was, the line of this run says it
        return go("/jobs", Flash(words.gettext("%(label)s: it failed. The list says why.") % label, "bad"))
    return go("/jobs", Flash(words.gettext("%(label)s: done.") % label))
