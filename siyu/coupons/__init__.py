"""Coupons: offers, the coupons cut from them, and their use; never more than the stock, never twice."""

from siyu.coupons.books import RULES, books
from siyu.coupons.claims import Claimed, Issued, claim, issue
from siyu.coupons.handing import Holder, Slip, find_slip, foresee, hand_out, holders
from siyu.coupons.holds import hold, release
from siyu.coupons.offers import (
    NewOffer,
    activate,
    ceiling,
    change,
    create,
    get_offer,
    get_offer_by_code,
    list_offers,
    pause,
)
from siyu.coupons.redemption import (
    UNDO_MINUTES,
    Redeemed,
    Use,
    can_be_undone,
    is_good_in,
    link,
    quote,
    redeem,
    reverse,
    undo,
)
from siyu.coupons.wallet import Carried, Standing, Wallet, carried_by_code, usable_for, wallet
from siyu.kit.books import Breach

__all__ = [
    "RULES", "UNDO_MINUTES", "Breach", "Carried", "Claimed", "Holder", "Issued", "NewOffer", "Redeemed", "Slip",
    "Standing", "Use", "Wallet", "activate", "books", "can_be_undone", "carried_by_code", "ceiling", "change",
    "claim", "create", "find_slip", "foresee", "get_offer", "get_offer_by_code", "hand_out", "hold", "holders",
    "is_good_in", "issue", "link", "list_offers", "pause", "quote", "redeem", "release", "reverse", "undo",
    "usable_for", "wallet",
]  # fmt: skip
