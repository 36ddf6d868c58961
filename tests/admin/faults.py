"""What no page may get wrong in a browser, whoever looks at it with whatever."""

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from admin.rendering import STATIC_ROOT


def faults(page: Page) -> list[str]:
    """What keeps people out, what does not fit the screen, and what a finger would miss; empty if all is well."""
    wide = ["wider than the screen"] if _too_wide(page) else []
    return [*_violations(page), *wide, *(_too_small(page) if _has_touch(page) else [])]


# Chosen on the root element, and styled by what they are not.
_UNSTYLED = {"light", "dark", "system"}


def unstyled(page: Page) -> set[str]:
    """Classes of this page that the stylesheet does not know."""
    used = page.evaluate("[...document.querySelectorAll('[class]')].flatMap(element => [...element.classList])")
    names = re.findall(r"\.((?:\\.|[\w-])+)", (STATIC_ROOT / "app.css").read_text("utf-8"))
    known = _UNSTYLED | {re.sub(r"\\(.)", r"\1", name) for name in names}
    return {name for name in used if not name.startswith("htmx-")} - known


def _violations(page: Page) -> list[str]:
    found = Axe().run(page)
    return [f"{rule['id']}: {node['target']}" for rule in found.response["violations"] for node in rule["nodes"]]


def _too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > Math.min(innerWidth, screen.width)"))


def _has_touch(page: Page) -> bool:
    return bool(page.evaluate("navigator.maxTouchPoints > 0"))


def _too_small(page: Page) -> list[str]:
    """What is less than 44 pixels high."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll("main :is(button, a.btn, input, select, summary)")]
            .filter((element) => element.checkVisibility() && !element.matches(".sr-only"))
            .filter((element) => !["hidden", "radio", "checkbox"].includes(element.type))
            .filter((element) => element.getBoundingClientRect().height < 43.5)
            .map((element) => element.outerHTML.slice(0, 120))"""
    )
    return found
