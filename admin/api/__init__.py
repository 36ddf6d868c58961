"""The HTTP API for programs, `/api/v1`: JSON in, JSON or problem details out."""

from fastapi import APIRouter

from admin.api import (
    broadcasts,
    coupons,
    dimensions,
    facts,
    fans,
    offers,
    points,
    report,
    results,
    segments,
    sources,
    surveys,
)

# 1,000 purchases of a few lines each are about 1 MB of JSON.
LARGEST_BODY = 8 * 1024 * 1024


def router() -> APIRouter:
    api = APIRouter(prefix="/api/v1")
    parts = (
        fans, facts, dimensions, segments, report, broadcasts, results, offers, coupons, surveys, points, sources,
    )  # fmt: skip
    for part in parts:
        api.include_router(part.router)
    return api
