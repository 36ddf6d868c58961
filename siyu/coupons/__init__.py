"""Coupons: offers, the coupons cut from them, and their use; never more than the stock, never twice."""

from siyu.coupons.books import RULES, books
from siyu.coupons.claims import Claimed, Issued, claim, issue
from siyu.coupons.codes import (
    Entered,
    Stocked,
    ask,
    codes_of_csv,
    count_codes,
    enter,
    forget_attempts,
    import_codes,
    is_shared,
    list_codes,
    looks_printed,
    print_codes,
    was_asked,
)
from siyu.coupons.effects import WITHIN_DAYS, Compared, Effects, Till, Way, effects
from siyu.coupons.handing import (
    Holder,
    Revoked,
    Slip,
    could_be_revoked,
    find_slip,
    foresee,
    hand_out,
    holders,
    revoke,
)
from siyu.coupons.holds import hold, release
from siyu.coupons.offers import (
    NO_CEILING,
    NewOffer,
    activate,
    ceiling,
    ceiling_in_stars,
    change,
    create,
    get_offer,
    get_offer_by_code,
    list_offers,
    pause,
    pause_all,
)
from siyu.coupons.redemption import (
    UNDO_MINUTES,
    Good,
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
from siyu.coupons.reminders import Reminded, any_expired, any_to_remind, label_expired, remind_some
from siyu.coupons.rewards import Reward, exchange, had_for_points, open_rewards, rewards, set_cost
from siyu.coupons.wallet import Carried, Standing, Wallet, carried_by_code, usable_for, wallet
from siyu.kit.books import Breach

__all__ = [
    "NO_CEILING", "RULES", "UNDO_MINUTES", "WITHIN_DAYS", "Breach", "Carried", "Claimed", "Compared", "Effects",
    "Entered", "Good", "Holder", "Issued", "NewOffer", "Redeemed", "Reminded", "Revoked", "Reward", "Slip", "Standing",
    "Stocked", "Till", "Use", "Wallet", "Way", "activate", "any_expired", "any_to_remind", "ask", "books",
    "can_be_undone", "carried_by_code", "ceiling", "ceiling_in_stars", "change", "claim", "codes_of_csv",
    "could_be_revoked", "count_codes", "create", "effects", "enter", "exchange", "find_slip", "foresee",
    "forget_attempts", "get_offer", "get_offer_by_code", "had_for_points", "hand_out", "hold", "holders",
    "import_codes", "is_good_in", "is_shared", "issue", "label_expired", "link", "list_codes", "list_offers",
    "looks_printed", "open_rewards", "pause", "pause_all", "print_codes", "quote", "redeem", "release", "remind_some",
    "reverse", "revoke", "rewards", "set_cost", "undo", "usable_for",
    "wallet", "was_asked",
]  # fmt: skip
