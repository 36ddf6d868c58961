"""The form of the house's preferences: numbers, and hours of the day as a clock shows them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import time
from functools import partial

from pydantic import BaseModel

from admin.forms import Reading, number, number_or_none
from siyu.kit.errors import Invalid
from siyu.preferences import Preferences

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(:[0-5]\d)?")


class PreferencesForm(BaseModel):
    """The form as it came: all text; empty where there is no limit."""

    undo_seconds: str = ""
    approve_above: str = ""
    weekly_cap: str = ""
    quiet_from: str = ""
    quiet_to: str = ""
    late_after_hours: str = ""
    control_percent: str = ""
    attribution_days: str = ""


Reader = Callable[[str, str], int | None]


def read_preferences(form: PreferencesForm) -> tuple[dict[str, int | None], list[Invalid]]:
    """What could be read, and everything that could not."""
    reading = Reading()
    values = {field: reading.take(partial(read, getattr(form, field), field), None) for field, read in READERS.items()}
    unread = {mistake.where[0] for mistake in reading.mistakes}
    return {field: value for field, value in values.items() if field not in unread}, reading.mistakes


def filled_preferences(likes: Preferences) -> PreferencesForm:
    said = {field: "" if value is None else str(value) for field, value in asdict(likes).items()}
    hours = {field: _clock(getattr(likes, field)) for field in ("quiet_from", "quiet_to")}
    return PreferencesForm(**{**said, **hours})


def _minute(text: str, field: str) -> int | None:
    if not text.strip():
        return None
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise Invalid("a time of the day such as 22:00", where=(field,))
    return int(match[1]) * 60 + int(match[2])


READERS: Mapping[str, Reader] = {
    "undo_seconds": number,
    "approve_above": number_or_none,
    "weekly_cap": number_or_none,
    "quiet_from": _minute,
    "quiet_to": _minute,
    "late_after_hours": number,
    "control_percent": number,
    "attribution_days": number,
}


def _clock(minute: int | None) -> str:
    return "" if minute is None else f"{time(*divmod(minute, 60)):%H:%M}"
