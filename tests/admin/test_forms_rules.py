"""A rule as a form: nothing is lost on the way through its fields, and every mistake finds its place."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.forms.moves import done, part_at
from admin.forms.rules import (
    FIELDS,
    GROUPS,
    Condition,
    Group,
    Part,
    Reader,
    errors_at,
    names_in,
    place_of,
    read_tree,
    tree_of,
    write_tree,
)
from admin.forms.segments import free_key
from siyu.kit.errors import Invalid
from siyu.kit.wording import ENGLISH, words
from siyu.metrics.measures import MEASURES, Kind
from siyu.segments import rules
from siyu.segments.rules import (
    All,
    AnyOf,
    Attribute,
    Did,
    Fans,
    InSegment,
    Match,
    Metric,
    NoneOf,
    Op,
    Rule,
    Stands,
    Tagged,
    Was,
)

# What a browser's fields can hold, without the spaces at the ends that are taken off when a rule is read.
TEXTS = st.text("aZ7é雨😀%<&\"'._:@-", min_size=1, max_size=6)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    kind = draw(st.sampled_from(sorted(FIELDS)))
    several = st.lists(TEXTS, min_size=1, max_size=3).map(tuple)
    said = {name: draw(several) if name == "in" else (draw(TEXTS),) for name in FIELDS[kind] if draw(st.booleans())}
    return Condition(kind, said)


def groups(parts: st.SearchStrategy[Part]) -> st.SearchStrategy[Group]:
    return st.builds(Group, st.sampled_from(GROUPS), st.lists(parts, max_size=3).map(tuple))


TREES = groups(st.recursive(conditions(), groups, max_leaves=8))


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    name = draw(st.sampled_from(sorted(MEASURES)))
    value: int | float | str = draw(st.integers(0, 10**8))
    if MEASURES[name].kind is Kind.MOMENT:
        value = draw(st.dates()).isoformat()
    elif MEASURES[name].kind is Kind.NUMBER:
        value = draw(st.integers(-(10**6), 10**6) | st.floats(-(10**6), 10**6).map(lambda number: round(number, 6)))
    return Metric(name, draw(st.sampled_from(list(Op))), value)


WORDS = TEXTS.filter(lambda text: "," not in text and "，" not in text)
LEAVES: st.SearchStrategy[Rule] = st.one_of(
    metrics(),
    st.builds(lambda key, levels: Stands(key, tuple(levels)), TEXTS, st.lists(TEXTS, min_size=1, max_size=3)),
    TEXTS.map(Tagged),
    st.builds(Attribute, TEXTS, st.sampled_from([Match.IS, Match.IS_NOT, Match.CONTAINS]), WORDS),
    st.builds(lambda name, texts: Attribute(name, Match.ONE_OF, tuple(texts)), TEXTS, st.lists(WORDS, min_size=1)),
    st.builds(lambda name: Attribute(name, Match.KNOWN), TEXTS),
    st.builds(Did, st.from_regex(r"[a-z_]{1,32}", fullmatch=True), st.integers(1, 3650), st.integers(1, 10**9)),
    TEXTS.map(InSegment),
    st.builds(Was, TEXTS, st.dates(min_value=date(2000, 1, 1))),
    st.builds(lambda ids: Fans(tuple(dict.fromkeys(ids))), st.lists(st.integers(1, 10**12), min_size=1, max_size=5)),
)


def grouped(parts: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    several = st.lists(parts, min_size=1, max_size=3).map(tuple)
    return st.one_of(several.map(All), several.map(AnyOf), several.map(NoneOf))


RULES = grouped(st.recursive(LEAVES, grouped, max_leaves=10))


@given(tree=TREES)
def test_a_tree_comes_back_from_its_fields_as_it_was(tree: Group) -> None:
    assert read_tree(list(write_tree(tree))) == tree


@given(rule=RULES)
def test_a_rule_comes_back_from_its_form_as_it_was(rule: Rule) -> None:
    typed = read_tree(list(write_tree(tree_of(rule, "CNY"))))
    reader = Reader("CNY", {})

    assert rules.parse(reader.read(typed)) == rule
    assert reader.mistakes == []


@given(tree=TREES, deed=st.sampled_from(["up", "down"]), data=st.data())
def test_moving_loses_nothing_and_the_keys_stay_on_what_moved(tree: Group, deed: str, data: st.DataObject) -> None:
    places = [name.removesuffix(".is") for name, _ in write_tree(tree) if name.endswith(".is") and name != "rule.is"]
    if not places:
        return
    at = data.draw(st.sampled_from(places))

    moved = done(tree, f"{deed} {at}")

    assert sorted(_leaves(moved.tree)) == sorted(_leaves(tree))
    there, _, verb = moved.focus.rpartition(".")
    assert (part_at(moved.tree, _path(there)), verb) == (part_at(tree, _path(at)), deed)


def test_a_condition_goes_into_the_group_it_meets_and_out_at_its_end() -> None:
    tag, inner = Condition("tag", {"tag": ("vip",)}), Condition("tag", {"tag": ("shy",)})
    tree = Group("all", (tag, Group("any", (inner,))))

    inside = done(tree, "down rule.0")
    past = done(inside.tree, f"down {inside.focus.removesuffix('.down')}")
    out = done(past.tree, f"down {past.focus.removesuffix('.down')}")

    assert inside.tree == Group("all", (Group("any", (tag, inner)),))
    assert past.tree == Group("all", (Group("any", (inner, tag)),))
    assert out.tree == Group("all", (Group("any", (inner,)), tag))
    assert out.focus == "rule.1.down"


def test_what_was_removed_leaves_the_keys_beside_it() -> None:
    tree = Group("all", (Condition("tag"), Condition("fans")))

    one = done(tree, "remove rule.1")
    none = done(one.tree, "remove rule.0")

    assert (one.tree.of, one.focus) == ((Condition("tag"),), "rule.0.remove")
    assert (none.tree.of, none.focus) == ((), "rule.new")


def test_a_new_condition_is_begun_with_what_it_is_about() -> None:
    added = done(Group("all"), "add rule", "metric:spend_90d")

    assert added.tree.of == (Condition("metric", {"metric": ("spend_90d",), "op": (">=",)}),)
    assert added.focus == "rule.0.value"


@pytest.mark.parametrize(
    "deed", ["add rule.7", "add tree", "up rule", "remove rule.0.0", "explode rule", "", "up rule.-1", "group rule.0"]
)
def test_a_deed_that_cannot_be_is_refused(deed: str) -> None:
    with pytest.raises(Invalid):
        done(Group("all", (Condition("tag"),)), deed, "tag")


def test_money_is_typed_in_major_units() -> None:
    tree = Group("all", (Condition("metric", {"metric": ("spend_90d",), "op": (">=",), "value": ("1,234.50",)}),))

    assert Reader("CNY", {}).read(tree) == {"all": [{"metric": "spend_90d", "op": ">=", "value": 123450}]}
    assert Reader("JPY", {}).read(read_tree(write_tree(tree_of(Metric("spend_90d", Op.LESS, 500), "JPY")))) == {
        "all": [{"metric": "spend_90d", "op": "<", "value": 500}]
    }


def test_people_are_named_by_number_or_username() -> None:
    tree = Group("all", (Condition("fans", {"fans": ("42, @Mei\n77 42",)}),))

    assert list(names_in(tree)) == ["mei"]
    assert Reader("CNY", {"mei": 9}).read(tree) == {"all": [{"fans": [42, 9, 77]}]}


def test_every_mistake_is_told_at_its_field() -> None:
    tree = Group(
        "all",
        (
            Condition("metric", {"metric": ("spend_90d",), "op": (">=",), "value": ("much",)}),
            Group("none", (Condition("fans", {"fans": ("@nobody",)}), Condition("dimension", {"dimension": ("rfm",)}))),
            Group("any"),
            Condition("did", {"did": ("press",), "days": ("0",), "at_least": ("1",)}),
            Condition("was", {"was": ("rfm.new",)}),
            Condition("attribute", {"attribute": ("city",), "op": ("=",)}),
            Condition("segment"),
        ),
    )
    reader = Reader("CNY", {})

    reader.read(tree)

    assert errors_at(reader.mistakes, words(ENGLISH)) == {
        "rule.0.value": "much is not an amount",
        "rule.1.0.fans": "nobody here is called @nobody",
        "rule.1.1.in": "choose at least one",
        "rule.2": "a group needs at least one condition",
        "rule.3.days": "write a whole number from 1 on",
        "rule.4.on": "choose a day",
        "rule.5.value": "a value is missing",
        "rule.6.segment": "choose one of these",
    }


@pytest.mark.parametrize(
    ("where", "place"),
    [
        (("rule", "all", 0, "any", 2, "in", 1), "rule.0.2.in"),
        (("rule", "any"), "rule"),
        (("rule",), "rule"),
        (("label",), "label"),
        ((), ""),
    ],
)
def test_the_place_of_a_mistake_is_a_field_of_the_form(where: tuple[str | int, ...], place: str) -> None:
    assert place_of(where) == place


def test_a_form_deeper_than_any_rule_says_so_and_does_not_run_away() -> None:
    path, pairs = "rule", [("rule.is", "all")]
    for _ in range(50):
        path += ".0"
        pairs.append((f"{path}.is", "any"))

    tree = read_tree([*pairs, ("rule.0.0.0.0.0.0.0.0.0.0.0.0.0.is", "tag")])

    with pytest.raises(Invalid):
        rules.parse(Reader("CNY", {}).read(tree))


@pytest.mark.parametrize(
    ("label", "key"),
    [("Best buyers", "best_buyers_2"), ("VIP!", "vip"), ("老客户", "segment"), ("14 days", "segment_14_days"),
     ("New", "new_2")],
)  # fmt: skip
def test_a_key_is_made_from_the_name(label: str, key: str) -> None:
    assert free_key(label, {"best_buyers"}) == key


def _leaves(part: Part) -> list[str]:
    if isinstance(part, Group):
        return [leaf for one in part.of for leaf in _leaves(one)]
    return [repr(part)]


def _path(place: str) -> tuple[int, ...]:
    return tuple(map(int, place.split(".")[1:]))
