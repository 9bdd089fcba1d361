"""What a simulation tells: what happened, and what the judges found wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class SimulationReport:
    """What happened; `is_clean` says whether nothing is lost, doubled, wrong or unfinished."""

    seed: int
    days: float
    orders: int = 0
    posted: int = 0
    must_wait: int = 0
    cannot_be_posted: int = 0
    faults: dict[str, int] = field(default_factory=dict[str, int])
    crashes: dict[str, int] = field(default_factory=dict[str, int])
    retries: int = 0
    looked_up: int = 0
    throttled: int = 0
    amended: int = 0
    parked_by_reason: dict[str, int] = field(default_factory=dict[str, int])
    lost: int = 0
    doubled: int = 0
    wrong_cents: int = 0
    wrong_quantities: int = 0
    unconverged: int = 0
    units_told: int = 0
    closed: int = 0
    cancelled_too_late: int = 0
    bills: int = 0
    wrong_follow_ups: dict[str, int] = field(default_factory=dict[str, int])
    """Orders with a parcel, closure or bill that is not as it should be, by what is wrong."""
    levels_pushed: int = 0
    """Numbers that TikTok was made to show."""
    wrong_levels: int = 0
    """Numbers that it shows in the end and that are not what can be promised."""
    oversold_units: int = 0
    turned_away_units: int = 0
    unbalanced: int = 0
    """Balances of stock that were not the sum of their movements when a process had ended."""
    months: float = 0.0
    """Virtual months from the first order to the last payout."""
    statements: int = 0
    payouts: int = 0
    """Payments that arrived and are posted once, with every amount."""
    payouts_refused: int = 0
    """Payments with a statement that TikTok shows wrongly: a person's."""
    wrong_payouts: dict[str, int] = field(default_factory=dict[str, int])
    """Payouts, clearing and receivable accounts that are not as they should be, by what is wrong."""
    unsettled: dict[str, str] = field(default_factory=dict[str, str])
    """What the clearing accounts hold in the end, by shop: orders that are not paid out."""
    returns: int = 0
    refunds: int = 0
    """Refunds that are credited once, with the right amount."""
    goods_received: int = 0
    wrong_refunds: dict[str, int] = field(default_factory=dict[str, int])
    offenders: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    netsuite_calls: int = 0
    seconds: float = 0.0

    def offend(self, what: str, which: Sequence[str]) -> None:
        """Name some of what is wrong."""
        if which:
            self.offenders.setdefault(what, []).extend(which[:20])

    @property
    def is_clean(self) -> bool:
        """Whether all that counts what is wrong is zero."""
        return not (
            self.lost
            or self.doubled
            or self.wrong_cents
            or self.wrong_quantities
            or self.unconverged
            or self.wrong_follow_ups
            or self.wrong_levels
            or self.oversold_units
            or self.unbalanced
            or self.wrong_payouts
            or self.wrong_refunds
        )

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)
