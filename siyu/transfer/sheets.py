"""A CSV file as rows with line numbers: one broken row never takes its neighbours with it."""

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Generic, TypeVar

from siyu.kit.errors import Invalid
from siyu.transfer.cells import uncell
from siyu.transfer.rows import Ruling, rejected

Shape = TypeVar("Shape")

UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Line:
    """One row: the number of its first line in the file (the header is 1), and its cells by column."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Told(Generic[Shape]):
    """What one or more rows of the file say."""

    lines: tuple[int, ...]
    row: Shape


@dataclass(frozen=True)
class Ruled:
    """What became of one row of the file."""

    line: int
    ruling: Ruling


class Sheet:
    """An open CSV file whose header was read and understood."""

    def __init__(self, file: BinaryIO, *, required: Sequence[str], known: Iterable[str]) -> None:
        self._file = file
        if file.read(2) in UTF_16:
            raise Invalid("the file is UTF-16; save it as UTF-8")
        # Bytes that are not UTF-8 become half characters, which the check of their row finds.
        self._text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self.columns = self._header()
        self._must_have(required)
        self.others = tuple(column for column in self.columns if column and column not in set(known))

    def lines(self) -> Iterator[Line | Ruled]:
        """Every row from the start; may be asked for again."""
        self._text.seek(0)
        records = _records(_Lines(self._text), width=len(self.columns))
        next(records)
        for number, found in records:
            yield self._line(number, found)

    def position(self) -> int:
        """How many bytes were read so far."""
        return self._file.tell()

    def _header(self) -> tuple[str, ...]:
        self._text.seek(0)
        _, found = next(_records(_Lines(self._text), width=None), (0, []))
        if isinstance(found, Ruling) or not any(found):
            raise Invalid("the file has no header row")
        if any("\ud800" <= sign <= "\udfff" or sign == "\0" for name in found for sign in name):
            raise Invalid("the file is not UTF-8 text; save it as UTF-8")
        header = (name.strip() for name in found)
        return tuple(name.lower() if name.isascii() else name for name in header)

    def _line(self, number: int, found: "list[str] | Ruling") -> Line | Ruled:
        if isinstance(found, Ruling):
            return Ruled(number, found)
        if len(found) != len(self.columns):
            return Ruled(number, rejected(f"has {len(found)} cells where the header has {len(self.columns)}"))
        return Line(number, {column: uncell(text) for column, text in zip(self.columns, found, strict=True) if column})

    def _must_have(self, required: Sequence[str]) -> None:
        missing = [column for column in required if column not in self.columns]
        if missing:
            raise Invalid(
                "the header lacks %(missing)s; it says: %(columns)s. Columns are separated by commas",
                missing=", ".join(missing),
                columns=", ".join(self.columns)[:200],
            )
        twice = {column for column in self.columns if column and self.columns.count(column) > 1}
        if twice:
            raise Invalid("the header names %(twice)s more than once", twice=", ".join(sorted(twice)))


class _Lines:
    """Physical lines that can be given back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        self.number += 1
        return line

    def keep_first(self) -> None:
        """Give back all lines of this row but the first."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1


def _records(lines: _Lines, *, width: int | None) -> Iterator[tuple[int, "list[str] | Ruling"]]:
    """Rows with the number of their first line.

    After a row whose quotes do not match, reading goes on with the very next line: an open quote would otherwise
    swallow every good row up to the next one.
    """
    reader = csv.reader(lines, strict=True)
    while True:
        lines.taken.clear()
        try:
            found = next(reader)
        except StopIteration:
            return
        except csv.Error:
            found = None
        first = lines.number - len(lines.taken) + 1
        if found is None or (len(lines.taken) > 1 and width not in (None, len(found))):
            lines.keep_first()
            reader = csv.reader(lines, strict=True)
            yield first, rejected("the quotes of this row do not match")
        elif any(found):
            yield first, found
