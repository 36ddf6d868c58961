"""Whom a broadcast goes to: counted before, frozen at the start, one row per fan and a reason for each left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, exists, func, literal, not_, null, or_, select
from sqlmodel import col

from siyu.broadcasts import comparing, timing
from siyu.broadcasts.following import followed
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid, NotFound
from siyu.preferences import Preferences
from siyu.segments import audience, fans_fitting
from siyu.segments.rules import parse
from siyu.tables import Broadcast, Delivery, DeliveryState, Fan, GeneralOnly, Reach, TopicDeclined


class Whom(Protocol):
    """A draft, or a broadcast: in any of these segments, fitting the rule where there is one, and in none of those.

    One that follows another has the people of that one's ledger, and of these whom the segments and the rule name.
    """

    @property
    def include(self) -> Sequence[str]: ...

    @property
    def exclude(self) -> Sequence[str]: ...

    @property
    def rule(self) -> Mapping[str, Any] | None: ...  # Any: the contract's RULE

    @property
    def topic(self) -> str | None: ...

    @property
    def ignores_quiet(self) -> bool: ...

    @property
    def holdout_percent(self) -> int: ...

    @property
    def follows_id(self) -> int | None: ...

    @property
    def follows(self) -> str | None: ...


@dataclass(frozen=True)
class Audience:
    """People, before there is a draft."""

    include: Sequence[str]
    exclude: Sequence[str] = ()
    rule: Mapping[str, Any] | None = None  # Any: the contract's RULE
    topic: str | None = None
    ignores_quiet: bool = False
    holdout_percent: int = 0
    follows_id: int | None = None
    follows: str | None = None


async def is_segment(session: ReadSession, key: str) -> bool:
    try:
        await audience(session, key)
    except (NotFound, Invalid):
        return False
    return True


async def members_of(session: ReadSession, whom: Whom) -> Select[int]:
    """Ids of the fans it names, whether they can be reached or not. Raises NotFound, Invalid."""
    fan_id = cast(ColumnElement[int], col(Fan.id))
    inside = [fan_id.in_(await audience(session, key)) for key in whom.include]
    outside = [fan_id.not_in(await audience(session, key)) for key in whom.exclude]
    following = [fan_id.in_(followed(whom))] if whom.follows_id is not None else []
    if len(whom.include) == 1 and not outside and whom.rule is None and not following:
        return await audience(session, whom.include[0])
    fitting = [await fans_fitting(session, parse(whom.rule))] if whom.rule is not None else []
    chosen = [or_(*inside)] if inside else []
    return select(fan_id).where(*chosen, *(fan_id.in_(some) for some in fitting), *outside, *following)


async def freeze(
    session: WriteSession, broadcast: Broadcast, planned: ColumnElement[int], *, likes: Preferences, now_seconds: int
) -> int:
    """One row per fan of the segment as it is now: waiting, skipped, or held out; how many will get it.

    `planned` is each fan's moment in seconds, over Fan. Nobody in the way of anybody: one statement for 100,000.
    """
    asked = (
        select(
            col(Fan.id).label("id"),
            reason_to_skip(broadcast.topic, must_be_known=broadcast.ignores_quiet).label("reason"),
            planned.label("planned"),
            comparing.held_out(broadcast, likes).label("held"),
            comparing.variant_of(broadcast).label("variant"),
            comparing.waits_for_winner(broadcast).label("later"),
        )
        .where(col(Fan.id).in_(await members_of(session, broadcast)))
        .subquery()
        .c
    )
    waits = and_(asked.reason.is_(None), asked.held.is_(None))
    later = and_(waits, asked.later)
    at = asked.planned + timing.spread(broadcast.spread_minutes, asked.id, waits)
    rows = {
        "broadcast_id": literal(broadcast.id or 0),
        "fan_id": asked.id,
        "state": case(
            (waits, literal("pending")), (asked.reason.is_(None), literal("holdout")), else_=literal("skipped")
        ),
        "reason": func.coalesce(asked.reason, asked.held, case((asked.later, literal(comparing.WAITS_FOR_WINNER)))),
        "variant": case((waits, asked.variant)),
        "attempts": literal(0),
        "planned_at": at,
        "not_before": case(
            (later, literal(int(comparing.UNDECIDED.timestamp()), BigInteger)),
            (and_(waits, at > literal(now_seconds, BigInteger)), at),
            else_=null(),
        ),
    }
    await session.run(session.insert(Delivery).from_select(list(rows), select(*rows.values())))
    return await waiting(session, broadcast.id or 0)


async def waiting(session: ReadSession, broadcast_id: int) -> int:
    """How many of its fans wait to be written to."""
    pending = (col(Delivery.broadcast_id) == broadcast_id, col(Delivery.state) == DeliveryState.PENDING)
    return await session.one(select(func.count()).where(*pending))


Known = bool | ColumnElement[bool]  # whether everybody must know it, and nobody was chosen for it


def reason_to_skip(
    topic: str | ColumnElement[str] | None = None, *, must_be_known: Known = True
) -> ColumnElement[str | None]:
    """Why a fan gets no broadcast (about this topic, chosen for them or not); NULL for one who does."""
    reasons = reasons_of(topic, must_be_known=must_be_known)
    return case(*[(holds, literal(reason)) for reason, holds in reasons], else_=null())


def reasons_of(
    topic: str | ColumnElement[str] | None, *, must_be_known: Known
) -> Sequence[tuple[str, ColumnElement[bool]]]:
    """In this order: a fan who is several of these counts once, as the first."""
    declined = [("declined", declines(topic))] if topic is not None else []
    general = [] if must_be_known is True else [("general_only", wants_only_general(must_be_known))]
    return (*_UNREACHED, *declined, *general)


def declines(topic: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Over Fan: does not want to hear about it."""
    return exists().where(col(TopicDeclined.topic) == topic, col(TopicDeclined.fan_id) == col(Fan.id))


def wants_only_general(must_be_known: Known = False) -> ColumnElement[bool]:
    """Over Fan: wants nothing that was chosen for them, and this was."""
    wants = exists().where(col(GeneralOnly.fan_id) == col(Fan.id))
    return wants if isinstance(must_be_known, bool) else and_(not_(must_be_known), wants)


_UNREACHED = (
    ("gone", col(Fan.reach) == Reach.GONE),
    ("blocked", col(Fan.reach) == Reach.BLOCKED),
    ("unreachable", col(Fan.reach) == Reach.IMPORTED),
    ("muted", col(Fan.muted_at).is_not(None)),
)
