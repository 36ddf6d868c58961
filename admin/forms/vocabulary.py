"""What a rule may be made of, as the builder offers it: in the reader's language, grouped as people think of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import col

from siyu import segments
from siyu.kit.database import ReadSession
from siyu.kit.wording import Words, phrase
from siyu.metrics.measures import MEASURES, Kind
from siyu.segments import INTERESTS, Classification, Sentence, sentences, telling
from siyu.segments.classification import INTERESTS_LABEL
from siyu.tables import FanAttribute, FanTag

# More than anybody reads through; what is typed need not be among them.
MOST_TAGS = 300

METRICS: Mapping[str, tuple[str, ...]] = {
    phrase("Buying"): (
        "purchases_30d", "purchases_90d", "purchases_365d", "purchases_total", "orders_total", "first_purchase_at",
        "last_purchase_at", "days_since_first_purchase", "days_since_purchase", "hours_to_first_purchase",
        "purchases_with_coupon", "coupon_share",
    ),
    phrase("Spending"): ("spend_30d", "spend_90d", "spend_365d", "spend_total", "average_order"),
    phrase("Interacting"): (
        "interactions_7d", "interactions_30d", "interactions_90d", "interactions_total", "acts_90d", "views_90d",
        "last_interaction_at", "days_silent", "days_since_joined", "intent_score",
    ),
    phrase("Friends"): ("referrals_total", "referrals_qualified", "referred_spend_365d"),
    phrase("Ratings"): ("feedback_score", "days_since_feedback"),
    phrase("Scores and forecasts"): (
        "rfm_r", "rfm_f", "rfm_m", "p_alive", "expected_purchases_90d", "expected_spend_90d",
    ),
}  # fmt: skip

Options = Sequence[tuple[str, str]]  # (value, label)
Grouped = Sequence[tuple[str, Options]]


@dataclass(frozen=True)
class Vocabulary:
    """Everything there is to choose from."""

    currency: str
    metrics: Grouped
    dimensions: Options
    levels: Mapping[str, Options]  # by dimension
    tags: Sequence[str]
    attributes: Options
    values: Mapping[str, Options]  # by attribute, where they are known
    kinds: Options
    segments: Grouped
    new: Grouped  # what a condition can begin with

    def kind_of(self, metric: str) -> str:
        """What a metric counts, for the field its value is typed in."""
        return MEASURES[metric].kind.value if metric in MEASURES else Kind.COUNT.value


async def vocabulary(session: ReadSession, *, words: Words, currency: str, without: str = "") -> Vocabulary:
    """`without` is the segment that is being written: it cannot ask for itself."""
    whole = await segments.classification_in_force(session)
    metrics = [
        (words.gettext(group), [(name, words.gettext(sentences.LABELS[name])) for name in names])
        for group, names in METRICS.items()
    ]
    levels = _levels(whole, words)
    dimensions = [(d.key, Sentence(d.label).said(words)) for d in whole.dimensions]
    if INTERESTS in levels:
        dimensions.append((INTERESTS, words.gettext(INTERESTS_LABEL)))
    kinds = [(kind, words.gettext(label)) for kind, label in sentences.KINDS.items()]
    tags = select(col(FanTag.tag)).distinct().order_by(col(FanTag.tag)).limit(MOST_TAGS)
    return Vocabulary(
        currency=currency,
        metrics=metrics,
        dimensions=dimensions,
        levels=levels,
        tags=list(await session.all(tags)),
        attributes=await _attributes(session, whole, words),
        values={d.asked: levels[d.key] for d in whole.dimensions if d.asked},
        kinds=kinds,
        segments=_segments(whole, words, without),
        new=_new(metrics, dimensions, kinds, words),
    )


def _levels(whole: Classification, words: Words) -> Mapping[str, Options]:
    found = {d.key: [(level.key, Sentence(level.label).said(words)) for level in d.levels] for d in whole.dimensions}
    categories = [one.key.partition(".")[2] for one in whole.sparse if one.key.startswith(f"{INTERESTS}.")]
    return {**found, INTERESTS: [(name, name) for name in categories]} if categories else found


async def _attributes(session: ReadSession, whole: Classification, words: Words) -> Options:
    """What fans are asked for, and whatever else is known of anybody."""
    named = {d.asked: Sentence(d.label).said(words) for d in whole.dimensions if d.asked}
    named |= {"country": words.gettext("Country"), "region": words.gettext("Region")}
    found = await session.all(select(col(FanAttribute.name)).distinct().order_by(col(FanAttribute.name)))
    return [*named.items(), *((name, name) for name in found if name not in named)]


def _segments(whole: Classification, words: Words, without: str) -> Grouped:
    saved = [d.key for d in whole.sparse if not d.label and d.key != without]
    groups = [(words.gettext("Saved segments"), [(key, telling.name_of(key, whole).said(words)) for key in saved])]
    groups += [
        (Sentence(d.label).said(words),
         [(f"{d.key}.{level.key}", telling.name_of(f"{d.key}.{level.key}", whole).said(words)) for level in d.levels])
        for d in whole.dimensions
    ]  # fmt: skip
    return [(label, options) for label, options in groups if options]


def _new(metrics: Grouped, dimensions: Options, kinds: Options, words: Words) -> Grouped:
    say = words.gettext
    return [
        (say("Where they stand"), [(f"dimension:{key}", label) for key, label in dimensions]),
        *((group, [(f"metric:{name}", label) for name, label in options]) for group, options in metrics),
        (say("What they did lately"), [(f"did:{kind}", label) for kind, label in kinds]),
        (say("What is known of them"), [("tag", say("Has a tag")), ("attribute", say("An attribute"))]),
        (
            say("Segments and people"),
            [
                ("segment", say("Is in a segment")),
                ("was", say("Was in a segment on a day")),
                ("fans", say("These people, by name")),
            ],
        ),
    ]
