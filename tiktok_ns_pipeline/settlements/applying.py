"""How the documents of a payout come to be in NetSuite, and how we find out whether they are.

Each is created under our external id, whose uniqueness is the guard against a second one; whatever is
unclear is looked up by it before anything is sent again (N 2.6, 2.9). A refusal is looked at before a
person is asked: the month may have closed since staging.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

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
from tiktok_ns_pipeline.ledger.facts import CUSTOMER_PAYMENT, FX_JOURNAL, PAYOUT_JOURNAL
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.netsuite.errors import NetSuiteDuplicate, NetSuiteRefused
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.settlements.document import PayoutJournal
from tiktok_ns_pipeline.settlements.planning import subject_of
from tiktok_ns_pipeline.settlements.reading import LANE, SettlementReader
from tiktok_ns_pipeline.settlements.records import (
    FieldNames,
    InvoicePayment,
    deposit_body,
    journal_body,
    payment_body,
)

_LOOKS_BEFORE_GIVING_UP = 5
_REFUSALS_OF_AN_OPEN_DAY = 3
_AGAIN_AFTER = timedelta(minutes=1)
_FRESH = timedelta(seconds=5)
"""Documents that are refused together need one look at the periods."""


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


def invoice_payment_of(intent: Intent) -> InvoicePayment:
    """The payment of Invoices of an intent."""
    return InvoicePayment.model_validate(intent.payload["payment"])


class DocumentHandler:
    """Creates documents of one kind."""

    system: System = "netsuite"
    batch_size = 1
    clears: Sequence[str] = ENGINE_KINDS

    def __init__(
        self,
        kind: str,
        runtime: Runtime,
        reader: SettlementReader,
        sendable: Callable[[Intent, FieldNames], Sendable],
    ) -> None:
        body = runtime.mapping.custom_fields.body
        self.kind = kind
        self._runtime = runtime
        self._reader = reader
        self._sendable = sendable
        self._fields = FieldNames(body.shop, body.payload_hash)
        self._refused_days: Counter[tuple[FactKey, str]] = Counter()
        self.outdated: set[FactKey] = set()
        """Documents that are to be staged again before they can be sent: their month has closed."""

    def subject(self, intent: Intent) -> str:
        """The payout or the statement."""
        return subject_of(intent)

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Create the document, after looking for it where it was tried before."""
        return [await self._apply(intent) for intent in intents]

    async def look_up(self, intent: Intent) -> Outcome:
        """Ask NetSuite for the external id: the one proof of what became of an attempt."""
        document = self._sendable(intent, self._fields)
        record = await self._runtime.netsuite.get_by_external_id(
            document.record_type, document.external_id, expand=False, lane=LANE
        )
        return Absent() if record is None else self._recognised(intent, document, record)

    async def _apply(self, intent: Intent) -> Outcome:
        document = self._sendable(intent, self._fields)
        if intent.attempts or intent.revision > 1:
            found = await self.look_up(intent)
            if not isinstance(found, Absent):
                return found
        try:
            internal_id = await self._runtime.netsuite.create(document.record_type, document.body, lane=LANE)
        except NetSuiteDuplicate:
            return await self._taken(intent, document)
        except NetSuiteRefused as refusal:
            return await self._refused(intent, document, refusal)
        return Applied(_link(intent, document, internal_id))

    def _recognised(self, intent: Intent, document: Sendable, record: Mapping[str, Any]) -> Outcome:
        """Ours, of this revision or an earlier one: applied. Anything else under our id: differs."""
        stored = str(record.get(self._fields.payload_hash) or "")
        with self._runtime.ledger.read() as tx:
            ours = {intent.payload_hash} | {one.payload_hash for one in tx.intents.history(intent.fact)}
        number = str(record["tranId"]) if record.get("tranId") else None
        if stored in ours:
            link = _link(intent, document, str(record["id"]), number, stored)
            return Applied(link, "found in NetSuite")
        return Park(
            "netsuite_differs",
            "content",
            f"{document.name}: NetSuite has record {number or record['id']} under this external id, but not "
            "as this pipeline made it.",
        )

    async def _taken(self, intent: Intent, document: Sendable) -> Outcome:
        """The external id is taken: by an attempt of ours, or by somebody else's record (N 2.6)."""
        found = await self.look_up(intent)
        if not isinstance(found, Absent):
            return found
        if intent.attempts < _LOOKS_BEFORE_GIVING_UP:
            return Unclear("NetSuite says that the external id exists, but shows no such document yet")
        return Park(
            "external_id_taken",
            "external_id",
            f"{document.name}: its external id belongs to another NetSuite record.",
        )

    async def _refused(self, intent: Intent, document: Sendable, refusal: NetSuiteRefused) -> Outcome:
        """Why NetSuite will not: the month has closed; else as it says."""
        now = self._runtime.clock.now()
        periods = await self._reader.periods.periods(not_before=now - _FRESH)
        if not periods.is_open(document.tran_date):
            self.outdated.add(intent.fact)
            reason = f"the period of {document.tran_date} has closed; the document is staged again"
            return NotYet(reason, now + _AGAIN_AFTER)
        if "period" in refusal.detail.lower():
            # The list of periods can lag behind a closing.
            attempt = (intent.fact, intent.payload_hash)
            self._refused_days[attempt] += 1
            if self._refused_days[attempt] < _REFUSALS_OF_AN_OPEN_DAY:
                reason = f"NetSuite refuses {document.tran_date}, whose period it shows as open"
                return NotYet(reason, now + _AGAIN_AFTER)
        raise refusal


def handlers(runtime: Runtime, reader: SettlementReader) -> list[DocumentHandler]:
    """One for each kind of document."""
    return [
        DocumentHandler(PAYOUT_JOURNAL, runtime, reader, _payout),
        DocumentHandler(FX_JOURNAL, runtime, reader, _payout),
        DocumentHandler(CUSTOMER_PAYMENT, runtime, reader, _invoices_paid),
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


def _invoices_paid(intent: Intent, fields: FieldNames) -> Sendable:
    payment = invoice_payment_of(intent)
    body = payment_body(payment, intent.payload_hash, fields)
    name = f"payment {payment.external_id}"
    return Sendable(name, "customerPayment", payment.external_id, payment.tran_date, body)


def _link(
    intent: Intent,
    document: Sendable,
    internal_id: str,
    number: str | None = None,
    payload_hash: str | None = None,
) -> Link:
    return Link(
        fact=intent.fact,
        record_type=document.record_type,
        external_id=document.external_id,
        internal_id=internal_id,
        document_number=number,
        payload_hash=payload_hash or intent.payload_hash,
        version=intent.revision,
    )
