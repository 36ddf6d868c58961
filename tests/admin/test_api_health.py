"""Alive, ready, and numbers; what programs are told when the database is not there."""

from pathlib import Path

import httpx
import pytest

from admin.app import make_web
from siyu.app import App, open_app
from siyu.settings import Settings
from tests.admin.visitors import SITE, program
from tests.people import given_fan


async def test_a_house_in_order_is_alive_and_ready(app: App) -> None:
    async with program(app, None) as watcher:
        alive, ready = await watcher.get("/healthz"), await watcher.get("/readyz")

    assert alive.json() == ready.json() == {"status": "ok"}


async def test_a_database_without_our_tables_is_not_ready(tmp_path: Path) -> None:
    app = open_app(Settings(database_url=f"sqlite:///{tmp_path}/empty.db", bot_token="42:SANDBOX"))
    async with _watcher(app) as watcher:
        alive, ready = await watcher.get("/healthz"), await watcher.get("/readyz")
    await app.close()

    assert alive.status_code == 200
    assert ready.status_code == 503
    assert "siyu db upgrade" in ready.json()["detail"]


@pytest.mark.parametrize("path", ["/readyz", "/metrics", "/api/v1/segments"])
async def test_a_database_that_is_down_is_a_clear_problem_and_no_crash(path: str) -> None:
    # Port 9 discards: nobody listens there.
    app = open_app(Settings(database_url="postgresql://siyu@127.0.0.1:9/siyu", bot_token="42:SANDBOX"))
    async with _watcher(app) as watcher:
        answer = await watcher.get(path, headers={"Authorization": "Bearer siyu_x"})
    await app.close()

    assert answer.status_code == 503
    assert answer.json()["reason"] == "database_down"


async def test_numbers_for_prometheus_are_true(app: App) -> None:
    await given_fan(app)
    await given_fan(app, talks=False)

    async with program(app, None) as watcher:
        shown = (await watcher.get("/metrics")).text

    assert "\nsiyu_fans 2.0\n" in shown
    assert "\nsiyu_fans_reachable 1.0\n" in shown
    assert "\nsiyu_purchases_total 0.0\n" in shown


def _watcher(app: App) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(make_web(app), raise_app_exceptions=False), base_url=SITE)
