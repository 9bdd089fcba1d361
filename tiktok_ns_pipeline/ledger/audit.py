"""Audit: who did what to which document, appended and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tiktok_ns_pipeline.ledger import schema


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act. The detail carries no buyer's data."""

    actor: str
    action: str
    subject: str
    detail: str = ""


class Audit:
    """The audit trail, within one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def write(self, entries: Sequence[AuditEntry]) -> None:
        """Append entries."""
        if entries:
            rows = [
                {
                    "at": self._now,
                    "actor": e.actor,
                    "action": e.action,
                    "subject": e.subject,
                    "detail": e.detail,
                }
                for e in entries
            ]
            self._connection.execute(sa.insert(schema.audit), rows)

    def of(self, subject: str) -> list[tuple[datetime, AuditEntry]]:
        """What happened to a subject, oldest first."""
        table = schema.audit
        statement = sa.select(table).where(table.c.subject == subject).order_by(table.c.id)
        return [
            (row["at"], AuditEntry(row["actor"], row["action"], row["subject"], row["detail"]))
            for row in self._connection.execute(statement).mappings()
        ]
