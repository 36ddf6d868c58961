"""Looking at fans and segments, and having them worked out anew."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from siyu.app import App
    from siyu.portrait import Portrait
    from siyu.segments import Run, SegmentView

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def add_to(cli: typer.Typer) -> None:
    for command in (recompute, segments, fan):
        cli.command()(command)


def recompute(
    full: Annotated[bool, typer.Option("--full", help="Every fan, not only those something changed for.")] = False,
    as_of: Annotated[
        str, typer.Option(help="The moment to look at, ISO 8601; a bare day means all of it; now, if not told.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Work out metrics, dimensions and segments as of a moment.

    Example: `siyu recompute --as-of 1998-06-30`
    """
    from siyu.commands.house import within
    from siyu.segments import Mode, recompute

    async def work(app: "App") -> "Run":
        return await recompute(
            app.database,
            zone=app.settings.zone,
            currency=app.settings.currency,
            as_of=_moment(as_of, app) if as_of else None,
            now=app.clock(),
            mode=Mode.FULL if full else Mode.AUTO,
        )

    run = within(work)
    if as_json:
        told = {"run_id": run.id, "mode": run.mode, "fans": run.fans, "changed": run.changed, "ms": run.ms}
        typer.echo(json.dumps({**told, "computed_at": run.computed_at.isoformat()}))
    else:
        moment = f"as of {run.computed_at:%Y-%m-%d %H:%M} UTC"
        typer.echo(f"{run.mode} run {moment}: {run.fans:,} fans looked at, {run.changed:,} moved, {run.ms:,} ms")


def segments(as_json: AsJson = False) -> None:
    """Show every segment and its size.

    Example: `siyu segments --json`
    """
    from siyu.commands.house import within
    from siyu.segments import list_segments, rule_as_json

    async def work(app: "App") -> "list[tuple[SegmentView, dict[str, Any]]]":
        async with app.database.reading() as session:
            return [(view, await rule_as_json(session, view)) for view in await list_segments(session)]

    views = within(work, upgrade=False)
    if as_json:
        typer.echo(json.dumps([_segment(*view) for view in views], ensure_ascii=False, indent=2))
    else:
        _print_segments([view for view, _ in views])


def fan(telegram_id: Annotated[int, typer.Argument(help="The fan's Telegram id.")], as_json: AsJson = False) -> None:
    """Show one fan's portrait: who, where they stand in each dimension and why, and their numbers.

    Example: `siyu fan 123456789 --json`
    """
    from siyu.commands.house import within
    from siyu.portrait import portrait

    async def work(app: "App") -> "Portrait":
        async with app.database.reading() as session:
            return await portrait(session, telegram_id, now=app.clock())

    found = within(work, upgrade=False)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print_portrait(found)


def _moment(text: str, app: "App") -> "datetime":
    from siyu.kit.clock import parse_moment, whole_day

    try:
        return parse_moment(whole_day(text), app.settings.zone)
    except (ValueError, OverflowError):
        said = f"{text} is not an ISO 8601 time such as 2026-03-04T12:00:00"
        raise typer.BadParameter(said, param_hint="--as-of") from None


def _segment(view: "SegmentView", rule: "dict[str, Any]") -> dict[str, object]:
    """As the HTTP API tells it."""
    return {
        "key": view.key,
        "label": str(view.name),
        "rule": rule,
        "size": view.size,
        "reachable": view.reachable,
        "computed_at": view.computed_at.isoformat() if view.computed_at else None,
    }


def _print_segments(views: "list[SegmentView]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("segment", no_wrap=True)
    for heading in ("fans", "reachable", "share"):
        table.add_column(heading, justify="right")
    for view in views:
        table.add_row(view.key, f"{view.size:,}", f"{view.reachable:,}", f"{view.share:.1%}")
    Console().print(table)
    moment = views[0].computed_at
    typer.echo(f"as of {moment:%Y-%m-%d %H:%M} UTC" if moment else "never recomputed: siyu recompute")


def _print_portrait(found: "Portrait") -> None:
    reach = "reachable" if found.reachable else "not reachable"
    typer.echo(f"{found.name} ({found.telegram_id}), {reach}, since {found.joined_at:%Y-%m-%d}, from {found.source}")
    for dimension, level in found.levels.items():
        typer.echo(f"  {dimension}: {level.level} since {level.since:%Y-%m-%d}; {level.why}")
    for metric, value in found.metrics.items():
        typer.echo(f"  {metric} {'–' if value is None else value}")
