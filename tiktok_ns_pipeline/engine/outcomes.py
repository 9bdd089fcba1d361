"""What a handler may answer about an intent that it was given.

A handler either answers one of these or raises; an error is classified by `classification`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tiktok_ns_pipeline.engine.logins import System
from tiktok_ns_pipeline.ledger.intents import Intent
from tiktok_ns_pipeline.ledger.links import Link


@dataclass(frozen=True, slots=True)
class Applied:
    """The fact is true on the other side. The link is stored with it."""

    link: Link | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """Looked up, and not there: it may be sent again. A link found on the way is stored."""

    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """Still not known; look again later."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """Something else must be there first. Costs no attempt."""

    reason: str
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class Park:
    """A person has to decide: becomes an exception of that kind, in business words."""

    kind: str
    cause: str
    message: str
    what_to_do: str | None = None


Outcome = Applied | Absent | Unclear | NotYet | Park


ENGINE_KINDS: Sequence[str] = (
    "netsuite_refused",
    "tiktok_refused",
    "netsuite_differs",
    "external_id_taken",
    "unclassified_error",
    "amendment_too_late",
    "reference_refused",
    "still_failing",
)
"""Exceptions that the engine itself, or a handler of any flow, opens about an intent."""


class Handler(Protocol):
    """Knows how one kind of fact is made true, and how to find out whether it is."""

    kind: str
    system: System
    """Whose slots it uses: `netsuite` or `tiktok`."""
    batch_size: int
    """How many intents of one shop go into one call."""
    clears: Sequence[str]
    """Kinds of exceptions about its subject that success proves gone."""

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Make the facts true. Answers in the order given."""
        ...

    async def look_up(self, intent: Intent) -> Outcome:
        """Find out what became of an attempt whose end we did not see."""
        ...

    def subject(self, intent: Intent) -> str:
        """What an exception about it is about, such as `order 5770…`."""
        ...
