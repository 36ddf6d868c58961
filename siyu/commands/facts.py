"""Facts in from a CSV file, and out into one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siyu.commands.words import ExportWord, FileWord

if TYPE_CHECKING:
    from siyu.app import App


def add_to(cli: typer.Typer) -> None:
    cli.command("import")(bring_in)
    cli.command("export")(take_out)


def bring_in(
    what: Annotated[FileWord, typer.Argument(help="What the file holds.")],
    file: Annotated[Path, typer.Argument(help="A CSV file, UTF-8, with a header row.", dir_okay=False)],
    source: Annotated[str, typer.Option(help="Where the rows come from: keys are unique within a source.")] = "csv",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
    verdicts: Annotated[
        Path | None, typer.Option(help="Write the verdict on every row to this CSV file.", dir_okay=False)
    ] = None,
) -> None:
    """Bring facts in from a CSV file. A bad row is named and left out, the good ones are taken; safe to repeat.

    fans: telegram_id,name[,username,language,phone,joined_at,source_channel,referred_by,tags(;),ANY ATTRIBUTE…]

    purchases: external_id,telegram_id,purchased_at,amount[,currency,sku,product,category,quantity,coupon_code,status]

    interactions: external_id,telegram_id,at,kind[,detail]

    Example: `siyu import purchases orders.csv --source shop --dry-run`
    """
    from siyu.commands.house import within
    from siyu.commands.importing import run_import

    async def work(app: "App") -> bool:
        return await run_import(app, what.value, file, source=source, dry_run=dry_run, verdicts=verdicts)

    if not within(work):
        raise typer.Exit(1)


def take_out(
    what: Annotated[ExportWord, typer.Argument(help="What to take out.")],
    key: Annotated[str, typer.Argument(help="Of `segment` its key, of `deliveries` the broadcast's id.")] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write; standard output, if not told.")
    ] = None,
) -> None:
    """Take facts out as CSV. Cells that a spreadsheet would run as a formula get an apostrophe in front.

    Example: `siyu export segment loyalty.at_risk -o at-risk.csv`
    """
    if bool(key) != (what in {ExportWord.SEGMENT, ExportWord.DELIVERIES}):
        hint = "takes no key" if key else "needs a key: siyu export segment loyalty.at_risk"
        raise typer.BadParameter(f"{what.value} {hint}", param_hint="KEY")
    from siyu.commands.house import within
    from siyu.transfer.exporting import take_out as rows_of
    from siyu.transfer.exporting import write

    async def work(app: "App") -> None:
        async with app.database.reading() as session:
            await write(rows_of(session, what.value, key, zone=app.settings.zone), output or sys.stdout)

    within(work, upgrade=False)
