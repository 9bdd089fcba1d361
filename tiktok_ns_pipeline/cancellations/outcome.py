"""What staging makes of a cancelled order, or of a cancellation.

- *closure*: the order is cancelled; its Sales Order is to be closed, or never to be made;
- *request*: a buyer asks to cancel and waits for an answer until a deadline;
- *ended*: a cancellation that asks for nothing (any more): granted, rejected or withdrawn;
- *nothing*: the order is not cancelled (any more of it than the orders flow sees by itself);
- *malformed*: it cannot be read, or says what nobody documented.

Every outcome names its subject and version. Texts carry nothing that a buyer wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

CHANNEL = "tiktok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which version of what an outcome is about."""

    shop: str
    """Shop code of the mapping."""
    order_id: str | None
    cancel_id: str | None
    """None where the order itself was read."""
    update_time: datetime | None
    reason: str
    """Why it is so, in business words."""

    @property
    def subject(self) -> str:
        """What an exception about it is about."""
        return f"cancellation {self.cancel_id}" if self.cancel_id else f"order {self.order_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure(Version):
    """An order that TikTok cancelled: final (T 3.2)."""

    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Version):
    """A buyer's request that waits for the seller."""

    order_id: str
    cancel_id: str
    deadline: datetime | None
    """When TikTok approves it by itself; None where TikTok does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Version):
    """A cancellation that nobody has to answer (any more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing(Version):
    """An order that is not cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed(Version):
    """A record that a person must look at."""

    cause: str
    """Stable slug without ids, such as `status:…`."""


Outcome = Closure | Request | Ended | Nothing | Malformed
