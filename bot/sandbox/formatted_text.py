"""The text of a message: parsed, trimmed, measured."""

from bot.sandbox.found_entities import find_entities
from bot.sandbox.html_markup import parse_html
from bot.sandbox.markdown_markup import parse_markdown
from bot.sandbox.marked_text import unparsable
from bot.sandbox.parameters import Parameters
from bot.sandbox.refusals import bad_request
from bot.sandbox.shapes import Payload, utf16_length

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
_ENTITY_LIMIT = 100
_SPACES = " \n\t\r\v\f"


def read_text(parameters: Parameters) -> Payload:
    """The text of a message with its formatting; never empty, never too long."""
    text, entities = _read(parameters, "text", "entities")
    if not text:
        raise bad_request("message text is empty")
    if len(text) > TEXT_LIMIT:
        raise bad_request("message is too long")
    return {"text": text, "entities": entities} if entities else {"text": text}


def read_caption(parameters: Parameters) -> Payload:
    """The caption of a picture or file; may be missing."""
    text, entities = _read(parameters, "caption", "caption_entities")
    if len(text) > CAPTION_LIMIT:
        raise bad_request("message caption is too long")
    caption = {"caption": text} if text else {}
    return caption | {"caption_entities": entities} if entities else caption


def _read(parameters: Parameters, name: str, entities_name: str) -> tuple[str, list[Payload]]:
    source = parameters.text(name).replace("\r", "")
    mode = parameters.text("parse_mode").lower()
    match mode:
        case "html":
            text, entities = parse_html(source) if "<" in source or "&" in source else (source, [])
        case "markdownv2":
            text, entities = parse_markdown(source)
        case "":
            text, entities = source, _given(parameters.rows(entities_name), source)
        case "markdown":
            raise bad_request("the old parse_mode Markdown is not part of the sandbox, use MarkdownV2 or HTML")
        case _:
            raise bad_request("unsupported parse_mode")
    return _trimmed(text, _with_found(text, entities)[:_ENTITY_LIMIT])


def _given(entities: list[Payload], text: str) -> list[Payload]:
    length = utf16_length(text) if entities else 0
    for entity in entities:
        if not isinstance(entity, dict) or not isinstance(entity.get("type"), str):
            raise unparsable("expected an Object with a type")
        _must_fit(entity, length)
    return sorted(entities, key=lambda entity: (entity["offset"], -entity["length"]))


def _must_fit(entity: Payload, length: int) -> None:
    offset, extent = entity.get("offset"), entity.get("length")
    if not isinstance(offset, int) or offset < 0:
        raise bad_request(f"receive an entity with incorrect offset {offset}")
    if not isinstance(extent, int) or extent <= 0:
        raise bad_request(f"receive an entity with incorrect length {extent}")
    if offset + extent > length:
        raise bad_request(
            f"entity beginning at UTF-16 offset {offset} ends after the end of the text at UTF-16 offset {length}"
        )


def _with_found(text: str, entities: list[Payload]) -> list[Payload]:
    found = find_entities(text)
    if not entities or not found:
        return entities or found
    free = [entity for entity in found if not any(_overlap(entity, given) for given in entities if _is_closed(given))]
    return sorted(entities + free, key=lambda entity: (entity["offset"], -entity["length"]))


def _is_closed(entity: Payload) -> bool:
    return entity["type"] in ("code", "pre", "text_link", "text_mention", "custom_emoji", "url")


def _overlap(one: Payload, other: Payload) -> bool:
    ends_before: bool = one["offset"] + one["length"] <= other["offset"]
    starts_after: bool = one["offset"] >= other["offset"] + other["length"]
    return not (ends_before or starts_after)


def _trimmed(text: str, entities: list[Payload]) -> tuple[str, list[Payload]]:
    if text and text[0] not in _SPACES and text[-1] not in _SPACES:
        return text, entities
    kept = text.rstrip(_SPACES)
    shift = len(kept) - len(kept.lstrip(_SPACES))
    kept = kept.lstrip(_SPACES)
    end, moved = utf16_length(kept), []
    for entity in entities:
        start = max(0, entity["offset"] - shift)
        stop = min(end, entity["offset"] + entity["length"] - shift)
        if stop > start:
            moved.append(entity | {"offset": start, "length": stop - start})
    return kept, moved
