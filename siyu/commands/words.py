"""The closed words a command line takes, spelled once more here so that `--help` need not load the database.

A test holds them against the domain's own.
"""

from enum import StrEnum


class RoleWord(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class ScopeWord(StrEnum):
    READ = "read"
    WRITE = "write"


class FileWord(StrEnum):
    """What a file can bring in."""

    FANS = "fans"
    PURCHASES = "purchases"
    INTERACTIONS = "interactions"


class ExportWord(StrEnum):
    """What can be taken out."""

    FANS = "fans"
    PURCHASES = "purchases"
    INTERACTIONS = "interactions"
    COUPONS = "coupons"
    SEGMENT = "segment"
    DELIVERIES = "deliveries"


class PartWord(StrEnum):
    """The parts of the product that can run in a process of their own."""

    WEB = "web"
    BOT = "bot"
    SCHEDULER = "scheduler"
    SENDER = "sender"
