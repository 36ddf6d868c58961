"""Fans from a file or a program: admitted in bulk, each with a ruling."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from siyu import attributes, fans, tags
from siyu.audit import Actor
from siyu.fans import Admitted, Newcomer
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Invalid
from siyu.tables import Attribute, Fan, Reach, Referral
from siyu.transfer.rows import FanRow, Ruling, Verdict, rejected, utc

FORGOTTEN = rejected("asked to be forgotten: only they themselves can come back", "telegram_id")


@dataclass(frozen=True)
class _Known:
    """What we knew of the fans of a batch before it."""

    fans: Mapping[int, Fan]
    looks: Mapping[int, tuple[object, ...]]
    referrers: Mapping[int, int]  # by the referee's id

    def referrer_of(self, telegram_id: int) -> int | None:
        fan = self.fans.get(telegram_id)
        return self.referrers.get(fan.id or 0) if fan else None


async def take_fans(
    session: WriteSession, actor: Actor, rows: Sequence[FanRow], *, zone: ZoneInfo, now: datetime
) -> list[Ruling]:
    """Write the fans of these rows; one ruling per row, in order. A fan named twice is taken in twice, in order."""
    defined = await attributes.binding(session)
    checked = [_checked(row, defined) for row in rows]
    rulings: list[Ruling] = []
    for batch in _each_fan_once([row for row in checked if isinstance(row, FanRow)]):
        rulings += await _take_distinct(session, actor, batch, zone=zone, now=now)
    taken = iter(rulings)
    return [row if isinstance(row, Ruling) else next(taken) for row in checked]


async def known_by_import(
    session: WriteSession, seen: Iterable[tuple[int, datetime]], *, zone: ZoneInfo, now: datetime
) -> Admitted:
    """The fans of `(telegram id, moment of a fact)`; who is new is known by import only, from the earliest fact on."""
    earliest: dict[int, datetime] = {}
    for telegram_id, at in seen:
        earliest[telegram_id] = min(at, earliest.get(telegram_id, at))
    newcomers = [Newcomer(telegram_id, joined_at=at, talks=False) for telegram_id, at in earliest.items()]
    return await fans.admit(session, newcomers, zone=zone, now=now)


def _checked(row: FanRow, defined: Mapping[str, Attribute]) -> FanRow | Ruling:
    """The row with its tags and values as they are kept, or why it is refused."""
    try:
        words = tuple(tags.check_word(word) for word in row.tags)
    except Invalid as mistake:
        return rejected(str(mistake), "tags")
    try:
        values = attributes.fit(defined, row.attributes)
    except Invalid as mistake:
        return rejected(str(mistake), str(mistake.where[0]))
    return row.model_copy(update={"tags": words, "attributes": values})


def _each_fan_once(rows: Sequence[FanRow]) -> Iterable[list[FanRow]]:
    batch: dict[int, FanRow] = {}
    for row in rows:
        if row.telegram_id in batch:
            yield list(batch.values())
            batch = {}
        batch[row.telegram_id] = row
    if batch:
        yield list(batch.values())


async def _take_distinct(
    session: WriteSession, actor: Actor, rows: Sequence[FanRow], *, zone: ZoneInfo, now: datetime
) -> list[Ruling]:
    known = await _what_is_known(session, rows)
    refused = {row.telegram_id: ruling for row in rows if (ruling := _refusal(row, known))}
    good = [row for row in rows if row.telegram_id not in refused]
    admitted = await fans.admit(session, _newcomers(good, known, zone=zone), zone=zone, now=now)
    taken = [row for row in good if row.telegram_id in admitted]
    changed = await _write_details(session, actor, taken, known, admitted, now=now)
    verdicts = {row.telegram_id: Ruling(_verdict(row, known, admitted, changed)) for row in taken}
    return [refused.get(row.telegram_id) or verdicts.get(row.telegram_id, FORGOTTEN) for row in rows]


async def _what_is_known(session: ReadSession, rows: Sequence[FanRow]) -> _Known:
    named = {row.telegram_id for row in rows} | {row.referred_by for row in rows if row.referred_by}
    found = {fan.telegram_id: fan for fan in await session.all(select(Fan).where(col(Fan.telegram_id).in_(named)))}
    ids = [fan.id for fan in found.values()]
    referrals = await session.all(select(Referral).where(col(Referral.referee_id).in_(ids)))
    return _Known(
        fans=found,
        looks={telegram_id: _look(fan) for telegram_id, fan in found.items()},
        referrers={referral.referee_id: referral.referrer_id for referral in referrals},
    )


def _look(fan: Fan) -> tuple[object, ...]:
    return fan.name, fan.username, fan.language, fan.phone, fan.joined_at, fan.source_channel


def _refusal(row: FanRow, known: _Known) -> Ruling | None:
    """Why this row's referral cannot be: it is fixed at first contact, and whoever came later brought nobody."""
    if row.referred_by is None:
        return None
    if row.referred_by == row.telegram_id:
        return rejected("nobody brings in themselves", "referred_by")
    fan, referrer = known.fans.get(row.telegram_id), known.fans.get(row.referred_by)
    if fan is None:
        return None
    before = known.referrer_of(row.telegram_id)
    if before is not None:
        same = referrer is not None and referrer.id == before
        return None if same else rejected("somebody else brought this fan in", "referred_by")
    if fan.reach is not Reach.IMPORTED:
        return rejected("this fan came to the bot by themselves", "referred_by")
    if referrer is None or (referrer.id or 0) > (fan.id or 0):
        return rejected("we knew this fan before the one named here; import fans before what they did", "referred_by")
    return None


def _newcomers(rows: Sequence[FanRow], known: _Known, *, zone: ZoneInfo) -> list[Newcomer]:
    """Everybody to admit, referrers before those they brought: ids grow in this order, and edges follow it."""
    by_id = {row.telegram_id: row for row in rows}
    ordered: dict[int, Newcomer] = {}
    for row in rows:
        for telegram_id in reversed(_chain(row.telegram_id, by_id)):
            if telegram_id in by_id:
                ordered.setdefault(telegram_id, _newcomer(by_id[telegram_id], zone))
            elif telegram_id not in known.fans:
                ordered.setdefault(telegram_id, Newcomer(telegram_id, talks=False))
    return list(ordered.values())


def _chain(telegram_id: int, by_id: Mapping[int, FanRow]) -> list[int]:
    """A fan, who brought them, who brought those…; a ring of rows is cut where it closes."""
    chain = [telegram_id]
    while (row := by_id.get(chain[-1])) and row.referred_by and row.referred_by not in chain:
        chain.append(row.referred_by)
    return chain


def _newcomer(row: FanRow, zone: ZoneInfo) -> Newcomer:
    return Newcomer(
        telegram_id=row.telegram_id,
        name=row.name,
        username=row.username,
        language=row.language,
        phone=row.phone,
        joined_at=utc(row.joined_at, zone) if row.joined_at else None,
        source_channel=row.source_channel or ("referral" if row.referred_by else "direct"),
        talks=False,
    )


async def _write_details(
    session: WriteSession,
    actor: Actor,
    rows: Sequence[FanRow],
    known: _Known,
    admitted: Admitted,
    *,
    now: datetime,
) -> set[int]:
    """Tags, attributes, channel and referrals that are new; whose they were."""
    hung = await tags.hang(session, actor, [(admitted[row.telegram_id], row.tags) for row in rows], now=now)
    kept = await attributes.keep(session, [(admitted[row.telegram_id], row.attributes) for row in rows], now=now)
    brought = await _write_referrals(session, rows, known, admitted, now=now)
    _set_channels(session, rows, admitted)
    changed = hung | kept
    return {row.telegram_id for row in rows if admitted[row.telegram_id].id in changed} | brought


async def _write_referrals(
    session: WriteSession, rows: Sequence[FanRow], known: _Known, admitted: Admitted, *, now: datetime
) -> set[int]:
    edges: dict[int, tuple[Fan, Fan]] = {}
    for row in rows:
        referrer = admitted.get(row.referred_by or 0) or known.fans.get(row.referred_by or 0)
        fan = admitted[row.telegram_id]
        # Of a ring of rows the edge that would close it is left out.
        if referrer and (referrer.id or 0) < (fan.id or 0) and known.referrer_of(row.telegram_id) is None:
            edges[row.telegram_id] = referrer, fan
    await session.run_many(
        session.insert(Referral),
        [{"referee_id": fan.id, "referrer_id": by.id, "at": fan.joined_at} for by, fan in edges.values()],
    )
    await fans.mark_dirty(session, [(fan.id or 0, fan.joined_day, now) for _, fan in edges.values()])
    return set(edges)


def _set_channels(session: WriteSession, rows: Sequence[FanRow], admitted: Admitted) -> None:
    """First touch is never overwritten; but a fan we knew from purchases alone had none yet."""
    for row in rows:
        fan = admitted[row.telegram_id]
        if row.source_channel and fan.reach is Reach.IMPORTED and fan.source_channel == "direct":
            fan.source_channel = row.source_channel
            session.add(fan)


def _verdict(row: FanRow, known: _Known, admitted: Admitted, changed: set[int]) -> Verdict:
    if row.telegram_id in admitted.newcomers:
        return Verdict.CREATED
    looks_alike = known.looks.get(row.telegram_id) == _look(admitted[row.telegram_id])
    return Verdict.DUPLICATE if looks_alike and row.telegram_id not in changed else Verdict.UPDATED
