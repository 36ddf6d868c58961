"""People of the admin: taken in, moved, let go; and keys of programs."""

import asyncio

import pytest
from sqlmodel import select

from siyu import operators
from siyu.app import App
from siyu.audit import COMMAND_LINE
from siyu.kit.errors import Conflict, Forbidden, Invalid, NotFound
from siyu.operators import Permission, Scope, may, may_appoint
from siyu.tables import ApiToken, AuditEntry, Operator, OperatorSession, Role


async def _take_in(app: App, telegram_id: int, role: Role) -> Operator:
    async with app.database.writing() as session:
        return await operators.add(session, COMMAND_LINE, telegram_id=telegram_id, role=role, now=app.clock())


async def _roles(app: App) -> dict[int, Role]:
    async with app.database.reading() as session:
        return {person.telegram_id: person.role for person in await operators.list_operators(session)}


async def _actions(app: App) -> list[str]:
    async with app.database.reading() as session:
        return list(await session.all(select(AuditEntry.action).order_by(AuditEntry.id)))  # type: ignore[arg-type]  # a column


async def test_taking_somebody_in_again_changes_the_role_and_doing_so_twice_changes_nothing(app: App) -> None:
    await _take_in(app, 1, Role.OWNER)
    await _take_in(app, 2, Role.VIEWER)
    await _take_in(app, 2, Role.ADMIN)
    await _take_in(app, 2, Role.ADMIN)

    assert await _roles(app) == {1: Role.OWNER, 2: Role.ADMIN}
    assert await _actions(app) == ["operator.added", "operator.added", "operator.role_changed"]


@pytest.mark.parametrize("telegram_id", [0, -5, 2**53])
async def test_what_cannot_be_a_telegram_id_is_refused(app: App, telegram_id: int) -> None:
    with pytest.raises(Invalid):
        await _take_in(app, telegram_id, Role.OWNER)


async def test_the_last_owner_stays_and_stays_an_owner(app: App) -> None:
    owner = await _take_in(app, 1, Role.OWNER)

    for verb in ("demote", "disable"):
        with pytest.raises(Conflict) as refused:
            await _let_go(app, owner, verb)
        assert refused.value.reason == "last_owner"

    assert await _roles(app) == {1: Role.OWNER}


async def test_a_disabled_owner_does_not_count_as_another_one(app: App) -> None:
    first, second = await _take_in(app, 1, Role.OWNER), await _take_in(app, 2, Role.OWNER)
    await _let_go(app, second, "disable")

    with pytest.raises(Conflict):
        await _let_go(app, first, "demote")


async def test_of_two_owners_who_demote_each_other_at_once_one_remains(app: App) -> None:
    for _ in range(5):
        first, second = await _take_in(app, 1, Role.OWNER), await _take_in(app, 2, Role.OWNER)

        await asyncio.gather(_let_go(app, first, "demote"), _let_go(app, second, "demote"), return_exceptions=True)

        assert list((await _roles(app)).values()).count(Role.OWNER) == 1


async def _let_go(app: App, person: Operator, verb: str) -> None:
    async with app.database.writing() as session:
        fresh = await operators.get_operator(session, person.id or 0)
        if verb == "demote":
            await operators.change_role(session, COMMAND_LINE, fresh, Role.VIEWER, now=app.clock())
        else:
            await operators.disable(session, COMMAND_LINE, fresh, now=app.clock())


async def test_who_was_disabled_gets_no_link_until_taken_in_again(app: App) -> None:
    await _take_in(app, 1, Role.OWNER)
    person = await _take_in(app, 2, Role.OPERATOR)
    await _let_go(app, person, "disable")

    async with app.database.writing() as session:
        disabled = await operators.get_operator(session, person.id or 0)
        with pytest.raises(Forbidden):
            await operators.issue_ticket(session, disabled, now=app.clock())
    await _take_in(app, 2, Role.OPERATOR)
    async with app.database.writing() as session:
        back = await operators.get_operator(session, person.id or 0)
        ticket = await operators.issue_ticket(session, back, now=app.clock())
        assert await operators.spend_ticket(session, ticket, now=app.clock())


async def test_neither_tickets_nor_cookies_nor_keys_are_kept_in_the_clear(app: App) -> None:
    person = await _take_in(app, 1, Role.OWNER)
    async with app.database.writing() as session:
        fresh = await operators.get_operator(session, person.id or 0)
        ticket = await operators.issue_ticket(session, fresh, now=app.clock())
        cookie = await operators.spend_ticket(session, ticket, now=app.clock())
        key = await operators.create_token(session, COMMAND_LINE, name="shop", scope=Scope.READ, now=app.clock())

    async with app.database.reading() as session:
        kept = [*await session.all(select(OperatorSession.hash)), *await session.all(select(ApiToken.hash))]
        audit = str([entry.details for entry in await session.all(select(AuditEntry))])

    assert len(kept) == 2
    assert not {ticket, cookie, key} & set(kept)
    assert not any(secret in audit for secret in (ticket, cookie, key))
    assert min(len(ticket), len(cookie)) >= 43  # 256 bits


async def test_a_revoked_key_opens_nothing(app: App) -> None:
    async with app.database.writing() as session:
        key = await operators.create_token(session, COMMAND_LINE, name="shop", scope=Scope.WRITE, now=app.clock())
        token = await operators.find_token(session, key)
        assert token is not None
        await operators.revoke_token(session, COMMAND_LINE, token.id or 0, now=app.clock())

        assert await operators.find_token(session, key) is None
    assert await _actions(app) == ["token.created", "token.revoked"]


async def test_a_link_goes_to_the_first_owner_unless_somebody_is_named(app: App) -> None:
    async with app.database.reading() as session:
        with pytest.raises(NotFound, match="operator add"):
            await operators.whom_to_let_in(session, None)
    await _take_in(app, 2, Role.VIEWER)
    await _take_in(app, 1, Role.OWNER)

    async with app.database.reading() as session:
        assert (await operators.whom_to_let_in(session, None)).telegram_id == 1
        assert (await operators.whom_to_let_in(session, 2)).telegram_id == 2
        with pytest.raises(NotFound, match="operator add 3"):
            await operators.whom_to_let_in(session, 3)


def test_only_owners_touch_owners_and_admins() -> None:
    assert may_appoint(Role.OWNER, Role.ADMIN, Role.OWNER)
    assert may_appoint(Role.ADMIN, Role.VIEWER, Role.OPERATOR)
    assert not may_appoint(Role.ADMIN, Role.VIEWER, Role.ADMIN)
    assert not may_appoint(Role.ADMIN, Role.OWNER, Role.VIEWER)
    assert not may_appoint(Role.OPERATOR, Role.VIEWER, Role.VIEWER)


def test_each_permission_belongs_to_some_role_and_all_to_the_owner() -> None:
    assert {permission for permission in Permission if may(Role.OWNER, permission)} == set(Permission)
    assert [may(Role.VIEWER, permission) for permission in Permission] == [True, False, False, False]
