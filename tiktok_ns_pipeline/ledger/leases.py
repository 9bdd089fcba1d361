"""Leases: how several processes share one system's budget of concurrent requests.

Each process keeps one row per system: how many slots it was granted and how many it wants per lane.
Granted slots of living rows never exceed the ceiling; a row whose lease ran out counts no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.ledger import schema
from tiktok_ns_pipeline.ledger.database import insert_or_skip


@dataclass(frozen=True, slots=True)
class SlotLease:
    """What one process holds and wants."""

    holder: str
    granted: int
    wanted: Mapping[str, int]
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Budget:
    """The shared ceiling of a system and its breaker."""

    ceiling: int
    breaker_until: datetime | None
    breaker_reason: str | None


_INSERT_BUDGET = insert_or_skip(schema.governor_budgets)


class Leases:
    """Leases and budgets, within one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def lock(self, system: str, default_ceiling: int) -> Budget:
        """Read the budget, and let nobody else change the system's leases until this transaction ends."""
        table = schema.governor_budgets
        row = {"system": system, "ceiling": default_ceiling, "updated_at": self._now}
        self._connection.execute(_INSERT_BUDGET, row)
        statement = sa.select(table).where(table.c.system == system)
        if self._connection.dialect.name == "postgresql":
            statement = statement.with_for_update()
        row = self._connection.execute(statement).mappings().one()
        return Budget(row["ceiling"], row["breaker_until"], row["breaker_reason"])

    def set_ceiling(self, system: str, ceiling: int) -> None:
        """Adapt the shared ceiling."""
        table = schema.governor_budgets
        self._connection.execute(
            sa.update(table).where(table.c.system == system).values(ceiling=ceiling, updated_at=self._now)
        )

    def set_breaker(self, system: str, until: datetime | None, reason: str | None) -> None:
        """Open the breaker until an instant, or close it with None."""
        table = schema.governor_budgets
        self._connection.execute(
            sa.update(table)
            .where(table.c.system == system)
            .values(breaker_until=until, breaker_reason=reason, updated_at=self._now)
        )

    def living(self, system: str) -> list[SlotLease]:
        """Leases that have not run out."""
        table = schema.governor_leases
        statement = (
            sa.select(table)
            .where(table.c.system == system, table.c.lease_until > self._now)
            .order_by(table.c.holder)
        )
        return [
            SlotLease(row["holder"], row["granted"], exact_json.loads(row["wanted"]), row["lease_until"])
            for row in self._connection.execute(statement).mappings()
        ]

    def save(self, system: str, lease: SlotLease) -> None:
        """Write this process's row."""
        self.drop(system, lease.holder)
        self._connection.execute(
            sa.insert(schema.governor_leases).values(
                system=system,
                holder=lease.holder,
                granted=lease.granted,
                wanted=exact_json.dumps(dict(lease.wanted)),
                lease_until=lease.lease_until,
            )
        )

    def drop(self, system: str, holder: str) -> None:
        """Give everything back."""
        table = schema.governor_leases
        self._connection.execute(sa.delete(table).where(table.c.system == system, table.c.holder == holder))
