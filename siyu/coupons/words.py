"""Words an operator chooses for fans to type, as far apart from printed codes as people need them to be."""

import unicodedata

from siyu.kit.codes import has_the_shape, tidy

SHORTEST_WORD, LONGEST_WORD = 3, 24


def spelled(text: str) -> str:
    """What somebody typed, as we keep it: capitals, no blanks, no dashes."""
    return "".join(unicodedata.normalize("NFKC", text).upper().split()).replace("-", "")


def is_word(text: str) -> bool:
    """Whether it can be a shared code; one that looks printed would be held against its check symbol instead."""
    return SHORTEST_WORD <= len(text) <= LONGEST_WORD and text.isalnum() and not has_the_shape(tidy(text))
