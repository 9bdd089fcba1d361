"""What the flow reads in NetSuite to stage a bill: the Sales Order, its quantities, open periods."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from tiktok_ns_pipeline.billing.document import Fulfilment
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.goods.sales_order import SalesOrder
from tiktok_ns_pipeline.money import exact_decimal
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteNotFound
from tiktok_ns_pipeline.netsuite.periods import Periods, PeriodsReader
from tiktok_ns_pipeline.netsuite.values import lines_of

LANE: Lane = "documents"


class BillingReader:
    """Reads NetSuite for one run. All methods raise NetSuiteError's subclasses."""

    def __init__(self, netsuite: NetSuiteClient, clock: Clock, line_key: str) -> None:
        """`line_key` is the field that carries the pipeline's key of a Sales Order's line."""
        self._netsuite = netsuite
        self._line_key = line_key
        self._periods = PeriodsReader(netsuite, clock, LANE)

    async def periods(self, *, not_before: datetime | None = None) -> Periods:
        """The posting months, as read within the last hour, and not before an instant."""
        return await self._periods.periods(not_before=not_before)

    async def sales_order(self, internal_id: str) -> SalesOrder | None:
        """The Sales Order as it is now; None when there is none any more."""
        try:
            record = await self._netsuite.get("salesOrder", internal_id, lane=LANE)
        except NetSuiteNotFound:
            return None
        return SalesOrder.of(record, self._line_key)

    async def shipped_in_units_of(self, order: SalesOrder, fulfilment: Fulfilment) -> Mapping[int, Decimal]:
        """What a fulfilment ships by order line, in the line's own unit.

        The lake has quantities in base units (N 3.4); where a line may have another unit, the record
        itself is asked, which counts as its order does. Raises NetSuiteNotFound when it is gone.
        """
        touched = [line for number in fulfilment.lines if (line := order.line(number)) is not None]
        if not any(line.has_units for line in touched):
            return fulfilment.lines
        record = await self._netsuite.get("itemFulfillment", fulfilment.id, lane=LANE)
        shipped: dict[int, Decimal] = {}
        for line in lines_of(record, "item"):
            if line.get("kitMemberOf") is None and line.get("quantity"):
                number = int(line["orderLine"])
                shipped[number] = shipped.get(number, Decimal(0)) + exact_decimal(line["quantity"])
        return shipped
