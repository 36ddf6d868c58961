"""What tests of questionnaires begin with: questions whose details do not matter, published and ready to be asked."""

from itertools import count

from siyu import attributes, surveys
from siyu.app import App
from siyu.attributes import NewAttribute
from siyu.audit import COMMAND_LINE
from siyu.surveys import Choice, Jump, Kind, Question, Vocabulary
from siyu.tables import Survey

_keys = count(1)
OTHERS: dict[str, list[str]] = {
    "need": [],
    "age_group": ["young", "middle", "senior"],
    "gender": [],
}  # known without a definition


def a_question(kind: Kind = Kind.CHOICE, *options: str, key: str = "q1", **fields: object) -> Question:
    choices = tuple(Choice(key=one, label={"en": one.title()}) for one in options)
    usual: dict[str, object] = {"text": {"en": f"What about {key}?"}, "choices": choices}
    return Question(key=key, kind=kind, **{**usual, **fields})  # type: ignore[arg-type]  # a test names what it changes


def a_choice(key: str, *, to: str = "") -> Choice:
    return Choice(key=key, label={"en": key.title()}, to=to)


def a_jump(low: int, high: int, to: str) -> Jump:
    return Jump(low=low, high=high, to=to)


async def a_draft(app: App, *questions: Question, key: str | None = None) -> Survey:
    """A questionnaire nobody published; questions are called q1, q2… in their order."""
    now = app.clock()
    async with app.database.writing() as session:
        title = {"en": "Getting to know you", "zh_CN": "认识一下"}
        made = await surveys.create_survey(session, COMMAND_LINE, key or f"hello{next(_keys)}", title, now=now)
        for one in questions:
            await surveys.add_question(session, COMMAND_LINE, made.id or 0, one.kind, now=now)
    await rewrites(app, made, *questions)
    return made


async def rewrites(app: App, survey: Survey, *questions: Question) -> None:
    async with app.database.writing() as session:
        known = Vocabulary(await attributes.definitions(session), OTHERS)
        for one in questions:
            wrong = await surveys.change_question(session, COMMAND_LINE, survey.id or 0, one, known, now=app.clock())
            assert wrong == [], wrong[0]


async def publishes(app: App, survey: Survey) -> list[str]:
    """What keeps it from being published; nothing where it was."""
    async with app.database.writing() as session:
        known = Vocabulary(await attributes.definitions(session), OTHERS)
        wrong = await surveys.publish(session, COMMAND_LINE, survey.id or 0, known, now=app.clock())
    return [mistake.reason if mistake.reason != "invalid" else mistake.sentence for mistake in wrong]


async def a_survey(app: App, *questions: Question, key: str | None = None, greets: bool = False) -> Survey:
    """A published one."""
    made = await a_draft(app, *questions, key=key)
    assert await publishes(app, made) == []
    if greets:
        async with app.database.writing() as session:
            await surveys.greet_with(session, COMMAND_LINE, made.id, now=app.clock())
    async with app.database.reading() as session:
        return await surveys.get_survey(session, made.id or 0)


async def given_attribute(app: App, name: str, kind: str, *choices: str) -> None:
    draft = NewAttribute(name, kind, choices=tuple(attributes.Choice(one) for one in choices))
    async with app.database.writing() as session:
        await attributes.define_attribute(session, COMMAND_LINE, draft, now=app.clock())
