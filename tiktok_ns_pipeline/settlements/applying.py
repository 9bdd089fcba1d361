"""How the documents of a payout come to be in NetSuite: each is created under our external id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from tiktok_ns_pipeline.engine.outcomes import NotYet
from tiktok_ns_pipeline.engine.record_handler import RecordHandler
from tiktok_ns_pipeline.ledger.facts import CREDIT_PAYMENT, CUSTOMER_PAYMENT, FX_JOURNAL, PAYOUT_JOURNAL
from tiktok_ns_pipeline.ledger.intents import Intent
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.settlements.document import PayoutJournal
from tiktok_ns_pipeline.settlements.planning import subject_of
from tiktok_ns_pipeline.settlements.reading import LANE, SettlementReader
from tiktok_ns_pipeline.settlements.records import (
    ClearingPayment,
    FieldNames,
    deposit_body,
    journal_body,
    payment_body,
)


@dataclass(frozen=True, slots=True)
class Sendable:
    """A document as it is to be created."""

    name: str
    record_type: str
    external_id: str
    tran_date: date
    body: Mapping[str, Any]


def journal_of(intent: Intent) -> PayoutJournal:
    """The document of an intent about a payout or a difference of exchange."""
    return PayoutJournal.model_validate(intent.payload["journal"])


def payment_of(intent: Intent) -> ClearingPayment:
    """The payment of Invoices or Credit Memos of an intent."""
    return ClearingPayment.model_validate(intent.payload["payment"])


class DocumentHandler(RecordHandler[Sendable]):
    """Creates documents of one kind."""

    def __init__(
        self,
        kind: str,
        runtime: Runtime,
        reader: SettlementReader,
        sendable: Callable[[Intent, FieldNames], Sendable],
    ) -> None:
        body = runtime.mapping.custom_fields.body
        super().__init__(runtime.netsuite, runtime.ledger, runtime.clock, reader.periods, body.payload_hash)
        self.kind = kind
        self._sendable = sendable
        self._fields = FieldNames(body.shop, body.payload_hash)

    def subject(self, intent: Intent) -> str:
        """The payout or the statement."""
        return subject_of(intent)

    def document(self, intent: Intent) -> Sendable:
        """As it is to be created."""
        return self._sendable(intent, self._fields)

    def record_type(self, document: Sendable) -> str:
        """By the mapping, where a payout has several."""
        return document.record_type

    def posted_on(self, document: Sendable) -> date | None:
        """The day that staging found open."""
        return document.tran_date

    async def send(self, document: Sendable, payload_hash: str) -> str | NotYet:
        """Create it."""
        return await self.netsuite.create(document.record_type, document.body, lane=LANE)


def handlers(runtime: Runtime, reader: SettlementReader) -> list[DocumentHandler]:
    """One for each kind of document."""
    return [
        DocumentHandler(PAYOUT_JOURNAL, runtime, reader, _payout),
        DocumentHandler(FX_JOURNAL, runtime, reader, _payout),
        DocumentHandler(CUSTOMER_PAYMENT, runtime, reader, _paid),
        DocumentHandler(CREDIT_PAYMENT, runtime, reader, _paid),
    ]


def _payout(intent: Intent, fields: FieldNames) -> Sendable:
    journal = journal_of(intent)
    if journal.record_type == "deposit":
        bank = str(intent.payload["bank_account_id"])
        body = deposit_body(journal, intent.payload_hash, fields, bank)
    else:
        body = journal_body(journal, intent.payload_hash, fields)
    name = f"document {journal.external_id}"
    return Sendable(name, journal.record_type, journal.external_id, journal.tran_date, body)


def _paid(intent: Intent, fields: FieldNames) -> Sendable:
    payment = payment_of(intent)
    body = payment_body(payment, intent.payload_hash, fields)
    name = f"payment {payment.external_id}"
    return Sendable(name, payment.record_type, payment.external_id, payment.tran_date, body)
