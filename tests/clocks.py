"""A clock the test moves."""

from datetime import UTC, datetime, timedelta

# A Wednesday noon in Shanghai, far from any change of clocks.
NOON = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)


class FakeClock:
    """Stands still until the test lets time pass."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **units: float) -> None:
        self.now += timedelta(**units)
