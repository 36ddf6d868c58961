"""Editing: a draft is written question by question; publishing makes a version of it that never changes."""

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, select

from siyu import audit
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.surveys.checking import LONGEST_THANKS, LONGEST_TITLE, MOST_QUESTIONS, Vocabulary, mistakes, of_question
from siyu.surveys.content import Content, Kind, Question, Texts, as_json, read_content
from siyu.tables import Survey, SurveyVersion

KEY = re.compile(r"[a-z][a-z0-9_]{0,29}")


async def create_survey(session: WriteSession, actor: Actor, key: str, title: Texts, *, now: datetime) -> Survey:
    """An empty draft. Raises Invalid at `key` or `title`, Conflict where the key is taken."""
    if not KEY.fullmatch(key):
        raise Invalid("a key takes a letter and up to 29 of a-z 0-9 _", where=("key",))
    _must_be_titled(title)
    draft = as_json(Content(title=title))
    new = {"key": key, "draft": draft, "version": 0, "for_newcomers": False, "created_at": now, "created_by": actor.key}
    once = session.insert(Survey).values(new).on_conflict_do_nothing(index_elements=["key"])
    made = await session.returning(once.returning(col(Survey.id)))
    if not made:
        raise Conflict("there is a questionnaire %(key)s already", reason="key_taken", key=key)
    await audit.note(session, actor, "survey.created", "survey", made[0].id, now=now, key=key)
    return await get_survey(session, made[0].id)


async def name_survey(
    session: WriteSession, actor: Actor, survey_id: int, title: Texts, thanks: Texts, *, now: datetime
) -> None:
    """What fans read above the questions and after the last one."""
    _must_be_titled(title)
    if any(len(text) > LONGEST_THANKS for text in thanks.values()):
        raise Invalid("takes at most %(most)s characters", where=("thanks",), most=LONGEST_THANKS)
    survey = await _held(session, survey_id)
    await _write(session, actor, survey, draft_of(survey).model_copy(update={"title": title, "thanks": thanks}), now)


async def add_question(session: WriteSession, actor: Actor, survey_id: int, kind: Kind, *, now: datetime) -> Question:
    """An empty one at the end, to be filled in."""
    survey = await _held(session, survey_id)
    draft = draft_of(survey)
    if len(draft.questions) >= MOST_QUESTIONS:
        raise Conflict("at most %(most)s questions: nobody answers more", reason="full", most=MOST_QUESTIONS)
    new = Question(key=f"q{draft.numbered + 1}", kind=kind, text={})
    grown = draft.model_copy(update={"questions": (*draft.questions, new), "numbered": draft.numbered + 1})
    await _write(session, actor, survey, grown, now)
    return new


async def change_question(
    session: WriteSession, actor: Actor, survey_id: int, question: Question, known: Vocabulary, *, now: datetime
) -> list[Invalid]:
    """The question of this key as it reads now; nothing is kept and every mistake is told where one is wrong."""
    survey = await _held(session, survey_id)
    draft = draft_of(survey)
    _must_have(draft, question.key)
    wrong = of_question(draft, question, known)
    if not wrong:
        changed = tuple(question if one.key == question.key else one for one in draft.questions)
        await _write(session, actor, survey, draft.model_copy(update={"questions": changed}), now)
    return wrong


async def move_question(
    session: WriteSession, actor: Actor, survey_id: int, key: str, *, by: int, now: datetime
) -> None:
    """So many places down, or up where it is negative; never beyond the ends."""
    survey = await _held(session, survey_id)
    draft = draft_of(survey)
    moved = _must_have(draft, key)
    others = [one for one in draft.questions if one.key != key]
    others.insert(min(max(draft.place(key) + by, 0), len(others)), moved)
    await _write(session, actor, survey, draft.model_copy(update={"questions": tuple(others)}), now)


async def remove_question(session: WriteSession, actor: Actor, survey_id: int, key: str, *, now: datetime) -> None:
    """Answers that led to it lead to the next one instead; what was answered stays."""
    survey = await _held(session, survey_id)
    draft = draft_of(survey)
    _must_have(draft, key)
    left = tuple(_without(one, key) for one in draft.questions if one.key != key)
    await _write(session, actor, survey, draft.model_copy(update={"questions": left}), now)


async def publish(
    session: WriteSession, actor: Actor, survey_id: int, known: Vocabulary, *, now: datetime
) -> list[Invalid]:
    """The draft becomes the next version; whoever is under way ends with theirs. Nothing where there are mistakes."""
    survey = await _held(session, survey_id)
    wrong = mistakes(draft_of(survey), known)
    if wrong:
        return wrong
    survey.version += 1
    survey.archived_at = None
    session.add(survey)
    number, told = survey.version, {"key": survey.key, "version": survey.version}
    session.add(
        SurveyVersion(
            survey_id=survey_id, number=number, content=survey.draft, published_at=now, published_by=actor.key
        )
    )
    await audit.note(session, actor, "survey.published", "survey", survey_id, now=now, **told)
    return []


async def greet_with(session: WriteSession, actor: Actor, survey_id: int | None, *, now: datetime) -> None:
    """Newcomers are asked these questions after the greeting; None: nothing. Raises Conflict before publishing."""
    survey = await _held(session, survey_id) if survey_id is not None else None
    if survey is not None and (survey.version == 0 or survey.archived_at):
        raise Conflict("publish it first", reason="unpublished")
    before = col(Survey.for_newcomers), col(Survey.id) != (survey_id or 0)
    await session.run(update(Survey).where(*before).values(for_newcomers=False))
    if survey is not None:
        survey.for_newcomers = True
        session.add(survey)
    await audit.note(session, actor, "survey.greets", "survey", survey_id, now=now, key=survey.key if survey else None)


async def archive(session: WriteSession, actor: Actor, survey_id: int, *, now: datetime) -> None:
    """Nobody is asked it any more; whoever is under way may end, and what was answered stays."""
    survey = await _held(session, survey_id)
    survey.archived_at, survey.for_newcomers = now, False
    session.add(survey)
    await audit.note(session, actor, "survey.archived", "survey", survey_id, now=now, key=survey.key)


async def get_survey(session: ReadSession, survey_id: int) -> Survey:
    survey = await session.get(Survey, survey_id)
    if survey is None:
        raise NotFound("there is no such questionnaire")
    return survey


async def find_survey(session: ReadSession, key: str) -> Survey | None:
    return await session.first(select(Survey).where(Survey.key == key))


async def list_surveys(session: ReadSession) -> Sequence[Survey]:
    """Those in use first, the newest of them first; some dozens at most, so never paged."""
    return await session.all(select(Survey).order_by(col(Survey.archived_at).is_not(None), col(Survey.id).desc()))


async def for_newcomers(session: ReadSession) -> Survey | None:
    """What a newcomer is asked after the greeting."""
    return await session.first(select(Survey).where(col(Survey.for_newcomers)))


async def content_of(session: ReadSession, survey_id: int, number: int) -> Content:
    """A published version."""
    version = await session.get(SurveyVersion, (survey_id, number))
    if version is None:
        raise NotFound("there is no such questionnaire")
    return read_content(version.content)


def draft_of(survey: Survey) -> Content:
    return read_content(survey.draft)


async def _held(session: WriteSession, survey_id: int) -> Survey:
    """Nobody else writes in it before this transaction ends."""
    survey = await session.first(select(Survey).where(Survey.id == survey_id).with_for_update())
    if survey is None:
        raise NotFound("there is no such questionnaire")
    return survey


async def _write(session: WriteSession, actor: Actor, survey: Survey, draft: Content, now: datetime) -> None:
    survey.draft = as_json(draft)
    session.add(survey)
    await audit.note(session, actor, "survey.changed", "survey", survey.id, now=now, key=survey.key)


def _must_be_titled(title: Texts) -> None:
    if not any(text.strip() for text in title.values()):
        raise Invalid("it needs words, in one language at least", where=("title",))
    if any(len(text) > LONGEST_TITLE for text in title.values()):
        raise Invalid("takes at most %(most)s characters", where=("title",), most=LONGEST_TITLE)


def _must_have(draft: Content, key: str) -> Question:
    found = draft.find(key)
    if found is None:
        raise NotFound("this question is not there any more")
    return found


def _without(question: Question, key: str) -> Question:
    def on(to: str) -> str:
        return "" if to == key else to

    return question.model_copy(
        update={
            "to": on(question.to),
            "choices": tuple(one.model_copy(update={"to": on(one.to)}) for one in question.choices),
            "jumps": tuple(one for one in question.jumps if one.to != key),
        }
    )
