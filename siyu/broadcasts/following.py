"""Broadcasts that follow another: to the fans whom that one did not reach, or who pressed nothing under it."""

from enum import StrEnum
from typing import Protocol

from sqlalchemy import Select, select
from sqlmodel import col

from siyu.tables import Delivery, DeliveryState

# Not the held out, who are there to be compared with; nor the unknown, who may have got it.
UNREACHED = (DeliveryState.FAILED, DeliveryState.BLOCKED, DeliveryState.SKIPPED)


class Follows(StrEnum):
    """Whom of the earlier broadcast the new one goes to."""

    NOT_REACHED = "not_reached"
    NOT_PRESSED = "not_pressed"


class Following(Protocol):
    """A broadcast that may follow another."""

    @property
    def follows_id(self) -> int | None: ...

    @property
    def follows(self) -> str | None: ...


def followed(whom: Following) -> Select[int]:
    """Ids of its fans, out of the other's ledger as it stands now; nobody where it follows none."""
    of_that = select(col(Delivery.fan_id)).where(col(Delivery.broadcast_id) == whom.follows_id)
    if whom.follows == Follows.NOT_PRESSED:
        return of_that.where(col(Delivery.state) == DeliveryState.SENT, col(Delivery.clicked_at).is_(None))
    return of_that.where(col(Delivery.state).in_(UNREACHED))
