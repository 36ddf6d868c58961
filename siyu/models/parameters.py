"""What a fit is made of: a few numbers, kept as JSON from one week to the next."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any  # a JSON object's values


@dataclass(frozen=True)
class Purchasing:
    """How rates (gamma: r, alpha in weeks) and chances to leave (beta: a, b) are spread over buyers."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float


@dataclass(frozen=True)
class Spending:
    """How orders of one buyer (gamma: p) and buyers (inverse gamma: q, `gamma` in minor units) are spread."""

    p: float
    q: float
    gamma: float
    log_likelihood: float
    observed: float  # what those who came back paid for an order: the mean over them of their means


@dataclass(frozen=True)
class Fit:
    """The three models of one day, and from how many buyers they are."""

    bg_nbd: Purchasing
    mbg_nbd: Purchasing
    gamma_gamma: Spending
    buyers: int
    sampled: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Fit":
        """Back from `to_dict`; floats come back from JSON to the last bit."""
        return cls(
            bg_nbd=Purchasing(**kept["bg_nbd"]),
            mbg_nbd=Purchasing(**kept["mbg_nbd"]),
            gamma_gamma=Spending(**kept["gamma_gamma"]),
            buyers=kept["buyers"],
            sampled=kept["sampled"],
        )
