"""When requests with a wrong signature are worth a person's attention.

One such request is a stranger who found the address. But a few of them and no genuine one mean that we
check with the wrong secret, and then every event is refused, which TikTok takes for handled and never
sends again (T 8.1). Many beside genuine ones mean that somebody tries.

Counted in windows of ten minutes; each window gives at most one alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=10)
FEW = 3
"""So many, and no genuine one in the same window."""
MANY = 100
"""So many, whatever else comes."""


@dataclass(slots=True)
class ForgeryWatch:
    """Counts what comes; `forged` tells when to call a person."""

    _ends: datetime | None = None
    _genuine: int = 0
    _forged: int = 0
    _called: bool = False

    def genuine(self, now: datetime) -> None:
        """A request was genuine."""
        self._enter(now)
        self._genuine += 1

    def forged(self, now: datetime) -> str | None:
        """A request was not; what to tell a person, if it is time to."""
        self._enter(now)
        self._forged += 1
        if self._called or self._forged < (MANY if self._genuine else FEW):
            return None
        self._called = True
        minutes = int(WINDOW.total_seconds() / 60)
        beside = f"{self._genuine} had the right one" if self._genuine else "none had the right one"
        return (
            f"Within {minutes} minutes {self._forged} webhooks arrived with a wrong signature, and {beside}."
        )

    def _enter(self, now: datetime) -> None:
        if self._ends is None or now >= self._ends:
            self._ends = now + WINDOW
            self._genuine = self._forged = 0
            self._called = False
