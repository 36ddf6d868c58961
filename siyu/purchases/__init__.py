"""Purchases: money fans paid, by whatever way it came, counted once; and what was given back."""

from siyu.purchases.books import RULES, books
from siyu.purchases.checkouts import (
    Again,
    Fit,
    Invoice,
    Payment,
    Settled,
    SettledOddly,
    check_before_payment,
    fits,
    open_checkout,
    settle,
)
from siyu.purchases.counter import (
    LONGEST_NAME,
    UNDO_MINUTES,
    CounterSale,
    Sold,
    can_be_undone,
    give_back,
    sell,
    take_back,
)
from siyu.purchases.reconciling import ask_for_stars, reconcile_stars, star_checks
from siyu.purchases.refunds import STAFF, TELEGRAM, note_refund_agreed, refund, refund_stars
from siyu.purchases.requests import ask_refund, decline_refund, open_requests, requests_of
from siyu.purchases.sales import Line, Sale, Verdict, get_purchase, lines_of, purchases_of, record, sums_of

__all__ = [
    "LONGEST_NAME", "RULES", "STAFF", "TELEGRAM", "UNDO_MINUTES", "Again", "CounterSale", "Fit", "Invoice", "Line",
    "Payment", "Sale", "Settled", "SettledOddly", "Sold", "Verdict", "ask_for_stars", "ask_refund", "books",
    "can_be_undone", "check_before_payment", "decline_refund", "fits", "get_purchase", "give_back", "lines_of",
    "note_refund_agreed", "open_checkout", "open_requests", "purchases_of", "reconcile_stars", "record", "refund",
    "refund_stars", "requests_of", "sell", "settle", "star_checks", "sums_of", "take_back",
]  # fmt: skip
