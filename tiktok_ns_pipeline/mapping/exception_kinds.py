"""Every kind of exception: what it is called, whose it is, how soon it must be dealt with.

One table for all flows. A kind is a promise to a person: its `what_to_do` must be something that
this person can do. The mapping may name other owners; nothing else about a kind is configurable.
docs/runbook.md has one entry for each.
"""

from __future__ import annotations

from tiktok_ns_pipeline.mapping.kinds.billing import BILLING_KINDS
from tiktok_ns_pipeline.mapping.kinds.cancellations import CANCELLATION_KINDS
from tiktok_ns_pipeline.mapping.kinds.orders import ORDER_KINDS
from tiktok_ns_pipeline.mapping.kinds.refunds import REFUND_KINDS
from tiktok_ns_pipeline.mapping.kinds.row import ExceptionKind, Owner, Severity
from tiktok_ns_pipeline.mapping.kinds.settlements import SETTLEMENT_KINDS
from tiktok_ns_pipeline.mapping.kinds.shipments import SHIPMENT_KINDS
from tiktok_ns_pipeline.mapping.kinds.stock import STOCK_KINDS
from tiktok_ns_pipeline.mapping.kinds.systems import SYSTEM_KINDS

__all__ = ["KINDS", "MAY_PASS", "ROWS", "ExceptionKind", "Owner", "Severity", "kind_named"]

ROWS: tuple[ExceptionKind, ...] = (
    *ORDER_KINDS,
    *SHIPMENT_KINDS,
    *CANCELLATION_KINDS,
    *BILLING_KINDS,
    *STOCK_KINDS,
    *REFUND_KINDS,
    *SETTLEMENT_KINDS,
    *SYSTEM_KINDS,
)
"""Every kind, flow by flow."""

KINDS: dict[str, ExceptionKind] = {row.name: row for row in ROWS}
"""Every kind by its name."""

MAY_PASS: tuple[str, ...] = tuple(row.name for row in ROWS if row.may_pass)
"""Kinds whose cause goes without our doing, so that what they stopped is tried again."""


def kind_named(name: str) -> ExceptionKind:
    """The kind of that name; KeyError when the table has none."""
    return KINDS[name]
