"""Telegram's HTML: what we let through, Telegram takes; what it would refuse, we refuse first."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.sandbox.formatted_text import read_text
from bot.sandbox.parameters import Parameters
from siyu.broadcasts import markup
from siyu.kit.errors import Invalid


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("Hello", "Hello"),
        ("We <b>miss</b> you", "We miss you"),
        ("<b>nested <i>marks</i></b>", "nested marks"),
        ('<a href="https://tea.example/spring?a=1&amp;b=2">Spring</a>', "Spring"),
        ('<a href="tg://user?id=42">Mei</a>', "Mei"),
        ('<span class="tg-spoiler">secret</span>', "secret"),
        ('<tg-emoji emoji-id="5368324170671202286">👍</tg-emoji>', "👍"),
        ('<pre><code class="language-python">x</code></pre>', "x"),
        ("<blockquote expandable>long</blockquote>", "long"),
        ("1 &lt; 2 &amp; 3 &gt; 2", "1 < 2 & 3 > 2"),
        ("fish & chips", "fish & chips"),
        ("&nbsp; stays as written", "&nbsp; stays as written"),
        ("  spaces around \n", "spaces around"),
        ("两个<b>字</b>", "两个字"),
        ("<B>LOUD</B>", "LOUD"),
    ],
)
def test_well_formed_markup_gives_the_words_a_fan_sees(source, words):
    assert markup.read(source) == words


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("1 < 2", "plain <"),
        ("<b>never closed", "never closed"),
        ("closed twice</b>", "closes nothing"),
        ("<b><i>crossed</b></i>", "closes nothing"),
        ("<div>html</div>", "no <div>"),
        ("<script>alert(1)</script>", "no <script>"),
        ("<a>no address</a>", "needs href"),
        ('<a href="javascript:alert(1)">x</a>', "needs href"),
        ('<a href="https://localhost">x</a>', "needs href"),
        ('<span class="red">x</span>', "tg-spoiler"),
        ('<tg-emoji emoji-id="x">👍</tg-emoji>', "emoji-id"),
        ('<a href="https://a.example" onclick=evil()>x</a>', "not well formed"),
        ("<b", "plain <"),
        ("<b>x</b>" * 101, "formatting"),
    ],
)
def test_what_telegram_would_refuse_or_drop_is_refused_with_the_reason(source, complaint):
    with pytest.raises(Invalid, match=complaint):
        markup.read(source)


PIECES = st.sampled_from(
    ["<b>", "</b>", "<i>", "</i>", "<a href='https://a.example'>", "</a>", "<", ">", "&", "&lt;", "&amp;", "&#65;",
     "<pre>", "</pre>", "<code>", "</code>", "<blockquote expandable>", "</blockquote>", "<x>", "</", "<b ", "/", "字",
     "😀", " ", "\n", "word", "<span class=\"tg-spoiler\">", "</span>", "'", '"', "="]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_whatever_we_let_through_arrives_as_the_words_we_counted(source):
    try:
        words = markup.read(source)
    except Invalid:
        return
    if words:
        assert read_text(Parameters({"text": source, "parse_mode": "HTML"}))["text"] == words
