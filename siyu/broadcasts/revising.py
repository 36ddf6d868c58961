"""Revising what was sent: written anew or taken back for everyone who got it, at the bot's pace.

Making the same edit twice does no harm, so nothing here is unknown: whatever broke off is simply done again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, assert_never

from sqlalchemy import ColumnElement, String, and_, bindparam, case, exists, func, literal, null, select, update
from sqlmodel import col

from siyu import audit, fans
from siyu.audit import SIYU, Actor
from siyu.broadcasts import content, placeholders
from siyu.broadcasts.buttons import Rows, check_buttons, keyboard
from siyu.broadcasts.composing import get_broadcast
from siyu.broadcasts.content import is_album
from siyu.broadcasts.editions import Edition
from siyu.broadcasts.letters import Letter, captioned, hand_of
from siyu.broadcasts.links import Tracking, numbered
from siyu.broadcasts.placeholders import Values
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.wording import choose_locale, words
from siyu.outcomes import (
    Blocked,
    Gone,
    Migrated,
    NotSent,
    Outcome,
    Rejected,
    Sent,
    ServerError,
    SlowDown,
    Unauthorized,
    Unknown,
    Unreachable,
    reach_after,
)
from siyu.tables import Broadcast, BroadcastRevision, Delivery, DeliveryState, Fan, RevisionLine, RevisionState

EDIT, DELETE = "edit", "delete"
PENDING, DONE, FAILED = "pending", "done", "failed"
# Telegram lets bots take back what is younger than this.
OLDEST_TO_DELETE = timedelta(hours=48)
MOST_ATTEMPTS = 5
# So many refusals and nothing that passed: our content is wrong, and the others are spared.
CANARY = 5
REJECTED, TOO_OLD = "rejected: ", "too_old"

# Descriptions are for people and change; these words have been stable for years.
_NOT_THERE = ("message to edit not found", "message to delete not found", "message_id_invalid")


@dataclass(frozen=True)
class Revised:
    """A fan whose message is to be changed, and what this revision knows of them."""

    revision: BroadcastRevision
    broadcast: Broadcast
    fan_id: int
    telegram_id: int
    message_id: int
    language: str | None
    attempts: int
    values: Values
    first: int  # the number of the revision's first button


@dataclass(frozen=True)
class Progress:
    """How far a revision is; the three add up to everyone who got the broadcast."""

    revision: BroadcastRevision
    pending: int
    done: int
    failed: int


async def start_edit(
    session: WriteSession,
    broadcast_id: int,
    text: str,
    buttons: Sequence[Sequence[Mapping[str, Any]]] = (),  # Any: checked here
    *,
    actor: Actor,
    now: datetime,
) -> BroadcastRevision:
    """Write it anew for everyone who got it. Raises Invalid with the place, Conflict while another one is under way."""
    broadcast = await get_broadcast(session, broadcast_id)
    _must_fit(broadcast, text, buttons)
    plain = [[button.as_json() for button in row] for row in check_buttons(buttons)[0]]
    revision = BroadcastRevision(
        broadcast_id=broadcast_id, kind=EDIT, text=text, buttons=plain, created_at=now, created_by=actor.key
    )
    return await _start(session, revision, actor=actor, now=now)


async def start_delete(session: WriteSession, broadcast_id: int, *, actor: Actor, now: datetime) -> BroadcastRevision:
    """Take it back from everyone who got it in the last 48 hours; from others Telegram does not let us."""
    await get_broadcast(session, broadcast_id)
    revision = BroadcastRevision(broadcast_id=broadcast_id, kind=DELETE, created_at=now, created_by=actor.key)
    return await _start(session, revision, actor=actor, now=now)


async def stop(session: WriteSession, revision_id: int, *, actor: Actor, now: datetime) -> BroadcastRevision:
    """What was changed stays changed; nobody else's message is touched."""
    if not await _end(session, revision_id, RevisionState.STOPPED, now=now):
        await get_revision(session, revision_id)
        raise Conflict("this change is over already", reason="over")
    revision = await get_revision(session, revision_id)
    await audit.note(session, actor, "broadcast.revision_stopped", "broadcast", revision.broadcast_id, now=now)
    return revision


async def get_revision(session: ReadSession, revision_id: int) -> BroadcastRevision:
    this = select(BroadcastRevision).where(col(BroadcastRevision.id) == revision_id)
    found = await session.first(this.execution_options(populate_existing=True))
    if found is None:
        raise NotFound("there is no change %(id)s", id=revision_id)
    return found


async def revisions_of(session: ReadSession, broadcast_id: int) -> list[Progress]:
    """The newest first, each with how far it is."""
    of_this = select(BroadcastRevision).where(col(BroadcastRevision.broadcast_id) == broadcast_id)
    found = await session.all(of_this.order_by(col(BroadcastRevision.id).desc()))
    ids = [one.id for one in found]
    counted = select(col(RevisionLine.revision_id), col(RevisionLine.state), func.count())
    lines = counted.where(col(RevisionLine.revision_id).in_(ids)).group_by(
        col(RevisionLine.revision_id), col(RevisionLine.state)
    )
    numbers = {(revision, state): number for revision, state, number in await session.rows(lines)}
    return [Progress(one, *(numbers.get((one.id, state), 0) for state in (PENDING, DONE, FAILED))) for one in found]


async def reasons(session: ReadSession, revision_id: int) -> Mapping[str, int]:
    """Why messages stayed as they were, and how many each."""
    failed = (col(RevisionLine.revision_id) == revision_id, col(RevisionLine.state) == FAILED)
    counted = select(col(RevisionLine.reason), func.count()).where(*failed).group_by(col(RevisionLine.reason))
    return {reason or "": number for reason, number in await session.rows(counted)}


async def next_lines(session: ReadSession, *, limit: int) -> list[Revised]:
    """Whose messages come next, of the oldest change under way; empty when there is nothing to do."""
    revision = await session.first(
        select(BroadcastRevision)
        .where(col(BroadcastRevision.state) == RevisionState.RUNNING)
        .order_by(col(BroadcastRevision.id))
        .limit(1)
    )
    if revision is None:
        return []
    broadcast = await get_broadcast(session, revision.broadcast_id)
    rows = await session.rows(_next, {"of": revision.id, "to": broadcast.id, "most": limit})
    values = await _values(session, broadcast, revision, [row.fan_id for row in rows])
    first = await _first_number(session, broadcast, revision)
    return [
        Revised(revision, broadcast, fan_id, telegram_id, message_id, language, attempts, values.get(fan_id, {}), first)
        for fan_id, telegram_id, message_id, language, attempts in rows
    ]


def letter_for(line: Revised, tracking: Tracking | None) -> Letter:
    """The call that changes this fan's message."""
    place = {"chat_id": line.telegram_id, "message_id": line.message_id}
    if line.revision.kind == DELETE:
        return _taken_back(line, place)
    said = words(choose_locale(line.language))
    edition = Edition((), line.revision.text or "", check_buttons(line.revision.buttons)[0], line.first)
    hand = hand_of(line.broadcast, edition, line.values, tracking=tracking, fan_id=line.fan_id)
    offer = line.broadcast.offer_id is not None
    keys = keyboard(line.broadcast.id or 0, edition.rows, offer=offer, words=said, hand=hand)
    buttons = {"reply_markup": {"inline_keyboard": keys}}
    text = placeholders.fill(edition.text, line.values)
    if line.broadcast.copied:
        return Letter("editMessageReplyMarkup", {**place, **buttons})
    if is_album(line.broadcast):
        return Letter("editMessageCaption", {**place, "caption": captioned(text, said), "parse_mode": "HTML"})
    if line.broadcast.media:
        return Letter("editMessageCaption", {**place, "caption": text, "parse_mode": "HTML", **buttons})
    preview = {} if line.broadcast.link_preview else {"link_preview_options": {"is_disabled": True}}
    return Letter("editMessageText", {**place, "text": text, "parse_mode": "HTML", **preview, **buttons})


async def note(session: WriteSession, noted: Sequence[tuple[Revised, Outcome]], *, now: datetime) -> None:
    """Write what became of these and what it says about the fans; close what is over, stop what cannot go on."""
    entries = [_entry(line, outcome) for line, outcome in noted]
    await session.run_many(_WRITE, sorted(entries, key=lambda entry: (entry["of"], entry["to"])))
    for line, outcome in noted:
        if (reach := reach_after(outcome)) is not None:
            await fans.change_reach(session, line.telegram_id, reach, now=now)
    for revision_id in {line.revision.id or 0 for line, _ in noted}:
        await _stop_where_hopeless(session, revision_id, now=now)
    await _finish(session, now=now)


async def _start(
    session: WriteSession, revision: BroadcastRevision, *, actor: Actor, now: datetime
) -> BroadcastRevision:
    # Held, so that of two who click at once the second sees the first one's.
    await session.rows(select(col(Broadcast.id)).where(col(Broadcast.id) == revision.broadcast_id).with_for_update())
    await _must_be_the_only_one(session, revision.broadcast_id)
    session.add(revision)
    await session.flush()
    lines = await _write_lines(session, revision, now=now)
    if not lines:
        await session.delete(revision)
        raise Conflict("nobody got this broadcast yet", reason="nobody")
    action = "broadcast.edited_for_all" if revision.kind == EDIT else "broadcast.deleted_for_all"
    await audit.note(session, actor, action, "broadcast", revision.broadcast_id, now=now, fans=lines)
    await _finish(session, now=now)
    return revision


async def _must_be_the_only_one(session: ReadSession, broadcast_id: int) -> None:
    """What was taken back cannot be edited; two at once would overwrite each other."""
    of_this = select(BroadcastRevision).where(col(BroadcastRevision.broadcast_id) == broadcast_id)
    for one in await session.all(of_this):
        if one.state is RevisionState.RUNNING:
            raise Conflict("another change of this broadcast is under way; stop it first", reason="under_way")
        if one.kind == DELETE and one.state is RevisionState.FINISHED:
            raise Conflict("this broadcast was taken back already", reason="deleted")


async def _write_lines(session: WriteSession, revision: BroadcastRevision, *, now: datetime) -> int:
    """Everyone who got it, in one statement."""
    reason = _reason_to_leave(revision, now)
    state = case((reason.is_(None), literal(PENDING)), else_=literal(FAILED))
    got_it = select(literal(revision.id or 0), col(Delivery.fan_id), state, reason, literal(0)).where(
        col(Delivery.broadcast_id) == revision.broadcast_id,
        col(Delivery.state) == DeliveryState.SENT,
        col(Delivery.message_id).is_not(None),
    )
    columns = ["revision_id", "fan_id", "state", "reason", "attempts"]
    return await session.run(session.insert(RevisionLine).from_select(columns, got_it))


def _reason_to_leave(revision: BroadcastRevision, now: datetime) -> ColumnElement[str | None]:
    if revision.kind == EDIT:
        return literal(None, String())
    return case((col(Delivery.sent_at) < now - OLDEST_TO_DELETE, literal(TOO_OLD)), else_=null())


def _must_fit(broadcast: Broadcast, text: str, buttons: object) -> None:
    """The same rules as for a draft, of which it stands in for the text and the buttons."""
    anew = _Anew(text, buttons, broadcast)
    if wrong := content.mistakes(anew):
        raise wrong[0]
    for one in placeholders.used(text):
        if one.fallback is None:
            # Nobody can be passed over any more: they have the message.
            raise Invalid("here every placeholder needs a fallback: {%(name)s|…}", where=("text",), name=one.name)


@dataclass(frozen=True)
class _Anew:
    """The broadcast with another text and other buttons."""

    text: str
    buttons: Any  # Any: rows of buttons, to be checked
    of: Broadcast
    versions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # Any: as in a draft
    variants: Sequence[Mapping[str, Any]] = ()  # Any: as in a draft

    @property
    def media(self) -> Sequence[Mapping[str, Any]]:  # Any: as above
        return self.of.media

    @property
    def copied(self) -> Mapping[str, Any] | None:  # Any: as above
        return self.of.copied

    @property
    def offer_id(self) -> int | None:
        return self.of.offer_id


async def _values(
    session: ReadSession, broadcast: Broadcast, revision: BroadcastRevision, fan_ids: Sequence[int]
) -> Mapping[int, Values]:
    if revision.kind == DELETE:
        return {}
    anew = _Anew(revision.text or "", revision.buttons, broadcast)
    return await placeholders.values_for(session, anew, fan_ids)


async def _first_number(session: ReadSession, broadcast: Broadcast, revision: BroadcastRevision) -> int:
    """Buttons of a revision are numbered behind all that came before it."""
    older = select(col(BroadcastRevision.buttons)).where(
        col(BroadcastRevision.broadcast_id) == broadcast.id, col(BroadcastRevision.id) >= revision.id
    )
    later = [check_buttons(rows)[0] for rows in await session.all(older)]
    return len(await numbered(session, broadcast)) - sum(map(_number, later))


def _number(rows: Rows) -> int:
    return sum(map(len, rows))


def _taken_back(line: Revised, place: Mapping[str, int]) -> Letter:
    """Of an album every message: Telegram numbers them in a row."""
    if not is_album(line.broadcast):
        return Letter("deleteMessage", place)
    ids = [line.message_id + n for n in range(len(line.broadcast.media))]
    return Letter("deleteMessages", {"chat_id": line.telegram_id, "message_ids": ids})


def _entry(line: Revised, outcome: Outcome) -> dict[str, Any]:  # Any: bound columns
    """What was not answered is tried again, but nobody for ever."""
    entry: dict[str, Any] = {"of": line.revision.id, "to": line.fan_id, "why": None, "tries": line.attempts}
    match outcome:
        case Sent():
            return entry | {"new_state": DONE}
        case Rejected(description) if _is_not_there(description):
            gone_anyway = line.revision.kind == DELETE
            return entry | {"new_state": DONE} if gone_anyway else entry | {"new_state": FAILED, "why": "not_there"}
        case Rejected(description):
            return entry | {"new_state": FAILED, "why": REJECTED + description.replace("\x00", "")[:300]}
        case Blocked():
            return entry | {"new_state": FAILED, "why": "blocked"}
        case Gone():
            return entry | {"new_state": FAILED, "why": "gone"}
        case Unreachable() | Migrated():
            return entry | {"new_state": FAILED, "why": "unreachable"}
        case SlowDown() | NotSent() | Unauthorized():
            return entry | {"new_state": PENDING}
        case ServerError() | Unknown():
            tries = line.attempts + 1
            state = FAILED if tries >= MOST_ATTEMPTS else PENDING
            return entry | {"new_state": state, "why": "no_answer", "tries": tries}
        case _ as never:
            assert_never(never)


def _is_not_there(description: str) -> bool:
    return any(words in description.lower() for words in _NOT_THERE)


async def _stop_where_hopeless(session: WriteSession, revision_id: int, *, now: datetime) -> None:
    of_this = col(RevisionLine.revision_id) == revision_id
    refused = func.count().filter(col(RevisionLine.reason).startswith(REJECTED, autoescape=True))
    passed = func.count().filter(col(RevisionLine.state) == DONE)
    ((refusals, successes),) = await session.rows(
        select(refused, passed).where(of_this, col(RevisionLine.state) != PENDING)
    )
    if refusals >= CANARY and successes < refusals and await _end(session, revision_id, RevisionState.STOPPED, now=now):
        revision = await get_revision(session, revision_id)
        causes = Counter(await reasons(session, revision_id)).most_common(1)
        broadcast_id = revision.broadcast_id
        await audit.note(
            session, SIYU, "broadcast.revision_stopped", "broadcast", broadcast_id, now=now, reason=causes[0][0]
        )


async def _end(session: WriteSession, revision_id: int, state: RevisionState, *, now: datetime) -> bool:
    running = (col(BroadcastRevision.id) == revision_id, col(BroadcastRevision.state) == RevisionState.RUNNING)
    return bool(await session.run(update(BroadcastRevision).where(*running).values(state=state, finished_at=now)))


async def _finish(session: WriteSession, *, now: datetime) -> None:
    """Whatever has nobody left to be changed is over."""
    waiting = exists().where(
        col(RevisionLine.revision_id) == col(BroadcastRevision.id), col(RevisionLine.state) == PENDING
    )
    over = update(BroadcastRevision).where(col(BroadcastRevision.state) == RevisionState.RUNNING, ~waiting)
    await session.run(over.values(state=RevisionState.FINISHED, finished_at=now))


_next = (
    select(
        col(RevisionLine.fan_id),
        col(Fan.telegram_id),
        col(Delivery.message_id),
        func.coalesce(col(Fan.chosen_language), col(Fan.language)),
        col(RevisionLine.attempts),
    )
    .join(Fan, col(Fan.id) == col(RevisionLine.fan_id))
    .join(
        Delivery,
        and_(col(Delivery.fan_id) == col(RevisionLine.fan_id), col(Delivery.broadcast_id) == bindparam("to")),
    )
    .where(col(RevisionLine.revision_id) == bindparam("of"), col(RevisionLine.state) == PENDING)
    .order_by(col(RevisionLine.fan_id))
    .limit(bindparam("most"))
)
_WRITE = (
    update(RevisionLine)
    .where(
        col(RevisionLine.revision_id) == bindparam("of"),
        col(RevisionLine.fan_id) == bindparam("to"),
        col(RevisionLine.state) == PENDING,
    )
    .values(state=bindparam("new_state"), reason=bindparam("why"), attempts=bindparam("tries"))
)
