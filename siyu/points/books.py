"""The books of points: what an account says, against its entries and its lots."""

from sqlalchemy import Executable, and_, func, literal, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from siyu.kit.books import Breach, breaches
from siyu.kit.database import ReadSession
from siyu.kit.wording import phrase
from siyu.tables import PointsAccount, PointsEntry, PointsKind, PointsLot


async def books(session: ReadSession) -> list[Breach]:
    """Every breach; an empty list is what it should be."""
    return await breaches(session, _CHECKS)


_entries = (
    select(
        col(PointsEntry.fan_id).label("fan_id"),
        func.sum(col(PointsEntry.delta)).label("balance"),
        func.sum(col(PointsEntry.owed)).label("owed"),
    )
    .group_by(col(PointsEntry.fan_id))
    .subquery()
)
_lots = (
    select(col(PointsLot.fan_id).label("fan_id"), func.sum(col(PointsLot.remaining)).label("remaining"))
    .group_by(col(PointsLot.fan_id))
    .subquery()
)
_entered, _debt = func.coalesce(_entries.c.balance, 0), func.coalesce(_entries.c.owed, 0)
_remaining = func.coalesce(_lots.c.remaining, 0)
_balance, _owed = func.coalesce(col(PointsAccount.balance), 0), func.coalesce(col(PointsAccount.owed), 0)
_joined = select().select_from(PointsAccount)
_with_entries = _joined.outerjoin(_entries, _entries.c.fan_id == col(PointsAccount.fan_id))
_with_lots = _joined.outerjoin(_lots, _lots.c.fan_id == col(PointsAccount.fan_id))
_fan = literal("fan"), col(PointsAccount.fan_id)

_given = aliased(PointsEntry)
_back = (
    select(
        col(PointsEntry.reverses).label("entry_id"),
        func.sum(col(PointsEntry.owed) - col(PointsEntry.delta)).label("points"),
    )
    .where(col(PointsEntry.reverses).is_not(None))
    .group_by(col(PointsEntry.reverses))
    .subquery()
)
_twice = (
    select(col(PointsEntry.kind).label("kind"), col(PointsEntry.cause).label("cause"), func.count().label("times"))
    .group_by(col(PointsEntry.kind), col(PointsEntry.cause))
    .having(func.count() > 1)
    .subquery()
)
_run_out = (
    select(func.coalesce(func.sum(-col(PointsEntry.delta)), 0))
    .where(col(PointsEntry.kind) == PointsKind.EXPIRED)
    .scalar_subquery()
)
_lost = select(func.coalesce(func.sum(col(PointsLot.expired)), 0)).scalar_subquery()

_CHECKS: tuple[tuple[str, Executable], ...] = (
    (
        phrase("points = their entries"),
        _with_entries.add_columns(*_fan, _balance, _entered).where(_balance != _entered),
    ),
    (phrase("points = what is left of their lots"), _with_lots.add_columns(*_fan, _balance, _remaining).where(
        _balance != _remaining
    )),
    (phrase("points owed = their entries"), _with_entries.add_columns(*_fan, _owed, _debt).where(_owed != _debt)),
    (
        phrase("nobody has points and owes some"),
        select(*_fan, col(PointsAccount.balance), col(PointsAccount.owed)).where(
            or_(
                col(PointsAccount.balance) < 0,
                col(PointsAccount.owed) < 0,
                and_(col(PointsAccount.balance) > 0, col(PointsAccount.owed) > 0),
            )
        ),
    ),
    (
        phrase("every entry has its account"),
        select(literal("fan"), _entries.c.fan_id, literal(0), _entries.c.balance)
        .outerjoin(PointsAccount, col(PointsAccount.fan_id) == _entries.c.fan_id)
        .where(col(PointsAccount.fan_id).is_(None)),
    ),
    (phrase("one reward for a rule and a cause"), select(_twice.c.kind, _twice.c.cause, _twice.c.times, literal(1))),
    (
        phrase("no more is taken back than was given"),
        select(literal("entry"), col(_given.id), _back.c.points, col(_given.delta) - col(_given.owed))
        .join(_back, _back.c.entry_id == col(_given.id))
        .where(_back.c.points > col(_given.delta) - col(_given.owed)),
    ),
    (phrase("points that ran out = their entries"), select(literal("of"), literal("all"), _lost, _run_out).where(
        _lost != _run_out
    )),
)  # fmt: skip

# What is checked, for people who want to know what "no breach" means.
RULES = tuple(rule for rule, _ in _CHECKS)
