"""How an Item Fulfillment comes to be of what TikTok's own warehouse shipped.

A transform of the Sales Order has no natural guard against a second one (N 2.8), so the result carries
our external id, and every attempt but the first looks for it before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.logins import System
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS, Absent, Applied, NotYet, Outcome, Park, Unclear
from tiktok_ns_pipeline.fulfilment.allocation import quantities_of
from tiktok_ns_pipeline.fulfilment.channel_packages import ChannelFulfilment
from tiktok_ns_pipeline.fulfilment.documents import OrderLine
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.facts import CHANNEL_FULFILMENT, SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteDuplicate, NetSuiteNotFound
from tiktok_ns_pipeline.netsuite.values import id_of, lines_of, ref

DIFFERS = "shipped_quantity_differs"

_LOOKS_BEFORE_GIVING_UP = 5


class ChannelFulfilmentHandler:
    """Makes Item Fulfillments from Sales Orders that TikTok's warehouse fulfilled."""

    kind = CHANNEL_FULFILMENT
    system: System = "netsuite"
    batch_size = 1
    clears: Sequence[str] = (*ENGINE_KINDS, DIFFERS)

    def __init__(self, netsuite: NetSuiteClient, ledger: Ledger, clock: Clock, line_ids_field: str) -> None:
        self._netsuite = netsuite
        self._ledger = ledger
        self._clock = clock
        self._line_ids_field = line_ids_field

    def subject(self, intent: Intent) -> str:
        """The package."""
        return f"package {intent.fact.business_key}"

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Transform the Sales Order of each."""
        return [await self._apply(intent) for intent in intents]

    async def look_up(self, intent: Intent) -> Outcome:
        """Ask NetSuite for the external id: the one proof of what became of an attempt."""
        document = ChannelFulfilment.model_validate(intent.payload)
        record = await self._netsuite.get_by_external_id(
            "itemFulfillment", document.external_id, expand=False, lane=intent.lane
        )
        if record is None:
            return Absent()
        return Applied(_link(intent, document, str(record["id"]), record.get("tranId")), "found in NetSuite")

    async def _apply(self, intent: Intent) -> Outcome:
        document = ChannelFulfilment.model_validate(intent.payload)
        if intent.attempts or intent.revision > 1:
            found = await self.look_up(intent)
            if not isinstance(found, Absent):
                return found if intent.revision == 1 else _changed(document)
        order = self._order_link(intent)
        if order is None:
            return NotYet("the Sales Order is not there yet", self._clock.now() + timedelta(seconds=5))
        try:
            record = await self._netsuite.get("salesOrder", order.internal_id, lane=intent.lane)
        except NetSuiteNotFound:
            return Park(
                "netsuite_differs", "deleted", f"{_name(document)}: its Sales Order is no longer in NetSuite."
            )
        try:
            body = fulfilment_body(document, record, self._line_ids_field)
        except ValueError as error:
            return Park(DIFFERS, "package", f"{_name(document)}: {error}.")
        try:
            internal_id = await self._netsuite.transform(
                "salesOrder", order.internal_id, "itemFulfillment", body, lane=intent.lane
            )
        except NetSuiteDuplicate:
            return await self._resolve_duplicate(intent, document)
        return Applied(_link(intent, document, internal_id))

    def _order_link(self, intent: Intent) -> Link | None:
        fact = intent.fact
        order_id = fact.business_key.partition(".")[0]
        with self._ledger.read() as tx:
            return tx.links.find(FactKey(fact.channel, fact.shop, SALES_ORDER, order_id))

    async def _resolve_duplicate(self, intent: Intent, document: ChannelFulfilment) -> Outcome:
        """The external id is taken: by an attempt of ours, or by somebody else's record (N 2.6)."""
        found = await self.look_up(intent)
        if not isinstance(found, Absent):
            return found
        if intent.attempts < _LOOKS_BEFORE_GIVING_UP:
            return Unclear("NetSuite says that the external id exists, but shows no Item Fulfillment of it")
        return Park(
            "external_id_taken",
            "external_id",
            f"{_name(document)}: external id {document.external_id} belongs to another NetSuite record.",
        )


def fulfilment_body(
    document: ChannelFulfilment, sales_order: Mapping[str, Any], line_ids_field: str
) -> dict[str, Any]:
    """The body of the transform: every line is mentioned, since others would be fulfilled as well (N 2.8).

    Raises ValueError where the package's units are not open on the Sales Order.
    """
    lines = lines_of(sales_order, "item")
    order_lines = [
        OrderLine(int(line["line"]), id_of(line["item"]) or "", Decimal(str(line["quantity"])), unit_ids)
        for line in lines
        if line.get("quantity") is not None and (unit_ids := _unit_ids(line.get(line_ids_field)))
    ]
    still_open = {
        int(line["line"]): Decimal(str(line["quantity"])) - Decimal(str(line.get("quantityPicked") or 0))
        for line in lines
        if line.get("quantity") is not None and not line.get("isClosed")
    }
    shipped = quantities_of(order_lines, document.unit_ids, still_open)
    body: dict[str, Any] = {
        "externalId": document.external_id,
        "shipStatus": ref("C"),
        "tranDate": document.tran_date.isoformat(),
        "item": {"items": [_line(line, shipped.get(int(line["line"]))) for line in lines]},
    }
    if document.tracking:
        body["package"] = {"items": [{"packageTrackingNumber": document.tracking}]}
    return body


def _line(line: Mapping[str, Any], quantity: Decimal | None) -> dict[str, Any]:
    number = int(line["line"])
    if quantity is None:
        return {"orderLine": number, "itemReceive": False}
    body: dict[str, Any] = {"orderLine": number, "itemReceive": True, "quantity": quantity}
    location = id_of(line.get("location"))
    return body if location is None else {**body, "location": ref(location)}


def _unit_ids(text: object) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else ()


def _changed(document: ChannelFulfilment) -> Park:
    return Park(
        "netsuite_differs",
        "package_changed",
        f"{_name(document)} holds other units at TikTok than when its Item Fulfillment "
        f"{document.external_id} was made.",
    )


def _name(document: ChannelFulfilment) -> str:
    return f"Package {document.package_id} of order {document.order_id}, shipped by TikTok's warehouse"


def _link(intent: Intent, document: ChannelFulfilment, internal_id: str, number: object = None) -> Link:
    return Link(
        fact=intent.fact,
        record_type="itemFulfillment",
        external_id=document.external_id,
        internal_id=internal_id,
        document_number=str(number) if number else None,
        payload_hash=intent.payload_hash,
        version=intent.revision,
    )
