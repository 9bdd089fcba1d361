"""How a Sales Order comes to be in NetSuite, and how we find out whether it is.

Three kinds of facts: the customer (`cust`), the Sales Order (`so`) and its number at TikTok (`ref`).
A Sales Order is created by POST with its external id and never upserted: a PUT could overwrite what
the warehouse changed (DESIGN 5). A change of the order amends the record by its lines' keys while
nothing of it was fulfilled, and touches only lines that we made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

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
from tiktok_ns_pipeline.ledger.facts import CUSTOMER, REFERENCE, SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteDuplicate, NetSuiteNotFound
from tiktok_ns_pipeline.netsuite.values import id_of, lines_of
from tiktok_ns_pipeline.orders.document import Customer, SalesOrderDocument
from tiktok_ns_pipeline.orders.records import (
    FieldNames,
    amendment_body,
    customer_body,
    sales_order_body,
)
from tiktok_ns_pipeline.tiktok.client import ExternalOrderReference, ShopAccess, TikTokClient

_LOOKS_BEFORE_GIVING_UP = 5
_PROGRESS = ("quantityPicked", "quantityPacked", "quantityFulfilled", "quantityBilled")
"""What the warehouse or finance did with a line (N 5.4): from the first unit on, we keep off."""


def customer_fact(channel: str, shop: str, key: str) -> FactKey:
    """The fact that a customer exists; `key` names the bucket or the buyer."""
    return FactKey(channel, shop, CUSTOMER, key)


class SalesOrderHandler:
    """Creates and amends Sales Orders."""

    kind = SALES_ORDER
    system: System = "netsuite"
    batch_size = 1
    clears: Sequence[str] = ENGINE_KINDS

    def __init__(self, netsuite: NetSuiteClient, ledger: Ledger, clock: Clock, fields: FieldNames) -> None:
        self._netsuite = netsuite
        self._ledger = ledger
        self._clock = clock
        self._fields = fields
        self._customers: dict[FactKey, str] = {}

    def subject(self, intent: Intent) -> str:
        """The order."""
        return f"order {intent.fact.business_key}"

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Create the Sales Order, or amend the one that is linked."""
        return [await self._apply(intent) for intent in intents]

    async def look_up(self, intent: Intent) -> Outcome:
        """Ask NetSuite for the external id: the one proof of what became of an attempt."""
        document = _document(intent)
        record = await self._netsuite.get_by_external_id("salesOrder", document.external_id, lane=intent.lane)
        if record is None:
            return Absent()
        return self._recognise(intent, document, record)

    async def _apply(self, intent: Intent) -> Outcome:
        document = _document(intent)
        customer_key = intent.payload["customer_key"]
        # A first revision has no link yet: one is written together with its end.
        link = self._link_of(intent.fact) if intent.revision > 1 else None
        if link is not None:
            return await self._amend(intent, document, link)
        customer = customer_fact(intent.fact.channel, intent.fact.shop, customer_key)
        customer_id = document.customer.existing_id or self._customer_id(customer)
        if customer_id is None:
            return NotYet(
                f"customer {customer_key} is not there yet", self._clock.now() + timedelta(seconds=2)
            )
        body = sales_order_body(document, customer_id, intent.payload_hash, self._fields)
        try:
            internal_id = await self._netsuite.create("salesOrder", body, lane=intent.lane)
        except NetSuiteDuplicate:
            return await self._resolve_duplicate(intent, document)
        return Applied(_link(intent, "salesOrder", document.external_id, internal_id))

    def _link_of(self, fact: FactKey) -> Link | None:
        with self._ledger.read() as tx:
            return tx.links.find(fact)

    def _customer_id(self, customer: FactKey) -> str | None:
        """Internal id of a customer; it never changes, so it is asked for once."""
        if customer not in self._customers:
            link = self._link_of(customer)
            if link is None:
                return None
            self._customers[customer] = link.internal_id
        return self._customers[customer]

    async def _resolve_duplicate(self, intent: Intent, document: SalesOrderDocument) -> Outcome:
        """The external id is taken: by an attempt of ours, or by somebody else's record (N 2.6)."""
        found = await self.look_up(intent)
        if not isinstance(found, Absent) or found.link is not None:
            return Unclear("linked an earlier revision") if isinstance(found, Absent) else found
        if intent.attempts < _LOOKS_BEFORE_GIVING_UP:
            return Unclear("NetSuite says that the external id exists, but shows no Sales Order of it yet")
        return Park(
            "external_id_taken",
            "external_id",
            f"{_name(document)}: external id {document.external_id} belongs to another NetSuite record, "
            "which is no Sales Order.",
        )

    def _recognise(self, intent: Intent, document: SalesOrderDocument, record: Mapping[str, Any]) -> Outcome:
        """Ours with this content: applied. Ours with older content: linked, to be amended. Else: differs."""
        link = _link(intent, "salesOrder", document.external_id, str(record["id"]), record.get("tranId"))
        stored = str(record.get(self._fields.payload_hash) or "")
        if stored == intent.payload_hash:
            return Applied(link, "found in NetSuite")
        with self._ledger.read() as tx:
            ours = {revision.payload_hash for revision in tx.intents.history(intent.fact)}
        if stored in ours:
            return Absent(
                _link(
                    intent, "salesOrder", document.external_id, link.internal_id, link.document_number, stored
                )
            )
        return Park(
            "netsuite_differs",
            "content",
            f"{_name(document)}: NetSuite has Sales Order {record.get('tranId') or link.internal_id} under "
            f"{document.external_id}, but not as this pipeline made it.",
        )

    async def _amend(self, intent: Intent, document: SalesOrderDocument, link: Link) -> Outcome:
        """Bring an unfulfilled Sales Order to the newest revision."""
        try:
            record = await self._netsuite.get("salesOrder", link.internal_id, lane=intent.lane)
        except NetSuiteNotFound:
            return _gone(document, link)
        recognised = self._recognise(intent, document, record)
        if not isinstance(recognised, Absent):
            return recognised
        if not _is_unfulfilled(record):
            return Park(
                "amendment_too_late",
                intent.payload_hash,
                f"{_name(document)} changed at TikTok, but Sales Order "
                f"{record.get('tranId') or link.internal_id} is already being fulfilled, billed or closed; "
                "it was left as it is.",
            )
        body = amendment_body(document, record, intent.payload_hash, self._fields)
        # Tax details have no keys: without replacing them, the old ones would count as well (N 2.7).
        replaced = ["item", "taxDetails"] if "taxDetails" in body else ["item"]
        await self._netsuite.patch("salesOrder", link.internal_id, body, replace=replaced, lane=intent.lane)
        number = str(record["tranId"]) if record.get("tranId") else link.document_number
        return Applied(_link(intent, "salesOrder", document.external_id, link.internal_id, number), "amended")


class CustomerHandler:
    """Creates the customers that Sales Orders are for."""

    kind = CUSTOMER
    system: System = "netsuite"
    batch_size = 1
    clears: Sequence[str] = ENGINE_KINDS

    def __init__(self, netsuite: NetSuiteClient, fields: FieldNames) -> None:
        self._netsuite = netsuite
        self._fields = fields

    def subject(self, intent: Intent) -> str:
        """The customer, by its key; never by a buyer's name."""
        return f"customer {intent.fact.business_key}"

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Create the customer."""
        return [await self._apply(intent) for intent in intents]

    async def look_up(self, intent: Intent) -> Outcome:
        """Ask NetSuite for the external id; an entity of that id is the customer (N 2.6)."""
        external_id = str(intent.payload["external_id"])
        record = await self._netsuite.get_by_external_id(
            "customer", external_id, expand=False, lane=intent.lane
        )
        if record is None:
            return Absent()
        return Applied(_link(intent, "customer", external_id, str(record["id"]), record.get("entityId")))

    async def _apply(self, intent: Intent) -> Outcome:
        external_id = str(intent.payload["external_id"])
        customer = Customer.model_validate(intent.payload["customer"])
        body = customer_body(customer, external_id, self._fields)
        try:
            internal_id = await self._netsuite.create("customer", body, lane=intent.lane)
        except NetSuiteDuplicate:
            found = await self.look_up(intent)
            if not isinstance(found, Absent):
                return found
            if intent.attempts < _LOOKS_BEFORE_GIVING_UP:
                return Unclear("NetSuite says that the customer exists, but does not show it yet")
            return Park(
                "external_id_taken",
                "customer",
                f"Customer {external_id}: its name or external id belongs to another NetSuite entity.",
            )
        return Applied(_link(intent, "customer", external_id, internal_id))


class ExternalReferenceHandler:
    """Tells TikTok the NetSuite number of an order."""

    kind = REFERENCE
    system: System = "tiktok"
    batch_size = 100
    """TikTok takes 100 orders in one call (T 3.1)."""
    clears: Sequence[str] = ENGINE_KINDS

    def __init__(self, tiktok: TikTokClient, shops: Mapping[str, ShopAccess]) -> None:
        self._tiktok = tiktok
        self._shops = shops

    def subject(self, intent: Intent) -> str:
        """The reference of the order: its trouble is not the Sales Order's."""
        return f"reference {intent.fact.business_key}"

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Attach the numbers of up to 100 orders of one shop in one call; refusals come singly."""
        shop = self._shops[intents[0].fact.shop]
        references = [
            ExternalOrderReference(
                order_id=intent.fact.business_key,
                external_id=str(intent.payload["document_number"]),
                line_items=tuple((str(line), str(line)) for line in intent.payload["line_ids"]),
            )
            for intent in intents
        ]
        failures = await self._tiktok.attach_external_orders(shop, references)
        if len(intents) > 1 and any(failure.order_id is None for failure in failures):
            # A failure that names no order may be any of them: ask one by one.
            return [(await self.apply([intent]))[0] for intent in intents]
        refused = {failure.order_id or intents[0].fact.business_key: failure for failure in failures}
        outcomes: list[Outcome] = []
        for intent in intents:
            failure = refused.get(intent.fact.business_key)
            if failure is None:
                outcomes.append(Applied())
                continue
            outcomes.append(
                Park(
                    "reference_refused",
                    failure.code,
                    f"Order {intent.fact.business_key}: TikTok does not take NetSuite number "
                    f"{intent.payload['document_number']} ({failure.code}: {failure.message}).",
                )
            )
        return outcomes

    async def look_up(self, intent: Intent) -> Outcome:
        """Attaching the same number again changes nothing, so sending again is safe."""
        return Absent()


def _document(intent: Intent) -> SalesOrderDocument:
    return SalesOrderDocument.model_validate(intent.payload["document"])


def _link(
    intent: Intent,
    record_type: str,
    external_id: str,
    internal_id: str,
    number: str | None = None,
    payload_hash: str | None = None,
) -> Link:
    return Link(
        fact=intent.fact,
        record_type=record_type,
        external_id=external_id,
        internal_id=internal_id,
        document_number=number,
        payload_hash=payload_hash or intent.payload_hash,
        version=intent.revision,
    )


def _name(document: SalesOrderDocument) -> str:
    return f"Order {document.order_id} of shop {document.shop}"


def _gone(document: SalesOrderDocument, link: Link) -> Park:
    return Park(
        "netsuite_differs",
        "deleted",
        f"{_name(document)}: Sales Order {link.document_number or link.internal_id} was made, and is no "
        "longer in NetSuite.",
    )


def _is_unfulfilled(record: Mapping[str, Any]) -> bool:
    """Pending approval or pending fulfilment (N 2.12: A, B), nothing picked, shipped or billed."""
    if id_of(record.get("status")) not in {"A", "B"}:
        return False
    lines = lines_of(record, "item")
    done = (line.get(name) or 0 for line in lines for name in _PROGRESS)
    return all(Decimal(str(quantity)) == 0 for quantity in done)
