"""Shipped dimensions of who fans are: whom they brought, where they came from, and what they told of themselves."""

from siyu.kit.wording import phrase
from siyu.segments.dimensions import Dimension, Direction, Level, Own, Threshold, Unit
from siyu.segments.rules import All, AnyOf, Attribute, Channel, Match, Metric, NoneOf, Op

REFERRAL = Dimension(
    key="referral",
    label=phrase("Referral"),
    levels=(
        Level(
            "ambassador", phrase("Ambassador"), phrase("brought at least %(ambassador)s friends who bought"),
            Metric("referrals_qualified", Op.AT_LEAST, "ambassador"),
            good=Direction.UP, invites=phrase("Rewards and care"),
        ),
        Level(
            "referrer", phrase("Referrer"), phrase("brought a friend who bought"),
            Metric("referrals_qualified", Op.AT_LEAST, 1),
            good=Direction.UP, invites=phrase("Rewards and care"),
        ),
        Level(
            "none", phrase("None yet"), phrase("brought nobody who bought yet"),
            told_by="referrals_qualified", invites=phrase("Guidance on inviting friends"),
        ),
    ),
    order=("ambassador", "referrer", "none"),
    thresholds=(
        Threshold("ambassador", phrase("Buying friends from which a fan is an ambassador"), 3, Unit.PEOPLE, at_least=2),
        Threshold("join_days", phrase("Days from joining to a friend's first purchase"), 7, Unit.DAYS, at_least=0),
        Threshold("hold_days", phrase("Days that purchase must stand without a refund"), 14, Unit.DAYS, at_least=0),
    ),
)  # fmt: skip

CHANNELS = {
    "search": phrase("Search"),
    "social": phrase("Social media"),
    "email": phrase("E-mail"),
    "ads": phrase("Advertising"),
    "referral": phrase("Referral by a friend"),
    "offline": phrase("Offline"),
}
BY_CHANNEL = phrase("first came by this channel")

SOURCE_CHANNEL = Dimension(
    key="source_channel",
    label=phrase("Source channel"),
    levels=(
        *(Level(key, label, BY_CHANNEL, Channel(channels=(key,))) for key, label in CHANNELS.items()),
        Level("other", phrase("Other"), phrase("first came by a channel that is not in the list"),
              Channel(channels=(*CHANNELS, "direct", ""), other=True)),
        Level("direct", phrase("Direct"), phrase("first came by no link of ours"), told_by="source_channel"),
    ),
    order=(*CHANNELS, "other", "direct"),
    own=frozenset({Own.NAMES, Own.INVITES, Own.CATEGORIES}),
)  # fmt: skip


def _asked(
    key: str, label: str, choices: dict[str, str], invites: dict[str, str] | None = None, **more: bool
) -> Dimension:
    """What a fan was asked for: the attribute of the dimension's name."""
    levels = [
        Level(
            name,
            word,
            ANSWERED,
            Attribute(attribute=key, op=Match.IS, value=name),
            invites=(invites or {}).get(name, ""),
        )
        for name, word in choices.items()
    ]
    own = {Own.NAMES, Own.INVITES, *([Own.CATEGORIES] if more.get("open") else [])}
    return Dimension(
        key=key, label=label, levels=(*levels, UNKNOWN), order=(*choices, "unknown"), own=frozenset(own), asked=key
    )


ANSWERED = phrase("said so, or it was written down")
UNKNOWN = Level("unknown", phrase("Unknown"), phrase("not known yet"), told_by="unknown", invites=phrase("Ask"))

CUSTOMER_TYPE = _asked("customer_type", phrase("Customer type"), {
    "individual": phrase("Individual"), "enterprise": phrase("Enterprise"), "government": phrase("Government"),
})  # fmt: skip
COMPANY_SIZE = _asked("company_size", phrase("Company size"), {
    "small": phrase("Small"), "medium": phrase("Medium"), "large": phrase("Large"),
})  # fmt: skip
INDUSTRY = _asked("industry", phrase("Industry"), {}, open=True)
NEED_KIND = _asked("need_kind", phrase("Kind of need"), {
    "product": phrase("Product"), "service": phrase("Service"), "solution": phrase("Solution"),
})  # fmt: skip
AGE_GROUP = _asked("age_group", phrase("Age"), {
    "young": phrase("Young"), "middle": phrase("Middle-aged"), "senior": phrase("Senior"),
})  # fmt: skip
GENDER = _asked("gender", phrase("Gender"), {
    "female": phrase("Female"), "male": phrase("Male"), "other": phrase("Another"),
})  # fmt: skip
INCOME = _asked("income", phrase("Income"), {"high": phrase("High"), "mid": phrase("Middle"), "low": phrase("Low")})


def _needs(what: str) -> Attribute:
    return Attribute(attribute="need", op=Match.IS, value=what)


NEED = Dimension(
    key="need",
    label=phrase("Need"),
    levels=(
        Level(
            "price", phrase("Price"),
            phrase("said so; or bought with a coupon at least %(coupon_share)s %% of the times"),
            AnyOf((
                _needs("price"),
                All((
                    NoneOf((Attribute(attribute="need", op=Match.KNOWN),)),
                    Metric("coupon_share", Op.AT_LEAST, "coupon_share"),
                )),
            )),
            invites=phrase("Coupons"),
        ),
        Level("quality", phrase("Quality"), ANSWERED, _needs("quality"), invites=phrase("Certificates and reviews")),
        Level("service", phrase("Service"), ANSWERED, _needs("service"), invites=phrase("Support")),
        Level("feature", phrase("Features"), ANSWERED, _needs("feature"), invites=phrase("The feature they look for")),
        UNKNOWN,
    ),
    order=("price", "quality", "service", "feature", "unknown"),
    thresholds=(
        Threshold("coupon_share", phrase("Percent of purchases with a coupon from which the price matters"), 50,
                  Unit.PERCENT, at_most=100),
    ),
    asked="need",
)  # fmt: skip


def geography(country: str = "", region: str = "") -> Dimension:
    """By what was asked, else by the attributes `region` and `country` against the community's own."""

    def is_(attribute: str, value: str) -> Attribute:
        return Attribute(attribute=attribute, op=Match.IS, value=value)

    asked = {key: is_("geography", key) for key in ("local", "domestic", "overseas")}
    rules = dict[str, Attribute | AnyOf](asked)
    untold = NoneOf((Attribute(attribute="geography", op=Match.KNOWN),))
    if region:
        rules["local"] = AnyOf((asked["local"], All((untold, is_("region", region)))))
    if country:
        rules["domestic"] = AnyOf((asked["domestic"], All((untold, is_("country", country)))))
        elsewhere = All((untold, Attribute(attribute="country", op=Match.IS_NOT, value=country)))
        rules["overseas"] = AnyOf((asked["overseas"], elsewhere))
    return Dimension(
        key="geography",
        label=phrase("Geography"),
        levels=(
            Level("local", phrase("Local"), phrase("lives in the community's own region"), rules["local"]),
            Level("domestic", phrase("Domestic"), phrase("lives in the same country, elsewhere"), rules["domestic"]),
            Level("overseas", phrase("Overseas"), phrase("lives in another country"), rules["overseas"]),
            UNKNOWN,
        ),
        order=("local", "domestic", "overseas", "unknown"),
        own=frozenset({Own.NAMES, Own.INVITES, Own.HOME}),
        asked="geography",
    )
