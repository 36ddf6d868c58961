"""Turns templates into pages and fragments, in the reader's language and the community's time zone."""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from jinja2.runtime import Context
from markupsafe import Markup, escape

from admin import charts, formats
from admin.formats import View, reader, seen_by
from siyu.kit import figures
from siyu.kit.wording import shipped

STATIC_ROOT = Path(__file__).resolve().parent / "static"

Theme = str  # "light", "dark" or "system": a class of the page, chosen in a cookie
THEMES = ("light", "dark", "system")
HUES = 8

_DRAWING = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


@dataclass(frozen=True)
class Page:
    """What the frame of a page must know: its name, its place in the navigation, the way back up."""

    title: str
    section: str
    trail: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Flash:
    """One thing to tell after a redirect; kinds are those of `toast.html`."""

    text: str
    kind: str = "good"


class Renderer:
    """The one door from handlers to templates."""

    def __init__(self, templates: Path | None = None) -> None:
        self._environment = _environment(templates or templates_root())

    def render(self, template: str, *, locale: str, timezone: ZoneInfo, now: datetime, **context: object) -> str:
        """A whole page, or a partial that is a file of its own."""
        with seen_by(View(locale, timezone, now)):
            return self._environment.get_template(template).render(locale=locale, now=now, **context)

    def render_block(
        self, template: str, block: str, *, locale: str, timezone: ZoneInfo, now: datetime, **context: object
    ) -> str:
        """One block of a page alone: what htmx swaps in where the page already stands."""
        with seen_by(View(locale, timezone, now)):
            page = self._environment.get_template(template)
            scene = page.new_context({"locale": locale, "now": now, **context})
            _run_head(page, scene)
            return self._environment.concat(page.blocks[block](scene))


def templates_root() -> Path:
    """Where the templates are, in a checkout and when installed."""
    return shipped("templates")


@lru_cache
def static(path: str) -> str:
    """A static file's address with its content in it, so that browsers may keep it for a year."""
    digest = sha256((STATIC_ROOT / path).read_bytes()).hexdigest()[:10]
    return f"/static/{path}?v={digest}"


def hue(name: str) -> int:
    """One of eight colours, always the same for the same name."""
    return zlib.crc32(name.encode()) % HUES


def initial(name: str) -> str:
    """The letter or character a person is shown by."""
    return next((character.upper() for character in name if character.isalnum()), "?")


def _environment(templates: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # added by the i18n extension
        _gettext, _ngettext, newstyle=True, pgettext=_pgettext
    )
    environment.globals.update(_everywhere(templates))
    return environment


def _everywhere(templates: Path) -> dict[str, Callable[..., object]]:
    """What every template may call."""
    return {
        "icon": _icons(templates / "admin" / "icons"),
        "static": static,
        "hue": hue,
        "initial": initial,
        "number": formats.number,
        "compact": formats.compact,
        "percent": formats.percent,
        "money": formats.money,
        "basis_points": figures.basis_points,
        "local": formats.local,
        "ago": formats.ago,
        "span": formats.span,
        "date_time": formats.date_time,
        "day": formats.day,
        "clock_time": formats.clock_time,
        "chart_line": charts.line,
        "chart_columns": charts.columns,
        "chart_funnel": charts.funnel,
        "chart_heat": charts.heat,
    }


def _icons(folder: Path) -> Callable[..., Markup]:
    def drawing(name: str) -> Markup:
        found = _DRAWING.search((folder / f"{name}.svg").read_text("utf-8"))
        if not found:
            raise ValueError(f"{name}.svg holds no drawing")
        return Markup(" ".join(found[1].split()))  # our own committed file

    @lru_cache(maxsize=1024)
    def icon(name: str, class_: str = "") -> Markup:
        """A lucide icon drawn in the text's colour; 16 px unless the class says otherwise."""
        return _SVG.format(Markup(' class="{}"').format(class_) if class_ else "", drawing(name))

    return icon


_SVG = Markup(
    '<svg{} width="16" height="16" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"'
    ' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">{}</svg>'
)


def _run_head(page: Template, scene: Context) -> None:
    """A block uses what its page imports at the top; running up to the first output makes that known."""
    next(iter(page.root_render_func(scene)), None)


# Jinja takes what these give for markup, and some of it is what operators called their segments and levels. None of
# our own sentences has markup in it.
def _gettext(message: str) -> Markup:
    return escape(reader().words.gettext(message))


def _ngettext(singular: str, plural: str, count: int) -> Markup:
    return escape(reader().words.ngettext(singular, plural, count))


def _pgettext(context: str, message: str) -> Markup:
    return escape(reader().words.pgettext(context, message))
