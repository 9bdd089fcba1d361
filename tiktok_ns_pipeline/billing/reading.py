"""What the flow reads in NetSuite to stage a bill: the Sales Order, its quantities, open periods.

Months close seldom and at known hours, so they are read once an hour; who finds that one has closed
meanwhile asks for them afresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from tiktok_ns_pipeline.billing.document import Fulfilment
from tiktok_ns_pipeline.billing.order_lines import SalesOrder
from tiktok_ns_pipeline.billing.periods import PERIODS_QUERY, Periods
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.money import exact_decimal
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteNotFound, NetSuitePermissionError
from tiktok_ns_pipeline.netsuite.values import lines_of

LANE: Lane = "documents"

_PERIODS_VALID_FOR = timedelta(hours=1)


class BillingReader:
    """Reads NetSuite for one run. All methods raise NetSuiteError's subclasses."""

    def __init__(self, netsuite: NetSuiteClient, clock: Clock, line_key: str) -> None:
        """`line_key` is the field that carries the pipeline's key of a Sales Order's line."""
        self._netsuite = netsuite
        self._clock = clock
        self._line_key = line_key
        self._periods: tuple[datetime, Periods] | None = None
        self._reading_periods = asyncio.Lock()

    async def periods(self, *, not_before: datetime | None = None) -> Periods:
        """The posting months, as read within the last hour, and not before an instant."""
        oldest = self._clock.now() - _PERIODS_VALID_FOR
        oldest = max(oldest, not_before or oldest)
        async with self._reading_periods:
            if self._periods is None or self._periods[0] < oldest:
                read_at = self._clock.now()
                self._periods = (read_at, await self._read_periods())
            return self._periods[1]

    async def _read_periods(self) -> Periods:
        try:
            return Periods.of(await self._netsuite.suiteql(PERIODS_QUERY, lane=LANE))
        except NetSuitePermissionError:
            return Periods.unseen()

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
