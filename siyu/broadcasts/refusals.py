"""What Telegram says no with, to a test copy or to the first fans: in our words, at the field that is wrong."""

from siyu.broadcasts.answers import REJECTED
from siyu.broadcasts.media import LARGEST_FILE_MB, LARGEST_PHOTO_MB
from siyu.kit.errors import Invalid
from siyu.kit.wording import phrase

# The field, what is wrong with it, and the words of Telegram's (in small letters) that say so.
_MEANINGS = (
    ("media", phrase(
        "the sides of this photo are too long: both together at most 10,000, and none twenty times the other"
    ), ("photo_invalid_dimensions",)),
    ("media", phrase(
        "this file is too large: from an address Telegram takes photos up to %(photo)d MB and others up to %(file)d MB"
    ), ("too big", "too large", "file_parts_invalid")),
    ("media", phrase(
        "Telegram could not fetch this address: it must be open to everybody, answer quickly, and not be too large"
    ), ("failed to get http url content", "webpage_curl_failed")),
    ("media", phrase(
        "behind this address is something else than what was chosen: a photo, a video or a document"
    ), ("wrong type of the web page content", "webpage_media_empty")),
    ("media", phrase(
        "this file is of another kind than what was chosen"
    ), ("type of file mismatch", "can't use file of type")),
    ("media", phrase(
        "Telegram cannot read this picture: save it as JPEG or PNG"
    ), ("image_process_failed", "photo_ext_invalid")),
    ("media", phrase(
        "Telegram knows no such file: send it to the bot again, or give its address"
    ), ("wrong file identifier", "wrong remote file", "file_reference", "media_empty")),
    ("copied", phrase("the post to copy is gone: send it to the bot again"), ("message to copy not found",)),
    ("text", phrase("the text is too long to stand below a picture"), ("caption is too long",)),
    ("text", phrase("the text is too long for one message"), ("message is too long",)),
    ("text", phrase("Telegram cannot read the markup of the text"), ("can't parse entities",)),
    ("buttons", phrase("Telegram does not take one of the buttons"), ("button_", "inline keyboard button")),
)  # fmt: skip
_NOBODY = {
    "blocked": phrase("you blocked the bot: unblock it to get a copy"),
    "unreachable": phrase("press START in the bot first: it may write only to who did"),
    "gone": phrase("this account is gone"),
}


def explained(refusal: str) -> Invalid:
    """The mistake behind an error of the outbox or a reason of the ledger; what nobody knows stays in its words."""
    if refusal in _NOBODY:
        return Invalid(_NOBODY[refusal])
    said = refusal.removeprefix(REJECTED)
    for place, meaning, words in _MEANINGS:
        if any(one in said.lower() for one in words):
            return Invalid(meaning, where=(place,), photo=LARGEST_PHOTO_MB, file=LARGEST_FILE_MB)
    return Invalid("Telegram refused it: %(words)s", words=said)
