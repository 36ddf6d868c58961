"""Privacy: a fan sees everything that is kept of them, and can have it forgotten."""

from siyu.privacy.copy import copy_of, summary_of
from siyu.privacy.erasure import forget, must_be_free_to_go
from siyu.privacy.records import KEPT_WITHOUT_A_NAME, PERSONAL, people_in

__all__ = [
    "KEPT_WITHOUT_A_NAME", "PERSONAL",
    "copy_of", "forget", "must_be_free_to_go", "people_in", "summary_of",
]  # fmt: skip
