"""The webhook inbox: what TikTok told us happened, stored once each, until a flow has looked.

An event is a hint, never a truth: it says which document to read again (DESIGN 1). It is *stored* by
the receiver before TikTok gets its 200, *taken* by the flow that it is for, and *handled* in the
transaction that plans what the flow saw, so that a crash in between shows it again. Events that no
flow wants are stored as handled, with a note why.

Invariant: one row per notification, however often and on however many receivers it arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tiktok_ns_pipeline.ledger import schema
from tiktok_ns_pipeline.ledger.database import insert_or_skip

_IDS_AT_ONCE = 500
FORGOTTEN_AT_ONCE = 5_000
"""Rows that one transaction forgets, so that no writer waits long for it."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as it came. Its texts are printable and within the columns' widths."""

    notification_id: str
    channel: str
    shop_id: str
    """The channel's id of the shop, empty where the event names none."""
    event_type: str
    subject: str
    """Such as `order 5770…`."""
    flow: str
    """The flow that it is for; empty when none takes it, and then it is handled at once."""
    body: str
    note: str = ""
    """Why it was handled at once."""


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """A stored event."""

    id: int
    notification_id: str
    channel: str
    shop_id: str
    event_type: str
    subject: str
    flow: str
    body: str
    note: str
    received_at: datetime
    handled_at: datetime | None


@dataclass(frozen=True, slots=True)
class InboxCount:
    """How many events of one flow wait and how many were handled."""

    waiting: int
    handled: int
    oldest_waiting: datetime | None


_STORE = insert_or_skip(schema.webhook_inbox).returning(schema.webhook_inbox.c.id)


class Inbox:
    """The inbox, within one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def store(self, events: Sequence[NewEvent]) -> int:
        """Keep these events; how many of them were new."""
        # Two receivers that store the same notifications wait for each other in one order only,
        # or PostgreSQL would have to break a deadlock.
        rows = [self._row(event) for event in sorted(events, key=lambda event: event.notification_id)]
        if not rows:
            return 0
        return len(self._connection.execute(_STORE, rows).all())

    def take(self, flow: str, limit: int, shop_ids: Sequence[str] = ()) -> list[InboxEvent]:
        """Events that a flow has not handled yet, oldest first; of these shops, or of all."""
        table = schema.webhook_inbox
        statement = sa.select(table).where(self._waiting(flow, shop_ids)).order_by(table.c.id).limit(limit)
        return [InboxEvent(**row) for row in self._connection.execute(statement).mappings()]

    def handled(self, ids: Sequence[int]) -> None:
        """The flow has planned what these events made it look at."""
        table = schema.webhook_inbox
        for start in range(0, len(ids), _IDS_AT_ONCE):
            self._connection.execute(
                sa.update(table)
                .where(table.c.id.in_(ids[start : start + _IDS_AT_ONCE]), schema.IS_UNHANDLED)
                .values(handled_at=self._now)
            )

    def is_waiting(self, flow: str, shop_ids: Sequence[str] = ()) -> bool:
        """Whether a flow has anything to take; of these shops, or of all."""
        asked = sa.select(sa.exists().where(self._waiting(flow, shop_ids)))
        return bool(self._connection.execute(asked).scalar_one())

    def counts(self) -> dict[str, InboxCount]:
        """By flow, with the empty name for what none takes. Reads the whole inbox."""
        table = schema.webhook_inbox
        waits = table.c.handled_at.is_(None)
        statement = (
            sa.select(
                table.c.flow,
                sa.func.count().filter(waits).label("waiting"),
                sa.func.count().filter(sa.not_(waits)).label("handled"),
                sa.func.min(table.c.received_at).filter(waits).label("oldest"),
            )
            .group_by(table.c.flow)
            .order_by(table.c.flow)
        )
        return {
            row.flow: InboxCount(row.waiting, row.handled, row.oldest)
            for row in self._connection.execute(statement)
        }

    def forget_before(self, instant: datetime) -> int:
        """Delete some of the events handled before then, at most `FORGOTTEN_AT_ONCE`; how many.

        Late retries come within a day (T 8.1); what is forgotten must be older than that.
        """
        table = schema.webhook_inbox
        old = sa.select(table.c.id).where(table.c.handled_at < instant).limit(FORGOTTEN_AT_ONCE)
        return self._connection.execute(sa.delete(table).where(table.c.id.in_(old))).rowcount

    def _waiting(self, flow: str, shop_ids: Sequence[str]) -> sa.ColumnElement[bool]:
        table = schema.webhook_inbox
        wanted = sa.and_(table.c.flow == flow, schema.IS_UNHANDLED)
        return sa.and_(wanted, table.c.shop_id.in_(list(shop_ids))) if shop_ids else wanted

    def _row(self, event: NewEvent) -> dict[str, object]:
        return {
            **{name: getattr(event, name) for name in NewEvent.__slots__},
            "received_at": self._now,
            "handled_at": None if event.flow else self._now,
        }
