"""The database: its schema, its books, its copies, and whether everything around it is well."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from siyu.app import App

db = typer.Typer(help="The database.", no_args_is_help=True)


def add_to(cli: typer.Typer) -> None:
    cli.add_typer(db, name="db")
    cli.command("books")(books)
    cli.command("doctor")(doctor)
    cli.command("backup")(backup)
    cli.command("restore")(restore)


@db.command("upgrade")
def upgrade() -> None:
    """Bring the database to the newest schema; does nothing if it is there.

    Example: `siyu db upgrade`
    """
    from siyu import schema
    from siyu.settings import read_settings

    url = read_settings().database_url
    schema.upgrade(url)
    typer.echo(f"the database is at {schema.current(url)}")


@db.command("check")
def check() -> None:
    """Say whether the database is at the newest schema; exit code 1 if not.

    Example: `siyu db check`
    """
    from siyu import schema
    from siyu.kit.errors import SiyuError
    from siyu.settings import read_settings

    url = read_settings().database_url
    current, newest = schema.current(url), schema.newest(url)
    if current != newest:
        raise SiyuError(f"the database is at {current or 'nothing'}, this version needs {newest}: siyu db upgrade")
    typer.echo(f"the database is at {current}, the newest")


def books(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Check every promise about money, coupons and points against the rows; exit code 1 on a breach.

    Example: `siyu books --json`
    """
    import json
    from dataclasses import asdict

    from siyu import purchases
    from siyu.commands.house import within
    from siyu.coupons import Breach
    from siyu.kit.errors import SiyuError

    async def work(app: "App") -> list[Breach]:
        async with app.database.reading() as session:
            return await purchases.books(session)

    breaches = within(work, upgrade=False)
    if as_json:
        typer.echo(json.dumps({"breaches": [asdict(breach) for breach in breaches]}, ensure_ascii=False))
    for breach in breaches if not as_json else ():
        typer.echo(f"✗ {breach.rule}: {breach.subject}, {breach.detail}")
    if breaches:
        raise SiyuError(f"{len(breaches)} of the books' promises do not hold")
    if not as_json:
        typer.echo("✓ every promise about money, coupons and points holds")


def doctor() -> None:
    """Look at settings, database, disk and bot, and say what to do about each; exit code 1 if something is wrong.

    Example: `siyu doctor`
    """
    from siyu.commands.checkup import examine

    if not examine():
        raise typer.Exit(1)


def backup(file: Annotated[Path, typer.Argument(help="Where to; it must not exist yet.")]) -> None:
    """Copy the database into a file, while everything goes on. PostgreSQL has `pg_dump` for it.

    Example: `siyu backup monday.db`
    """
    from siyu.commands import copies
    from siyu.settings import read_settings

    copies.take(read_settings().database_url, file)
    typer.echo(f"{file}: everything up to now; keep it on an encrypted volume")


def restore(
    file: Annotated[Path | None, typer.Argument(help="A backup; none where the database was put back already.")] = None,
) -> None:
    """Put a backup in the place of the database. Stop Siyu before.

    What was on its way when the backup was made may have been sent since, so every such broadcast is paused and asks.
    On PostgreSQL put it back with `pg_restore`, then run this without a file.

    Example: `siyu restore monday.db`
    """
    from siyu.commands import copies
    from siyu.settings import read_settings

    url = read_settings().database_url
    held = copies.put_back(url, file) if file else copies.hold(url)
    typer.echo(f"restored; broadcasts that ask before they go on: {held}")
