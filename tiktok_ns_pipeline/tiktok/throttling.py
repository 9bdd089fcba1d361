"""Our own pace towards TikTok, which publishes no quota (T 2.4).

The unit of isolation is app and shop, so each has its own pace: requests evenly spaced, since even
sub-second bursts are punished, with a little room for a pair. A throttle halves the pace and stops
the shop for a moment; every success gives a little back, up to the pace that was configured. What
failed and may be repeated waits longer each time (`RetryPolicy`).

Turns go by lane: a request lets those of more urgent lanes pass that come within its lane's
*patience*, and no later ones. So stock is set while a thousand products are being listed, and the
listing ends nevertheless.
"""

from __future__ import annotations

import asyncio
import itertools
from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field

from tiktok_ns_pipeline.gate import Lane

# After one throttle come the answers of requests that were already under way; they count as one.
_ONE_INCIDENT_S = 1.0
_SLOWEST_SHARE = 1 / 64
_RECOVERY_SHARE = 1 / 32
_PATIENCE_S: Mapping[Lane, float] = {
    "urgent": 0.0,
    "orders": 1.0,
    "documents": 2.0,
    "finance": 5.0,
    "bulk": 10.0,
}
# Loops round their timers: what is due within this is due.
_DUE_S = 1e-6


@dataclass(slots=True)
class _Pace:
    per_second: float
    next_at: float = float("-inf")
    calm_until: float = float("-inf")
    turns: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """Who waits, next turn first: until when it lets others pass, and when it came."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How reads are repeated; the defaults are TikTok's own advice (T 2.4)."""

    attempts: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    jitter_s: float = 0.5


class RateLimiter:
    """A token bucket per key (app x shop), timed by the running event loop. Carries the policy by
    which reads are repeated, since both answer the same question: when may we ask again?"""

    def __init__(self, per_second: float = 5.0, burst: int = 2, retries: RetryPolicy | None = None) -> None:
        if per_second <= 0 or burst < 1:
            raise ValueError("a rate limiter needs a positive rate and a burst of one or more")
        self.retries = retries or RetryPolicy()
        self._fastest = per_second
        self._burst = burst
        self._paces: dict[str, _Pace] = {}
        self._arrivals = itertools.count()

    def per_second(self, key: str) -> float:
        """The present pace of a key, in requests per second."""
        return self._pace(key).per_second

    async def wait(self, key: str, lane: Lane) -> None:
        """Return when the next request of this key may start: by lane, then first come, first served."""
        pace = self._pace(key)
        loop = asyncio.get_running_loop()
        turn = (loop.time() + _PATIENCE_S[lane], next(self._arrivals))
        insort(pace.turns, turn)
        try:
            while True:
                wait_s = self._wait_s(pace, turn, loop.time())
                if wait_s <= _DUE_S:
                    break
                # No longer than one turn: the pace and the order may change meanwhile.
                await asyncio.sleep(min(wait_s, 1 / pace.per_second))
        finally:
            pace.turns.remove(turn)
        interval = 1 / pace.per_second
        pace.next_at = max(pace.next_at, loop.time() - (self._burst - 1) * interval) + interval

    def slow_down(self, key: str, pause_s: float = 1.0) -> None:
        """A throttle came back: halve the pace and stop for a moment."""
        pace = self._pace(key)
        now = asyncio.get_running_loop().time()
        pace.next_at = max(pace.next_at, now + pause_s)
        if now < pace.calm_until:
            return
        pace.calm_until = now + _ONE_INCIDENT_S
        pace.per_second = max(pace.per_second / 2, self._fastest * _SLOWEST_SHARE)

    def speed_up(self, key: str) -> None:
        """A request went through: give a little of the pace back."""
        pace = self._pace(key)
        pace.per_second = min(self._fastest, pace.per_second + self._fastest * _RECOVERY_SHARE)

    @staticmethod
    def _wait_s(pace: _Pace, turn: tuple[float, int], now: float) -> float:
        return pace.next_at - now + pace.turns.index(turn) / pace.per_second

    def _pace(self, key: str) -> _Pace:
        return self._paces.setdefault(key, _Pace(self._fastest))
