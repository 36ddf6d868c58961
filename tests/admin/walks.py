"""A walk through pages in a real browser: for everyone, on every screen, in both themes and languages."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page

from tests.admin.browsing import DESK, PHONE, House, looking
from tests.admin.faults import faults, unstyled


@dataclass(frozen=True)
class Look:
    """Who looks: at what kind of screen, by day or night, in which language."""

    screen: str
    theme: str
    locale: str

    def __str__(self) -> str:
        return f"{self.screen}-{self.theme}-{self.locale}"


_EVENING = (Look("desk", "dark", "en"), Look("phone", "light", "zh_CN"))
_MORNING = (Look("desk", "light", "en"), Look("phone", "dark", "zh_CN"))
_NEVER_TOGETHER = (Look("desk", "light", "zh_CN"), Look("phone", "dark", "en"), Look("desk", "dark", "zh_CN"))


def _these(*looks: Look) -> list[object]:
    """A walk takes a browser ten seconds: these in every run of the suite, all others in the long one."""
    others = {*_EVENING, *_MORNING, *_NEVER_TOGETHER} - set(looks)
    late = (pytest.param(look, marks=pytest.mark.torture, id=str(look)) for look in sorted(others, key=str))
    return [*(pytest.param(look, id=str(look)) for look in looks), *late]


LOOKS, OTHER_LOOKS = _these(*_EVENING), _these(*_MORNING)


def nothing(page: Page) -> None:
    """What most pages need before they are looked at."""


def unfold(page: Page) -> None:
    """Whatever is folded away is looked at too."""
    page.evaluate("document.querySelectorAll('main details').forEach((fold) => { fold.open = true; })")


def walk(
    browser: Browser, house: House, look: Look, paths: Iterable[str], ready: Callable[[Page], None] = nothing
) -> dict[str, object]:
    """What is wrong with each page, and under "console" what the browser complained about; empty if all is well."""
    complaints: list[str] = []
    found: dict[str, object] = {}
    device = PHONE if look.screen == "phone" else DESK
    with looking(browser, house, device, complaints, theme=look.theme, locale=look.locale) as page:
        for path in paths:
            page.goto(path, wait_until="domcontentloaded")
            page.wait_for_function("window.htmx !== undefined")
            ready(page)
            found[path] = [*faults(page), *sorted(unstyled(page))]
    return {place: wrong for place, wrong in {**found, "console": complaints}.items() if wrong}
