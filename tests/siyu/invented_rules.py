"""Rules invented by Hypothesis: every kind of condition, every metric and comparison, nested with all, any and none."""

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from siyu.kit.clock import local_day
from tests.siyu.worlds import ZONE, Rule, World

OPS = st.sampled_from(["<", "<=", "=", "!=", ">=", ">"])
SMALL = st.integers(-1, 20)
COUNTS = (
    "interactions_7d", "interactions_30d", "interactions_90d", "interactions_total", "purchases_30d", "purchases_90d",
    "purchases_365d", "purchases_total", "views_90d", "acts_90d", "purchases_with_coupon", "orders_total",
    "referrals_total", "referrals_qualified", "points", "rfm_r", "rfm_f", "rfm_m", "feedback_score", "p_alive",
    "expected_purchases_90d", "expected_spend_90d", "spend_30d", "spend_90d", "spend_365d", "spend_total",
    "referred_spend_365d",
)  # fmt: skip
PARTS = ("coupon_share", "average_order", "hours_to_first_purchase")
DAYS = (
    "days_silent", "days_since_purchase", "rfm_recency_days", "days_since_first_purchase", "days_since_joined",
    "days_since_feedback",
)  # fmt: skip
MOMENTS = ("last_interaction_at", "first_purchase_at", "last_purchase_at")
METRICS = (*COUNTS, *PARTS, *DAYS, *MOMENTS, "intent_score")
LEVELS = {
    "interaction_frequency": ["high", "mid", "low", "none"], "purchase_amount": ["high", "mid", "low", "none"],
    "value": ["high", "mid"], "loyalty": ["at_risk", "lost", "growing", "casual"], "lifecycle": ["new", "dormant"],
    "rfm": ["champions", "hibernating", "potential_loyalist", "at_risk", "none"],
    "purchase_intent": ["high", "mid", "low"],
    "feedback": ["positive", "negative"], "need": ["price", "unknown"], "source_channel": ["search", "other"],
    "behaviour": ["browsing", "interacting"], "decision_speed": ["fast", "undecided"],
    "interests": ["drinks", "sweets"],
}  # fmt: skip


def _metric() -> st.SearchStrategy[Rule]:
    values: dict[str, st.SearchStrategy[Any]] = {  # Any: a number or a moment
        **dict.fromkeys(COUNTS, SMALL),
        # Never what two divisions could make equal in one place and not in the other.
        **dict.fromkeys(PARTS, st.sampled_from([0, 0.26, 0.74, 1, 3.3, 30.1, 500.3])),
        **dict.fromkeys(DAYS, st.one_of(SMALL, st.sampled_from([29.5, 30, 90, 179.9, 365]))),
        **dict.fromkeys(MOMENTS, st.one_of(
            st.dates(min_value=date(2025, 1, 1), max_value=date(2027, 12, 1)).map(lambda day: day.isoformat()),
            st.sampled_from(["2026-03-01T00:00:00+01:00", "2025-12-31T23:59:59Z", "2026-04-02T12:30:00-07:00"]),
        )),
        "intent_score": st.sampled_from([-1, 0, 0.03, 0.7, 1.9, 4.1, 7.7]),
    }  # fmt: skip
    return st.sampled_from(METRICS).flatmap(
        lambda name: st.fixed_dictionaries({"metric": st.just(name), "op": OPS, "value": values[name]})
    )


def _stands() -> st.SearchStrategy[Rule]:
    return st.sampled_from(sorted(LEVELS)).flatmap(
        lambda key: st.lists(st.sampled_from(LEVELS[key]), min_size=1, max_size=3, unique=True).map(
            lambda levels: {"dimension": key, "in": levels}
        )
    )


SEGMENTS = st.sampled_from(["a", "b", "c", "loyalty.casual", "purchase_intent.low", "rfm.none", "mood.l0", "mood.rest",
                            "interests.drinks", "interests.sweets"])  # fmt: skip
LEAVES: dict[str, st.SearchStrategy[Rule]] = {
    "metric": _metric(),
    "dimension": _stands(),
    "tag": st.sampled_from(["vip", "cold"]).map(lambda tag: {"tag": tag}),
    "attribute": st.one_of(
        st.fixed_dictionaries({
            "attribute": st.sampled_from(["need", "gender", "country", "interests"]),
            "op": st.sampled_from(["=", "!=", "contains"]),
            "value": st.sampled_from(["price", "female", "DE", "ce", "DRINKS", "%", "_"]),
        }),
        st.fixed_dictionaries({
            "attribute": st.sampled_from(["need", "income"]), "op": st.just("in"),
            "value": st.lists(st.sampled_from(["price", "low", "huge"]), min_size=1, max_size=3),
        }),
        st.sampled_from(["need", "interests"]).map(lambda name: {"attribute": name, "op": "known"}),
    ),
    "did": st.fixed_dictionaries({
        "did": st.sampled_from(["message", "view", "answer"]), "days": st.sampled_from([1, 2, 13, 30, 45, 400]),
        "at_least": st.sampled_from([1, 2, 5]),
    }),
    "segment": SEGMENTS.map(lambda key: {"segment": key}),
    "fans": st.lists(st.integers(999, 1006), min_size=1, max_size=4).map(lambda ids: {"fans": ids}),
    # How many days ago; `made_to_fit` says which day that is.
    "was": st.fixed_dictionaries({"was": SEGMENTS, "on": st.sampled_from([1, 2, 7, 30, 60, 400])}),
}  # fmt: skip


def leaves() -> st.SearchStrategy[Rule]:
    return st.one_of(*LEAVES.values())


def rules(*, depth: int) -> st.SearchStrategy[Rule]:
    """Nested no deeper than this."""
    if depth == 0:
        return leaves()
    parts = st.lists(rules(depth=depth - 1), min_size=1, max_size=3)
    groups = st.builds(lambda word, of: {word: of}, st.sampled_from(["all", "any", "none"]), parts)
    return st.one_of(leaves(), groups, groups)


def made_to_fit(rule: Rule, world: World, *, within: str = "") -> Rule:
    """With days by date, and without what is not there; a dimension's own rule asks for no segment."""
    for word in ("all", "any", "none"):
        if word in rule:
            return {word: [made_to_fit(part, world, within=within) for part in rule[word]]}
    key = rule.get("segment", rule.get("was"))
    if key is not None and not _is_there(key, world, within):
        return {"metric": "purchases_total", "op": ">", "value": 1}
    if "tag" in rule and not any(rule["tag"] in known.tags for known in world.people.values()):
        return {"fans": [1000]}
    if "attribute" in rule and not any(rule["attribute"] in known.attributes for known in world.people.values()):
        return {"attribute": "need", "op": "=", "value": "price"}
    if "was" in rule:
        return {"was": rule["was"], "on": (local_day(world.now, ZONE) - timedelta(days=rule["on"])).isoformat()}
    return rule


def _is_there(key: str, world: World, within: str) -> bool:
    if within and (key in {"a", "b", "c"} or key.startswith("mood")):
        return False
    return key in world.saved if key in {"a", "b", "c"} else "mood" in world.custom if key.startswith("mood") else True
