"""Questionnaires in chat: one question at a time, in one living message; words, a number or a place where asked for."""

from collections.abc import Callable, Mapping, Sequence

from aiogram.types import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    Message,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
)

from bot.keyboards import keyboard, press
from bot.routers.menu import menu
from bot.routers.scene import Answer, Method, Scene
from siyu import conversations, feedback, segments, surveys
from siyu.kit.errors import NotFound, SiyuError
from siyu.surveys import Asked, Kind, Mark, Pick, Reply, Shared, Skipped, Tick, Ticked, Written
from siyu.tables import SurveyRun

SHAPE = r"[1-9][0-9]{0,17}:[0-9]{1,4}:(?:[ctupv][0-9]{1,2}|[dsxr])"
NEWCOMER = "newcomer"

_BY_BUTTON = frozenset({Kind.CONTACT, Kind.LOCATION})  # of the keyboard that Telegram shows instead of letters


def is_answer(data: str) -> bool:
    """Whether pressing it answers something: then what was answered is written down, and not that it was pressed."""
    return data.rpartition(":")[2][:1] in "cvd"


async def pressed(scene: Scene, data: str) -> Answer:
    """An answer, a page, a rest; a button of a step that was left says so and changes nothing."""
    run, step, told = data.split(":")
    at, number = (int(run), int(step)), int(told[1:] or 0)
    match told[0]:
        case "p":
            return _ask(scene, await surveys.look(scene.session, scene.fan, *at), page=number)
        case "x":
            return _stopped(scene, await surveys.stop(scene.session, scene.fan, *at, now=scene.now))
        case "r":
            return _ask(scene, await surveys.go_on(scene.session, scene.fan, *at, now=scene.now))
        case "t" | "u":
            ticked = Tick(number, on=told[0] == "t")
            return _ask(scene, await surveys.tick(scene.session, scene.fan, *at, ticked, now=scene.now), place=number)
        case _:
            return await _answered(scene, *at, _REPLIES[told[0]](number))


async def begin(scene: Scene, key: str, *, cause: str) -> Answer:
    """The first question of a questionnaire, or the one where the fan is."""
    survey = await surveys.find_survey(scene.session, key)
    if survey is None:
        raise NotFound("these questions are not asked any more")
    return _ask(scene, await surveys.begin(scene.session, scene.fan, survey, cause=cause, now=scene.now), first=True)


async def greet(scene: Scene) -> Sequence[Method]:
    """What a newcomer is asked after the greeting; mostly nothing."""
    survey = await surveys.for_newcomers(scene.session)
    if survey is None:
        return []
    try:
        asked = await surveys.begin(scene.session, scene.fan, survey, cause=NEWCOMER, now=scene.now)
    except SiyuError:  # answered before: a fan known by import who was here already
        return []
    return _ask(scene, asked, first=True)


async def taken(scene: Scene, message: Message) -> Answer:
    """What words, a number or a place answer; None where nobody asked for them."""
    if not await feedback.listens(scene.session, scene.fan, now=scene.now):
        return None
    if message.contact or message.location:
        return await _shared(scene, message)
    asked = await surveys.words_wanted(scene.session, scene.fan, zone=scene.app.settings.zone) if message.text else None
    if asked is None:
        return None
    answered = await _answered(scene, asked.run.id or 0, asked.run.step, Written(message.text or ""))
    await conversations.needs_no_answer(scene.session, scene.fan, f"message:{scene.cause}")
    return answered


async def _shared(scene: Scene, message: Message) -> Answer:
    asked = await surveys.find_open(scene.session, scene.fan)
    given = _given(message)
    if asked is None or asked.question is None or asked.question.kind is not given.kind:
        return None
    answered = await _answered(scene, asked.run.id or 0, asked.run.step, given)
    await conversations.needs_no_answer(scene.session, scene.fan, f"message:{scene.cause}")
    return answered


def _given(message: Message) -> Shared:
    if message.contact:
        own = message.contact.user_id is not None and message.contact.user_id == message.chat.id
        return Shared(Kind.CONTACT, message.contact.phone_number, own)
    assert message.location is not None, "asked for by whoever calls"
    return Shared(Kind.LOCATION, f"{message.location.latitude}, {message.location.longitude}")


async def _answered(scene: Scene, run: int, step: int, reply: Reply) -> Answer:
    zone = scene.app.settings.zone
    asked = await surveys.answer(scene.session, scene.fan, run, step, reply, zone=zone, now=scene.now)
    if isinstance(reply, Shared) and reply.kind is Kind.LOCATION:
        await segments.note_place(scene.session, scene.fan, reply.text, now=scene.now)
    if asked.rating is not None and asked.answered is not None:
        cause = f"survey:{run}:{asked.answered.key}"
        await feedback.heed(scene.session, scene.fan, asked.rating, cause=cause, now=scene.now)
    put_away = _put_away(scene, asked)
    if asked.question is None:
        text = surveys.said(asked.content.thanks, scene.words)
        return [*put_away, scene.show(scene.voice.tell("answered_all", thanks=text, points=asked.points), menu(scene))]
    return [*put_away, *_ask(scene, asked)]


def _ask(
    scene: Scene, asked: Asked, *, page: int = 0, place: int | None = None, first: bool = False
) -> Sequence[Method]:
    """The question in the living message, and Telegram's own button where it takes one."""
    question = asked.question
    assert question is not None, "whoever is at the end is asked nothing"
    if place is not None:
        page = surveys.page_of(question, scene.words, place)
    text = scene.voice.tell(
        "question",
        title=surveys.said(asked.content.title, scene.words) if first else "",
        text=surveys.said(question.text, scene.words),
        hint=surveys.hint(question, scene.words),
        number=asked.number,
        total=len(asked.content.questions),
    )
    shown = scene.show(text, _buttons(scene, asked, page))
    return [shown, _by_button(scene, question.kind)] if question.kind in _BY_BUTTON else [shown]


def _buttons(scene: Scene, asked: Asked, page: int) -> InlineKeyboardMarkup:
    assert asked.question is not None, "as above"
    rows = surveys.rows(asked.question, scene.words, page=page, ticked=asked.ticked)
    return keyboard(*([_button(asked.run, button) for button in row] for row in rows))


def _button(run: SurveyRun, button: surveys.Button) -> InlineKeyboardButton:
    return press(button.text, "q", run.id, run.step, button.tells)


def _by_button(scene: Scene, kind: Kind) -> Method:
    _ = scene._
    if kind is Kind.CONTACT:
        key = KeyboardButton(text=_("📱 Share my number"), request_contact=True)
    else:
        key = KeyboardButton(text=_("📍 Share where I am"), request_location=True)
    board = ReplyKeyboardMarkup(keyboard=[[key]], resize_keyboard=True, one_time_keyboard=True)
    return scene.say(_("👇 With this button, or skip it above."), board)


def _put_away(scene: Scene, asked: Asked) -> Sequence[Method]:
    """Telegram's own button goes when its question is behind the fan."""
    left = asked.answered
    if left is None or left.kind not in _BY_BUTTON:
        return []
    return [scene.say(scene._("👌 All right."), ReplyKeyboardRemove())]


def _stopped(scene: Scene, asked: Asked) -> Answer:
    again = press(scene._("▶️ Go on"), "q", asked.run.id, asked.run.step, "r")
    shown = scene.show(scene.voice.tell("stopped"), keyboard([again]))
    kind = asked.question.kind if asked.question else None
    away = [scene.say(scene._("👌 All right."), ReplyKeyboardRemove())] if kind in _BY_BUTTON else []
    return [shown, *away]


_REPLIES: Mapping[str, Callable[[int], Reply]] = {
    "c": Pick,
    "v": Mark,
    "d": lambda _number: Ticked(),
    "s": lambda _number: Skipped(),
}
