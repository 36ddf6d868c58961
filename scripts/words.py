"""Gathers every sentence of the house into the catalogue: `python -m scripts.words` (also `make words`)."""

import re
import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
CATALOGUE = ROOT / "locales" / "zh_CN" / "LC_MESSAGES" / "siyu.po"

METHODS = [
    ("templates/admin/_gallery.html", "ignore"),
    ("templates/**", "jinja2"),
    *((f"{package}/**.py", "python") for package in ("siyu", "bot", "admin")),
]
JINJA = {"newstyle_gettext": "true", "trimmed": "true", "silent": "false", "extensions": "jinja2.ext.do"}
OPTIONS = {"templates/**": JINJA}
# Data marked with `phrase`, and what the house says when it says no, are translated where they are shown.
OURS = ("phrase", "SiyuError", "Invalid", "NotFound", "Conflict", "Forbidden")
LONE_PLACEHOLDER = re.compile(r"%\(\w+\)s")
KEYWORDS = {**DEFAULT_KEYWORDS, **dict.fromkeys(OURS), "phrases": (1, 2)}


def main() -> None:
    """Rewrite the catalogue and say what still waits for a translation."""
    catalogue = refreshed()
    CATALOGUE.write_bytes(written(catalogue))
    for message in catalogue:
        if message.id and not all(translation(message)):
            sys.stdout.write(f"not translated: {message.id}\n")


def refreshed() -> Catalog:
    """The catalogue as it ought to be: the code's sentences, with the translations that exist."""
    with CATALOGUE.open("rb") as file:
        catalogue = read_po(file, locale="zh_CN", domain="siyu")
    catalogue.update(sentences(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    catalogue.msgid_bugs_address = "the issue tracker"
    return catalogue


def sentences() -> Catalog:
    """Every sentence of code and templates, with the file it is in."""
    found = Catalog(project="Siyu", fuzzy=False)
    walk = extract_from_dir(ROOT, METHODS, OPTIONS, KEYWORDS, directory_filter=_is_ours)
    for file, _, message, comments, context in walk:
        if _says_something("".join(message)):
            found.add(message, locations=[(Path(file).as_posix(), 0)], auto_comments=comments, context=context)
    return found


def translation(message: Message) -> tuple[str, ...]:
    """Its text, or its texts where a number decides; empty where nobody has translated it."""
    text = message.string
    return tuple(text) if isinstance(text, tuple | list) else (text or "",)


def written(catalogue: Catalog) -> bytes:
    """The file's bytes, the same for the same catalogue."""
    file = BytesIO()
    write_po(file, catalogue, width=0, sort_by_file=True, include_lineno=False)
    return file.getvalue()


def _says_something(text: str) -> bool:
    """Neither a bare separator nor a lone placeholder, which is translated already."""
    return any(character.isalpha() for character in text) and not LONE_PLACEHOLDER.fullmatch(text)


def _is_ours(folder: str) -> bool:
    """Babel by itself would pass over `templates/admin/_frame`."""
    return not Path(folder).name.startswith((".", "__"))


if __name__ == "__main__":
    main()
