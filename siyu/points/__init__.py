"""Points: given by rules, spent on coupons, taken back with refunds; every sum adds up."""

from siyu.points.birthdays import congratulate
from siyu.points.books import RULES, books
from siyu.points.checkins import CheckedIn, check_in, checked_in_today
from siyu.points.earnings import Bought, earn_for, take_back_for
from siyu.points.expiry import any_due, run_out_some
from siyu.points.ledger import Grant, adjust, balance, earn, grant, spend, take_back
from siyu.points.standing import Movement, Standing, movements, standing
from siyu.points.terms import (
    BY_MONEY,
    MOVEMENTS,
    SHIPPED,
    Programme,
    Rule,
    change_rule,
    programme,
    rule_in_force,
    rules,
    switch_off,
    switch_on,
)
from siyu.points.tiers import (
    NewTier,
    any_to_settle,
    change_tiers,
    changes_of,
    members_by_tier,
    settle_some,
    tiers,
)

__all__ = [
    "BY_MONEY", "MOVEMENTS", "RULES", "SHIPPED", "Bought", "CheckedIn", "Grant", "Movement", "NewTier", "Programme",
    "Rule", "Standing", "adjust", "any_due", "any_to_settle", "balance", "books", "change_rule", "change_tiers",
    "changes_of", "check_in", "checked_in_today", "congratulate", "earn", "earn_for", "grant", "members_by_tier",
    "movements", "programme", "rule_in_force", "rules", "run_out_some", "settle_some", "spend", "standing",
    "switch_off", "switch_on", "take_back", "take_back_for", "tiers",
]  # fmt: skip
