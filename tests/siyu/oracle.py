"""What the definitions say of an invented history, fan by fan, in plain Python: no database, nothing of the engine."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from operator import eq, ge, gt, le, lt, ne
from typing import Any

import pytest

from siyu.kit.clock import local_day
from tests.siyu.worlds import CATEGORIES, EURO, ZONE, Bought, Rule, Stand, World

SHIPPED: Mapping[str, Mapping[str, int]] = {
    "interaction_frequency": {"high": 20, "mid": 5},
    "purchase_frequency": {"high": 4, "mid": 2},
    "purchase_amount": {"high": 80, "mid": 40},
    "value": {"high": 80, "mid": 40},
    "loyalty": {
        "lost_days": 365, "at_risk_purchases": 2, "at_risk_days": 90, "at_risk_silent_days": 60, "loyal_purchases": 3,
        "growing_purchases": 2,
    },
    "lifecycle": {"new_days": 30, "active_days": 90, "dormant_days": 180},
    "purchase_stage": {"repeat": 2, "loyal": 5},
    "referral": {"ambassador": 3, "join_days": 7, "hold_days": 14},
    "purchase_intent": {"high": 8, "mid": 3},
    "decision_speed": {"fast_hours": 24, "mid_hours": 168},
    "feedback": {"days": 180},
    "need": {"coupon_share": 50},
}  # fmt: skip
CHANNELS = {"search", "social", "email", "ads", "referral", "offline"}
ASKED = {
    "customer_type": {"individual", "enterprise", "government"}, "company_size": {"small", "medium", "large"},
    "industry": set(), "need_kind": {"product", "service", "solution"}, "age_group": {"young", "middle", "senior"},
    "gender": {"female", "male", "other"}, "income": {"high", "mid", "low"},
    "geography": {"local", "domestic", "overseas"},
}  # fmt: skip
# By recency and frequency score; the cells are told in definitions.md.
NAMES = {
    "hibernating": [(1, 1), (1, 2), (2, 1), (2, 2)], "at_risk": [(1, 3), (1, 4), (2, 3), (2, 4)],
    "cannot_lose": [(1, 5), (2, 5)], "about_to_sleep": [(3, 1), (3, 2)], "needs_attention": [(3, 3)],
    "loyal": [(3, 4), (3, 5), (4, 4), (4, 5)], "promising": [(4, 1)], "new": [(5, 1)],
    "potential_loyalist": [(4, 2), (4, 3), (5, 2), (5, 3)], "champions": [(5, 4), (5, 5)],
}  # fmt: skip
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, "=": eq, "!=": ne, ">=": ge, ">": gt}

Numbers = dict[str, Any]  # Any: a number, a moment, or None


@dataclass
class Told:
    """All that the definitions say at one moment; levels and segments are worked out as they are asked for."""

    world: World
    as_of: datetime
    today: date
    numbers: dict[int, Numbers] = field(default_factory=dict)
    levels: dict[tuple[str, int], str] = field(default_factory=dict)


def told(world: World, as_of: datetime) -> Told:
    whole = Told(world, as_of, local_day(as_of, ZONE))
    for fan_id in world.fans:
        whole.numbers[fan_id] = _own(whole, fan_id)
    for fan_id in world.fans:
        whole.numbers[fan_id] |= _of_friends(whole, fan_id)
    _rank(whole)
    for fan_id in world.fans:
        whole.levels |= {(key, fan_id): level for key, level in _shipped_levels(whole, fan_id).items()}
        for category in _categories(world):
            if category in _interests(whole, fan_id):
                whole.levels[f"interests.{category}", fan_id] = "in"
    for fan_id in world.fans:
        for key in world.custom:
            whole.levels[key, fan_id] = level_of_custom(whole, fan_id, key)
        for key in world.saved:
            if is_in(whole, fan_id, key):
                whole.levels[key, fan_id] = "in"
    return whole


def expected(world: World, as_of: datetime) -> Stand:
    """Days, numbers, levels and sizes as they should stand."""
    whole = told(world, as_of)
    days = {(fan_id, day): _day(world, fan_id, day, as_of) for fan_id, day in _active_days(world, as_of)}
    kept = {fan_id: {name: n[name] for name in n if name not in _NOT_KEPT} for fan_id, n in whole.numbers.items()}
    for fan_id, numbers in kept.items():
        numbers["intent_score"] = pytest.approx(numbers["intent_score"], rel=1e-9, abs=1e-9)
        numbers["reachable"] = fan_id not in world.unreachable
    everyone = Counter((dimension, level) for (dimension, _), level in whole.levels.items())
    reached = Counter((d, level) for (d, fan_id), level in whole.levels.items() if fan_id not in world.unreachable)
    return Stand(days, kept, whole.levels, {key: (count, reached[key]) for key, count in everyone.items()})


def remember(world: World) -> None:
    """Where everybody stands at the end of this day, as far as it is known now: for frozen segments and `was`."""
    today = local_day(world.now, ZONE)
    keys = {*world.saved, *world.custom}
    levels = told(world, world.now).levels
    for day, stood in world.stood.items():
        world.stood[day] = {(key, fan): level for (key, fan), level in stood.items() if key in keys or key in _ALWAYS}
    world.stood[today] = levels


def fits(whole: Told, fan_id: int, rule: Rule) -> bool:
    """Whether a rule holds for a fan."""
    for word, holds in (("all", all), ("any", any)):
        if word in rule:
            return holds([fits(whole, fan_id, part) for part in rule[word]])
    if "none" in rule:
        return not any(fits(whole, fan_id, part) for part in rule["none"])
    word = next(word for word in _LEAVES if word in rule)
    return _LEAVES[word](whole, fan_id, rule)


def is_in(whole: Told, fan_id: int, key: str) -> bool:
    """In a segment, of whichever kind."""
    kept = whole.world.saved.get(key)
    if kept is not None:
        return _stood_last(whole, fan_id, key) if kept.frozen else fits(whole, fan_id, kept.rule)
    dimension, _, level = key.rpartition(".")
    if dimension == "interests":
        return level in _interests(whole, fan_id)
    return _level(whole, fan_id, dimension) == level


def level_of_custom(whole: Told, fan_id: int, key: str) -> str:
    """The first level whose rule holds; the last takes the rest."""
    *tried, rest = whole.world.custom[key]
    return str(next((level["key"] for level in tried if fits(whole, fan_id, level["rule"])), rest["key"]))


# What is kept as a number in another shape, or not at all.
_NOT_KEPT = {
    "days_silent", "days_since_purchase", "rfm_recency_days", "days_since_first_purchase", "days_since_joined",
    "days_since_feedback", "rfm_r", "rfm_f", "rfm_m", "acts_90d", "coupon_share", "average_order",
    "hours_to_first_purchase",
}  # fmt: skip


def _level(whole: Told, fan_id: int, dimension: str) -> str:
    if dimension in whole.world.custom:
        return level_of_custom(whole, fan_id, dimension)
    return whole.levels[dimension, fan_id]


def _metric(whole: Told, fan_id: int, rule: Rule) -> bool:
    value, wanted = whole.numbers[fan_id][rule["metric"]], rule["value"]
    if isinstance(value, datetime):
        if len(wanted) == 10:
            return COMPARE[rule["op"]](local_day(value, ZONE), date.fromisoformat(wanted))
        wanted = datetime.fromisoformat(wanted)
    return value is not None and COMPARE[rule["op"]](value, wanted)


def _stands(whole: Told, fan_id: int, rule: Rule) -> bool:
    if rule["dimension"] == "interests":
        return bool(_interests(whole, fan_id) & set(rule["in"]))
    return _level(whole, fan_id, rule["dimension"]) in rule["in"]


def _attribute(whole: Told, fan_id: int, rule: Rule) -> bool:
    value = whole.world.people[fan_id].attributes.get(rule["attribute"])
    if value is None:
        return False
    wanted: Any = rule.get("value")  # Any: a text, or several
    match rule.get("op", "="):
        case "=":
            return bool(value == wanted)
        case "!=":
            return bool(value != wanted)
        case "in":
            return value in wanted
        case "contains":
            return wanted.lower() in value.lower()
        case op:
            assert op == "known"
            return value != ""


def _did(whole: Told, fan_id: int, rule: Rule) -> bool:
    times = sum(
        deed.fan_id == fan_id and deed.kind == rule["did"] and deed.at <= whole.as_of
        and (whole.today - local_day(deed.at, ZONE)).days < rule["days"]
        for deed in whole.world.did
    )  # fmt: skip
    return bool(times >= rule.get("at_least", 1))


def _was(whole: Told, fan_id: int, rule: Rule) -> bool:
    on = date.fromisoformat(rule["on"])
    known = [day for day in whole.world.stood if day <= on]
    key = rule["was"]
    dimension, level = (key, "in") if key in whole.world.saved else (key.rpartition(".")[0], key.rpartition(".")[2])
    if dimension == "interests":
        dimension, level = key, "in"
    return bool(known) and whole.world.stood[max(known)].get((dimension, fan_id)) == level


_LEAVES: Mapping[str, Callable[[Told, int, Rule], bool]] = {
    "metric": _metric, "dimension": _stands, "attribute": _attribute, "did": _did, "was": _was,
    "tag": lambda whole, fan_id, rule: rule["tag"] in whole.world.people[fan_id].tags,
    "segment": lambda whole, fan_id, rule: is_in(whole, fan_id, rule["segment"]),
    "fans": lambda whole, fan_id, rule: whole.world.people[fan_id].telegram_id in rule["fans"],
}  # fmt: skip


def _stood_last(whole: Told, fan_id: int, key: str) -> bool:
    stood = whole.world.stood
    return bool(stood) and stood[max(stood)].get((key, fan_id)) == "in"


def _categories(world: World) -> set[str]:
    return {category for category in CATEGORIES.values() if category} if world.stocked else set()


def _interests(whole: Told, fan_id: int) -> set[str]:
    """Bought from or looked at within 180 days, or named."""
    world, since = whole.world, whole.today - timedelta(days=179)
    bought = {
        buy.category
        for buy in world.bought
        if buy.fan_id == fan_id and buy.at <= whole.as_of and local_day(buy.at, ZONE) >= since
    }
    looked = {
        CATEGORIES.get(deed.detail or "", "") if world.stocked else ""
        for deed in world.did
        if deed.fan_id == fan_id
        and deed.kind == "view"
        and deed.at <= whole.as_of
        and local_day(deed.at, ZONE) >= since
    }
    named = {word.strip() for word in world.people[fan_id].attributes.get("interests", "").split(";")}
    return (bought | looked | named) - {""}


def _threshold(world: World, dimension: str) -> Mapping[str, int]:
    return {**SHIPPED[dimension], **world.thresholds.get(dimension, {})}


def _active_days(world: World, as_of: datetime) -> set[tuple[int, date]]:
    did = {(deed.fan_id, local_day(deed.at, ZONE)) for deed in world.did if deed.at <= as_of}
    bought = {(buy.fan_id, local_day(buy.at, ZONE)) for buy in world.bought if buy.counts(as_of)}
    wanted = {(one.fan_id, local_day(one.at, ZONE)) for one in world.invoices if one.at <= as_of}
    return did | bought | wanted | {(fan_id, local_day(at, ZONE)) for fan_id, at in world.claimed if at <= as_of}


def _day(world: World, fan_id: int, day: date, as_of: datetime) -> tuple[object, ...]:
    did = [deed for deed in world.did if deed.fan_id == fan_id and deed.at <= as_of and local_day(deed.at, ZONE) == day]
    bought = [buy for buy in _purchases(world, fan_id, as_of) if local_day(buy.at, ZONE) == day]
    moments = [buy.at for buy in bought]
    return (
        len(did), len(bought), _spent(bought, as_of),
        max((deed.at for deed in did), default=None), min(moments, default=None), max(moments, default=None),
        sum(deed.kind == "view" for deed in did), sum(buy.coupon for buy in bought),
    )  # fmt: skip


def _purchases(world: World, fan_id: int, as_of: datetime) -> list[Bought]:
    mine = [buy for buy in world.bought if buy.fan_id == fan_id and buy.counts(as_of)]
    return sorted(mine, key=lambda buy: (buy.at, buy.id))


def _spent(bought: Sequence[Bought], as_of: datetime) -> int:
    return sum(buy.amount - buy.paid_back(as_of) for buy in bought if buy.currency == EURO)


def _own(whole: Told, fan_id: int) -> Numbers:
    world, today, as_of = whole.world, whole.today, whole.as_of
    did = [deed for deed in world.did if deed.fan_id == fan_id and deed.at <= as_of]
    bought = _purchases(world, fan_id, as_of)
    joined = world.people[fan_id].joined

    def acts(window: int, *, kind: str = "") -> int:
        return sum((today - local_day(deed.at, ZONE)).days < window and deed.kind.startswith(kind) for deed in did)

    def buys(window: int) -> list[Bought]:
        return [buy for buy in bought if (today - local_day(buy.at, ZONE)).days < window]

    def ago(moment: datetime | None) -> int | None:
        return None if moment is None else (today - local_day(moment, ZONE)).days

    moments = [buy.at for buy in bought]
    first, last = min(moments, default=None), max(moments, default=None)
    active = max((deed.at for deed in did), default=None)
    orders, spent = len({local_day(at, ZONE) for at in moments}), _spent(bought, as_of)
    waited = None if first is None else max(0, int((first - joined).total_seconds()))
    rating, rated = _rating(whole, fan_id)
    with_coupon = sum(buy.coupon for buy in bought)
    return {
        **{f"interactions_{window}d": acts(window) for window in (7, 30, 90)},
        "interactions_total": len(did),
        "views_90d": acts(90, kind="view"),
        "acts_90d": acts(90) - acts(90, kind="view"),
        **{f"purchases_{window}d": len(buys(window)) for window in (30, 90, 365)},
        "purchases_total": len(bought),
        "purchases_with_coupon": with_coupon,
        "coupon_share": with_coupon / len(bought) if bought else None,
        **{f"spend_{window}d": _spent(buys(window), as_of) for window in (30, 90, 365)},
        "spend_total": spent,
        "orders_total": orders,
        "average_order": spent / orders if orders else None,
        "first_purchase_at": first,
        "first_purchase_day": first and local_day(first, ZONE),
        "last_purchase_at": last,
        "last_purchase_day": last and local_day(last, ZONE),
        "last_interaction_at": active,
        "last_interaction_day": active and local_day(active, ZONE),
        "joined_day": local_day(joined, ZONE),
        "days_silent": ago(active), "days_since_purchase": ago(last), "rfm_recency_days": ago(last),
        "days_since_first_purchase": ago(first), "days_since_joined": ago(joined), "days_since_feedback": ago(rated),
        "seconds_to_first_purchase": waited,
        "hours_to_first_purchase": None if waited is None else waited / 3600,
        "feedback_score": rating,
        "feedback_day": rated and local_day(rated, ZONE),
        "intent_score": _wanting(whole, fan_id, since=last),
        "points": sum(points for who, at, points in world.pointed if who == fan_id and at <= as_of),
        "p_alive": None, "expected_purchases_90d": None, "expected_spend_90d": None,
    }  # fmt: skip


def _rating(whole: Told, fan_id: int) -> tuple[int | None, datetime | None]:
    """The latest one, and when; of several in the same second the best."""
    found = []
    for deed in whole.world.did:
        word, _, number = (deed.detail or "").partition(":")
        if deed.fan_id != fan_id or deed.kind != "answer" or deed.at > whole.as_of or not number.isdecimal():
            continue
        n = int(number)
        if word == "nps" and n <= 10:
            found.append((deed.at, 1 if n >= 9 else 0 if n >= 7 else -1))
        if word == "stars" and 1 <= n <= 5:
            found.append((deed.at, 1 if n >= 4 else 0 if n == 3 else -1))
    return max(found)[::-1] if found else (None, None)


def _wanting(whole: Told, fan_id: int, *, since: datetime | None) -> float:
    """Each signal since the last purchase, halved for every week since, by whole days."""
    score = 0.0
    for opened, at, weight in _signals(whole, fan_id):
        if at <= whole.as_of and (since is None or opened > since):
            score += weight * 0.5 ** ((whole.today - local_day(opened, ZONE)).days / 7)
    return score


def _signals(whole: Told, fan_id: int) -> list[tuple[datetime, datetime, float]]:
    """When what it is about began, when it was given, and what it weighs."""
    world, found, seen = whole.world, [], set()
    numbered = [(deed.at, n, deed) for n, deed in enumerate(world.did) if deed.fan_id == fan_id]
    for at, _, deed in sorted(numbered, key=lambda one: one[:2]):
        if deed.kind == "view":
            found.append((at, at, 2.0 if deed.detail in seen else 1.0))
            seen |= {deed.detail} - {None}
        if deed.kind == "answer" and deed.detail == "soon":
            found.append((at, at, 8.0))
    for opened in (one for one in world.invoices if one.fan_id == fan_id):
        found.append((opened.at, opened.at, 5.0))
        if not opened.paid:
            found.append((opened.at, opened.until, 8.0))
    return found + [(at, at, 3.0) for who, at in world.claimed if who == fan_id]


def _of_friends(whole: Told, fan_id: int) -> Numbers:
    friends = [who for who, (by, at) in whole.world.referrer.items() if by == fan_id and at <= whole.as_of]
    spent = sum(whole.numbers[friend]["spend_365d"] for friend in friends)
    return {
        "referrals_total": len(friends),
        "referrals_qualified": sum(_qualifies(whole, friend) for friend in friends),
        "referred_spend_365d": spent,
        "value_halves": 2 * whole.numbers[fan_id]["spend_365d"] + spent,
    }


def _qualifies(whole: Told, friend: int) -> bool:
    bought, limits = _purchases(whole.world, friend, whole.as_of), _threshold(whole.world, "referral")
    if not bought:
        return False
    day = local_day(bought[0].at, ZONE)
    soon = 0 <= (day - local_day(whole.world.people[friend].joined, ZONE)).days <= limits["join_days"]
    in_hold = any(
        at <= whole.as_of and (local_day(at, ZONE) - day).days < limits["hold_days"] for at, _ in bought[0].refunds
    )
    return soon and (whole.today - day).days >= limits["hold_days"] and not in_hold


def _rank(whole: Told) -> None:
    """Scores from 1 to 5: how many buyers are strictly worse, in fifths."""
    buyers = [fan_id for fan_id in whole.world.fans if whole.numbers[fan_id]["orders_total"]]
    for score, measure in (("rfm_r", "last_purchase_day"), ("rfm_f", "orders_total"), ("rfm_m", "spend_total")):
        for fan_id in whole.world.fans:
            worse = strictly_worse(whole, fan_id, measure)
            whole.numbers[fan_id][score] = 1 + 5 * worse // len(buyers) if fan_id in buyers else None


def strictly_worse(whole: Told, fan_id: int, measure: str) -> int:
    """How many buyers have less."""
    values = [n[measure] for n in whole.numbers.values() if n["orders_total"]]
    mine = whole.numbers[fan_id][measure]
    return 0 if mine is None else sum(value < mine for value in values)


def _by_share(whole: Told, fan_id: int, dimension: str, measure: str) -> str:
    if not whole.numbers[fan_id]["orders_total"]:
        return "none"
    buyers = sum(1 for n in whole.numbers.values() if n["orders_total"])
    worse, limits = strictly_worse(whole, fan_id, measure), _threshold(whole.world, dimension)
    return next((key for key in ("high", "mid") if 100 * worse >= limits[key] * buyers), "low")


def _shipped_levels(whole: Told, fan_id: int) -> dict[str, str]:
    numbers, known = whole.numbers[fan_id], whole.world.people[fan_id]
    frequency = _steps(whole, "interaction_frequency", numbers["interactions_30d"], least="low")
    return {
        "interaction_frequency": frequency,
        "purchase_frequency": _steps(whole, "purchase_frequency", numbers["purchases_90d"], least="low"),
        "purchase_amount": _by_share(whole, fan_id, "purchase_amount", "spend_365d"),
        "value": _by_share(whole, fan_id, "value", "value_halves"),
        "loyalty": _loyalty(whole, numbers, frequency),
        "lifecycle": _lifecycle(whole, numbers),
        "purchase_stage": _stage(whole, numbers["purchases_total"]),
        "rfm": _rfm(numbers),
        "referral": _referral(whole, numbers["referrals_qualified"]),
        "behaviour": _behaviour(numbers),
        "purchase_intent": _intent(whole, numbers["intent_score"]),
        "decision_speed": _speed(whole, numbers["hours_to_first_purchase"]),
        "feedback": _feedback(whole, numbers),
        "source_channel": _channel(known.channel.lower()),
        "need": _need(whole, numbers, known.attributes.get("need", "")),
        "churn_risk": "none",
        "predicted_value": "none",
        **{
            key: known.attributes[key] if known.attributes.get(key) in choices else "unknown"
            for key, choices in ASKED.items()
        },
    }


def _steps(whole: Told, dimension: str, count: int, *, least: str) -> str:
    limits = _threshold(whole.world, dimension)
    return next((key for key in ("high", "mid") if count >= limits[key]), least if count else "none")


def _loyalty(whole: Told, numbers: Numbers, frequency: str) -> str:
    limits, since, silent = _threshold(whole.world, "loyalty"), numbers["days_since_purchase"], numbers["days_silent"]
    if since is None:
        return "none"
    if since > limits["lost_days"]:
        return "lost"
    regular = numbers["purchases_total"] >= limits["at_risk_purchases"] and since > limits["at_risk_days"]
    if regular or (silent is not None and silent > limits["at_risk_silent_days"]):
        return "at_risk"
    if numbers["purchases_365d"] >= limits["loyal_purchases"] and frequency in {"high", "mid"}:
        return "loyal"
    return "growing" if numbers["purchases_365d"] >= limits["growing_purchases"] else "casual"


def _lifecycle(whole: Told, numbers: Numbers) -> str:
    limits = _threshold(whole.world, "lifecycle")
    if numbers["days_since_purchase"] is None:
        return "potential"
    if numbers["days_since_first_purchase"] <= limits["new_days"]:
        return "new"
    ago = numbers["days_since_purchase"]
    return "active" if ago <= limits["active_days"] else "dormant" if ago <= limits["dormant_days"] else "lost"


def _stage(whole: Told, life: int) -> str:
    limits = _threshold(whole.world, "purchase_stage")
    return next((key for key in ("loyal", "repeat") if life >= limits[key]), "first" if life else "potential")


def _rfm(numbers: Numbers) -> str:
    cell = numbers["rfm_r"], numbers["rfm_f"]
    return next((name for name, cells in NAMES.items() if cell in cells), "none")


def _referral(whole: Told, qualified: int) -> str:
    enough = _threshold(whole.world, "referral")["ambassador"]
    return "ambassador" if qualified >= enough else "referrer" if qualified else "none"


def _behaviour(numbers: Numbers) -> str:
    names = {"purchasing": "purchases_90d", "interacting": "acts_90d", "browsing": "views_90d"}
    return next((key for key, metric in names.items() if numbers[metric]), "inactive")


def _intent(whole: Told, score: float) -> str:
    limits = _threshold(whole.world, "purchase_intent")
    return next((key for key in ("high", "mid") if score + 1e-9 >= limits[key]), "low" if score >= 0.005 else "none")


def _speed(whole: Told, hours: float | None) -> str:
    limits = _threshold(whole.world, "decision_speed")
    if hours is None:
        return "undecided"
    return "fast" if hours <= limits["fast_hours"] else "mid" if hours <= limits["mid_hours"] else "slow"


def _feedback(whole: Told, numbers: Numbers) -> str:
    ago = numbers["days_since_feedback"]
    if ago is None or ago >= _threshold(whole.world, "feedback")["days"]:
        return "none"
    return {1: "positive", 0: "neutral", -1: "negative"}[numbers["feedback_score"]]


def _channel(channel: str) -> str:
    return channel if channel in CHANNELS else "direct" if channel in {"", "direct"} else "other"


def _need(whole: Told, numbers: Numbers, said: str) -> str:
    enough = _threshold(whole.world, "need")["coupon_share"]
    shows_it = (
        numbers["coupon_share"] is not None
        and 100 * numbers["purchases_with_coupon"] >= enough * numbers["purchases_total"]
    )
    if said == "price" or (not said and shows_it):
        return "price"
    return said if said in {"quality", "service", "feature"} else "unknown"


_ALWAYS = {*SHIPPED, *ASKED, "rfm", "behaviour", "source_channel", "churn_risk", "predicted_value", *(
    f"interests.{category}" for category in CATEGORIES.values()
)}  # fmt: skip
