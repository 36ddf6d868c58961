"""Purchases: money fans paid, by whatever way it came, counted once; and what was given back."""

from siyu.purchases.books import books
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
from siyu.purchases.refunds import TELEGRAM, note_refund_agreed, refund, refund_stars
from siyu.purchases.requests import ask_refund, decline_refund, open_requests, requests_of
from siyu.purchases.sales import Line, Sale, Verdict, get_purchase, lines_of, purchases_of, record

__all__ = [
    "TELEGRAM", "Again", "Fit", "Invoice", "Line", "Payment", "Sale", "Settled", "SettledOddly", "Verdict",
    "ask_refund", "books", "check_before_payment", "decline_refund", "fits", "get_purchase", "lines_of",
    "note_refund_agreed", "open_checkout", "open_requests", "purchases_of", "record", "refund", "refund_stars",
    "requests_of", "settle",
]  # fmt: skip
