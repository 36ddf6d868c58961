"""The domain: what a fan, a purchase, a segment, a broadcast and a coupon are, and their rules."""
