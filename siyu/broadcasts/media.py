"""Media: what can be known of pictures, videos and documents before Telegram is asked to take them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from siyu.kit.errors import Invalid

Json = Mapping[str, Any]  # Any: what somebody wrote, checked here

PHOTO, VIDEO, DOCUMENT = "photo", "video", "document"
# What Telegram fetches from an address; files it has already may be of any kind and size.
ENDINGS = {
    PHOTO: {"jpg", "jpeg", "png", "webp", "gif", "bmp"},
    VIDEO: {"mp4"},
    DOCUMENT: {"pdf", "zip", "gif"},
}
OTHER_ENDINGS = {
    "mov", "avi", "mkv", "webm", "mp3", "ogg", "wav", "doc", "docx", "xls", "xlsx", "csv", "txt", "html", "htm",
    "svg", "tif", "tiff", "heic", "psd", "ai", "rar", "7z", "exe", "apk",
}  # fmt: skip
LARGEST_PHOTO_MB, LARGEST_FILE_MB = 5, 20
MOST_IN_ALBUM = 10

_FILE_ID = re.compile(r"[A-Za-z0-9_-]{10,200}")
_ADDRESS = re.compile(r"https?://[^\s/]+(/\S*)?", re.IGNORECASE)
_LONGEST_ADDRESS = 2048
_KNOWN = OTHER_ENDINGS.union(*ENDINGS.values())


def mistakes(media: Sequence[Json]) -> Iterator[Invalid]:
    for n, one in enumerate(media):
        if wrong := _mistake(one):
            wrong.where = ("media", n)
            yield wrong
    if len(media) > MOST_IN_ALBUM:
        yield Invalid("an album holds at most %(most)d", where=("media",), most=MOST_IN_ALBUM)
    if len({_kind(one) == DOCUMENT for one in media}) > 1:
        yield Invalid("documents stand in an album of their own", where=("media",))


def _mistake(one: Json) -> Invalid | None:
    kind, file = _kind(one), one.get("file") if isinstance(one, Mapping) else None
    if kind not in ENDINGS:
        return Invalid("Telegram takes a photo, a video or a document")
    if not isinstance(file, str) or not file.strip():
        return Invalid("choose a file: its https:// address, or its file id of Telegram")
    if _FILE_ID.fullmatch(file):
        return None
    if not _is_open_address(file):
        return Invalid("a picture is an https:// address or a file id of Telegram")
    return _ending_mistake(str(kind), file)


def _is_open_address(file: str) -> bool:
    """One that Telegram, from outside, can fetch something from."""
    if len(file) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(file):
        return False
    try:
        host = urlsplit(file).hostname or ""
    except ValueError:  # brackets that hold no address
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host.strip(".")


def _ending_mistake(kind: str, address: str) -> Invalid | None:
    """An address may end in anything; one that ends like something else is something else."""
    ending = PurePosixPath(urlsplit(address).path).suffix.removeprefix(".").lower()
    if ending not in _KNOWN or ending in ENDINGS[kind]:
        return None
    if kind == DOCUMENT:
        return Invalid("from an address Telegram takes PDF, ZIP and GIF: send other documents to the bot")
    if kind == VIDEO:
        return Invalid("from an address Telegram takes videos as MP4: send others to the bot")
    return Invalid("a photo is a JPEG, PNG or WebP, not %(ending)s", ending=ending)


def _kind(one: object) -> object:
    return one.get("kind", PHOTO) if isinstance(one, Mapping) else None
