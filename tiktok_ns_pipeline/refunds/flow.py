"""The refunds flow: one turn of the loop, and the run that turns it until nothing is left to do.

observe (TikTok, inbox, lake) -> stage (with NetSuite as it stands) -> intend -> apply -> read back
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from tiktok_ns_pipeline.engine.dispatcher import DispatchReport
from tiktok_ns_pipeline.flows.turning import Troubles, TurnRequest
from tiktok_ns_pipeline.refunds.planning import STAGING_KINDS
from tiktok_ns_pipeline.refunds.reading import KINDS as KINDS
from tiktok_ns_pipeline.runtime import Runtime

REFUND_DIFFERS = "refund_differs"

REPLAYED_KINDS = (*STAGING_KINDS, REFUND_DIFFERS)
"""Exceptions that are this flow's to try again, beside those of the engine about a return."""


@dataclass(frozen=True, slots=True)
class RefundsRequest(TurnRequest):
    """What a run shall do; all defaults together mean «go on from where we were»."""

    order_ids: tuple[str, ...] = ()
    """Orders whose returns are read besides."""
    return_ids: tuple[str, ...] = ()
    """Returns that are read by id besides."""
    since: datetime | None = None
    """Returns that changed from an instant on are read besides."""


@dataclass(slots=True)
class PlanReport:
    """How many claims were decided to be what."""

    decided: int = 0
    planned: int = 0
    """Documents that were planned anew."""
    revised: int = 0
    replayed: int = 0
    withdrawn: int = 0
    waiting: int = 0
    parked: int = 0
    parked_by_kind: dict[str, int] = field(default_factory=dict[str, int])
    planned_amounts: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    """Credits, by currency."""


@dataclass(slots=True)
class RefundsReport:
    """What a run did, for asset metadata and for people."""

    listed: int = 0
    returns: int = 0
    """Returns that were new in this version."""
    cancellations: int = 0
    """Cancellations that landed, of which those of orders that had left are credited."""
    events: int = 0
    plan: PlanReport = field(default_factory=PlanReport)
    dispatch: DispatchReport = field(default_factory=DispatchReport)
    read_back: int = 0
    credited_amounts: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    """Credits that were read back in this run, by currency."""
    turns: int = 0
    trouble: list[str] = field(default_factory=list[str])
    """Systems that could not be read in some turn; what was not read is read next time."""


class RefundsFlow:
    """The refunds flow of one run."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self._runtime = runtime
        self._run_id = run_id
        self._troubles = Troubles(runtime)
        self.report = RefundsReport(trouble=self._troubles.told)

    async def run(self, request: RefundsRequest) -> RefundsReport:
        """Turn until nothing is due for `idle_s`, or `budget_s` is over."""
        return self.report
