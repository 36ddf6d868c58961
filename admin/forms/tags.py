"""The forms of a tag and of a group of tags."""

from pydantic import BaseModel

from admin.forms import Reading
from siyu.kit.errors import Invalid
from siyu.tables import Colour, Tag, TagGroup
from siyu.tags import NewTag


class TagForm(BaseModel):
    """The form as it came: all text; `new` and `into` are what its word is renamed to and merged into."""

    word: str = ""
    label: str = ""
    colour: str = Colour.GREY.value
    group_id: str = ""
    new: str = ""
    into: str = ""
    segment: str = ""  # everybody in it has the tag by itself


class GroupForm(BaseModel):
    """The form as it came: all text; an unticked box does not come at all."""

    name: str = ""
    exclusive: str = ""


def read_tag(form: TagForm) -> tuple[NewTag, list[Invalid]]:
    """The tag, and everything in it that could not be read."""
    reading = Reading()
    group_id = reading.take(lambda: _group(form.group_id), None)
    return NewTag(word=form.word, label=form.label, colour=form.colour, group_id=group_id), reading.mistakes


def filled_tag(tag: Tag) -> TagForm:
    """A tag as its form shows it."""
    return TagForm(
        word=tag.word, label=tag.label or "", colour=tag.colour, group_id=str(tag.group_id or ""),
        segment=str((tag.rule or {}).get("segment", "")),
    )  # fmt: skip


def filled_group(group: TagGroup) -> GroupForm:
    return GroupForm(name=group.name, exclusive="1" if group.exclusive else "")


def _group(text: str) -> int | None:
    if text and not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise Invalid("choose one of these", where=("group_id",))
    return int(text) if text else None
