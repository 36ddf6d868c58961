"""The commands of `siyu`.

Whatever is heavy is imported inside the command that needs it: `siyu --help` answers in a fifth of a second,
where importing the bot, the web side and the database would take three.
"""

import typer

from siyu.commands import facts, looking, parts, people, storage

cli = typer.Typer(
    name="siyu",
    help="Siyu looks after a community's fans: a Telegram bot, living segments, and a small web admin.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

for rooms in (parts, facts, looking, people, storage):
    rooms.add_to(cli)

__all__ = ["cli"]
