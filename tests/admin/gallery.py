"""Every macro rendered with invented people; `python -m tests.admin.gallery FOLDER` writes it to files."""

import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from markupsafe import Markup

from admin.rendering import Flash, Page, Renderer

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
STATES = (
    "draft scheduled awaiting_approval preparing sending paused finished cancelled pending sent failed blocked unknown"
    " skipped holdout active ended exhausted claimed reserved redeemed expired revoked"
).split()
SENTENCES = {
    "en": ("Cancel the rest of this broadcast?", "Those who already have it keep it; 3,679 fans will not get it."),
    "zh_CN": ("取消剩余的群发？", "已经收到的粉丝不受影响，其余 3,679 位粉丝将不会收到。"),
}
WORDS = {
    "en": {"reachable": "Reachable", "lost": "Lost", "revenue": "Revenue"},
    "zh_CN": {"reachable": "可触达", "lost": "已流失", "revenue": "销售额"},
}


@dataclass(frozen=True)
class Me:
    """Whoever looks at the gallery; may do everything."""

    name: str = "林晓雨"
    role: str = "owner"

    def may(self, permission: str) -> bool:
        return True


def render_gallery(*, locale: str = "en", theme: str = "light", me: Me | None = None) -> str:
    """The whole gallery page."""
    told = _context(locale, theme, me or Me())
    return Renderer().render("admin/_gallery.html", locale=locale, timezone=ZONE, now=NOW, **told)


def render_fragment(*, locale: str = "en") -> str:
    """The one block of it that stands for every fragment."""
    told = _context(locale, "light", Me())
    return Renderer().render_block("admin/_gallery.html", "fragment", locale=locale, timezone=ZONE, now=NOW, **told)


def _context(locale: str, theme: str, me: Me) -> dict[str, object]:
    question, sentence = SENTENCES[locale]
    series = [20 + day + day * day // 26 + (-1) ** day for day in range(27)]
    return {
        "theme": theme,
        "me": me,
        "path": "/gallery",
        "page": Page("Gallery", "segments", (("Segments", "/segments"),)),
        "recomputed_at": NOW - timedelta(minutes=12),
        "waiting": {"quarantine": 2},
        "flashes": (Flash(sentence),),
        "state_words": WORDS[locale],
        "long_question": question,
        "long_sentence": sentence,
        "series": series,
        "days": [f"{date(2026, 10, 27) + timedelta(days=day):%m-%d}" for day in range(len(series))],
        "steps": [("in the segment", 8579), ("reachable", 8063), ("not muted", 7828), ("will get it", 7648)],
        "states": STATES,
        "message": Markup("Hi 雨桐! 🎉\n\n<b>Thank you for being here.</b>\n\n<code>VIP-7K2M</code> — <i>20% off</i>"),
        "fans": [
            {"name": name, "note": note, "spent": spent, "share": share, "seen": NOW - timedelta(hours=hours)}
            for name, note, spent, share, hours in (
                ("刘涵诗", "新加坡", 420200, 0.063, 0),
                ("Mina Silva", "@boris14753", 413900, 0.451, 11),
                ("陈涵", "@chen", 399500, 0.486, 24 * 6),
                ("Farid", "@farid99765", 379400, 0.71, 24 * 40),
                ("Олег Ибрагимов-Константинопольский", "@oleg", 3, 0.01, 24 * 400),
                ("🎉", "", 0, 0.0, 1),
            )
        ],
    }


if __name__ == "__main__":
    for locale in SENTENCES:
        for theme in ("light", "dark"):
            Path(sys.argv[1], f"{locale}-{theme}.html").write_text(render_gallery(locale=locale, theme=theme), "utf-8")
