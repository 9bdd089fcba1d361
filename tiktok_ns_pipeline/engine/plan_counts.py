"""What planning came to in one run, for asset metadata and for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from tiktok_ns_pipeline.ledger.intents import Planned


@dataclass(slots=True)
class PlanCounts:
    """How many documents became what."""

    planned: int = 0
    revised: int = 0
    replayed: int = 0
    withdrawn: int = 0
    parked_by_kind: dict[str, int] = field(default_factory=dict[str, int])
    """Problems found, by the kind of their exception."""

    def count(self, planned: Iterable[Planned]) -> None:
        """Documents that were wanted."""
        for one in planned:
            self.planned += one.verdict == "new"
            self.revised += one.verdict == "revised"
            self.replayed += one.verdict == "replayed"

    def found(self, kind: str) -> None:
        """Something that is wrong."""
        self.parked_by_kind[kind] = self.parked_by_kind.get(kind, 0) + 1


@dataclass(slots=True)
class MoneyPlanCounts(PlanCounts):
    """The same of documents that come to an amount."""

    waiting: int = 0
    skipped: int = 0
    parked: int = 0
    planned_amounts: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    """What new documents come to, by currency."""

    def add(self, currency: str, amount: Decimal) -> None:
        """A new document comes to this."""
        self.planned_amounts[currency] = self.planned_amounts.get(currency, Decimal(0)) + amount
