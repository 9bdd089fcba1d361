"""How a bill comes to be in NetSuite: by a transform of its Sales Order.

What NetSuite refuses is looked at before a person is asked: somebody may have billed the order by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from tiktok_ns_pipeline.billing.document import SUBJECT, Bill
from tiktok_ns_pipeline.billing.reading import LANE, BillingReader
from tiktok_ns_pipeline.billing.records import FieldNames, bill_body
from tiktok_ns_pipeline.billing.staging import UNBILLABLE
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS, Absent, NotYet, Outcome, Park
from tiktok_ns_pipeline.engine.record_handler import RecordHandler
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.facts import BILL
from tiktok_ns_pipeline.ledger.intents import Intent
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteNotFound, NetSuiteRefused


class BillHandler(RecordHandler[Bill]):
    """Makes Cash Sales and Invoices of Sales Orders."""

    kind = BILL
    clears: Sequence[str] = (*ENGINE_KINDS, UNBILLABLE)

    def __init__(
        self,
        netsuite: NetSuiteClient,
        reader: BillingReader,
        ledger: Ledger,
        clock: Clock,
        fields: FieldNames,
    ) -> None:
        super().__init__(netsuite, ledger, clock, reader, fields.payload_hash)
        self._reader = reader
        self._fields = fields

    def subject(self, intent: Intent) -> str:
        """The bill of the fulfilment."""
        return f"{SUBJECT}{intent.fact.business_key}"

    def document(self, intent: Intent) -> Bill:
        """The bill."""
        return Bill.model_validate(intent.payload["bill"])

    def record_type(self, document: Bill) -> str:
        """By the shop's policy."""
        return document.record_type

    def posted_on(self, document: Bill) -> date | None:
        """The day that staging found open."""
        return document.tran_date

    async def send(self, document: Bill, payload_hash: str) -> str | NotYet:
        """Transform the Sales Order."""
        body = bill_body(document, payload_hash, self._fields)
        return await self.netsuite.transform(
            "salesOrder", document.sales_order_id, document.record_type, body, lane=LANE
        )

    def source_gone(self, document: Bill, error: NetSuiteNotFound) -> Outcome:
        """Somebody deleted the Sales Order."""
        return Park(
            UNBILLABLE,
            "no_sales_order",
            f"{document.name}: Sales Order {document.sales_order_id} is no longer in NetSuite.",
        )

    async def refused(self, intent: Intent, document: Bill, refusal: NetSuiteRefused) -> Outcome:
        """Nothing may be left to bill; else it is as NetSuite says."""
        order = await self._reader.sales_order(document.sales_order_id)
        billed = (
            []
            if order is None
            else [
                line
                for share in document.lines
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
            f"{document.name}: of line {line.number} of Sales Order {order.number} only {line.due:f} is left "
            f"to bill: {line.billed:f} was billed already, by hand or by another tool.",
        )


def expected_of(intent: Intent) -> Decimal:
    """The total that the bill of an intent should have."""
    return Decimal(str(intent.payload["bill"]["expected_total"]))
