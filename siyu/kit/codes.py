"""Random codes people can read aloud, type and scan: 9 symbols of 45 bits and one that checks them."""

import secrets

# Crockford's 32: no I, L, O, U, so that nobody confuses them with 1, 0 and V.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 10
_VALUE = {symbol: value for value, symbol in enumerate(ALPHABET)}
_LOOKALIKES = str.maketrans("ILOU", "110V")


def new_code() -> str:
    """A fresh code; 100,000 live ones leave a guess a chance of 2.8e-9."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH - 1))
    return body + _check(body)


def tidy(text: str) -> str:
    """What somebody typed, as we would have printed it."""
    return "".join(text.upper().split()).replace("-", "").translate(_LOOKALIKES)


def has_the_shape(code: str) -> bool:
    """Whether it could be one of ours, right or mistyped."""
    return len(code) == LENGTH and all(symbol in _VALUE for symbol in code)


def is_well_formed(code: str) -> bool:
    """Whether the check symbol fits: any one wrong symbol and any swap of neighbours is caught."""
    return has_the_shape(code) and _check(code[:-1]) == code[-1]


def _check(body: str) -> str:
    """Weighted sum over GF(32): weights are distinct powers of the generator, none of them 0."""
    total, weight = 0, 2
    for symbol in body:
        total ^= _times(_VALUE[symbol], weight)
        weight = _times(weight, 2)
    return ALPHABET[total]


def _times(a: int, b: int) -> int:
    """Product in GF(2^5) modulo x^5 + x^2 + 1."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a, b = (a << 1) ^ (0b100101 if a & 16 else 0), b >> 1
    return product
