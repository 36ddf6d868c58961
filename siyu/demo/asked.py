"""What the invented community's fans were asked: a questionnaire at the door, ratings, and what came of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import func
from sqlmodel import col, select

from siyu import attributes, fans, feedback, followups, surveys
from siyu.app import App
from siyu.demo.history import TEA_HOUSE
from siyu.kit.database import WriteSession
from siyu.surveys import Asked, Choice, Kind, Mark, Pick, Question, Skipped, Vocabulary, Written
from siyu.tables import Fan, FollowUp

ANSWERING, RATING = 40, 30  # fans: enough for bars, few enough for a quick start

QUESTIONS = (
    Question(
        key="q1",
        kind=Kind.CHOICE,
        text={"zh_CN": "买茶时您最看重什么？", "en": "What matters most when you buy tea?"},
        attribute="need",
        choices=(
            Choice(key="price", label={"zh_CN": "价格实在", "en": "A fair price"}),
            Choice(key="quality", label={"zh_CN": "品质产地", "en": "Where it grew"}),
            Choice(key="service", label={"zh_CN": "服务", "en": "Service"}),
            Choice(key="feature", label={"zh_CN": "新奇口味", "en": "Something new"}, to="q3"),
        ),
    ),
    Question(
        key="q2",
        kind=Kind.CHOICE,
        text={"zh_CN": "您的年龄段？", "en": "How old are you?"},
        attribute="age_group",
        choices=(
            Choice(key="young", label={"zh_CN": "30 岁以下", "en": "Under 30"}),
            Choice(key="middle", label={"zh_CN": "30–55 岁", "en": "30 to 55"}),
            Choice(key="senior", label={"zh_CN": "55 岁以上", "en": "Over 55"}),
        ),
    ),
    Question(key="q3", kind=Kind.NPS, text={"zh_CN": "您愿意把我们推荐给朋友吗？", "en": "Would you recommend us?"}),
    Question(key="q4", kind=Kind.TEXT, text={"zh_CN": "还想喝到什么茶？", "en": "Which tea do you miss here?"}),
)
WISHES = ("老班章", "A decaf oolong", "桂花红茶", "More samples, please", "凤凰单丛", "Jasmine pearls")
WORDS = {
    1: "茶罐压坏了，等了五天。", 2: "The tin came open.", 3: "还行，就是慢了点。",
    4: "Good, as always.", 5: "第一口就爱上了！",
}  # fmt: skip


async def ask(app: App, *, now: datetime, dice: Random) -> None:
    """Written, published, shown to newcomers, and answered by some of those who are here."""
    async with app.database.writing() as session:
        survey_id = await _write(session, now - timedelta(days=80))
    async with app.database.writing() as session:
        for fan in await _some(session, ANSWERING):
            await _answer(session, app, fan, survey_id, now - timedelta(hours=dice.randint(2, 1800)), dice)
    async with app.database.writing() as session:
        for fan in await _some(session, RATING):
            await _rate(session, app, fan, now - timedelta(hours=dice.randint(1, 1400)), dice)
        await _follow_up(session, now)


async def _write(session: WriteSession, at: datetime) -> int:
    title = {"zh_CN": "认识一下，好吗？", "en": "Shall we get to know each other?"}
    survey = await surveys.create_survey(session, TEA_HOUSE, "hello", title, now=at)
    known = Vocabulary(await attributes.definitions(session), {"need": [], "age_group": []})
    for question in QUESTIONS:
        await surveys.add_question(session, TEA_HOUSE, survey.id or 0, question.kind, now=at)
    for question in QUESTIONS:
        await surveys.change_question(session, TEA_HOUSE, survey.id or 0, question, known, now=at)
    await surveys.publish(session, TEA_HOUSE, survey.id or 0, known, now=at)
    await surveys.greet_with(session, TEA_HOUSE, survey.id or 0, now=at)
    return survey.id or 0


async def _some(session: WriteSession, number: int) -> Sequence[Fan]:
    return await session.all(
        select(Fan).where(fans.can_be_reached()).order_by(func.abs(col(Fan.id) % 97)).limit(number)
    )


async def _answer(session: WriteSession, app: App, fan: Fan, survey_id: int, at: datetime, dice: Random) -> None:
    survey = await surveys.get_survey(session, survey_id)
    asked = await surveys.begin(session, fan, survey, cause="newcomer", now=at)
    while asked.question is not None:
        if dice.random() < 0.08:  # somebody called, and they put the phone away
            await surveys.stop(session, fan, asked.run.id or 0, asked.run.step, now=at)
            return
        reply = _reply(asked, dice)
        run, zone = asked.run, app.settings.zone
        asked = await surveys.answer(session, fan, run.id or 0, run.step, reply, zone=zone, now=at)


def _reply(asked: Asked, dice: Random) -> surveys.Reply:
    question = asked.question
    if question is None or dice.random() < 0.12:
        return Skipped()
    if question.kind is Kind.NPS:
        return Mark(dice.choice((3, 6, 7, 8, 8, 9, 9, 9, 10, 10, 10)))
    if question.kind is Kind.TEXT:
        return Written(dice.choice(WISHES))
    return Pick(dice.randrange(len(question.choices)))


async def _rate(session: WriteSession, app: App, fan: Fan, at: datetime, dice: Random) -> None:
    asked = await feedback.ask(session, fan, cause=f"demo:{fan.id}", now=at)
    number = dice.choice((1, 2, 3, 4, 4, 5, 5, 5, 5, 5))
    rated = await feedback.rate(session, fan, asked.id or 0, number, zone=app.settings.zone, now=at)
    if dice.random() < 0.4:
        await feedback.add_words(session, rated.feedback, WORDS[number])


async def _follow_up(session: WriteSession, now: datetime) -> None:
    """All but the two latest that were due are done."""
    due = select(col(FollowUp.id)).where(col(FollowUp.due_at) < now).order_by(col(FollowUp.due_at).desc()).offset(2)
    for number in await session.all(due):
        note = "打了电话，补寄了一罐。 · Called, and sent another tin."
        await followups.finish(session, TEA_HOUSE, number or 0, note, now=now - timedelta(hours=20))
