"""Sentences about fans and rules that can be said in any language: a message id and what to fill in."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from siyu.kit.errors import Invalid
from siyu.kit.money import Money, exponent
from siyu.kit.wording import ENGLISH, Words, phrase, words
from siyu.metrics.measures import MEASURES, Kind
from siyu.segments.dimensions import IN, Dimension, Level
from siyu.segments.rules import Above, Attribute, Did, Match, Metric, Op


@dataclass(frozen=True)
class Sentence:
    """`said(words)` fills in and translates; sentences inside sentences are said too."""

    one: str
    many: str | None = None
    number: int = 0  # chooses between the two
    values: Mapping[str, "int | str | Sentence"] = field(default_factory=dict)

    def said(self, words: Words) -> str:
        text = words.gettext(self.one) if self.many is None else words.ngettext(self.one, self.many, self.number)
        return _sewn(text % {name: _said(value, words) for name, value in self.values.items()})

    def __str__(self) -> str:
        return self.said(words(ENGLISH))


def phrases(one: str, many: str) -> tuple[str, str]:
    """Marks a pair of texts kept as data, so that extraction finds it."""
    return one, many


# What a metric is called where it is chosen, and in the sentence of a rule.
LABELS: Mapping[str, str] = {
    "interactions_7d": phrase("Interactions in 7 days"),
    "interactions_30d": phrase("Interactions in 30 days"),
    "interactions_90d": phrase("Interactions in 90 days"),
    "interactions_total": phrase("Interactions in all"),
    "acts_90d": phrase("Answers, presses and messages in 90 days"),
    "views_90d": phrase("Looks at the catalogue in 90 days"),
    "last_interaction_at": phrase("Last interaction"),
    "days_silent": phrase("Days of silence"),
    "days_since_joined": phrase("Days since joining"),
    "purchases_30d": phrase("Purchases in 30 days"),
    "purchases_90d": phrase("Purchases in 90 days"),
    "purchases_365d": phrase("Purchases in 365 days"),
    "purchases_total": phrase("Purchases in all"),
    "purchases_with_coupon": phrase("Purchases with a coupon"),
    "coupon_share": phrase("Share of purchases with a coupon"),
    "spend_30d": phrase("Spend in 30 days"),
    "spend_90d": phrase("Spend in 90 days"),
    "spend_365d": phrase("Spend in 365 days"),
    "spend_total": phrase("Spend in all"),
    "average_order": phrase("Average order"),
    "first_purchase_at": phrase("First purchase"),
    "last_purchase_at": phrase("Last purchase"),
    "days_since_first_purchase": phrase("Days since the first purchase"),
    "days_since_purchase": phrase("Days since the last purchase"),
    "rfm_recency_days": phrase("RFM: days since the last order"),
    "orders_total": phrase("Days with a purchase"),
    "rfm_r": phrase("RFM: recency score"),
    "rfm_f": phrase("RFM: frequency score"),
    "rfm_m": phrase("RFM: money score"),
    "referrals_total": phrase("Friends brought"),
    "referrals_qualified": phrase("Friends brought who bought"),
    "referred_spend_365d": phrase("Spend of friends in 365 days"),
    "hours_to_first_purchase": phrase("Hours to the first purchase"),
    "intent_score": phrase("Signals of wanting to buy"),
    "feedback_score": phrase("Latest rating: 1 good, 0 so-so, -1 bad"),
    "days_since_feedback": phrase("Days since the latest rating"),
    "points": phrase("Points"),
    "p_alive": phrase("Chance of coming back"),
    "expected_purchases_90d": phrase("Expected purchases in 90 days"),
    "expected_spend_90d": phrase("Expected spend in 90 days"),
}
# What is known of a fan.
FACTS: Mapping[str, tuple[str, str]] = {
    "interactions_7d": phrases("interacted %(fact)s time in 7 days", "interacted %(fact)s times in 7 days"),
    "interactions_30d": phrases("interacted %(fact)s time in 30 days", "interacted %(fact)s times in 30 days"),
    "interactions_90d": phrases("interacted %(fact)s time in 90 days", "interacted %(fact)s times in 90 days"),
    "interactions_total": phrases("interacted %(fact)s time in all", "interacted %(fact)s times in all"),
    "acts_90d": phrases(
        "answered, pressed or wrote %(fact)s time in 90 days", "answered, pressed or wrote %(fact)s times in 90 days"
    ),
    "views_90d": phrases(
        "looked at the catalogue %(fact)s time in 90 days", "looked at the catalogue %(fact)s times in 90 days"
    ),
    "purchases_30d": phrases("bought %(fact)s time in 30 days", "bought %(fact)s times in 30 days"),
    "purchases_90d": phrases("bought %(fact)s time in 90 days", "bought %(fact)s times in 90 days"),
    "purchases_365d": phrases("bought %(fact)s time in 365 days", "bought %(fact)s times in 365 days"),
    "purchases_total": phrases("bought %(fact)s time in all", "bought %(fact)s times in all"),
    "orders_total": phrases("bought on %(fact)s day", "bought on %(fact)s days"),
    "days_silent": phrases("last interacted %(fact)s day ago", "last interacted %(fact)s days ago"),
    "days_since_joined": phrases("joined %(fact)s day ago", "joined %(fact)s days ago"),
    "days_since_purchase": phrases("last bought %(fact)s day ago", "last bought %(fact)s days ago"),
    "rfm_recency_days": phrases("last bought %(fact)s day ago", "last bought %(fact)s days ago"),
    "days_since_first_purchase": phrases("first bought %(fact)s day ago", "first bought %(fact)s days ago"),
    "days_since_feedback": phrases("last rated us %(fact)s day ago", "last rated us %(fact)s days ago"),
    "referrals_total": phrases("brought %(fact)s friend", "brought %(fact)s friends"),
    "referrals_qualified": phrases("brought %(fact)s friend who bought", "brought %(fact)s friends who bought"),
    "hours_to_first_purchase": phrases(
        "first bought %(fact)s hour after the first contact", "first bought %(fact)s hours after the first contact"
    ),
}
NOT_ONCE: Mapping[str, str] = {
    "interactions_30d": phrase("did not interact in 30 days"),
    "interactions_90d": phrase("did not interact in 90 days"),
    "purchases_30d": phrase("bought nothing in 30 days"),
    "purchases_90d": phrase("bought nothing in 90 days"),
    "purchases_365d": phrase("bought nothing in 365 days"),
    "purchases_total": phrase("never bought"),
    "purchases_with_coupon": phrase("never used a coupon"),
    "referrals_qualified": phrase("brought nobody who bought"),
}
NEVER: Mapping[str, str] = {
    "days_silent": phrase("never interacted"),
    "days_since_purchase": phrase("never bought"),
    "rfm_recency_days": phrase("never bought"),
    "days_since_first_purchase": phrase("never bought"),
    "days_since_feedback": phrase("never rated us"),
    "hours_to_first_purchase": phrase("never bought"),
    "average_order": phrase("never bought"),
    "coupon_share": phrase("never bought"),
    **dict.fromkeys(("rfm_r", "rfm_f", "rfm_m"), phrase("never bought")),
}
NEEDED: Mapping[Op, str] = {
    Op.LESS: phrase("%(what)s (needs fewer than %(threshold)s)"),
    Op.AT_MOST: phrase("%(what)s (needs %(threshold)s at most)"),
    Op.IS: phrase("%(what)s (needs exactly %(threshold)s)"),
    Op.IS_NOT: phrase("%(what)s (needs any number but %(threshold)s)"),
    Op.AT_LEAST: phrase("%(what)s (needs %(threshold)s or more)"),
    Op.MORE: phrase("%(what)s (needs more than %(threshold)s)"),
}


def fact(metric: str, value: "int | float | None", currency: str = "") -> Sentence:
    """What is known of a fan: "bought 2 times in 365 days"."""
    if value is None:
        return Sentence(NEVER[metric]) if metric in NEVER else labelled(metric, Sentence(phrase("not known")))
    if value == 0 and metric in NOT_ONCE:
        return Sentence(NOT_ONCE[metric])
    if metric not in FACTS:
        return labelled(metric, shown(metric, value, currency))
    one, many = FACTS[metric]
    return Sentence(one, many, int(value), {"fact": shown(metric, value, currency)})


def shown(metric: str, value: "int | float | str", currency: str = "") -> str:
    """A value as people write it: money in major units, other numbers without needless digits."""
    if isinstance(value, str):
        return value
    if metric == "value_365d" or (metric in MEASURES and MEASURES[metric].kind is Kind.MONEY):
        return money(value, currency)
    return f"{value:,}" if isinstance(value, int) else f"{round(value, 2):,g}"


def money(minor: "int | float", currency: str) -> str:
    """`123.45 CNY`; minor units where no currency is known."""
    try:
        digits = exponent(currency)
    except Invalid:
        return f"{minor:,g}"
    return f"{Money(round(minor), currency).major.quantize(Decimal(1).scaleb(-digits)):,} {currency}"


def measured(leaf: Metric, value: "int | float | None", currency: str = "") -> Sentence:
    """The fact, and what the rule needs: "bought 2 times in 365 days (needs 3 or more)"."""
    if leaf.op is Op.IS and leaf.value == 0:
        return fact(leaf.metric, value, currency)  # "never bought" needs no number beside it
    needed = shown(leaf.metric, leaf.value, currency)
    return Sentence(NEEDED[leaf.op], values={"what": fact(leaf.metric, value, currency), "threshold": needed})


def at_moment(leaf: Metric, day: date | None) -> Sentence:
    """When it was, and what the rule needs."""
    what = labelled(leaf.metric, Sentence(phrase("never")) if day is None else day.isoformat())
    return Sentence(NEEDED_DAY[leaf.op], values={"what": what, "threshold": str(leaf.value)})


NEEDED_DAY: Mapping[Op, str] = {
    Op.LESS: phrase("%(what)s (needs before %(threshold)s)"),
    Op.AT_MOST: phrase("%(what)s (needs %(threshold)s or before)"),
    Op.IS: phrase("%(what)s (needs %(threshold)s)"),
    Op.IS_NOT: phrase("%(what)s (needs any day but %(threshold)s)"),
    Op.AT_LEAST: phrase("%(what)s (needs %(threshold)s or after)"),
    Op.MORE: phrase("%(what)s (needs after %(threshold)s)"),
}


def stands(dimension: str, level: str) -> Sentence:
    """Both are message ids: "Interaction frequency: High"."""
    return Sentence(
        phrase("%(dimension)s: %(level)s"), values={"dimension": Sentence(dimension), "level": Sentence(level)}
    )


def stands_among(dimension: Dimension, here: Level, wanted: Sequence[str]) -> Sentence:
    """Where the fan stands, and where the rule needs them."""
    what = stands(dimension.label, here.label)
    if here.key in wanted:
        return what
    needed = either([Sentence(dimension.level(key).label) for key in wanted])
    return Sentence(phrase("%(what)s (needs %(threshold)s)"), values={"what": what, "threshold": needed})


def segment_name(dimension: Dimension, level: Level) -> Sentence:
    """A saved segment by its name, a level by both of its."""
    if not dimension.sparse:
        return stands(dimension.label, level.label)
    name = Sentence(dimension.level(IN).label)
    return stands(dimension.label, dimension.level(IN).label) if dimension.label else name


def in_segment(name: Sentence, *, holds: bool) -> Sentence:
    return Sentence(phrase("is in “%(name)s”") if holds else phrase("is not in “%(name)s”"), values={"name": name})


def tagged(tag: str, *, holds: bool) -> Sentence:
    return Sentence(phrase("has the tag “%(tag)s”") if holds else phrase("has no tag “%(tag)s”"), values={"tag": tag})


def attribute(leaf: Attribute, value: str | None) -> Sentence:
    """What is known, and what the rule needs of it."""
    known = Sentence(phrase("not known")) if value is None else value
    what = Sentence(phrase("%(label)s: %(value)s"), values={"label": leaf.attribute, "value": known})
    wanted = " / ".join(leaf.value) if isinstance(leaf.value, tuple) else leaf.value or ""
    return Sentence(MATCHED[leaf.op], values={"what": what, "threshold": wanted})


MATCHED: Mapping[Match, str] = {
    Match.IS: phrase("%(what)s (needs %(threshold)s)"),
    Match.IS_NOT: phrase("%(what)s (needs anything but %(threshold)s)"),
    Match.ONE_OF: phrase("%(what)s (needs one of %(threshold)s)"),
    Match.CONTAINS: phrase("%(what)s (needs to contain %(threshold)s)"),
    Match.KNOWN: phrase("%(what)s (needs to be known)"),
}


def did(leaf: Did, times: int) -> Sentence:
    return Sentence(
        phrase("%(kind)s: %(times)s times in %(days)s days (needs %(threshold)s or more)"),
        values={"kind": kind(leaf.did), "times": times, "days": leaf.days, "threshold": leaf.at_least},
    )


KINDS: Mapping[str, str] = {
    "message": phrase("wrote"),
    "command": phrase("gave a command"),
    "press": phrase("pressed a button"),
    "answer": phrase("answered"),
    "view": phrase("looked at a product"),
    "click": phrase("followed a link"),
    "checkin": phrase("checked in"),
    "reaction": phrase("reacted"),
    "share": phrase("shared"),
}


def kind(word: str) -> "Sentence | str":
    """What a kind of interaction is called; other words are their own name."""
    return Sentence(KINDS[word]) if word in KINDS else word


def named(*, holds: bool) -> Sentence:
    return Sentence(phrase("is named in the rule") if holds else phrase("is not named in the rule"))


def was(name: Sentence, on: date, *, holds: bool) -> Sentence:
    told = phrase("was in “%(name)s” on %(day)s") if holds else phrase("was not in “%(name)s” on %(day)s")
    return Sentence(told, values={"name": name, "day": on.isoformat()})


def above(leaf: Above, value: int | None, limit: int | None, currency: str = "") -> Sentence:
    """The fan's value, and the one that a share of the buyers does not pass."""
    what = fact(RANKED[leaf.above], _ranked(leaf.above, value), currency)
    if limit is None:
        return what
    needed = shown(RANKED[leaf.above], _ranked(leaf.above, limit) or 0, currency)
    return Sentence(
        phrase("%(what)s (needs more than %(threshold)s, which %(share)s %% of buyers do not pass)"),
        values={"what": what, "threshold": needed, "share": round(float(leaf.share) * 100)},
    )


# What buyers are ranked by, under the name it is told with.
RANKED: Mapping[str, str] = {
    "spend_365d": "spend_365d", "value_halves": "value_365d", "expected_spend_90d": "expected_spend_90d",
}  # fmt: skip


def on_grid(scores: Sequence[int | None]) -> Sentence:
    if None in scores:
        return Sentence(phrase("never bought"))
    told = phrase("recency %(r)s, frequency %(f)s") if len(scores) == 2 else phrase(
        "recency %(r)s, frequency %(f)s, money %(m)s"
    )  # fmt: skip
    return Sentence(told, values={name: score or 0 for name, score in zip("rfm", scores, strict=False)})


def channel(name: str) -> Sentence:
    return Sentence(
        phrase("first came by: %(channel)s"), values={"channel": name or Sentence(phrase("no link of ours"))}
    )


def interested(categories: Sequence[str], days: int, *, holds: bool) -> Sentence:
    told = phrase("was interested in %(what)s within %(days)s days")
    if not holds:
        told = phrase("showed no interest in %(what)s within %(days)s days")
    return Sentence(told, values={"what": ", ".join(categories), "days": days})


def stays(*, holds: bool) -> Sentence:
    told = phrase("was in it when it was frozen, or its rule broke")
    return Sentence(told if holds else phrase("was not in it when it was frozen, or its rule broke"))


def together(parts: tuple[Sentence, ...]) -> Sentence:
    """Several sentences as one."""
    return _joined(list(parts), phrase("%(first)s; %(second)s"))


def either(parts: Sequence[Sentence]) -> Sentence:
    """One of these."""
    return _joined(parts, phrase("%(first)s or %(second)s"))


def both(parts: Sequence[Sentence]) -> Sentence:
    return _joined(parts, phrase("%(first)s and %(second)s"))


def _joined(parts: Sequence[Sentence], pair: str) -> Sentence:
    first, *rest = parts
    for part in rest:
        first = Sentence(pair, values={"first": first, "second": part})
    return first


def labelled(metric: str, value: "Sentence | str") -> Sentence:
    """A number with what it is called."""
    label = LABELS.get(metric) or VALUE_LABEL
    return Sentence(phrase("%(label)s: %(value)s"), values={"label": Sentence(label), "value": value})


VALUE_LABEL = phrase("Worth in 365 days, with half of what friends spent")


def _ranked(measure: str, value: int | None) -> "int | float | None":
    return value / 2 if measure == "value_halves" and value is not None else value


def _said(value: "int | str | Sentence", words: Words) -> int | str:
    return f"{_SEAM}{value.said(words)}{_SEAM}" if isinstance(value, Sentence) else value


# Where one sentence was put into another. Chinese sets a space beside a number, and none between two of its words:
# one text takes "3" and "至少 3" in the same place.
_SEAM = "\x00"
_HAN = "[\u4e00-\u9fff]"
_NEEDLESS = re.compile(f"(?<={_HAN})(?: {_SEAM}|{_SEAM} )(?={_HAN})")


def _sewn(text: str) -> str:
    return _NEEDLESS.sub("", text).replace(_SEAM, "")
