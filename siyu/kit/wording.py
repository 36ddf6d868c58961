"""One gettext catalogue for chat and browser: English in the code, Chinese beside it in `locales/`."""

from dataclasses import dataclass
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

CHINESE = "zh_CN"
ENGLISH = "en"
LOCALES = (CHINESE, ENGLISH)


@dataclass(frozen=True)
class Words:
    """The three ways of saying something in one language."""

    locale: str
    translations: NullTranslations

    def gettext(self, message: str) -> str:
        return self.translations.gettext(message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return self.translations.ngettext(singular, plural, number)

    def pgettext(self, context: str, message: str) -> str:
        return self.translations.pgettext(context, message)


def words(locale: str) -> Words:
    """What code asks for texts: `words(locale).gettext("Hello")`."""
    return Words(locale, translations(locale))


@lru_cache
def translations(locale: str) -> NullTranslations:
    """A language's catalogue, read once from its `.po`, so that no compiled file is kept; English is the source."""
    if locale == ENGLISH:
        return NullTranslations()
    compiled = BytesIO()
    with (shipped("locales") / locale / "LC_MESSAGES" / "siyu.po").open("rb") as written:
        write_mo(compiled, read_po(written, locale=locale))
    compiled.seek(0)
    return GNUTranslations(compiled)


def choose_locale(preference: str | None, *, otherwise: str = ENGLISH) -> str:
    """Of Telegram's `language_code` or a browser's `Accept-Language`: Chinese for any zh, English for any other."""
    wanted = _most_wanted(preference or "")
    if not wanted:
        return otherwise
    return CHINESE if wanted.lower().replace("_", "-").split("-")[0] == "zh" else ENGLISH


def phrase(message: str) -> str:
    """Marks a text kept as data, so that extraction finds it; it is translated where it is shown."""
    return message


def shipped(folder: str) -> Path:
    """A folder that lies beside the packages in a checkout, and in `siyu/_assets` once installed."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_assets" / folder
    return installed if installed.is_dir() else package.parent / folder


def _most_wanted(preference: str) -> str:
    choices = [_weighed(choice) for choice in preference.split(",")]
    acceptable = [(weight, tag) for weight, tag in choices if tag and tag != "*" and weight > 0]
    return max(acceptable, key=lambda choice: choice[0], default=(0.0, ""))[1]


def _weighed(choice: str) -> tuple[float, str]:
    tag, _, quality = choice.partition(";")
    try:
        return (float(quality.split("=")[1]) if "=" in quality else 1.0), tag.strip()
    except ValueError:
        return 0.0, ""
