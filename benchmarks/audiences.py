"""Forty segments as operators save them: what a recompute keeps up to date beside the shipped dimensions."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.community import NOW, TAGS
from siyu.kit.database import Database
from siyu.tables import SavedSegment

Rule = Mapping[str, Any]  # Any: the contract's RULE


def forty() -> Iterator[tuple[str, Rule]]:
    """Every kind of condition, nested as people nest them."""
    for n, tag in enumerate(TAGS):
        yield f"tagged_{n}", {"all": [{"tag": tag}, {"metric": "purchases_365d", "op": ">=", "value": n + 1}]}
        yield f"untagged_{n}", {"all": [{"none": [{"tag": tag}]}, {"metric": "days_silent", "op": "<=", "value": 30}]}
    for n, often in enumerate((1, 2, 3, 5)):
        yield f"checks_in_{n}", {"did": "checkin", "days": 30 * (n + 1), "at_least": often}
        yield f"silent_{n}", {"metric": "days_silent", "op": ">", "value": 14 * (n + 1)}
    for n, level in enumerate(("loyal", "growing", "at_risk", "lost")):
        yield f"level_{n}", {"all": [
            {"dimension": "loyalty", "in": [level]}, {"dimension": "interaction_frequency", "in": ["high", "mid"]},
        ]}  # fmt: skip
        yield f"rich_{n}", {"all": [
            {"dimension": "value", "in": ["high"]}, {"none": [{"dimension": "lifecycle", "in": ["lost"]}]},
            {"metric": "spend_365d", "op": ">=", "value": 10_000 * (n + 1)},
        ]}  # fmt: skip
    for n in range(4):
        yield f"score_{n}", {"any": [
            {"metric": "rfm_r", "op": ">=", "value": n + 2},
            {"all": [
                {"metric": "rfm_m", "op": "=", "value": 5}, {"none": [{"dimension": "rfm", "in": ["champions"]}]},
            ]},
        ]}  # fmt: skip
        yield f"wants_{n}", {"all": [
            {"metric": "intent_score", "op": ">=", "value": n + 1}, {"metric": "purchases_30d", "op": "=", "value": 0},
        ]}  # fmt: skip
    for n, gender in enumerate(("female", "male", "other", "unknown")):
        yield f"who_{n}", {"all": [{"dimension": "gender", "in": [gender]}, {"none": [{"segment": f"silent_{n}"}]}]}
        yield f"brings_{n}", {"all": [
            {"metric": "referrals_total", "op": ">", "value": n}, {"segment": f"untagged_{n}"},
        ]}  # fmt: skip


async def save(database: Database) -> int:
    """Written down as if somebody had saved them; how many."""
    rows = [_row(key, rule) for key, rule in forty()]
    async with database.writing() as session:
        session.add(*rows)
    return len(rows)


def _row(key: str, rule: Rule) -> SavedSegment:
    return SavedSegment(
        key=key, label=key, rule=json.loads(json.dumps(rule)), owner="bench", owner_name="bench", created_at=NOW,
        changed_at=NOW,
    )  # fmt: skip
