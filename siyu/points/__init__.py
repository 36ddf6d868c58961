"""Points: given by rules, spent on coupons, taken back with refunds; every sum adds up."""

from siyu.points.books import RULES, books
from siyu.points.earnings import Bought, earn_for, take_back_for
from siyu.points.expiry import any_due, run_out_some
from siyu.points.ledger import Grant, adjust, balance, earn, grant, spend, take_back
from siyu.points.terms import (
    BY_MONEY,
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

__all__ = [
    "BY_MONEY", "RULES", "SHIPPED", "Bought", "Grant", "Programme", "Rule", "adjust", "any_due", "balance", "books",
    "change_rule", "earn", "earn_for", "grant", "programme", "rule_in_force", "rules", "run_out_some", "spend",
    "switch_off", "switch_on", "take_back", "take_back_for",
]  # fmt: skip
