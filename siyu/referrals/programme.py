"""The programme: whether friends are rewarded, how many at most, and with what beside points."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from siyu import audit
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid, NotFound
from siyu.kit.wording import phrase
from siyu.tables import Offer, OfferState, ReferralProgramme

MOST = 1_000_000
MOST_MILESTONES = 10
_BEYOND = phrase("a whole number from %(least)d to %(most)d")


@dataclass(frozen=True)
class Programme:
    """`milestones`: points for so many rewarded friends. What a friend gives in points is a rule of points."""

    is_on: bool = False
    day_cap: int = 5
    month_cap: int = 30
    milestones: Mapping[int, int] = field(default_factory=dict)
    referrer_offer_id: int | None = None
    newcomer_offer_id: int | None = None
    since: datetime | None = None


async def programme(session: ReadSession) -> Programme:
    row = await session.get(ReferralProgramme, 1)
    if row is None:
        return Programme()
    milestones = {int(friends): points for friends, points in row.milestones.items()}
    return Programme(
        row.since is not None, row.day_cap, row.month_cap, dict(sorted(milestones.items())),
        row.referrer_offer_id, row.newcomer_offer_id, row.since,
    )  # fmt: skip


async def change_programme(session: WriteSession, actor: Actor, wanted: Programme, *, now: datetime) -> None:
    """Friends who came before it was switched on earn nobody anything. Raises Invalid with the field."""
    await _check(session, wanted)
    before = await programme(session)
    since = (before.since or now) if wanted.is_on else None
    values = {name: value for name, value in asdict(wanted).items() if name not in {"is_on", "since"}}
    values["milestones"] = {str(friends): points for friends, points in wanted.milestones.items()}
    row = session.insert(ReferralProgramme).values(id=1, since=since, **values)
    await session.run(row.on_conflict_do_update(index_elements=["id"], set_={"since": since, **values}))
    await audit.note(session, actor, "referrals.changed", "referrals", "programme", now=now, on=wanted.is_on, **values)


async def _check(session: ReadSession, wanted: Programme) -> None:
    _within("day_cap", wanted.day_cap, 1, 1000)
    _within("month_cap", wanted.month_cap, wanted.day_cap, 10_000)
    if len(wanted.milestones) > MOST_MILESTONES:
        raise Invalid("at most %(most)d milestones", where=("milestones",), most=MOST_MILESTONES)
    for friends, points in wanted.milestones.items():
        _within("milestones", friends, 1, 10_000)
        _within("milestones", points, 1, MOST)
    for name in ("referrer_offer_id", "newcomer_offer_id"):
        await _must_be_open(session, name, getattr(wanted, name))


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise Invalid(_BEYOND, where=(name,), least=least, most=most)


async def _must_be_open(session: ReadSession, name: str, offer_id: int | None) -> None:
    if offer_id is None:
        return
    offer = await session.get(Offer, offer_id)
    if offer is None:
        raise NotFound("there is no such offer")
    if offer.state is not OfferState.ACTIVE:
        raise Invalid("open this offer first", where=(name,))
