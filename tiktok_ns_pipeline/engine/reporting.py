"""How trouble becomes an exception: the kind's row and the mapping decide all but what happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.mapping.exception_kinds import kind_named


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes exceptions with their owner, severity, advice and due instant (DESIGN 6)."""

    clock: Clock
    owner_of: Callable[[str], str]
    """Owner of a kind, by the mapping."""

    def exception(
        self,
        kind_name: str,
        *,
        channel: str,
        shop: str,
        subject: str,
        cause: str,
        message: str,
        what_to_do: str | None = None,
        dispatch_by: datetime | None = None,
    ) -> NewException:
        """An exception to be opened. `dispatch_by` is the order's dispatch deadline, if it has one.

        Raises KeyError for a kind that the table does not have.
        """
        kind = kind_named(kind_name)
        return NewException(
            kind=kind.name,
            channel=channel,
            shop=shop,
            subject=subject,
            cause=cause[:_LONGEST_CAUSE],
            message=message,
            what_to_do=what_to_do or kind.what_to_do,
            owner=self.owner_of(kind.name),
            severity=kind.severity,
            due_at=kind.due_at(self.clock.now(), dispatch_by),
        )


_LONGEST_CAUSE = 200
