"""What a reader sees of a page: the words of its main part, and where its links lead."""

from html.parser import HTMLParser
from urllib.parse import urljoin

SILENT = {"script", "style", "svg", "dialog", "template"}
VOID = {"meta", "link", "input", "br", "hr", "img"}


class Seen(HTMLParser):
    """The words and links inside <main>; of a fragment, all of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.hrefs: list[str] = []
        self.actions: list[str] = []
        self._silent = 0
        self._inside = "<main" not in html
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self._inside |= tag == "main"
        self._silent += tag in SILENT
        if self._inside and "href" in attributes:
            self.hrefs.append(attributes["href"] or "")
        if self._inside and tag == "form":
            self.actions.append(attributes.get("action") or "")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT
        self._inside &= tag != "main"

    def handle_data(self, data: str) -> None:
        if self._inside and not self._silent:
            self.words += data.split()


def seen(html: str) -> str:
    """The words a reader sees, one space between them."""
    return " ".join(Seen(html).words)


def links(html: str) -> list[str]:
    return Seen(html).hrefs


def forms(html: str) -> list[str]:
    """Where the forms of the main part lead, questions in dialogs included."""
    return Seen(html).actions


def next_page(html: str, here: str) -> str:
    """The address of the following page."""
    places = ("cursor=", "since=", "bought=")
    return urljoin(here, next(href for href in links(html) if any(place in href for place in places)))
