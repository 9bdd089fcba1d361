"""What a run of the stock flow did, for asset metadata and for people."""

from __future__ import annotations

from dataclasses import dataclass, field

from tiktok_ns_pipeline.engine.dispatcher import DispatchReport
from tiktok_ns_pipeline.inventory.applying import PushCounts
from tiktok_ns_pipeline.inventory.planning import PlanReport


@dataclass(slots=True)
class RunReport:
    """Counts of one run."""

    snapshots: int = 0
    """Full readings of NetSuite that were booked."""
    items_moved: int = 0
    """Balances of NetSuite that moved."""
    sales_orders_shown: int = 0
    """Sales Orders that NetSuite was seen to hold units for."""
    orders: int = 0
    """Orders that were booked anew."""
    listings: int = 0
    """Listings that changed."""
    levels_read: int = 0
    """SKUs of which TikTok's stock was read for its own sake."""
    differed: int = 0
    """Slots that TikTok showed otherwise than our books."""
    dismissed: int = 0
    """Slots of which units were missing that no order explained."""
    fbt_differ: int = 0
    """Items of which TikTok's own warehouse counts other stock than NetSuite."""
    events: int = 0
    plan: PlanReport = field(default_factory=PlanReport)
    pushes: PushCounts = field(default_factory=PushCounts)
    dispatch: DispatchReport = field(default_factory=DispatchReport)
    turns: int = 0
    trouble: list[str] = field(default_factory=list[str])
    """Systems that could not be read in some turn; what was not read is read next time."""
