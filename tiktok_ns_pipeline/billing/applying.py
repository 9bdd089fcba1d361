"""How a bill comes to be in NetSuite, and how we find out whether it is.

A transform has no natural guard: sent twice, it would bill what is left of the order. So the bill gets
our external id in the body of the transform, and every retry begins by looking for it (N 2.6, 2.9).

What NetSuite refuses is looked at before a person is asked: a month may have closed since staging, and
somebody may have billed the order by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.billing.document import SUBJECT, Bill
from tiktok_ns_pipeline.billing.reading import LANE, BillingReader
from tiktok_ns_pipeline.billing.records import FieldNames, bill_body
from tiktok_ns_pipeline.billing.staging import UNBILLABLE
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.logins import System
from tiktok_ns_pipeline.engine.outcomes import (
    ENGINE_KINDS,
    Absent,
    Applied,
    NotYet,
    Outcome,
    Park,
    Unclear,
)
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.facts import BILL
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteDuplicate, NetSuiteNotFound, NetSuiteRefused

_LOOKS_BEFORE_GIVING_UP = 5
_REFUSALS_OF_AN_OPEN_DAY = 3
_AGAIN_AFTER = timedelta(minutes=1)
_FRESH = timedelta(seconds=5)
"""Bills that are refused together need one look at the periods."""


class BillHandler:
    """Makes Cash Sales and Invoices of Sales Orders."""

    kind = BILL
    system: System = "netsuite"
    batch_size = 1
    clears: Sequence[str] = (*ENGINE_KINDS, UNBILLABLE)

    def __init__(
        self,
        netsuite: NetSuiteClient,
        reader: BillingReader,
        ledger: Ledger,
        clock: Clock,
        fields: FieldNames,
    ) -> None:
        self._netsuite = netsuite
        self._reader = reader
        self._ledger = ledger
        self._clock = clock
        self._fields = fields
        self._refused_days: Counter[tuple[FactKey, str]] = Counter()
        self.outdated: set[FactKey] = set()
        """Bills that are to be staged again before they can be sent: their month has closed."""

    def subject(self, intent: Intent) -> str:
        """The bill of the fulfilment."""
        return f"{SUBJECT}{intent.fact.business_key}"

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Transform the Sales Order, after looking for the bill where it was tried before."""
        return [await self._apply(intent) for intent in intents]

    async def look_up(self, intent: Intent) -> Outcome:
        """Ask NetSuite for the external id: the one proof of what became of an attempt."""
        bill = _bill(intent)
        record = await self._netsuite.get_by_external_id(
            bill.record_type, bill.external_id, expand=False, lane=intent.lane
        )
        return Absent() if record is None else self._recognised(intent, bill, record)

    async def _apply(self, intent: Intent) -> Outcome:
        bill = _bill(intent)
        if intent.attempts or intent.revision > 1:
            found = await self.look_up(intent)
            if not isinstance(found, Absent):
                return found
        body = bill_body(bill, intent.payload_hash, self._fields)
        try:
            internal_id = await self._netsuite.transform(
                "salesOrder", bill.sales_order_id, bill.record_type, body, lane=LANE
            )
        except NetSuiteDuplicate:
            return await self._taken(intent, bill)
        except NetSuiteNotFound:
            return Park(
                UNBILLABLE,
                "no_sales_order",
                f"{bill.name}: Sales Order {bill.sales_order_id} is no longer in NetSuite.",
            )
        except NetSuiteRefused as refusal:
            return await self._refused(intent, bill, refusal)
        return Applied(_link(intent, bill, internal_id))

    def _recognised(self, intent: Intent, bill: Bill, record: Mapping[str, Any]) -> Outcome:
        """Ours, of this revision or an earlier one: applied. Anything else under our id: differs."""
        stored = str(record.get(self._fields.payload_hash) or "")
        with self._ledger.read() as tx:
            ours = {intent.payload_hash} | {one.payload_hash for one in tx.intents.history(intent.fact)}
        number = str(record["tranId"]) if record.get("tranId") else None
        if stored in ours:
            return Applied(_link(intent, bill, str(record["id"]), number, stored), "found in NetSuite")
        return Park(
            "netsuite_differs",
            "content",
            f"{bill.name}: NetSuite has record {number or record['id']} under this external id, but not as "
            "this pipeline made it.",
        )

    async def _taken(self, intent: Intent, bill: Bill) -> Outcome:
        """The external id is taken: by an attempt of ours, or by somebody else's record (N 2.6)."""
        found = await self.look_up(intent)
        if not isinstance(found, Absent):
            return found
        if intent.attempts < _LOOKS_BEFORE_GIVING_UP:
            return Unclear("NetSuite says that the external id exists, but shows no bill of it yet")
        return Park(
            "external_id_taken",
            "external_id",
            f"{bill.name}: its external id belongs to another NetSuite record.",
        )

    async def _refused(self, intent: Intent, bill: Bill, refusal: NetSuiteRefused) -> Outcome:
        """Why NetSuite will not: the month has closed, or nothing is left to bill; else as it says."""
        periods = await self._reader.periods(not_before=self._clock.now() - _FRESH)
        if not periods.is_open(bill.tran_date):
            self.outdated.add(intent.fact)
            return self._again(f"the period of {bill.tran_date} has closed; the bill is staged again")
        if "period" in refusal.detail.lower():
            # The list of periods can lag behind a closing.
            attempt = (intent.fact, intent.payload_hash)
            self._refused_days[attempt] += 1
            if self._refused_days[attempt] < _REFUSALS_OF_AN_OPEN_DAY:
                return self._again(f"NetSuite refuses {bill.tran_date}, whose period it shows as open")
        order = await self._reader.sales_order(bill.sales_order_id)
        billed = (
            []
            if order is None
            else [
                line
                for share in bill.lines
                if share.quantity
                and (line := order.line(share.order_line)) is not None
                and line.is_goods
                and line.due < share.quantity
            ]
        )
        if order is None or not billed:
            raise refusal
        found = await self.look_up(intent)
        if not isinstance(found, Absent):
            # What billed it is an attempt of ours that outlived its time-out.
            return found
        line = billed[0]
        return Park(
            UNBILLABLE,
            "billed_already",
            f"{bill.name}: of line {line.number} of Sales Order {order.number} only {line.due:f} is left to "
            f"bill: {line.billed:f} was billed already, by hand or by another tool.",
        )

    def _again(self, reason: str) -> NotYet:
        return NotYet(reason, self._clock.now() + _AGAIN_AFTER)


def expected_of(intent: Intent) -> Decimal:
    """The total that the bill of an intent should have."""
    return Decimal(str(intent.payload["bill"]["expected_total"]))


def _bill(intent: Intent) -> Bill:
    return Bill.model_validate(intent.payload["bill"])


def _link(
    intent: Intent, bill: Bill, internal_id: str, number: str | None = None, payload_hash: str | None = None
) -> Link:
    return Link(
        fact=intent.fact,
        record_type=bill.record_type,
        external_id=bill.external_id,
        internal_id=internal_id,
        document_number=number,
        payload_hash=payload_hash or intent.payload_hash,
        version=intent.revision,
    )
