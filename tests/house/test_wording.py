"""The catalogue holds exactly the sentences of the house, each in good Chinese form."""

import re

import pytest
from babel.messages.catalog import Catalog, Message

from scripts.words import CATALOGUE, refreshed, sentences, translation, written
from siyu.kit import wording

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}")


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    return refreshed()


def test_the_catalogue_is_up_to_date_with_the_code(catalogue: Catalog) -> None:
    on_disk = CATALOGUE.read_bytes()

    assert _ids(on_disk) == _ids(written(catalogue)), "run `make words`"


def test_every_sentence_is_translated(catalogue: Catalog) -> None:
    missing = [message.id for message in _messages(catalogue) if not all(translation(message))]

    assert not missing


def test_no_translation_is_a_guess(catalogue: Catalog) -> None:
    assert not [message.id for message in _messages(catalogue) if message.fuzzy]


def test_translations_fill_in_the_same_placeholders(catalogue: Catalog) -> None:
    differing = [
        (message.id, message.string)
        for message in _messages(catalogue)
        if any(text and _placeholders(text) != _placeholders(_ids_of(message)[-1]) for text in translation(message))
    ]

    assert not differing


def test_a_percent_sign_of_a_template_is_written_twice(catalogue: Catalog) -> None:
    """Templates fill in whatever they say: a lone one brought a page down in the one language that had it."""
    lone = re.compile(r"%(?!\(\w+\)[sd]|%)")
    in_templates = (message for message in catalogue if any("templates" in file for file, _ in message.locations))

    assert [
        text for message in in_templates for text in translation(message) if lone.search(text.replace("%%", ""))
    ] == []


def test_the_frame_of_the_admin_is_among_the_sentences() -> None:
    found = sentences()

    assert found.get("Broadcasts") is not None
    assert found.get("just now") is not None
    assert found.get("%(currency)s is not a currency") is not None


def test_chinese_and_english_differ_where_they_should() -> None:
    assert wording.words("zh_CN").gettext("Fans") == "粉丝"
    assert wording.words("en").gettext("Fans") == "Fans"
    assert wording.words("en").ngettext("%(num)d fan", "%(num)d fans", 2) == "%(num)d fans"


def test_a_catalogue_is_read_once() -> None:
    assert wording.words("zh_CN").translations is wording.words("zh_CN").translations


@pytest.mark.parametrize(
    ("preference", "chosen"),
    [
        ("zh", "zh_CN"),
        ("zh-hans", "zh_CN"),
        ("zh_TW", "zh_CN"),
        ("de", "en"),
        ("zha", "en"),
        ("en-GB,en;q=0.9,zh-CN;q=0.8", "en"),
        ("fr;q=0.3, zh-CN;q=0.9", "zh_CN"),
        ("*", "zh_CN"),
        ("zh;q=0", "zh_CN"),
        (";q=nonsense", "zh_CN"),
        ("", "zh_CN"),
        (None, "zh_CN"),
    ],
)
def test_a_language_is_chosen_by_preference(preference: str | None, chosen: str) -> None:
    assert wording.choose_locale(preference, otherwise="zh_CN") == chosen


def _messages(catalogue: Catalog) -> list[Message]:
    return [message for message in catalogue if message.id]


def _ids_of(message: Message) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def _placeholders(text: str) -> set[str]:
    return set(PLACEHOLDER.findall(text))


def _ids(po: bytes) -> list[str]:
    return sorted(line for line in po.decode().splitlines() if line.startswith(("msgid", "msgctxt")))
