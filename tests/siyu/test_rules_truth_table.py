"""A rule fits the same people as SQL for everybody, as SQL for a few, and one by one in Python: those it says."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from siyu import segments
from siyu.app import App
from siyu.kit.database import Database
from siyu.segments import Group, definitions, rules
from siyu.segments.compiler import Scope, fan_metrics, holds, parameters
from siyu.tables import AsOf
from tests.conftest import DATABASES
from tests.effort import examples
from tests.siyu import invented_rules as invented
from tests.siyu.oracle import fits, remember, told
from tests.siyu.test_metrics_never_drift import FACTS, PHASES, STEP, fresh
from tests.siyu.worlds import Rule, World

WORDS = ("all", "any", "none")
LEAVES: dict[str, Rule] = {
    "metric": {"metric": "purchases_total", "op": ">=", "value": 1},
    "metric nobody has before buying": {"metric": "days_since_purchase", "op": "<=", "value": 400},
    "metric of a moment": {"metric": "first_purchase_at", "op": ">", "value": "2026-01-01"},
    "dimension": {"dimension": "loyalty", "in": ["casual", "growing"]},
    "dimension by place": {"dimension": "purchase_amount", "in": ["high"]},
    "interest": {"dimension": "interests", "in": ["drinks"]},
    "tag": {"tag": "a"},
    "attribute": {"attribute": "city", "op": "contains", "value": "köl"},
    "attribute that is known": {"attribute": "city", "op": "known"},
    "attribute that is another": {"attribute": "city", "op": "!=", "value": "Köln"},
    "did": {"did": "view", "days": 30, "at_least": 2},
    "segment": {"segment": "regulars"},
    "segment of a level": {"segment": "lifecycle.potential"},
    "fans": {"fans": [1000, 1004, 77]},
    "was": {"was": "loyalty.none", "on": "2026-03-04"},
    "was in a saved one": {"was": "regulars", "on": "2026-03-05"},
}


async def town(database: Database) -> tuple[World, dict[str, int]]:
    """One of each kind of people; some came by different days, bought different things, and moved."""
    world = World(database)
    await world.stock()
    people = {
        name: await world.admit(channel=channel, talks=name != "imported only")
        for name, channel in {
            "tagged a": "search", "tagged b": "direct", "both": "social", "none": "WeChat", "untagged": "",
            "blocked": "direct", "imported only": "email", "never bought": "direct",
        }.items()
    }  # fmt: skip
    for name in ("tagged a", "both", "untagged", "blocked"):
        await world.tag(people[name], "a")
    for name in ("tagged b", "both"):
        await world.tag(people[name], "b")
    await world.untag(people["untagged"], "a")
    await world.save("regulars", {"metric": "purchases_total", "op": ">=", "value": 2})
    await run(world)
    for n, name in enumerate(("tagged a", "both", "none", "untagged", "blocked", "imported only")):
        world.now += timedelta(hours=9)
        for k in range(n % 3 + 1):
            await world.buy(people[name], at=world.now - timedelta(days=50 * k), amount=300 * n + k)
        await run(world)
    for n, name in enumerate(("both", "none", "never bought")):
        for _ in range(n + 1):
            await world.look(people[name], "tea", at=world.now - timedelta(days=9 * n))
    for name, city in {"tagged a": "Köln", "none": "KÖLN am Rhein", "never bought": "", "blocked": "Bonn"}.items():
        await world.describe(people[name], "city", city)
    await world.block(people["blocked"])
    world.now += timedelta(days=2)
    await run(world)
    return world, people


async def run(world: World) -> None:
    await world.recompute()
    remember(world)


async def compiled(database: Database, wanted: Sequence[Rule], *, everybody: bool) -> list[set[int]]:
    """Whom the database finds for each."""
    async with database.reading() as session:
        as_of = await session.get(AsOf, 1)
        assert as_of is not None
        whole, cuts = definitions.applied(as_of), await definitions.cuts_known(session)
        scope, together = Scope(fan_metrics, whole, everybody=everybody), together_of(wanted)
        columns = (holds(rule, scope).label(f"rule_{n}") for n, rule in enumerate(together.of))
        rows = await session.rows(select(fan_metrics.c.fan_id, *columns), parameters(whole, together, as_of, cuts))
    assert None not in {value for row in rows for value in row}, "no condition is unknown"
    return [{row[0] for row in rows if row[n + 1]} for n in range(len(wanted))]


async def explained(world: World, wanted: Sequence[Rule]) -> list[set[int]]:
    """Whom the reasons say each holds for."""
    found: list[set[int]] = [set() for _ in wanted]
    async with world.database.reading() as session:
        for fan_id in world.fans:
            node = await segments.explain_rule(session, together_of(wanted), world.people[fan_id].telegram_id)
            assert isinstance(node, Group)
            for there, part in zip(found, node.of, strict=True):
                there |= {fan_id} if part.holds else set()
    return found


def together_of(wanted: Sequence[Rule]) -> rules.AnyOf:
    return rules.AnyOf(tuple(rules.parse(rule) for rule in wanted))


async def agree(world: World, wanted: Sequence[Rule]) -> list[set[int]]:
    """Hold each against the plain definition, in every way; who fits."""
    whole = told(world, world.now)
    plain = [{fan_id for fan_id in world.fans if fits(whole, fan_id, rule)} for rule in wanted]
    for way, found in {
        "for everybody": await compiled(world.database, wanted, everybody=True),
        "for a few": await compiled(world.database, wanted, everybody=False),
        "one by one": await explained(world, wanted),
    }.items():
        assert not [one for one in zip(wanted, found, plain, strict=True) if one[1] != one[2]], way
    return plain


async def test_every_kind_of_condition_stands_in_all_any_and_none_included_and_excluded(app: App) -> None:
    world, _ = await town(app.database)
    everybody = set(world.fans)
    for kind, leaf in LEAVES.items():
        included = [leaf, *({word: [leaf, {"tag": "b"}]} for word in WORDS)]
        excluded = [{"none": [rule]} for rule in included]

        found = await agree(world, [*included, *excluded])

        assert 0 < len(found[0]) < len(everybody), f"{kind}: somebody fits, and somebody does not"
        assert [everybody - there for there in found[:4]] == found[4:]


async def test_tags_in_words_of_the_truth_table(app: App) -> None:
    world, people = await town(app.database)
    names = {fan_id: name for name, fan_id in people.items()}
    a, b = {"tag": "a"}, {"tag": "b"}
    wanted: list[tuple[Rule, set[str]]] = [
        ({"all": [a, b]}, {"both"}),
        ({"any": [a, b]}, {"tagged a", "tagged b", "both", "blocked"}),
        ({"none": [a, b]}, {"none", "untagged", "imported only", "never bought"}),
        ({"all": [a, {"none": [b]}]}, {"tagged a", "blocked"}),
        ({"any": [a, {"none": [b]}]}, set(people) - {"tagged b"}),
        ({"none": [a, {"none": [b]}]}, {"tagged b"}),
        ({"none": [{"all": [a, b]}]}, set(people) - {"both"}),
        ({"none": [{"any": [a, b]}]}, {"none", "untagged", "imported only", "never bought"}),
        ({"none": [{"none": [a, b]}]}, {"tagged a", "tagged b", "both", "blocked"}),
    ]

    found = await agree(world, [rule for rule, _ in wanted])

    assert [{names[fan_id] for fan_id in there} for there in found] == [right for _, right in wanted]


async def test_what_nobody_did_is_neither_less_nor_more_and_excluding_it_includes_them(app: App) -> None:
    world, people = await town(app.database)
    never = {people["tagged b"], people["never bought"]}
    for metric in ("days_since_purchase", "average_order", "hours_to_first_purchase", "rfm_r", "coupon_share"):
        comparisons = [{"metric": metric, "op": op, "value": 7} for op in ("<", "<=", "=", "!=", ">=", ">")]

        found = await agree(world, [*comparisons, {"none": comparisons}])

        assert not never & set().union(*found[:6])
        assert found[6] == never


async def test_every_metric_compares_alike_in_every_way(app: App) -> None:
    world, _ = await town(app.database)
    for metric in invented.METRICS:
        moments = ["2026-03-05", "2026-03-05T01:00:00+01:00"]
        values = moments if metric in invented.MOMENTS else [-1, 0, 1, 2.7, 30, 10**15]
        wanted = [
            {"metric": metric, "op": op, "value": value} for value in values for op in ("<", "<=", "=", "!=", ">=", ">")
        ]

        await agree(world, wanted)


@pytest.mark.parametrize("kind", DATABASES)
def test_invented_rules_over_invented_histories_fit_whom_they_say(kind: str) -> None:
    histories = st.lists(st.one_of(*FACTS), min_size=3, max_size=14)
    questions = st.lists(invented.rules(depth=4), min_size=6, max_size=6)

    @settings(max_examples=examples(3), deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(histories, questions)
    def after(history: list[tuple[object, ...]], wanted: list[Rule]) -> None:
        with fresh(kind) as url:
            asyncio.run(_asked_after(url, history, wanted))

    after()


async def _asked_after(url: str, history: list[tuple[object, ...]], wanted: list[Rule]) -> None:
    database = Database(url)
    try:
        world = World(database)
        await world.stock()
        await world.admit()
        await run(world)
        for verb, *details in history:
            await STEP[str(verb)](world, *details)
        world.now += timedelta(days=1)
        await run(world)
        await agree(world, [invented.made_to_fit(rule, world) for rule in wanted])
    finally:
        await database.close()
