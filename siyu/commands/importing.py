"""An import as seen in a terminal: progress by bytes, every refused row by number and column, the sum at the end."""

import csv
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from siyu.app import App
from siyu.transfer.cells import cell
from siyu.transfer.importing import Kind, Setting, Transactions, bring_in, check_source, open_sheet
from siyu.transfer.rehearsal import rehearsal
from siyu.transfer.rows import Verdict
from siyu.transfer.sheets import Ruled

# A file of the wrong kind has a million bad rows; after so many it is clear.
MOST_PRINTED = 1_000


async def run_import(
    app: App, what: str, file: Path, *, source: str, dry_run: bool, verdicts: Path | None = None
) -> bool:
    """Whether anything of the file could be used. Raises Invalid for a file that cannot be read at all."""
    kind = Kind(what)
    setting = Setting(check_source(source), app.settings.zone, app.settings.currency, app.clock())
    console = Console(stderr=True, highlight=False)
    tally = Tally(console)
    with file.open("rb") as opened, _report(verdicts) as report, _progress(console) as progress:
        sheet = open_sheet(opened, kind)
        if sheet.others and kind is not Kind.FANS:
            console.print(f"columns that mean nothing here and are ignored: {', '.join(sheet.others)}", markup=False)
        task = progress.add_task(file.name, total=os.fstat(opened.fileno()).st_size)
        async with _transactions(app, dry_run=dry_run) as transactions:
            async for ruled in bring_in(sheet, kind, transactions, setting):
                tally.count(ruled)
                report.write(ruled)
                progress.update(task, completed=sheet.position())
    Console(highlight=False).print(tally.summary(dry_run=dry_run), markup=False)
    return tally.anything_good


class Tally:
    """Counts verdicts and prints the rows a person must look at."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._counts: Counter[Verdict] = Counter()
        self._printed = 0

    def count(self, rows: Sequence[Ruled]) -> None:
        for row in rows:
            self._counts[row.ruling.verdict] += 1
            if row.ruling.verdict in (Verdict.REJECTED, Verdict.CONFLICT):
                self._print(row)

    @property
    def anything_good(self) -> bool:
        total = self._counts.total()
        return total == 0 or total > self._counts[Verdict.REJECTED]

    def summary(self, *, dry_run: bool) -> str:
        counted = ", ".join(f"{verdict.value} {self._counts[verdict]:,}" for verdict in Verdict)
        note = "; a dry run: nothing was written" if dry_run else ""
        return f"{self._counts.total():,} rows: {counted}{note}"

    def _print(self, row: Ruled) -> None:
        self._printed += 1
        if self._printed <= MOST_PRINTED:
            ruling = row.ruling
            place = f"row {row.line}, {ruling.column}" if ruling.column else f"row {row.line}"
            self._console.print(f"{place}: {ruling.sentence} ({ruling.verdict.value})", markup=False, soft_wrap=True)
        elif self._printed == MOST_PRINTED + 1:
            self._console.print("… and more; --verdicts FILE.csv writes all of them", markup=False)


class Report(Protocol):
    def write(self, rows: Sequence[Ruled]) -> None: ...


class _NoReport:
    def write(self, rows: Sequence[Ruled]) -> None:
        """Nobody asked."""


class _CsvReport:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(("row", "verdict", "column", "reason"))

    def write(self, rows: Sequence[Ruled]) -> None:
        for row in rows:
            ruling = row.ruling
            self._writer.writerow((row.line, ruling.verdict.value, cell(ruling.column), cell(ruling.sentence)))

    def close(self) -> None:
        self._file.close()


@contextmanager
def _report(path: Path | None) -> Iterator[Report]:
    if path is None:
        yield _NoReport()
        return
    report = _CsvReport(path)
    try:
        yield report
    finally:
        report.close()


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


@asynccontextmanager
async def _transactions(app: App, *, dry_run: bool) -> AsyncIterator[Transactions]:
    if not dry_run:
        yield app.database.writing
        return
    async with rehearsal(app.database) as transactions:
        yield transactions
