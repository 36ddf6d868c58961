"""Running the product: all of it, a part of it, the demo, or only the pretend Telegram."""

from typing import Annotated

import typer

from siyu.commands.words import PartWord


def add_to(cli: typer.Typer) -> None:
    for command in (run, demo, sandbox):
        cli.command()(command)


def run(
    only: Annotated[str, typer.Option(help="Parts of it, with commas: web, bot, scheduler, sender.")] = "",
) -> None:
    """Run the product: web side, bot, scheduler and sender in one process, until it is told to stop.

    On SQLite one process holds everything; parts in processes of their own need PostgreSQL.

    Example: `siyu run`, or on two machines `siyu run --only web` and `siyu run --only bot,scheduler,sender`
    """
    parts = _parts(only)
    from siyu.serving import run_parts

    run_parts(frozenset(parts))


def demo(
    fans: Annotated[int, typer.Option(min=1, max=100_000, help="How many people the invented community has.")] = 400,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where the admin is.")] = 8000,
) -> None:
    """Run everything with an invented community and a pretend Telegram; no account needed.

    Example: `siyu demo --fans 1000 --port 8080`
    """
    from siyu import demo as house

    house.run(fans=fans, port=port)


def sandbox(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where the pretend Bot API and its chat page are.")
    ] = 8081,
) -> None:
    """Run only the pretend Telegram: a Bot API server with a chat page.

    Example: `siyu sandbox --port 8081`
    """
    from bot.sandbox.options import SandboxOptions
    from bot.sandbox.server import run

    run(SandboxOptions(port=port))


def _parts(only: str) -> frozenset[PartWord]:
    """All of them unless some are named; an unknown name is a mistake in the command."""
    if not only:
        return frozenset(PartWord)
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in set(PartWord)]
    if unknown or not names:
        raise typer.BadParameter(
            f"{', '.join(unknown) or only} is not web, bot, scheduler or sender", param_hint="--only"
        )
    return frozenset(PartWord(name) for name in names)
