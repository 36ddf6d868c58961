"""Writing a broadcast: a draft, held against everything Telegram would refuse, before anybody is written to."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, update
from sqlmodel import col, select

from siyu import audit
from siyu.audit import Actor
from siyu.broadcasts import comparing, content, timing
from siyu.broadcasts.audience import is_segment
from siyu.broadcasts.buttons import Action, Rows, check_buttons, is_printable
from siyu.broadcasts.following import Follows
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.paging import Page, cursor_of, key_of
from siyu.segments import saved
from siyu.tables import Broadcast, BroadcastState, Offer, Survey, Timing, Topic

Json = Mapping[str, Any]  # Any: checked by whoever it belongs to

LONGEST_TITLE = 200
FASTEST = 1000
A_SITTING = timedelta(minutes=10)
POLICIES = ("leave", "resend")

# Nothing happens to these by itself any more.
OVER = (BroadcastState.FINISHED, BroadcastState.CANCELLED, BroadcastState.FAILED)


@dataclass(frozen=True)
class Draft:
    """What an operator wrote, column by column as it will be kept; `buttons` are rows of `{text, url?|action?}`."""

    title: str
    include: Sequence[str] = ()
    text: str = ""
    exclude: Sequence[str] = ()
    rule: Json | None = None
    topic: str | None = None
    freeze_early: bool = False
    ignores_quiet: bool = False
    buttons: Sequence[Sequence[Json]] = ()
    media: Sequence[Json] = ()
    copied: Json | None = None
    versions: Mapping[str, Json] = field(default_factory=dict)
    offer_id: int | None = None
    link_preview: bool = True
    silent: bool = False
    timing: Timing = Timing.NOW
    send_at: datetime | None = None
    local_at: str | None = None
    series: Json | None = None
    spread_minutes: int = 0
    on_unknown: str = "leave"
    rate: float | None = None
    paid: bool = False
    holdout_percent: int = 0
    variants: Sequence[Json] = ()
    test_percent: int = 100
    winner_by: str | None = None
    winner_after_minutes: int | None = None
    attribution_days: int = 7
    follows_id: int | None = None
    follows: str | None = None


async def compose(
    session: WriteSession, actor: Actor, draft: Draft, *, now: datetime, unfinished: bool = False
) -> Broadcast:
    """A new draft. Raises Invalid with the place of the first mistake; of an unfinished one, that cannot be kept."""
    return await _add(session, actor, await _checked(session, draft, now, unfinished=unfinished), now=now)


async def edit(
    session: WriteSession,
    actor: Actor,
    broadcast_id: int,
    draft: Draft,
    *,
    now: datetime,
    seen_version: int | None = None,
    unfinished: bool = False,
) -> Broadcast:
    """The draft, written anew; what was started stays as it is.

    Refused where somebody saved a version after the one that was seen: nobody writes over what they did not read.
    """
    written = await _checked(session, draft, now, unfinished=unfinished)
    seen = [col(Broadcast.version) == seen_version] if seen_version is not None else []
    before = await get_broadcast(session, broadcast_id)
    last = (before.edited_by, before.edited_at)
    is_draft = (col(Broadcast.id) == broadcast_id, col(Broadcast.state) == BroadcastState.DRAFT, *seen)
    saved = {"version": col(Broadcast.version) + 1, "edited_at": now, "edited_by": actor.key, "state_reason": None}
    if not await session.run(update(Broadcast).where(*is_draft).values(**written, **saved)):
        raise _not_kept(await get_broadcast(session, broadcast_id))
    if not (unfinished and _still_writes(*last, actor, now)):
        await audit.note(session, actor, "broadcast.edited", "broadcast", broadcast_id, now=now, title=draft.title)
    return await get_broadcast(session, broadcast_id)


async def duplicate(session: WriteSession, actor: Actor, broadcast_id: int, *, now: datetime) -> Broadcast:
    """A new draft with the same words and people, also of a template; a time that has passed is left out."""
    original = await get_broadcast(session, broadcast_id)
    columns = copied(original)
    if any(timing.mistakes(original, now=now)):
        columns |= {"timing": Timing.NOW, "send_at": None, "local_at": None, "series": None}
    return await _add(session, actor, columns, now=now, copy_of=broadcast_id)


async def save_as_template(session: WriteSession, actor: Actor, broadcast_id: int, *, now: datetime) -> Broadcast:
    """A copy that is never sent itself; `duplicate` makes a draft of it."""
    columns = copied(await get_broadcast(session, broadcast_id))
    columns |= {"is_template": True, "send_at": None}
    return await _add(session, actor, columns, now=now, copy_of=broadcast_id)


async def archive(
    session: WriteSession, actor: Actor, broadcast_id: int, *, now: datetime, archived: bool = True
) -> Broadcast:
    """Out of the list, or back into it; what is still on its way stays in sight."""
    resting = col(Broadcast.state).in_([BroadcastState.DRAFT, *OVER])
    values = {"archived_at": now if archived else None}
    if not await session.run(update(Broadcast).where(col(Broadcast.id) == broadcast_id, resting).values(values)):
        await get_broadcast(session, broadcast_id)
        raise Conflict("what is on its way cannot be archived; cancel it first", reason="on_its_way")
    action = "broadcast.archived" if archived else "broadcast.unarchived"
    await audit.note(session, actor, action, "broadcast", broadcast_id, now=now)
    return await get_broadcast(session, broadcast_id)


async def get_broadcast(session: ReadSession, broadcast_id: int) -> Broadcast:
    """The broadcast as the database has it now."""
    statement = select(Broadcast).where(Broadcast.id == broadcast_id).execution_options(populate_existing=True)
    broadcast = await session.first(statement)
    if broadcast is None:
        raise NotFound("there is no broadcast %(id)s", id=broadcast_id)
    return broadcast


async def list_broadcasts(
    session: ReadSession,
    *,
    state: BroadcastState | None = None,
    templates: bool = False,
    archived: bool = False,
    series_id: int | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Broadcast]:
    """The newest first; templates and what was archived are lists of their own. `q` is part of a title.

    Of a series, its occurrences.
    """
    statement = (
        select(Broadcast)
        .where(*_listed(templates=templates, archived=archived, q=q))
        .order_by(col(Broadcast.id).desc())
        .limit(limit + 1)
    )
    if state:
        statement = statement.where(Broadcast.state == state)
    if series_id is not None:
        statement = statement.where(Broadcast.series_id == series_id)
    if cursor:
        statement = statement.where(col(Broadcast.id) < key_of(cursor, length=1)[0])
    found = await session.all(statement)
    return Page(found[:limit], cursor_of((found[limit - 1].id or 0,)) if len(found) > limit else None)


async def count_broadcasts(session: ReadSession, *, q: str = "") -> dict[BroadcastState, int]:
    """How many are in each state, templates and what was archived aside."""
    listed = _listed(templates=False, archived=False, q=q)
    found = await session.rows(select(col(Broadcast.state), func.count()).where(*listed).group_by(col(Broadcast.state)))
    return {state: number for state, number in found}  # noqa: C416 - dict() loses its types


async def mistakes(session: ReadSession, draft: Draft, *, now: datetime | None = None) -> list[Invalid]:
    """Everything wrong with a draft, each with its place, so that a form can show all of it at once.

    Whether its time has passed is only known where the moment is told.
    """
    return [
        *_title_mistakes(draft),
        *content.mistakes(draft),
        *await content.level_mistakes(session, draft),
        *_policy_mistakes(draft),
        *timing.mistakes(draft, now=now),
        *comparing.mistakes(draft),
        *await _audience_mistakes(session, draft),
        *await _topic_mistakes(session, draft),
        *await _offer_mistakes(session, draft, now),
        *await _survey_mistakes(session, draft),
        *await _following_mistakes(session, draft),
    ]


def draft_of(broadcast: Broadcast) -> Draft:
    """A broadcast as it was written."""
    return Draft(**copied(broadcast))


def copied(broadcast: Broadcast) -> dict[str, Any]:  # Any: the columns of a broadcast
    """Whatever an operator wrote of it, by column."""
    return {one.name: getattr(broadcast, one.name) for one in fields(Draft)}


def rows_of(broadcast: Broadcast) -> Rows:
    """The operator's buttons, as they were checked."""
    return check_buttons(broadcast.buttons)[0]


def _listed(*, templates: bool, archived: bool, q: str) -> list[ColumnElement[bool]]:
    found = col(Broadcast.title).icontains(q.strip(), autoescape=True)
    return [col(Broadcast.is_template).is_(templates), col(Broadcast.archived_at).is_not(None).is_(archived), found]


async def _add(
    session: WriteSession,
    actor: Actor,
    columns: Mapping[str, Any],  # Any: the columns of a broadcast
    *,
    now: datetime,
    **details: object,
) -> Broadcast:
    broadcast = Broadcast(**columns, created_at=now, created_by=actor.key, state_at=now, state_by=actor.key)
    session.add(broadcast)
    await session.flush()
    told = {"title": broadcast.title, **details}
    await audit.note(session, actor, "broadcast.composed", "broadcast", broadcast.id, now=now, **told)
    return broadcast


def _still_writes(edited_by: str | None, edited_at: datetime | None, actor: Actor, now: datetime) -> bool:
    """What is kept while somebody writes comes every second: one line of the audit for each sitting is enough."""
    return edited_by == actor.key and edited_at is not None and now - edited_at < A_SITTING


def _not_kept(broadcast: Broadcast) -> Conflict:
    if broadcast.state is not BroadcastState.DRAFT:
        return Conflict("this broadcast was started; it cannot be changed any more", reason="not_a_draft")
    return Conflict("somebody else changed this draft meanwhile; look at theirs first", reason="edited")


async def _checked(
    session: ReadSession, draft: Draft, now: datetime, *, unfinished: bool
) -> dict[str, Any]:  # Any: the columns of a broadcast
    wrong = await (_unkeepable(session, draft) if unfinished else mistakes(session, draft, now=now))
    if wrong:
        raise wrong[0]
    buttons = [[button.as_json() for button in row] for row in check_buttons(draft.buttons)[0]]
    return {
        **{one.name: plain(getattr(draft, one.name)) for one in fields(draft)},
        "title": draft.title.strip(),
        "text": draft.text.replace("\r", ""),
        "buttons": plain(draft.buttons) if unfinished else buttons,
    }


async def _unkeepable(session: ReadSession, draft: Draft) -> list[Invalid]:
    """What the tables would not take; all else may be wrong until somebody starts it."""
    signs = [
        Invalid("the text holds signs that cannot be sent", where=(place,))
        for place, words in (("title", draft.title), ("text", draft.text))
        if not is_printable(words)
    ]
    unknown = [
        *await _topic_mistakes(session, draft),
        *await _offer_mistakes(session, draft, None),
        *await _following_mistakes(session, draft),
    ]
    return [*signs, *unknown]


def plain(value: object) -> object:
    """As JSON columns take it."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def _title_mistakes(draft: Draft) -> Iterable[Invalid]:
    if not draft.title.strip():
        yield Invalid("give it a title, for yourselves", where=("title",))
    elif len(draft.title) > LONGEST_TITLE or not is_printable(draft.title):
        yield Invalid("a title has at most %(most)d plain characters", where=("title",), most=LONGEST_TITLE)


def _policy_mistakes(draft: Draft) -> Iterable[Invalid]:
    if draft.on_unknown not in POLICIES:
        yield Invalid("what is unknown is left or sent again: leave or resend", where=("on_unknown",))
    if draft.rate is not None and not (math.isfinite(draft.rate) and 0 < draft.rate <= FASTEST):
        yield Invalid("a pace lies above 0 and at most at %(most)d a second", where=("rate",), most=FASTEST)


async def _audience_mistakes(session: ReadSession, draft: Draft) -> Iterable[Invalid]:
    if not draft.include and draft.rule is None and draft.follows_id is None:
        return [Invalid("choose whom it goes to", where=("include",))]
    return [
        *[
            wrong
            for place, keys in (("include", draft.include), ("exclude", draft.exclude))
            for key in keys
            if (wrong := await _segment_mistake(session, place, key))
        ],
        *await _rule_mistakes(session, draft),
    ]


async def _segment_mistake(session: ReadSession, place: str, key: str) -> Invalid | None:
    if not await is_segment(session, key):
        return Invalid("there is no segment %(key)s", where=(place,), key=key)
    if await saved.is_broken(session, key):
        sentence = "the rule of the segment %(key)s is broken: mend it, or choose another"
        return Invalid(sentence, where=(place,), key=key)
    return None


async def _rule_mistakes(session: ReadSession, draft: Draft) -> Iterable[Invalid]:
    try:
        if draft.rule is not None:
            await saved.checked(session, draft.rule)
    except Invalid as mistake:
        return [mistake]
    except NotFound:
        return [Invalid("the rule asks for a segment that is not there", where=("rule",))]
    return []


async def _topic_mistakes(session: ReadSession, draft: Draft) -> Iterable[Invalid]:
    if draft.topic is None:
        return []
    topic = await session.get(Topic, draft.topic)
    known = topic is not None and topic.archived_at is None
    return [] if known else [Invalid("there is no topic %(key)s", where=("topic",), key=draft.topic)]


async def _offer_mistakes(session: ReadSession, draft: Draft, now: datetime | None) -> Iterable[Invalid]:
    if draft.offer_id is None:
        return []
    offer = await session.get(Offer, draft.offer_id)
    if offer is None:
        return [Invalid("there is no offer %(id)s", where=("offer",), id=draft.offer_id)]
    if now is not None and offer.ends_at <= now:
        return [Invalid("this offer has ended: choose another, or take it off", where=("offer",))]
    return []


async def _survey_mistakes(session: ReadSession, draft: Draft) -> Iterable[Invalid]:
    """A button that would begin nothing, told at its place."""
    boards = [draft.buttons, *(one.get("buttons") or () for one in (*draft.versions.values(), *draft.variants))]
    keys = {
        button.value or "": place
        for rows in boards
        for y, row in enumerate(check_buttons(rows)[0])
        for place, button in ((("buttons", y, x, "value"), button) for x, button in enumerate(row))
        if button.is_(Action.SURVEY)
    }
    if not keys:
        return []
    asked = select(col(Survey.key)).where(col(Survey.version) > 0, col(Survey.archived_at).is_(None))
    known = set(await session.all(asked.where(col(Survey.key).in_(keys))))
    return [
        Invalid("no questionnaire “%(key)s” is published", where=place, key=key)
        for key, place in keys.items()
        if key not in known
    ]


async def _following_mistakes(session: ReadSession, draft: Draft) -> Iterable[Invalid]:
    if draft.follows_id is None:
        return []
    known = draft.follows in set(Follows) and await session.get(Broadcast, draft.follows_id)
    return [] if known else [Invalid("there is no such broadcast to follow", where=("follows",))]
