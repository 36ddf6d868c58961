"""Attributes: what is known of a fan beyond the columns, and what the values of a defined one must look like."""

from siyu.attributes.definitions import (
    LONGEST_LABEL,
    MOST_CHOICES,
    TAKEN,
    Choice,
    Known,
    NewAttribute,
    binding,
    change_attribute,
    define_attribute,
    definitions,
    find_attribute,
    get_attribute,
    known_attributes,
    undefine_attribute,
)
from siyu.attributes.keeping import keep, set_values
from siyu.attributes.values import fit, read_value

__all__ = [
    "LONGEST_LABEL",
    "MOST_CHOICES",
    "TAKEN",
    "Choice",
    "Known",
    "NewAttribute",
    "binding",
    "change_attribute",
    "define_attribute",
    "definitions",
    "find_attribute",
    "fit",
    "get_attribute",
    "keep",
    "known_attributes",
    "read_value",
    "set_values",
    "undefine_attribute",
]
