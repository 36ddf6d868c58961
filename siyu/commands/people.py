"""Who may come in: operators, sign-in links, keys of programs."""

from typing import TYPE_CHECKING, Annotated

import typer

from siyu.commands.words import RoleWord, ScopeWord

if TYPE_CHECKING:
    from siyu.app import App

operator = typer.Typer(help="People of the admin.", no_args_is_help=True)
token = typer.Typer(help="Keys of programs that use the HTTP API.", no_args_is_help=True)


def add_to(cli: typer.Typer) -> None:
    cli.add_typer(operator, name="operator")
    cli.add_typer(token, name="token")
    cli.command("login-link")(login_link)


@operator.command("add")
def add_operator(
    telegram_id: Annotated[int, typer.Argument(help="The person's Telegram id.")],
    role: Annotated[RoleWord, typer.Option(help="What they may do.")],
    name: Annotated[str, typer.Option(help="How the admin calls them.")] = "",
) -> None:
    """Take somebody in, or give somebody who is here another role.

    Example: `siyu operator add 123456789 --role owner --name Mei`
    """
    from siyu import operators
    from siyu.audit import COMMAND_LINE
    from siyu.commands.house import within
    from siyu.tables import Role

    async def work(app: "App") -> None:
        async with app.database.writing() as session:
            await operators.add(
                session, COMMAND_LINE, telegram_id=telegram_id, role=Role(role.value), name=name, now=app.clock()
            )

    within(work)
    typer.echo(f"{name or telegram_id} is {role.value}. `siyu login-link {telegram_id}` signs them in.")


def login_link(
    telegram_id: Annotated[int | None, typer.Argument(help="Whom it signs in; the first owner, if not told.")] = None,
) -> None:
    """Print a link that signs in once, for ten minutes.

    Example: `siyu login-link 123456789`
    """
    from siyu import operators
    from siyu.commands.house import within

    async def work(app: "App") -> str:
        now = app.clock()
        async with app.database.writing() as session:
            person = await operators.whom_to_let_in(session, telegram_id)
            ticket = await operators.issue_ticket(session, person, now=now)
        return f"{app.settings.site}/login?t={ticket}"

    typer.echo(within(work))


@token.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What the key is for; the audit shows it.")],
    scope: Annotated[ScopeWord, typer.Option(help="What it may do; write includes read.")],
) -> None:
    """Make a key for the HTTP API. It is printed this once.

    Example: `siyu token create shop --scope write`
    """
    from siyu import operators
    from siyu.audit import COMMAND_LINE
    from siyu.commands.house import within

    async def work(app: "App") -> str:
        async with app.database.writing() as session:
            wanted = operators.Scope(scope.value)
            return await operators.create_token(session, COMMAND_LINE, name=name, scope=wanted, now=app.clock())

    typer.echo(within(work))
