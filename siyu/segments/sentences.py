"""Sentences about a fan that can be said in any language: a message id and what to fill in."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from siyu.kit.wording import ENGLISH, Words, phrase, words
from siyu.segments.rules import Metric, Op


@dataclass(frozen=True)
class Sentence:
    """`said(words)` fills in and translates; sentences inside sentences are said too."""

    one: str
    many: str | None = None
    number: int = 0  # chooses between the two
    values: Mapping[str, "int | str | Sentence"] = field(default_factory=dict)

    def said(self, words: Words) -> str:
        text = words.gettext(self.one) if self.many is None else words.ngettext(self.one, self.many, self.number)
        return text % {name: _said(value, words) for name, value in self.values.items()}

    def __str__(self) -> str:
        return self.said(words(ENGLISH))


def phrases(one: str, many: str) -> tuple[str, str]:
    """Marks a pair of texts kept as data, so that extraction finds it."""
    return one, many


FACTS: Mapping[str, tuple[str, str]] = {
    "interactions_7d": phrases("interacted %(fact)s time in 7 days", "interacted %(fact)s times in 7 days"),
    "interactions_30d": phrases("interacted %(fact)s time in 30 days", "interacted %(fact)s times in 30 days"),
    "interactions_90d": phrases("interacted %(fact)s time in 90 days", "interacted %(fact)s times in 90 days"),
    "interactions_total": phrases("interacted %(fact)s time in all", "interacted %(fact)s times in all"),
    "purchases_30d": phrases("bought %(fact)s time in 30 days", "bought %(fact)s times in 30 days"),
    "purchases_90d": phrases("bought %(fact)s time in 90 days", "bought %(fact)s times in 90 days"),
    "purchases_365d": phrases("bought %(fact)s time in 365 days", "bought %(fact)s times in 365 days"),
    "purchases_total": phrases("bought %(fact)s time in all", "bought %(fact)s times in all"),
    "days_silent": phrases("last interacted %(fact)s day ago", "last interacted %(fact)s days ago"),
    "days_since_purchase": phrases("last bought %(fact)s day ago", "last bought %(fact)s days ago"),
    "days_since_first_purchase": phrases("first bought %(fact)s day ago", "first bought %(fact)s days ago"),
    "referrals_qualified": phrases("brought %(fact)s friend who bought", "brought %(fact)s friends who bought"),
}
NOT_ONCE: Mapping[str, str] = {
    "interactions_30d": phrase("did not interact in 30 days"),
    "purchases_90d": phrase("bought nothing in 90 days"),
    "purchases_365d": phrase("bought nothing in 365 days"),
    "purchases_total": phrase("never bought"),
    "referrals_qualified": phrase("brought nobody who bought"),
}
NEVER: Mapping[str, str] = {
    "days_silent": phrase("never interacted"),
    "days_since_purchase": phrase("never bought"),
    "days_since_first_purchase": phrase("never bought"),
}
NEEDED: Mapping[Op, str] = {
    Op.LESS: phrase("%(what)s (needs fewer than %(threshold)s)"),
    Op.AT_MOST: phrase("%(what)s (needs %(threshold)s at most)"),
    Op.IS: phrase("%(what)s (needs exactly %(threshold)s)"),
    Op.IS_NOT: phrase("%(what)s (needs any number but %(threshold)s)"),
    Op.AT_LEAST: phrase("%(what)s (needs %(threshold)s or more)"),
    Op.MORE: phrase("%(what)s (needs more than %(threshold)s)"),
}


def fact(metric: str, value: int | None) -> Sentence:
    """What is known of a fan: "bought 2 times in 365 days"."""
    if value is None:
        return Sentence(NEVER[metric])
    if value == 0 and metric in NOT_ONCE:
        return Sentence(NOT_ONCE[metric])
    one, many = FACTS[metric]
    return Sentence(one, many, value, {"fact": value})


def measured(leaf: Metric, value: int | None, threshold: int) -> Sentence:
    """The fact, and what the rule needs: "bought 2 times in 365 days (needs 3 or more)"."""
    if leaf.op is Op.IS and threshold == 0:
        return fact(leaf.metric, value)  # "never bought" needs no number beside it
    return Sentence(NEEDED[leaf.op], values={"what": fact(leaf.metric, value), "threshold": threshold})


def stands(dimension: str, level: str) -> Sentence:
    """Both are message ids: "Interaction frequency: High"."""
    return Sentence(
        phrase("%(dimension)s: %(level)s"), values={"dimension": Sentence(dimension), "level": Sentence(level)}
    )


def together(parts: tuple[Sentence, ...]) -> Sentence:
    """Several sentences as one."""
    first, *rest = parts
    for part in rest:
        first = Sentence(phrase("%(first)s; %(second)s"), values={"first": first, "second": part})
    return first


def _said(value: int | str | Sentence, words: Words) -> int | str:
    return value.said(words) if isinstance(value, Sentence) else value
