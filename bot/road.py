"""The road to Telegram: so many calls in flight as keep it busy; when each leaves is the pace's."""

import asyncio

from siyu.pace import AHEAD_SECONDS, BROADCAST, Grant, Pace

# At 80 ms an answer, 16 in flight reach Telegram's 30 a second; faster bots get half a second's worth.
LEAST_IN_FLIGHT = 16


class Road:
    """A way to Telegram with a pace of its own, and so many hands."""

    def __init__(self, pace: Pace, rate: float) -> None:
        self.pace = pace
        self.at_once = max(1, int(rate * AHEAD_SECONDS))
        self._hands = asyncio.Semaphore(max(LEAST_IN_FLIGHT, int(rate / 2)))

    async def slots(self, most: int, *, weight: int) -> Grant:
        """Hands first, then slots for them; each walk stands in line once, so they take turns."""
        await self._hands.acquire()
        hands = 1
        while hands < most and not self._hands.locked():
            await self._hands.acquire()
            hands += 1
        grant = Grant(0)
        try:
            grant = await self.pace.slots(BROADCAST, hands, weight=weight)
        finally:
            self.free(hands - grant.slots)
        return grant

    def free(self, hands: int) -> None:
        for _ in range(hands):
            self._hands.release()
