"""A form as a browser would send it back: every field of the page, with what stands in it."""

from html.parser import HTMLParser


class Filled(HTMLParser):
    """The (name, value) pairs of the form with this id, and of fields elsewhere that belong to it."""

    def __init__(self, html: str, form: str) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self._form, self._inside = form, False
        self._select = self._text = ""
        self._option: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self._inside |= tag == "form" and said.get("id") == self._form
        name = said.get("name", "") if self._inside or said.get("form") == self._form else ""
        if tag == "input" and name and (said.get("type") not in ("checkbox", "radio") or "checked" in said):
            self.fields.append((name, said.get("value", "")))
        elif tag == "select":
            self._select, self._option = name, None
        elif tag == "option" and self._select and (self._option is None or "selected" in said):
            self._option = said.get("value", "")
        elif tag == "textarea" and name:
            self._text = name
            self.fields.append((name, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select" and self._select:
            self.fields.append((self._select, self._option or ""))
            self._select = ""
        elif tag == "textarea":
            self._text = ""

    def handle_data(self, data: str) -> None:
        if self._text:
            name, value = self.fields.pop()
            self.fields.append((name, value + data))


def filled(html: str, form: str) -> dict[str, list[str]]:
    """By name; the newline that HTML lets stand before a text is no part of it."""
    found: dict[str, list[str]] = {}
    for name, value in Filled(html, form).fields:
        found.setdefault(name, []).append(value.removeprefix("\n"))
    return found
