"""Segments as their list shows them: saved ones by folder, dimensions in order, those nobody was asked about aside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from admin.forms import sentence
from siyu import segments
from siyu.kit.database import ReadSession
from siyu.kit.wording import Words
from siyu.segments import Classification, SegmentView, Sentence, saved, telling
from siyu.segments.telling import Line
from siyu.tables import SavedSegment


@dataclass(frozen=True)
class Kept:
    """A saved segment: its row, its people as last worked out, and what to say of it."""

    row: SavedSegment
    view: SegmentView | None  # None: saved a moment ago, or while a look at another time is held
    line: Line
    fault: str  # why its rule cannot be worked out; empty: it can
    since: datetime | None  # of the fault, where a run has met it
    used_by: Sequence[tuple[str, str]] = ()

    @property
    def told(self) -> Sentence:
        return self.line.sentence


@dataclass(frozen=True)
class Shelves:
    """What the list shows, from the top."""

    folders: Sequence[tuple[str, Sequence[Kept]]]  # pinned ones first, under no name
    dimensions: Sequence[tuple[str, Sequence[SegmentView]]]
    unasked: Sequence[tuple[str, Sequence[SegmentView]]]  # everybody is unknown in these

    @property
    def empty(self) -> bool:
        return not (self.folders or self.dimensions or self.unasked)


async def shelves(session: ReadSession, *, q: str, words: Words, currency: str) -> Shelves:
    whole = await segments.classification_in_force(session)
    views = {view.key: view for view in await segments.list_segments(session)}
    kept = [_kept(row, views.get(row.key), whole, words, currency) for row in await saved.list_saved(session)]
    folders: dict[str, list[Kept]] = {}
    for one in kept:
        if _found(q, one.row.label, one.row.folder, one.row.note, one.told.said(words)):
            folders.setdefault("" if one.row.pinned else one.row.folder, []).append(one)
    groups = [
        (label, [view for view in found if _shown(q, label, view, words)])
        for label, found in segments.grouped(view for view in views.values() if view.dimension_label)
    ]
    aside = [not q and _is_unasked(found) for _, found in groups]
    return Shelves(
        folders=list(folders.items()),
        dimensions=[one for one, put_aside in zip(groups, aside, strict=True) if one[1] and not put_aside],
        unasked=[one for one, put_aside in zip(groups, aside, strict=True) if put_aside],
    )


async def standing(session: ReadSession, row: SavedSegment | None, *, words: Words, currency: str) -> Kept | None:
    """One saved segment with what needs it; None for a level."""
    if row is None:
        return None
    whole = await segments.classification_in_force(session)
    used_by = await saved.where_used(session, row.key)
    return _kept(row, None, whole, words, currency, used_by)


def _kept(
    row: SavedSegment,
    view: SegmentView | None,
    whole: Classification,
    words: Words,
    currency: str,
    used_by: Sequence[tuple[str, str]] = (),
) -> Kept:
    wrong = saved.fault(row, whole)
    line = telling.outline(saved.rule_of(row), whole, currency)
    fault = sentence(wrong, words) if wrong else row.broken or ""
    return Kept(row, view, line, fault, row.broken_since if fault else None, used_by)


def _is_unasked(views: Sequence[SegmentView]) -> bool:
    return all(view.asked for view in views) and not any(view.size for view in views if view.level != "unknown")


def _shown(q: str, label: str, view: SegmentView, words: Words) -> bool:
    said = words.gettext(view.sentence)
    told = said % view.values if view.values else said
    return _found(q, Sentence(label).said(words), Sentence(view.label).said(words), told)


def _found(q: str, *texts: str) -> bool:
    wanted = q.strip().lower()
    return any(wanted in text.lower() for text in texts)
