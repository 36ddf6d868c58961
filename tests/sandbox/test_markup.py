"""Telegram's two markups, read as strictly as Telegram reads them."""

import pytest

from bot.sandbox.html_markup import parse_html
from bot.sandbox.markdown_markup import parse_markdown
from bot.sandbox.refusals import Refusal


def _brief(entities: list[dict]) -> list[tuple]:
    return [(entity["type"], entity["offset"], entity["length"]) for entity in entities]


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("plain", "plain", []),
        ("<b>你好😀</b> <i>x</i>", "你好😀 x", [("bold", 0, 4), ("italic", 5, 1)]),
        ("<b>a<i>b</i></b>", "ab", [("bold", 0, 2), ("italic", 1, 1)]),
        ("1 &lt; 2 &amp; &#128512; &nbsp;", "1 < 2 & 😀 &nbsp;", []),
        ('<pre><code class="language-python">x</code></pre>', "x", [("pre", 0, 1)]),
        ("<blockquote expandable>q</blockquote>", "q", [("expandable_blockquote", 0, 1)]),
        ('<a href="https://shop.example/?a=1&amp;b=2">go</a>', "go", [("text_link", 0, 2)]),
        ("<tg-spoiler>s</tg-spoiler><u></u>", "s", [("spoiler", 0, 1)]),
    ],
)
def test_html_becomes_text_and_entities(source, text, entities):
    parsed, found = parse_html(source)

    assert (parsed, _brief(found)) == (text, entities)


def test_html_keeps_the_whole_address_of_a_link():
    _, (link,) = parse_html('<a href="https://shop.example/?a=1&amp;b=2">go</a>')

    assert link["url"] == "https://shop.example/?a=1&b=2"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("你<b>x</i>", 'Unmatched end tag at byte offset 7, expected "</b>", found "</i>"'),
        ("<p>x</p>", 'Unsupported start tag "p" at byte offset 0'),
        ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
        ("<b", "Unclosed start tag at byte offset 0"),
        ('<span class="big">x</span>', 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
def test_wrong_html_is_refused_with_its_place(source, why):
    with pytest.raises(Refusal) as refused:
        parse_html(source)

    assert refused.value.description == f"Bad Request: can't parse entities: {why}"


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("*b* _i_ __u__ ~s~ ||h||", "b i u s h", ["bold", "italic", "underline", "strikethrough", "spoiler"]),
        (r"1\.5 \- \*", "1.5 - *", []),
        ("[go](https://shop.example/a\\)b)", "go", ["text_link"]),
        ("`a*b` ```py\nx\n```", "a*b x\n", ["code", "pre"]),
        (">one\n>two\nafter", "one\ntwo\nafter", ["blockquote"]),
        ("**>one\n>two||", "one\ntwo", ["expandable_blockquote"]),
    ],
)
def test_markdown_becomes_text_and_entities(source, text, entities):
    parsed, found = parse_markdown(source)

    assert (parsed, [entity["type"] for entity in found]) == (text, entities)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("Hello.", "Character '.' is reserved and must be escaped with the preceding '\\'"),
        ("🏟 🏟_abc", "Can't find end of Italic entity at byte offset 9"),
        ("_a *b_", "Can't find end of Italic entity at byte offset 5"),
        ("`x", "Can't find end of Code entity at byte offset 0"),
        ("[a](http://b", "Can't find end of a URL at byte offset 0"),
    ],
)
def test_wrong_markdown_is_refused_with_its_place(source, why):
    with pytest.raises(Refusal) as refused:
        parse_markdown(source)

    assert refused.value.description == f"Bad Request: can't parse entities: {why}"


async def test_links_and_commands_are_found_by_themselves(sandbox, bot):
    fan = sandbox.add_person(name="Anna", known=True)

    await bot.result("sendMessage", chat_id=fan.telegram_id, text="  😀 /help t.me/x_bot?start=a, write a@b.cn\n")

    assert fan.last.text == "😀 /help t.me/x_bot?start=a, write a@b.cn"
    assert _brief(fan.last.entities) == [("bot_command", 3, 5), ("url", 9, 18), ("email", 35, 6)]
