"""Whatever an operator wrote comes out of the composer's form as it went in."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from admin.forms.broadcasts import Written, draft_from, filled, mistakes_at, read
from admin.forms.drafting import done
from admin.forms.keyboards import Key, moved
from siyu.broadcasts import Draft
from siyu.broadcasts.editions import pieces_of
from siyu.kit.errors import Invalid
from siyu.kit.wording import words
from siyu.tables import Timing

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")  # clocks go back: an hour comes twice
EN = words("en")

plain = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
typed = plain.filter(lambda text: bool(text.strip()))
whole = st.integers(0, 10_000)
share = st.integers(1, 99)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001
button = st.one_of(
    st.fixed_dictionaries({"text": plain, "url": plain}),
    st.fixed_dictionaries({"text": plain, "action": st.sampled_from(["claim", "shop", "wallet", "share"])}),
    st.fixed_dictionaries({"text": plain, "action": st.sampled_from(["answer", "copy"]), "value": plain}),
)
rows = st.lists(st.lists(button, min_size=1, max_size=3), max_size=3)
version = st.fixed_dictionaries({}, optional={"text": typed, "buttons": rows})
versions = st.dictionaries(st.sampled_from(["en", "zh", "zh-hans", "ja"]), version, max_size=2)


@st.composite
def variants(draw: st.DrawFn) -> list[dict[str, object]]:
    main = [{"key": "a", "share": draw(share)}] if draw(st.booleans()) else []
    others = []
    for key in draw(st.sampled_from(["", "b", "bc", "cb"])):
        inner = draw(versions)
        shared = {"share": draw(share)} if draw(st.booleans()) else {}
        others.append({"key": key, **draw(version), **shared, **({"versions": inner} if inner else {})})
    return [*main, *others]


series = st.one_of(
    st.fixed_dictionaries({"every": st.just("daily"), "at": st.just("18:00")}),
    st.fixed_dictionaries(
        {"every": st.just("weekly"), "at": st.just("09:30"), "on": st.lists(st.integers(1, 7), unique=True)},
        optional={"zone": st.just("Europe/Paris")},
    ),
    st.fixed_dictionaries(
        {"every": st.just("monthly"), "at": st.just("09:30"), "on": st.lists(st.integers(1, 31), unique=True)}
    ),
)
drafts = st.builds(
    Draft,
    title=plain,
    include=st.lists(st.sampled_from(["loyalty.at_risk", "buyers", "gone"]), unique=True),
    exclude=st.lists(st.sampled_from(["loyalty.none", "buyers"]), unique=True),
    rule=st.none() | st.dictionaries(plain, st.lists(whole), max_size=2),
    text=plain,
    topic=st.none() | st.just("news"),
    freeze_early=st.booleans(),
    ignores_quiet=st.booleans(),
    buttons=rows,
    media=st.lists(
        st.fixed_dictionaries({"kind": st.sampled_from(["photo", "video", "document"]), "file": st.just("AgACAgIA")}),
        max_size=3,
    ),
    copied=st.none() | st.fixed_dictionaries({"chat_id": whole, "message_id": whole}),
    versions=versions,
    offer_id=st.none() | whole,
    link_preview=st.booleans(),
    silent=st.booleans(),
    timing=st.sampled_from(Timing),
    send_at=st.none() | moments,
    local_at=st.none() | st.just("2026-12-24T18:00"),
    series=series,
    spread_minutes=whole,
    on_unknown=st.sampled_from(["leave", "resend"]),
    rate=st.none() | st.sampled_from([0.5, 3.0, 28.25]),
    paid=st.booleans(),
    holdout_percent=st.integers(0, 90),
    variants=variants(),
    test_percent=st.integers(1, 100),
    winner_by=st.none() | st.sampled_from(["clicks", "purchases"]),
    winner_after_minutes=st.none() | whole,
    attribution_days=st.integers(1, 90),
    follows_id=st.none() | whole,
    follows=st.none() | st.sampled_from(["not_reached", "not_pressed"]),
)


@given(drafts, st.sampled_from([SHANGHAI, BERLIN]))
def test_any_draft_survives_the_form(draft: Draft, zone: ZoneInfo) -> None:
    again, unread = draft_from(filled(draft, zone), zone)

    assert again == draft
    assert unread == []


@given(drafts)
def test_any_draft_survives_the_wire(draft: Draft) -> None:
    form = filled(draft, SHANGHAI)

    sent = parse_qsl(urlencode(_wire(form)), keep_blank_values=True)

    assert draft_from(read(sent), SHANGHAI)[0] == draft


def test_what_a_program_wrote_in_other_words_says_the_same() -> None:
    draft = Draft(
        title="By a program",
        text="Hi",
        versions={"en": {"text": "", "buttons": None}},
        variants=[{"key": "a"}, {"key": "b", "text": "", "share": None, "versions": {}}],
    )

    again, _ = draft_from(filled(draft, SHANGHAI), SHANGHAI)

    assert pieces_of(again).editions == pieces_of(draft).editions


def test_a_moment_keeps_its_seconds_until_another_is_typed() -> None:
    moment = datetime(2026, 10, 25, 1, 30, 15, tzinfo=UTC)  # 02:30 for the second time that day
    form = filled(Draft(title="", send_at=moment), BERLIN)

    kept, _ = draft_from(form, BERLIN)
    changed, _ = draft_from(read([*_wire(form), ("send_at", "2026-10-26T09:00")]), BERLIN)

    assert form.send_at == "2026-10-25T02:30"
    assert kept.send_at == moment
    assert changed.send_at == moment.replace(hour=8, minute=0, second=0) + timedelta(days=1)


def test_what_cannot_be_read_is_told_at_its_field() -> None:
    form = Written(rule="[1", send_at="soon", rate="fast", test_percent="half", spread_minutes="x")

    draft, unread = draft_from(form, SHANGHAI)

    assert set(mistakes_at(unread, form, EN)) == {"rule", "send_at", "rate", "test_percent", "spread_minutes"}
    assert (draft.rule, draft.send_at, draft.rate, draft.test_percent) == (None, None, None, 100)


def test_every_place_of_a_mistake_is_a_field_of_the_page() -> None:
    draft = Draft(title="", versions={"en": {"buttons": [[{}]]}}, variants=[{"key": "b", "versions": {"zh": {}}}])
    form = filled(draft, SHANGHAI)
    places = {
        ("text",): "text",
        ("buttons", 1, 0, "url"): "b0-1-0-value",
        ("buttons", 1, 0, "text"): "b0-1-0-text",
        ("media", 2): "media-2-file",
        ("series", "zone"): "series_zone",
        ("versions", "en", "text"): "piece-0-text",
        ("versions", "en", "buttons", 0, 0, "text"): "b1-0-0-text",
        ("variants", 0, "text"): "piece-1-text",
        ("variants", 0, "share"): "piece-1-share",
        ("variants", 0, "versions", "zh", "text"): "piece-2-text",
    }

    told = {where: next(iter(mistakes_at([Invalid("no", where=where)], form, EN))) for where in places}

    assert told == places


def test_buttons_move_where_the_arrows_say() -> None:
    a, b, c = Key("a"), Key("b"), Key("c")

    assert moved(((a, b), (c,)), 0, 0, "right") == (((b, a), (c,)), (0, 1))
    assert moved(((a, b), (c,)), 0, 1, "down") == (((a,), (c, b)), (1, 1))
    assert moved(((a, b), (c,)), 1, 0, "up") == (((a, b, c),), (0, 2))
    assert moved(((a, b), (c,)), 0, 0, "up") == (((a,), (b,), (c,)), (0, 0))
    assert moved(((a,), (b,)), 0, 0, "down") == (((b, a),), (0, 1))
    assert moved(((a,),), 0, 0, "up") == (((a,),), (0, 0))


def test_a_version_comes_with_its_languages_and_goes_with_them() -> None:
    form = done(Written(), "variant", {}, EN).form
    form = done(form, "language b", {"language-b": " ZH "}, EN).form
    form = done(form, "language a", {"language-a": "en"}, EN).form
    added = [(piece.variant, piece.language) for piece in form.pieces]

    left = done(form, "piece-off 1", {}, EN).form

    assert added == [("", "en"), ("b", ""), ("b", "zh")]
    assert [(piece.variant, piece.language) for piece in left.pieces] == [("", "en")]


def test_a_version_begins_with_the_buttons_it_had() -> None:
    form = done(Written(), "key b0", {"b0-new": "shop"}, EN).form
    form = done(form, "variant", {}, EN).form

    own = done(form, "own 0", {}, EN)
    same = done(own.form, "same 0", {}, EN).form

    assert own.form.pieces[0].keys == form.keys
    assert form.keys[0][0] == Key("🛍 Look at the shop", "shop")
    assert same.pieces[0].keys is None


def test_a_deed_that_leads_nowhere_changes_nothing() -> None:
    form = Written(text="Hi", keys=((Key("a"),),))

    for deed in ("", "up", "up b0", "up b0 7 7", "key-off b9 0 0", "piece-off 3", "own x", "medium-off 99999", "b0 b0"):
        assert done(form, deed, {}, EN).form == form, deed


def _wire(form: Written) -> list[tuple[str, str]]:
    """As the page names its fields."""
    told: list[tuple[str, str]] = []
    for name, value in vars(form).items():
        if isinstance(value, str):
            told.append((name, value))
    told += [(name, key) for name in ("include", "exclude", "series_on") for key in getattr(form, name)]
    told += [(f"media-{n}-{part}", getattr(one, part)) for n, one in enumerate(form.media) for part in ("kind", "file")]
    boards = [("b0", form.keys)]
    for n, piece in enumerate(form.pieces):
        told += [(f"piece-{n}-{part}", getattr(piece, part)) for part in ("variant", "language", "text", "share")]
        if piece.keys is not None:
            told.append((f"piece-{n}-own", "1"))
            boards.append((f"b{n + 1}", piece.keys))
    for board, keys in boards:
        for y, row in enumerate(keys):
            for x, key in enumerate(row):
                told += [(f"{board}-{y}-{x}-{part}", getattr(key, part)) for part in ("text", "kind", "value")]
    return told
