"""An invented community: people with habits, and ninety days of what they did. Nothing here touches a database."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from siyu.demo.names import ANSWERS, CHANNELS, INDUSTRIES, PRODUCTS, DemoProduct, person_name
from siyu.kit.clock import local_day, start_of_day

DAYS = 90
# Most of a day happens at lunch and in the evening, hardly anything at four in the morning.
HOURS = (1, 0, 0, 0, 0, 1, 2, 4, 6, 6, 5, 7, 10, 8, 5, 5, 5, 6, 8, 11, 13, 12, 8, 4)
KIND_WEIGHTS = {"view": 45, "message": 20, "press": 25, "command": 10}


@dataclass(frozen=True)
class Habit:
    """How a sort of person behaves; rates are per day."""

    name: str
    share: float
    joined: tuple[int, int]  # days ago, from … to
    visits: float  # days with a visit, per day
    depth: float  # things done on such a day
    purchases: float  # per 30 days while active
    basket: tuple[int, int]  # minor units
    silent_for: tuple[int, int] = (0, 0)  # stopped that many days ago
    leaves: float = 0.02  # chance to have blocked the bot
    mutes: float = 0.05
    only_looks: bool = False
    likes: tuple[int, int] = (6, 10)  # what they would answer to "would you recommend us", from … to


HABITS = (
    Habit("regular", 0.14, (80, 420), 0.55, 2.6, 1.6, (3800, 16800)),
    Habit("growing", 0.14, (60, 300), 0.25, 2.2, 0.7, (2800, 12800)),
    Habit("browser", 0.15, (30, 260), 0.14, 3.0, 0.0, (0, 0), likes=(4, 9)),
    Habit("window shopper", 0.05, (30, 200), 0.10, 2.0, 0.0, (0, 0), only_looks=True),
    Habit("newcomer", 0.16, (0, 25), 0.35, 2.4, 0.8, (1900, 8800)),
    Habit("casual buyer", 0.14, (90, 400), 0.06, 1.6, 0.25, (2600, 14800)),
    Habit("lapsed big spender", 0.07, (200, 700), 0.30, 2.2, 1.5, (19800, 88000), (95, 180), likes=(1, 8)),
    Habit("long lost", 0.05, (480, 800), 0.20, 1.8, 0.6, (2600, 14800), (380, 440), leaves=0.25, likes=(0, 6)),
    Habit("silent", 0.06, (40, 400), 0.0, 0.0, 0.0, (0, 0), mutes=0.15),
    Habit("referrer", 0.04, (120, 400), 0.45, 2.4, 1.0, (3800, 14800), leaves=0.0, mutes=0.0),
)


@dataclass(frozen=True)
class Deed:
    """Something somebody did at a moment."""

    at: datetime
    kind: str
    detail: str | None = None


@dataclass(frozen=True)
class Basket:
    """Something somebody bought at a moment, in minor units of the main currency."""

    at: datetime
    product: DemoProduct
    quantity: int
    amount_minor: int
    refunded: bool = False


@dataclass
class Person:
    """One invented fan and a whole history."""

    telegram_id: int
    name: str
    username: str | None
    language: str
    habit: Habit
    joined_at: datetime
    channel: str
    brought_by: "Person | None" = None
    blocked_at: datetime | None = None
    muted_at: datetime | None = None
    told: dict[str, str] = field(default_factory=dict)  # attributes: what they said of themselves
    tags: tuple[str, ...] = ()
    deeds: list[Deed] = field(default_factory=list)
    baskets: list[Basket] = field(default_factory=list)


def invent(count: int, *, now: datetime, zone: ZoneInfo, seed: int = 7) -> list[Person]:
    """So many people, always the same for the same seed and moment, the earliest joined first."""
    dice = Random(seed)  # nothing here is a secret
    people = [_person(dice, number, habit, now, zone) for number, habit in enumerate(_habits(dice, count))]
    people.sort(key=lambda person: person.joined_at)
    _connect(dice, people)
    for person in people:
        _live(dice, person, now, zone)
        _tell(dice, person)
        _rate(dice, person)
    return people


def _habits(dice: Random, count: int) -> list[Habit]:
    habits = dice.choices(HABITS, weights=[habit.share for habit in HABITS], k=count)
    # Even a small community has at least one of each.
    habits[: len(HABITS)] = HABITS[:count]
    return habits


def _person(dice: Random, number: int, habit: Habit, now: datetime, zone: ZoneInfo) -> Person:
    name, username, language = person_name(dice)
    day = local_day(now, zone) - timedelta(days=dice.randint(*habit.joined))
    joined_at = min(_moment(dice, day, zone), now - timedelta(minutes=90))
    return Person(
        telegram_id=5_100_000_000 + number * 7_919,
        name=name,
        username=username,
        language=language,
        habit=habit,
        joined_at=joined_at,
        channel=dice.choices(list(CHANNELS), weights=list(CHANNELS.values()))[0],
    )


def _connect(dice: Random, people: list[Person]) -> None:
    """Two in five newcomers since the referrers came were brought by one of them, the keenest most."""
    referrers = [person for person in people if person.habit.name in {"referrer", "regular"}]
    for person in people:
        earlier = [friend for friend in referrers if friend.joined_at < person.joined_at - timedelta(days=5)]
        if earlier and person.habit.name in {"newcomer", "growing", "browser"} and dice.random() < 0.4:
            weights = [8 if friend.habit.name == "referrer" else 1 for friend in earlier]
            person.brought_by = dice.choices(earlier, weights=weights)[0]
            person.channel = "referral"


def _live(dice: Random, person: Person, now: datetime, zone: ZoneInfo) -> None:
    person.deeds.append(Deed(person.joined_at, "command", "/start"))
    for day in _active_days(dice, person, now, zone):
        _visit(dice, person, day, now, zone)
    _buy_soon_after_joining(dice, person, now)
    _part(dice, person, now)


def _active_days(dice: Random, person: Person, now: datetime, zone: ZoneInfo) -> Iterator[date]:
    today = local_day(now, zone)
    last = today - timedelta(days=dice.randint(*person.habit.silent_for))
    day = local_day(person.joined_at, zone)
    while day <= last:
        # Weekends are busier by a third, as in any shop.
        if dice.random() < person.habit.visits * (1.33 if day.weekday() >= 5 else 0.9):
            yield day
        day += timedelta(days=1)


def _visit(dice: Random, person: Person, day: date, now: datetime, zone: ZoneInfo) -> None:
    at = _moment(dice, day, zone)
    for _ in range(1 + _poisson(dice, person.habit.depth - 1)):
        at += timedelta(seconds=dice.randint(4, 240))
        if person.joined_at < at < now:
            person.deeds.append(_deed(dice, person, at))
    chance = person.habit.purchases / 30 / max(person.habit.visits, 0.03)
    if dice.random() < chance and person.joined_at < at < now:
        person.baskets.append(_basket(dice, person, at))


def _deed(dice: Random, person: Person, at: datetime) -> Deed:
    kind = (
        "view" if person.habit.only_looks else dice.choices(list(KIND_WEIGHTS), weights=list(KIND_WEIGHTS.values()))[0]
    )
    details = {"view": dice.choice(PRODUCTS).sku, "press": "shop", "command": dice.choice(["/shop", "/wallet"])}
    return Deed(at, kind, details.get(kind))


def _basket(dice: Random, person: Person, at: datetime) -> Basket:
    low, high = person.habit.basket
    product = dice.choice(PRODUCTS)
    quantity = dice.choice((1, 1, 1, 2, 2, 3))
    # Prices end in 8 or 0 jiao: ¥38.80, ¥168.00.
    amount = dice.randint(low // 10, high // 10) * 10
    return Basket(at, product, quantity, amount, refunded=dice.random() < 0.03)


def _buy_soon_after_joining(dice: Random, person: Person, now: datetime) -> None:
    """Half of those a friend brought buy within the week: that is what makes a referral qualified."""
    at = person.joined_at + timedelta(hours=dice.randint(1, 120))
    if person.brought_by and dice.random() < 0.5 and at < now:
        habit = person.habit if person.habit.basket[1] else HABITS[0]
        low, high = habit.basket
        amount = dice.randint(low // 10, high // 10) * 10
        person.baskets.insert(0, Basket(at, dice.choice(PRODUCTS), 1, amount))


def _tell(dice: Random, person: Person) -> None:
    """Some answered a question or two about themselves; a company said more. Operators hung a tag on a few."""
    for name, (share, answers) in ANSWERS.items():
        if dice.random() < share:
            person.told[name] = dice.choices(list(answers), weights=list(answers.values()))[0]
    if person.told.get("customer_type") in {"enterprise", "government"}:
        person.told["company_size"] = dice.choice(("small", "small", "medium", "large"))
        person.told["industry"] = dice.choice(list(INDUSTRIES))
    chances = {"茶会 Tea session": 0.12, "企业送礼 Gifts": 0.6 if "industry" in person.told else 0.03}
    person.tags = tuple(tag for tag, chance in chances.items() if dice.random() < chance)


def _rate(dice: Random, person: Person) -> None:
    """Two in five were asked how it was, once or twice, some time after they came."""
    if dice.random() < 0.4:
        for asked in dice.sample(person.deeds, min(len(person.deeds), dice.choice((1, 1, 2)))):
            liked = dice.randint(*person.habit.likes)
            stars = f"stars:{max(1, round(liked / 2))}"
            at = asked.at + timedelta(seconds=2)
            person.deeds.append(Deed(at, "answer", f"nps:{liked}" if dice.random() < 0.7 else stars))


def _part(dice: Random, person: Person, now: datetime) -> None:
    last = max([person.joined_at, *(deed.at for deed in person.deeds)])
    if dice.random() < person.habit.leaves:
        person.blocked_at = min(now, last + timedelta(hours=2))
    elif dice.random() < person.habit.mutes:
        person.muted_at = min(now, last + timedelta(minutes=5))


def _moment(dice: Random, day: date, zone: ZoneInfo) -> datetime:
    hour = dice.choices(range(24), weights=HOURS)[0]
    return start_of_day(day, zone) + timedelta(hours=hour, minutes=dice.randint(0, 59), seconds=dice.randint(0, 59))


def _poisson(dice: Random, mean: float) -> int:
    """Knuth's: fine for means below ten."""
    limit, product, count = math.exp(-max(mean, 0)), dice.random(), 0
    while product > limit:
        product *= dice.random()
        count += 1
    return count
