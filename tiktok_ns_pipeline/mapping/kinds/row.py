"""One kind of exception: a promise to a person, who must be able to do what it says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Owner = Literal["operations", "finance", "data"]
Severity = Literal["info", "warning", "error", "critical"]

REPLAYS = "The order is replayed by itself."


@dataclass(frozen=True, slots=True)
class ExceptionKind:
    """One kind of exception."""

    name: str
    title: str
    owner: Owner
    severity: Severity
    within: timedelta
    """It is due so long after it was opened, at the latest."""
    before_dispatch: bool
    """Whether it is also due when TikTok's own deadline ends: the order must be handed to the carrier
    (T 3.2), a buyer's request to cancel must be answered (T 6.1)."""
    what_to_do: str
    source: str
    may_pass: bool = False
    """Whether its cause goes when somebody does something elsewhere: what it stopped is then tried again
    from time to time, and nobody has to ask for a replay."""

    def due_at(self, opened_at: datetime, dispatch_by: datetime | None = None) -> datetime:
        """When it must be dealt with; `dispatch_by` is TikTok's own deadline for it, if it has one."""
        latest = opened_at + self.within
        if self.before_dispatch and dispatch_by is not None:
            return min(latest, dispatch_by)
        return latest


def kind(
    name: str,
    title: str,
    owner: Owner,
    severity: Severity,
    hours: int,
    what_to_do: str,
    source: str,
    *,
    before_dispatch: bool = True,
    may_pass: bool = False,
) -> ExceptionKind:
    """A row of the table; `hours` after it was opened it is due."""
    return ExceptionKind(
        name, title, owner, severity, timedelta(hours=hours), before_dispatch, what_to_do, source, may_pass
    )
