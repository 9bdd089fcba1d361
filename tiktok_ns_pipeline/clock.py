"""Time as a parameter: the same code runs on the wall clock and in virtual time.

Code asks a `Clock` what time it is and sleeps through asyncio, whose loop may be a virtual one
(`sandbox.virtual_time`). Instants are timezone-aware UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the current instant."""

    def now(self) -> datetime:
        """The current instant, timezone-aware UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current instant, timezone-aware UTC."""
        return datetime.now(UTC)


def from_epoch(seconds: int) -> datetime:
    """The instant of a Unix time in seconds (T 0: TikTok's times)."""
    return datetime.fromtimestamp(seconds, UTC)


def to_epoch(instant: datetime) -> int:
    """Unix time in whole seconds; the instant must be timezone-aware."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return int(instant.timestamp())
