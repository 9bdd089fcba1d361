"""How the documents of a claim come to be in NetSuite.

Documents of one claim depend on each other: receipt and credit are made of the Return Authorization, and
wait for it. Where the account does not refund in advance, NetSuite credits only what was received: such a
credit waits for the warehouse, and costs no attempt (N 6 no. 6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, TypeVar

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS, Absent, Applied, NotYet, Outcome, Park
from tiktok_ns_pipeline.engine.record_handler import RecordHandler
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.facts import CREDIT, ITEM_RECEIPT, REFUND_EXCESS, RETURN_AUTHORIZATION
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent
from tiktok_ns_pipeline.money import exact_decimal
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteNotFound, NetSuiteRefused
from tiktok_ns_pipeline.netsuite.periods import PeriodsReader
from tiktok_ns_pipeline.netsuite.values import id_of, lines_of
from tiktok_ns_pipeline.refunds.claims import subject_of
from tiktok_ns_pipeline.refunds.document import Credit, Excess, ItemReceipt, ReturnAuthorization
from tiktok_ns_pipeline.refunds.reading import LANE
from tiktok_ns_pipeline.refunds.records import (
    FieldNames,
    authorization_body,
    closing_body,
    credit_alone_body,
    credit_of_return_body,
    excess_body,
    line_numbers,
    receipt_body,
)

UNBILLED = "refund_unbilled"

_RETURN = "returnAuthorization"
_CLOSED = "H"
_WHEN_RECEIVED = timedelta(hours=1)

Doc = TypeVar("Doc", ReturnAuthorization, ItemReceipt, Credit, Excess)


class _Handler(RecordHandler[Doc]):
    """What all documents of a claim have in common."""

    clears: Sequence[str] = (*ENGINE_KINDS, UNBILLED)
    document_type: type[Doc]

    def __init__(
        self,
        netsuite: NetSuiteClient,
        ledger: Ledger,
        clock: Clock,
        periods: PeriodsReader,
        fields: FieldNames,
    ) -> None:
        super().__init__(netsuite, ledger, clock, periods, fields.payload_hash)
        self.fields = fields

    def subject(self, intent: Intent) -> str:
        """The return, or the cancellation."""
        return subject_of(intent.fact.business_key)

    def document(self, intent: Intent) -> Doc:
        """As it was staged."""
        return self.document_type.model_validate(intent.payload["document"])

    def source_gone(self, document: Doc, error: NetSuiteNotFound) -> Outcome:
        """Somebody deleted the Sales Order or the Return Authorization."""
        text = f"{document.name}: the record that it would be made of is no longer in NetSuite."
        return Park(UNBILLED, "no_source", text)

    async def authorization(self, claim: FactKey) -> dict[str, Any] | None:
        """The claim's Return Authorization with its lines; None where there is none."""
        external_id = f"tts-{claim.shop}-ra-{claim.business_key}".lower()
        return await self.netsuite.get_by_external_id(_RETURN, external_id, lane=LANE)


class AuthorizationHandler(_Handler[ReturnAuthorization]):
    """Makes Return Authorizations of Sales Orders, and closes those that wait for nothing any more."""

    kind = RETURN_AUTHORIZATION
    document_type = ReturnAuthorization

    def record_type(self, document: ReturnAuthorization) -> str:
        """One type only."""
        return _RETURN

    async def send(self, document: ReturnAuthorization, payload_hash: str) -> str | NotYet:
        """Transform the Sales Order."""
        body = authorization_body(document, payload_hash, self.fields)
        return await self.netsuite.transform("salesOrder", document.sales_order_id, _RETURN, body, lane=LANE)

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Make it, or close it."""
        return [
            await (self._close(one) if self.document(one).is_closed else self.make(one)) for one in intents
        ]

    async def look_up(self, intent: Intent) -> Outcome:
        """Whether it is there, or closed; closing it once more does no harm."""
        if not self.document(intent).is_closed:
            return await super().look_up(intent)
        record = await self.authorization(intent.fact)
        return self._closed(intent, record) or Absent()

    async def _close(self, intent: Intent) -> Outcome:
        record = await self.authorization(intent.fact)
        ended = self._closed(intent, record)
        if ended is not None:
            return ended
        assert record is not None
        body = closing_body(record)
        assert body is not None
        await self.netsuite.patch(_RETURN, str(record["id"]), body, lane=LANE)
        return self.applied(intent, self.document(intent), str(record["id"]), note="closed")

    def _closed(self, intent: Intent, record: Mapping[str, Any] | None) -> Outcome | None:
        if record is None:
            return Applied(None, "there is no Return Authorization")
        if closing_body(record) is not None:
            return None
        return self.applied(intent, self.document(intent), str(record["id"]), note="closed")


class ReceiptHandler(_Handler[ItemReceipt]):
    """Makes Item Receipts of Return Authorizations."""

    kind = ITEM_RECEIPT
    document_type = ItemReceipt

    def record_type(self, document: ItemReceipt) -> str:
        """One type only."""
        return "itemReceipt"

    async def send(self, document: ItemReceipt, payload_hash: str) -> str | NotYet:
        """Transform the Return Authorization, once it is there."""
        record = await self.authorization(FactKey(document.channel, document.shop, "", document.claim_id))
        if record is None:
            return self.again("the Return Authorization is not there yet")
        body = receipt_body(document, record, payload_hash, self.fields)
        return await self.netsuite.transform(_RETURN, str(record["id"]), "itemReceipt", body, lane=LANE)


class CreditHandler(_Handler[Credit]):
    """Makes Credit Memos and Cash Refunds."""

    kind = CREDIT
    document_type = Credit

    def record_type(self, document: Credit) -> str:
        """As the order was billed."""
        return document.record_type

    def posted_on(self, document: Credit) -> date | None:
        """The day that staging found open."""
        return document.tran_date

    async def send(self, document: Credit, payload_hash: str) -> str | NotYet:
        """Transform the Return Authorization once it is there, or make the credit alone."""
        if not document.of_return:
            body = credit_alone_body(document, payload_hash, self.fields)
            return await self.netsuite.create(document.record_type, body, lane=LANE)
        fact = FactKey(document.channel, document.shop, self.kind, document.claim_id)
        record = await self.authorization(fact)
        if record is None:
            return self.again("the Return Authorization is not there yet")
        if id_of(record.get("status")) == _CLOSED:
            self.outdated.add(fact)
            return self.again("the Return Authorization was closed; the credit is staged again")
        if not {line.order_line for line in document.lines} <= line_numbers(record).keys():
            self.outdated.add(fact)
            return self.again("the Return Authorization has other lines; the credit is staged again")
        body = credit_of_return_body(document, record, payload_hash, self.fields)
        target = document.record_type
        return await self.netsuite.transform(_RETURN, str(record["id"]), target, body, lane=LANE)

    async def refused(self, intent: Intent, document: Credit, refusal: NetSuiteRefused) -> Outcome:
        """Where goods are still to be received, the account does not refund in advance: it waits."""
        record = await self.authorization(intent.fact) if document.of_return else None
        if record is None or not _is_awaited(document, record):
            raise refusal
        return self.again(
            "NetSuite credits what was received, and goods are still on their way", _WHEN_RECEIVED
        )


class ExcessHandler(_Handler[Excess]):
    """Makes the Journal Entries of what goes beyond the bill."""

    kind = REFUND_EXCESS
    document_type = Excess

    def record_type(self, document: Excess) -> str:
        """One type only."""
        return "journalEntry"

    def posted_on(self, document: Excess) -> date | None:
        """The day that staging found open."""
        return document.tran_date

    async def send(self, document: Excess, payload_hash: str) -> str | NotYet:
        """Create it."""
        body = excess_body(document, payload_hash, self.fields)
        return await self.netsuite.create("journalEntry", body, lane=LANE)


Handlers = tuple[AuthorizationHandler, ReceiptHandler, CreditHandler, ExcessHandler]


def handlers(
    netsuite: NetSuiteClient, ledger: Ledger, clock: Clock, periods: PeriodsReader, fields: FieldNames
) -> Handlers:
    """One for each kind of document."""
    shared = (netsuite, ledger, clock, periods, fields)
    return (
        AuthorizationHandler(*shared),
        ReceiptHandler(*shared),
        CreditHandler(*shared),
        ExcessHandler(*shared),
    )


def _is_awaited(credit: Credit, record: Mapping[str, Any]) -> bool:
    """Whether the credit is of goods that the Return Authorization still waits for."""
    numbers = line_numbers(record)
    wanted = {numbers.get(line.order_line): line.quantity for line in credit.lines if line.quantity}
    return any(
        exact_decimal(str(line.get("quantityReceived") or 0)) < (wanted.get(int(line["line"])) or 0)
        for line in lines_of(record, "item")
    )
