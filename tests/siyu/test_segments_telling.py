"""A rule told in plain language, in English and in Chinese."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.kit.wording import CHINESE, ENGLISH, words
from siyu.metrics.measures import MEASURES, Kind
from siyu.segments.meaning import classification
from siyu.segments.rules import AnyOf, Metric, Op, Tagged, leaves, parse
from siyu.segments.sentences import fact
from siyu.segments.shipped.composites import COMPOSITES
from siyu.segments.telling import outline, told

TAG, VIP = {"tag": "vip"}, {"segment": "best"}
SAVED = {"best": {"label": "Best 5%", "rule": {"metric": "spend_total", "op": ">", "value": 1}, "good": "up"}}
WHOLE = classification(json.dumps({"saved": SAVED, "interests": ["tea"]}))


@pytest.mark.parametrize(
    ("rule", "english", "chinese"),
    [
        ({"metric": "purchases_90d", "op": ">=", "value": 1}, "bought at least 1 time in 90 days",
         "90 天内购买至少 1 次"),
        ({"metric": "purchases_90d", "op": "<", "value": 3}, "bought fewer than 3 times in 90 days",
         "90 天内购买少于 3 次"),
        ({"metric": "purchases_90d", "op": "!=", "value": 3}, "bought any number but 3 times in 90 days",
         "90 天内购买不是 3 次"),
        ({"metric": "days_silent", "op": "<=", "value": 60}, "last interacted at most 60 days ago",
         "最近一次互动距今至多 60 天"),
        ({"metric": "days_since_joined", "op": "<", "value": 7}, "joined fewer than 7 days ago", "加入至今少于 7 天"),
        ({"metric": "days_since_purchase", "op": ">", "value": 90}, "last bought more than 90 days ago",
         "最近一次购买距今多于 90 天"),
        ({"metric": "days_since_first_purchase", "op": "=", "value": 1}, "first bought exactly 1 day ago",
         "首次购买距今正好 1 天"),
        ({"metric": "orders_total", "op": ">=", "value": 2}, "bought on at least 2 days", "购买天数至少 2 天"),
        ({"metric": "referrals_total", "op": ">=", "value": 2}, "brought at least 2 friends", "带来至少 2 位朋友"),
        ({"metric": "purchases_total", "op": "=", "value": 0}, "never bought", "从未购买"),
        ({"metric": "purchases_with_coupon", "op": "<=", "value": 0}, "never used a coupon", "从未用过券"),
        ({"metric": "spend_90d", "op": ">", "value": 123450}, "Spend in 90 days: more than 1,234.50 CNY",
         "90 天消费：多于 1,234.50 CNY"),
        ({"metric": "last_purchase_at", "op": ">=", "value": "2026-03-01"}, "Last purchase: on 2026-03-01 or after",
         "最近一次购买：不早于 2026-03-01"),
        ({"dimension": "loyalty", "in": ["loyal", "lost"]}, "Loyalty: Loyal or Lost", "忠诚度：忠诚或已流失"),
        ({"dimension": "interests", "in": ["tea"]}, "Interests: tea", "兴趣：tea"),
        (TAG, "has the tag “vip”", "有标签“vip”"),
        (VIP, "is in “Best 5%”", "在“Best 5%”中"),
        ({"segment": "nope"}, "is in “nope (gone)”", "在“nope（已不存在）”中"),
        ({"was": "loyalty.loyal", "on": "2026-03-01"}, "was in “Loyalty: Loyal” on 2026-03-01",
         "2026-03-01 在“忠诚度：忠诚”中"),
        ({"attribute": "gender", "op": "in", "value": ["female", "male"]}, "Gender: one of Female or Male",
         "性别：女或男之一"),
        ({"attribute": "city", "op": "known"}, "city is known", "city已知"),
        ({"did": "press", "days": 30, "at_least": 2}, "pressed a button at least 2 times in 30 days",
         "30 天内点按钮至少 2 次"),
        ({"fans": [1, 2, 3]}, "is one of the 3 people named here", "是点名的 3 人之一"),
        ({"all": [TAG, {"any": [VIP, TAG]}]}, "has the tag “vip” and (is in “Best 5%” or has the tag “vip”)",
         "有标签“vip”，且（在“Best 5%”中或有标签“vip”）"),
        ({"all": [{"any": [TAG]}]}, "has the tag “vip”", "有标签“vip”"),
        ({"none": [TAG, VIP]}, "not (has the tag “vip” or is in “Best 5%”)", "不符合（有标签“vip”或在“Best 5%”中）"),
    ],
)  # fmt: skip
def test_a_rule_is_a_sentence_in_both_languages(rule: dict[str, object], english: str, chinese: str) -> None:
    sentence = told(parse(rule), WHOLE, "CNY")

    assert sentence.said(words(ENGLISH)) == english
    assert sentence.said(words(CHINESE)) == chinese


@given(name=st.sampled_from(sorted(MEASURES)), op=st.sampled_from(list(Op)), value=st.integers(0, 3))
def test_every_number_can_be_told(name: str, op: Op, value: int) -> None:
    moment = MEASURES[name].kind is Kind.MOMENT
    leaf = Metric(name, op, "2026-03-01" if moment else value)

    for locale in (ENGLISH, CHINESE):
        assert "%" not in told(leaf, WHOLE, "CNY").said(words(locale))


@given(name=st.sampled_from(sorted(MEASURES)), op=st.sampled_from(list(Op)), value=st.integers(0, 3))
def test_in_chinese_no_space_stands_between_two_words(name: str, op: Op, value: int) -> None:
    moment = MEASURES[name].kind is Kind.MOMENT
    rule = AnyOf((Metric(name, op, "2026-03-01" if moment else value), Tagged("茶会 新客")))

    said = told(rule, WHOLE, "CNY").said(words(CHINESE))

    assert said.endswith("有标签“茶会 新客”")  # what an operator wrote stays as it was written
    assert not re.search("[\u4e00-\u9fff] [\u4e00-\u9fff]", said.replace("茶会 新客", ""))


@pytest.mark.parametrize(
    ("name", "value", "chinese"),
    [
        ("purchases_90d", 3, "90 天内购买 3 次"),
        ("days_silent", 12, "最近一次互动距今 12 天"),
        ("days_since_joined", 1, "加入至今 1 天"),
        ("days_since_purchase", None, "从未购买"),
    ],
)
def test_a_number_keeps_its_spaces(name: str, value: int | None, chinese: str) -> None:
    assert fact(name, value).said(words(CHINESE)) == chinese


def test_every_shipped_level_can_be_told() -> None:
    for dimension in WHOLE.dimensions:
        for level in dimension.levels:
            if level.rule is not None:
                assert told(level.rule, WHOLE, "CNY").said(words(ENGLISH))


def test_line_by_line_it_has_the_shape_of_the_rule() -> None:
    line = outline(parse({"all": [TAG, {"none": [VIP, TAG]}]}), WHOLE, "CNY")

    assert (line.kind, [part.kind for part in line.of]) == ("all", ["", "none"])
    assert [str(part.sentence) for part in line.of[1].of] == ["is in “Best 5%”", "has the tag “vip”"]


def test_shipped_composites_have_keys_of_their_own_and_sound_rules() -> None:
    keys = [one.key for one in COMPOSITES]

    assert len(set(keys)) == len(keys) == 5
    assert all(list(leaves(one.rule)) for one in COMPOSITES)
