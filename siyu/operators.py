"""Who works in the admin, how they sign in, and the keys of programs."""

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, delete, func, or_, update
from sqlmodel import col, select

from siyu import audit, mailroom
from siyu.audit import SIYU, Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Forbidden, Invalid, NotFound
from siyu.tables import ApiToken, LoginTicket, Operator, OperatorSession, Role

TICKET_LIFE = timedelta(minutes=10)
IDLE_LIMIT = timedelta(days=14)
ABSOLUTE_LIMIT = timedelta(days=30)
# "Last seen" is worth one write an hour, not one per click.
SEEN_EVERY = timedelta(hours=1)
LARGEST_TELEGRAM_ID = 2**52 - 1


class Permission(StrEnum):
    """What a page or an action asks for."""

    VIEW = "view"  # look
    OPERATE = "operate"  # segments, broadcasts, offers, fans
    ADMINISTER = "administer"  # rules, catalogue, people, audit
    OWN = "own"  # owners, keys of programs


class Scope(StrEnum):
    """What a program's key may do; `write` includes `read`."""

    READ = "read"
    WRITE = "write"


_GRANTED: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.VIEW}),
    Role.OPERATOR: frozenset({Permission.VIEW, Permission.OPERATE}),
    Role.ADMIN: frozenset({Permission.VIEW, Permission.OPERATE, Permission.ADMINISTER}),
    Role.OWNER: frozenset(Permission),
}


def may(role: Role, permission: Permission) -> bool:
    return permission in _GRANTED[role]


def may_appoint(role: Role, *roles: Role) -> bool:
    """Whether somebody may move a person between these roles: only owners touch owners and admins."""
    below = {Role.OPERATOR, Role.VIEWER}
    return role is Role.OWNER or (may(role, Permission.ADMINISTER) and set(roles) <= below)


def must_appoint(role: Role, *roles: Role) -> None:
    """Raises Forbidden where `may_appoint` says no."""
    if not may_appoint(role, *roles):
        raise Forbidden("only an owner may do this with owners and admins", reason="role")


def actor_of(operator: Operator) -> Actor:
    """How the audit names an operator."""
    return Actor(f"operator:{operator.id}", operator.name or str(operator.telegram_id))


async def add(
    session: WriteSession, actor: Actor, *, telegram_id: int, role: Role, name: str = "", now: datetime
) -> Operator:
    """Take somebody in; somebody who was here gets this role, and may come back after being disabled."""
    if not 0 < telegram_id <= LARGEST_TELEGRAM_ID:
        raise Invalid("%(telegram_id)s is not a Telegram id", where=("telegram_id",), telegram_id=telegram_id)
    known = await find_operator(session, telegram_id)
    if known is not None:
        return await _welcome_back(session, actor, known, role=role, name=name, now=now)
    operator = Operator(telegram_id=telegram_id, name=name, role=role, created_at=now)
    session.add(operator)
    await session.flush()
    await audit.note(session, actor, "operator.added", "operator", operator.id, now=now, role=role)
    return operator


async def find_operator(session: ReadSession, telegram_id: int) -> Operator | None:
    return await session.first(select(Operator).where(Operator.telegram_id == telegram_id))


async def get_operator(session: ReadSession, operator_id: int) -> Operator:
    operator = await session.get(Operator, operator_id)
    if operator is None:
        raise NotFound("there is no such operator")
    return operator


async def named(session: ReadSession, key: str) -> str:
    """The name of whom the audit calls this: `operator:7` is Mei, `token:shop` the shop."""
    kind, _, name = key.partition(":")
    if kind == "operator" and name.isdecimal():
        operator = await session.get(Operator, int(name))
        return actor_of(operator).name if operator else key
    return SIYU.name if key == SIYU.key else name or key


async def whom_to_let_in(session: ReadSession, telegram_id: int | None) -> Operator:
    """The operator with this Telegram id; without one, the first owner."""
    if telegram_id is not None:
        operator = await find_operator(session, telegram_id)
        if operator is None:
            raise NotFound(
                "nobody with Telegram id %(id)s works here; first: siyu operator add %(id)s --role owner",
                id=telegram_id,
            )
        return operator
    owners = select(Operator).where(Operator.role == Role.OWNER, col(Operator.disabled_at).is_(None))
    owner = await session.first(owners.order_by(col(Operator.id)))
    if owner is None:
        raise NotFound("there is no owner yet; first: siyu operator add YOUR_TELEGRAM_ID --role owner")
    return owner


async def list_operators(session: ReadSession) -> list[Operator]:
    """Everybody, those who may still sign in first; a handful, so never paged."""
    return list(await session.all(select(Operator).order_by(col(Operator.disabled_at).is_not(None), col(Operator.id))))


async def who_may(session: ReadSession, permission: Permission) -> list[Operator]:
    """Everybody who works here and may do this."""
    here = select(Operator).where(col(Operator.disabled_at).is_(None)).order_by(col(Operator.id))
    return [one for one in await session.all(here) if may(one.role, permission)]


async def last_seen(session: ReadSession) -> dict[int, datetime]:
    """When each of them was here last, to the hour."""
    statement = select(col(OperatorSession.operator_id), func.max(col(OperatorSession.seen_at)))
    return {row[0]: row[1] for row in await session.rows(statement.group_by(col(OperatorSession.operator_id)))}


async def change_role(session: WriteSession, actor: Actor, operator: Operator, role: Role, *, now: datetime) -> None:
    """Another role; whoever is signed in under the old one is signed out."""
    if operator.role is role:
        return
    before = operator.role
    if before is Role.OWNER:
        await _another_owner_stays(session, operator)
    operator.role = role
    await _end_all(session, operator, now=now)
    await audit.note(session, actor, "operator.role_changed", "operator", operator.id, now=now, old=before, new=role)


async def disable(session: WriteSession, actor: Actor, operator: Operator, *, now: datetime) -> None:
    """No more signing in; ends every session and every open sign-in link."""
    if operator.disabled_at is not None:
        return
    if operator.role is Role.OWNER:
        await _another_owner_stays(session, operator)
    operator.disabled_at = now
    await _end_all(session, operator, now=now)
    await _take_commands_away(session, operator, now=now)
    await audit.note(session, actor, "operator.disabled", "operator", operator.id, now=now)


async def _take_commands_away(session: WriteSession, operator: Operator, *, now: datetime) -> None:
    """The longer list of commands in their own chat, in both languages; everybody's is there again then."""
    scope = {"type": "chat", "chat_id": operator.telegram_id}
    for code in ("", "zh"):
        payload = {"scope": scope, "language_code": code}
        await mailroom.send(session, "deleteMyCommands", payload, lane=mailroom.ANSWER, now=now)


async def enable(session: WriteSession, actor: Actor, operator: Operator, *, now: datetime) -> None:
    if operator.disabled_at is not None:
        operator.disabled_at = None
        session.add(operator)
        await audit.note(session, actor, "operator.enabled", "operator", operator.id, now=now)


async def issue_ticket(session: WriteSession, operator: Operator, *, now: datetime) -> str:
    """A one-time sign-in word of 256 bits, good for ten minutes; only its hash stays here."""
    if operator.disabled_at is not None:
        raise Forbidden("this person may no longer sign in", reason="disabled")
    word = secrets.token_urlsafe(32)
    session.add(LoginTicket(hash=_hash(word), operator_id=operator.id or 0, expires_at=now + TICKET_LIFE))
    await session.flush()
    return word


async def invite(session: WriteSession, actor: Actor, operator: Operator, *, now: datetime) -> str:
    """A one-time sign-in word that somebody hands to somebody else."""
    word = await issue_ticket(session, operator, now=now)
    await audit.note(session, actor, "operator.invited", "operator", operator.id, now=now)
    return word


async def peek_ticket(session: ReadSession, word: str, *, now: datetime) -> Operator | None:
    """Whom a ticket would sign in. Looking does not spend it: link previews open links too."""
    statement = select(Operator).join(LoginTicket, col(LoginTicket.operator_id) == col(Operator.id))
    return await session.first(
        statement.where(
            LoginTicket.hash == _hash(word),
            col(LoginTicket.spent_at).is_(None),
            col(LoginTicket.expires_at) > now,
            col(Operator.disabled_at).is_(None),
        )
    )


async def spend_ticket(session: WriteSession, word: str, *, now: datetime, address: str = "", browser: str = "") -> str:
    """Turn a ticket into a session, once; returns what goes into the cookie."""
    operator = await peek_ticket(session, word, now=now)
    if operator is None or not await _take(session, word, now=now):
        raise Forbidden("this sign-in link was used or has expired; ask for a new one", reason="ticket")
    cookie = secrets.token_urlsafe(32)
    session.add(
        OperatorSession(
            hash=_hash(cookie),
            operator_id=operator.id or 0,
            created_at=now,
            seen_at=now,
            address=address[:64],
            browser=browser[:200],
        )
    )
    await audit.note(session, actor_of(operator), "operator.signed_in", "operator", operator.id, now=now)
    return cookie


async def session_of(session: ReadSession, cookie: str, *, now: datetime) -> tuple[Operator, OperatorSession] | None:
    """Who a cookie is, if the session is alive."""
    joined = select(Operator, OperatorSession).join(
        OperatorSession, col(OperatorSession.operator_id) == col(Operator.id)
    )
    found = await session.rows(joined.where(OperatorSession.hash == _hash(cookie), _alive(now)))
    return next(((row[0], row[1]) for row in found), None)


def is_due_to_be_seen(signed_in: OperatorSession, *, now: datetime) -> bool:
    return now - signed_in.seen_at >= SEEN_EVERY


async def see(session: WriteSession, cookie: str, *, now: datetime) -> None:
    """Note that a session is in use, which keeps it from idling out; one that ended stays ended."""
    await session.run(
        update(OperatorSession)
        .where(col(OperatorSession.hash) == _hash(cookie), col(OperatorSession.ended_at).is_(None))
        .values(seen_at=now)
    )


async def end_session(session: WriteSession, cookie: str, *, now: datetime) -> None:
    """Sign one browser out."""
    await session.run(
        update(OperatorSession)
        .where(col(OperatorSession.hash) == _hash(cookie), col(OperatorSession.ended_at).is_(None))
        .values(ended_at=now)
    )


async def forget_old(session: WriteSession, *, now: datetime) -> int:
    """Drop tickets and sessions that can open nothing any more; how many went."""
    tickets = await session.run(delete(LoginTicket).where(col(LoginTicket.expires_at) < now - TICKET_LIFE))
    over = or_(
        col(OperatorSession.ended_at) < now - ABSOLUTE_LIMIT,
        col(OperatorSession.created_at) < now - ABSOLUTE_LIMIT,
    )
    return tickets + await session.run(delete(OperatorSession).where(over))


async def create_token(session: WriteSession, actor: Actor, *, name: str, scope: Scope, now: datetime) -> str:
    """A program's key, shown this once; only its hash stays here."""
    if not name.strip():
        raise Invalid("a key needs a name, so that you know whose it is", where=("name",))
    key = f"siyu_{secrets.token_urlsafe(32)}"
    token = ApiToken(name=name.strip(), hash=_hash(key), scope=scope, created_at=now)
    session.add(token)
    await session.flush()
    await audit.note(session, actor, "token.created", "token", token.id, now=now, name=token.name, scope=scope)
    return key


async def find_token(session: ReadSession, key: str) -> ApiToken | None:
    """The key's row, if it was given out and not revoked."""
    return await session.first(select(ApiToken).where(ApiToken.hash == _hash(key), col(ApiToken.revoked_at).is_(None)))


async def list_tokens(session: ReadSession) -> list[ApiToken]:
    return list(await session.all(select(ApiToken).order_by(col(ApiToken.id).desc())))


async def revoke_token(session: WriteSession, actor: Actor, token_id: int, *, now: datetime) -> None:
    """The key opens nothing from now on."""
    token = await session.get(ApiToken, token_id)
    if token is None:
        raise NotFound("there is no such key")
    if token.revoked_at is None:
        token.revoked_at = now
        session.add(token)
        await audit.note(session, actor, "token.revoked", "token", token.id, now=now, name=token.name)


async def use_token(session: WriteSession, token: ApiToken, *, now: datetime) -> None:
    """Note when a key was last used."""
    await session.run(update(ApiToken).where(col(ApiToken.id) == token.id).values(used_at=now))


async def _welcome_back(
    session: WriteSession, actor: Actor, known: Operator, *, role: Role, name: str, now: datetime
) -> Operator:
    await enable(session, actor, known, now=now)
    await change_role(session, actor, known, role, now=now)
    known.name = name or known.name
    session.add(known)
    return known


async def _another_owner_stays(session: WriteSession, leaving: Operator) -> None:
    """Owners are locked in one order first: two who demote each other at once must not both succeed."""
    owners = select(col(Operator.id)).where(Operator.role == Role.OWNER, col(Operator.disabled_at).is_(None))
    locked = await session.all(owners.order_by(col(Operator.id)).with_for_update())
    if leaving.id in locked and len(locked) == 1:
        raise Conflict("this is the last owner; make somebody else an owner first", reason="last_owner")
    if leaving.id not in locked:
        raise Conflict("somebody else changed this person a moment ago; look again", reason="changed")


async def _end_all(session: WriteSession, operator: Operator, *, now: datetime) -> None:
    session.add(operator)
    mine = and_(col(OperatorSession.operator_id) == operator.id, col(OperatorSession.ended_at).is_(None))
    await session.run(update(OperatorSession).where(mine).values(ended_at=now))
    open_ = and_(col(LoginTicket.operator_id) == operator.id, col(LoginTicket.spent_at).is_(None))
    await session.run(update(LoginTicket).where(open_).values(spent_at=now))


async def _take(session: WriteSession, word: str, *, now: datetime) -> bool:
    """Whether we were the one who spent it: of two at once, one row changes for one of them."""
    unspent = and_(
        col(LoginTicket.hash) == _hash(word), col(LoginTicket.spent_at).is_(None), col(LoginTicket.expires_at) > now
    )
    return await session.run(update(LoginTicket).where(unspent).values(spent_at=now)) == 1


def _alive(now: datetime) -> ColumnElement[bool]:
    return and_(
        col(OperatorSession.ended_at).is_(None),
        col(OperatorSession.seen_at) > now - IDLE_LIMIT,
        col(OperatorSession.created_at) > now - ABSOLUTE_LIMIT,
        col(Operator.disabled_at).is_(None),
    )


def _hash(secret: str) -> str:
    """Plain SHA-256 is enough: what is hashed is 256 random bits, not a password."""
    return hashlib.sha256(secret.encode()).hexdigest()
