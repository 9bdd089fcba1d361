"""Expected returns: cancelled orders whose Sales Order could not be closed any more.

Money goes back to the buyer while the goods are on their way, so somebody has to bring them home and
credit the sale. The closures flow *expects* a return the moment it finds that it came too late, and
*settles* it when the order could be closed after all; the refunds flow works off what is open.

Invariant: one row per order, whatever happened to it how often.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tiktok_ns_pipeline.ledger import schema
from tiktok_ns_pipeline.ledger.database import insert_or_update

_EXPECT = insert_or_update(
    schema.expected_returns, key=["channel", "shop", "order_id"], changing=["reason", "settled_at"]
)


@dataclass(frozen=True, slots=True)
class ExpectedReturn:
    """An order that was cancelled too late."""

    channel: str
    shop: str
    order_id: str
    reason: str
    """How far the order had come: picked, packed, shipped or billed."""
    since: datetime
    """When it was first found to be too late."""
    settled_at: datetime | None


class ExpectedReturns:
    """The expected returns, within one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def expect(self, channel: str, shop: str, order_id: str, reason: str) -> None:
        """The order's goods are out of our hands, for that reason; told again, the newest reason stands."""
        row = {
            "channel": channel,
            "shop": shop,
            "order_id": order_id,
            "reason": reason,
            "since": self._now,
            "settled_at": None,
        }
        self._connection.execute(_EXPECT, row)

    def settle(self, channel: str, shop: str, order_id: str) -> bool:
        """Nothing is expected any more. Whether anything was."""
        table = schema.expected_returns
        done = self._connection.execute(
            sa.update(table)
            .where(table.c.channel == channel, table.c.shop == shop, table.c.order_id == order_id)
            .where(schema.IS_UNSETTLED)
            .values(settled_at=self._now)
        )
        return done.rowcount > 0

    def open(self, shop: str | None = None) -> list[ExpectedReturn]:
        """What is expected and not settled, the oldest first; of one shop, or of all."""
        table = schema.expected_returns
        statement = sa.select(table).where(schema.IS_UNSETTLED).order_by(table.c.since, table.c.order_id)
        if shop is not None:
            statement = statement.where(table.c.shop == shop)
        return [ExpectedReturn(**row) for row in self._connection.execute(statement).mappings()]

    def find(self, channel: str, shop: str, order_id: str) -> ExpectedReturn | None:
        """What is known of one order, settled or not."""
        table = schema.expected_returns
        statement = sa.select(table).where(
            table.c.channel == channel, table.c.shop == shop, table.c.order_id == order_id
        )
        row = self._connection.execute(statement).mappings().first()
        return ExpectedReturn(**row) if row else None
