"""How TikTok comes to know of parcels, and how we find out whether it does.

One call reads all orders of a batch, so that every step begins with what TikTok shows. A refusal never
stops the others of a batch: it is waited for, looked up, or parked under a name that says who acts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.governor import BreakerOpen
from tiktok_ns_pipeline.engine.logins import System
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS, Absent, Applied, Outcome
from tiktok_ns_pipeline.fulfilment.deciding import Known, decide
from tiktok_ns_pipeline.fulfilment.documents import ShipmentDocument
from tiktok_ns_pipeline.fulfilment.refusals import Refusals
from tiktok_ns_pipeline.fulfilment.telling import Case, Telling, link_of
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.facts import SHIPMENT
from tiktok_ns_pipeline.ledger.intents import Intent
from tiktok_ns_pipeline.mapping import Mapping as SellerMapping
from tiktok_ns_pipeline.tiktok.client import ShopAccess, TikTokClient
from tiktok_ns_pipeline.tiktok.errors import (
    TikTokAuthenticationError,
    TikTokError,
    TikTokPermissionError,
    WireError,
)
from tiktok_ns_pipeline.tiktok.models import Order

SHIPMENT_KINDS = (
    "unmapped_carrier",
    "tracking_refused",
    "tracking_update_refused",
    "shipment_refused",
    "combined_package_incomplete",
    "label_not_bought",
    "malformed_package",
    "shipped_after_cancellation",
    "fulfilment_vanished",
)
"""Exceptions about a parcel that TikTok's knowing of it proves gone."""

_STOPS_ALL = (TikTokAuthenticationError, TikTokPermissionError, BreakerOpen)


class ShipmentHandler:
    """Tells TikTok of parcels."""

    kind = SHIPMENT
    system: System = "tiktok"
    batch_size = 50
    clears: Sequence[str] = (*ENGINE_KINDS, *SHIPMENT_KINDS)

    def __init__(
        self,
        tiktok: TikTokClient,
        ledger: Ledger,
        clock: Clock,
        mapping: SellerMapping,
        accesses: Mapping[str, ShopAccess],
        restage: Callable[[str, str], None],
    ) -> None:
        """`restage` is told shop and order id of what is not any more as it was staged."""
        self._tiktok = tiktok
        self._mapping = mapping
        self._accesses = accesses
        self._telling = Telling(tiktok, ledger, clock, mapping, restage)
        self._refusals = Refusals(clock, mapping.fulfilment)

    def subject(self, intent: Intent) -> str:
        """The parcel."""
        return f"shipment {intent.fact.business_key}"

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Look at the orders of a batch, all of one shop, and tell what is not known yet."""
        documents = [ShipmentDocument.model_validate(intent.payload) for intent in intents]
        orders = await self._orders(intents[0].fact.shop, [document.order_id for document in documents])
        indexes: dict[str, list[int]] = {}
        for index, document in enumerate(documents):
            indexes.setdefault(document.order_id, []).append(index)
        outcomes: dict[int, Outcome] = {}

        async def of_order(order_id: str) -> None:
            order = orders.get(order_id)
            for index in indexes[order_id]:
                if index != indexes[order_id][0]:
                    # The parcel before it may have divided or shipped its package.
                    order = (await self._orders(intents[index].fact.shop, [order_id])).get(order_id)
                outcomes[index] = await self._told(intents[index], documents[index], order)

        await asyncio.gather(*map(of_order, indexes))
        return [outcomes[index] for index in range(len(intents))]

    async def look_up(self, intent: Intent) -> Outcome:
        """Read the order: whether its units stand there as told decides."""
        document = ShipmentDocument.model_validate(intent.payload)
        shop = intent.fact.shop
        order = (await self._orders(shop, [document.order_id])).get(document.order_id)
        if isinstance(order, Order):
            region = self._mapping.shops[shop].region
            step = decide(document, order, region, is_correction=intent.revision > 1)
            if isinstance(step, Known):
                return Applied(link_of(intent, document, step.package_id), "found at TikTok")
        return Absent()

    async def _orders(self, shop: str, ids: Sequence[str]) -> dict[str, Order | WireError]:
        found: dict[str, Order | WireError] = {}
        for page in await self._tiktok.order_details(self._accesses[shop], ids, lane="documents"):
            for raw in page.orders:
                try:
                    found[str(raw.get("id"))] = Order.parse(raw)
                except WireError as error:
                    found[str(raw.get("id"))] = error
        return found

    async def _told(
        self, intent: Intent, document: ShipmentDocument, order: Order | WireError | None
    ) -> Outcome:
        """One parcel; only what concerns the whole shop or login is raised."""
        if order is None:
            return self._refusals.unknown_order(document)
        if isinstance(order, WireError):
            return self._refusals.outcome(order, intent, document)
        shop = self._mapping.shops[intent.fact.shop]
        case = Case(intent, document, order, shop, self._accesses[shop.code])
        try:
            return await self._telling.tell(case)
        except _STOPS_ALL:
            raise
        except (TikTokError, WireError) as error:
            return self._refusals.outcome(error, intent, document)
