"""Questionnaires and follow-ups over HTTP: results as they stand, follow-ups opened and listed."""

from datetime import timedelta

from siyu.app import App
from siyu.operators import Scope
from siyu.surveys import Kind
from tests.admin.visitors import program
from tests.asking import a_question, a_survey
from tests.bot.chatting import Phone, of, presses
from tests.clocks import FakeClock
from tests.people import given_fan


async def test_a_program_reads_what_was_answered(app: App) -> None:
    await a_survey(app, a_question(Kind.NPS), a_question(Kind.TEXT, key="q2"), key="hello", greets=True)
    mei = Phone(app)
    _, question = await mei.write("/start")
    of(await mei.press(presses(question)[9]), "editMessageText")
    await mei.write("Because")

    async with program(app, Scope.READ) as reader:
        listed = (await reader.get("/api/v1/surveys")).json()
        told = (await reader.get("/api/v1/surveys/hello/results")).json()
        unknown = await reader.get("/api/v1/surveys/another/results")

    assert [(one["key"], one["version"], one["begun"], one["done"]) for one in listed] == [("hello", 1, 1, 1)]
    first, second = told["questions"]
    assert (first["counts"]["9"], first["nps"]["n"], first["nps"]["score"]) == (1, 1, 100.0)
    assert (second["answered"], second["latest"]) == (1, ["Because"])
    assert unknown.status_code == 404


async def test_a_program_opens_a_followup_and_sees_it_in_the_list(app: App, clock: FakeClock) -> None:
    fan = await given_fan(app)
    due = clock() + timedelta(hours=4)

    async with program(app, Scope.WRITE) as writer:
        made = await writer.post(
            "/api/v1/followups", json={"telegram_id": fan.telegram_id, "why": "Parcel lost", "due_at": due.isoformat()}
        )
        late = await writer.post(
            "/api/v1/followups", json={"telegram_id": fan.telegram_id, "why": "x", "due_at": "2001-01-01"}
        )
        nobody = await writer.post("/api/v1/followups", json={"telegram_id": 1, "why": "x"})
        listed = (await writer.get("/api/v1/followups")).json()

    assert made.status_code == 201
    assert (late.status_code, nobody.status_code) == (422, 404)
    assert [(one["why"], one["assigned_to"], one["done_at"]) for one in listed["items"]] == [
        ("Parcel lost", None, None)
    ]


async def test_a_key_that_may_only_read_opens_nothing(app: App) -> None:
    fan = await given_fan(app)

    async with program(app, Scope.READ) as reader:
        refused = await reader.post("/api/v1/followups", json={"telegram_id": fan.telegram_id, "why": "x"})

    assert refused.status_code == 403
