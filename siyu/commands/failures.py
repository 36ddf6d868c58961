"""What a failure looks like in a terminal: lines a person can act on, never a traceback for what was to be expected."""

import sys
from collections.abc import Iterator

from siyu.kit.errors import SiyuError


def readable(error: BaseException) -> list[str] | None:
    """The lines to print; None for a surprise, which deserves its traceback."""
    known = [_lines(cause) for cause in _causes(error)]
    return None if any(lines is None for lines in known) else [line for lines in known for line in lines or ()]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """A group of tasks fails as a group; each of its errors is told."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield error


def _lines(error: BaseException) -> list[str] | None:
    if isinstance(error, SiyuError):
        return str(error).splitlines()
    if _is_of_database(error):
        return [_of_database(error)]
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return [f"{place}{error.strerror or error}"]
    return None


def _is_of_database(error: BaseException) -> bool:
    """Asked without importing the database: if it failed, it is loaded."""
    exceptions = sys.modules.get("sqlalchemy.exc")
    if exceptions is None:
        return False
    return isinstance(error, exceptions.DBAPIError | exceptions.TimeoutError)


def _of_database(error: BaseException) -> str:
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    if "readonly" in said or "read-only" in said:
        return f"the database can only be read: {said}"
    if "no such table" in said or "UndefinedTable" in type(getattr(error, "orig", error)).__name__:
        return "the database is empty or older than this version; run `siyu db upgrade`"
    if "malformed" in said or "not a database" in said:
        return f"the file is not a Siyu database: {said}"
    return f"the database failed: {said}"
