"""What is asked of TikTok Shop about packages: what was shipped, and by whom (T 4.1-4.4).

TikTok's carrier takes scheduled packages by `ship_package` with a handover, the seller's own carrier
by `ship_package` with a tracking number or, in US, UK, EU and JP, by `mark_as_shipped`. Which of them
serves a market is the caller's decision. Every write can end in TikTokAmbiguous: read the package
before sending it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from tiktok_ns_pipeline.clock import to_epoch
from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.tiktok.calling import Caller, Listing, Page, ShopAccess, time_bounds
from tiktok_ns_pipeline.tiktok.endpoints import ENDPOINTS
from tiktok_ns_pipeline.tiktok.fulfilment_models import (
    HandoverSlots,
    PickupSlot,
    SplitAttributes,
    SplitPackage,
)
from tiktok_ns_pipeline.tiktok.wire import RequiredId, Text, Wire, parse

_PACKAGES_PER_SEARCH = 50
_PACKAGES = Listing("packages", "id")


class ShippingProvider(NamedTuple):
    """A carrier that a delivery option offers (T 4.5)."""

    id: str
    name: str


class SellerWarehouse(NamedTuple):
    """A place that a shop ships from or takes returns at (T 4.5)."""

    id: str
    name: str
    sells: bool
    """Whether buyers can be served from it: a warehouse for sales, not disabled."""


class FulfilmentCalls:
    """Calls about packages; each raises TikTokError for every failure."""

    def __init__(self, calls: Caller) -> None:
        self._calls = calls

    async def search_packages(
        self,
        shop: ShopAccess,
        update_time_ge: datetime | None = None,
        update_time_lt: datetime | None = None,
        lane: Lane = "documents",
    ) -> AsyncIterator[Page]:
        """Pages of raw packages, oldest change first; the upper bound is exclusive (T 4.2).

        Rows move between pages while packages move, so the caller overlaps its windows.
        """
        query = {"page_size": str(_PACKAGES_PER_SEARCH), "sort_field": "update_time", "sort_order": "ASC"}
        body = time_bounds(update_time_ge=update_time_ge, update_time_lt=update_time_lt)
        endpoint = ENDPOINTS["search_packages"]
        async for page in self._calls.pages(
            endpoint, shop, Page, _PACKAGES, query=query, body=body, lane=lane
        ):
            yield page

    async def package(self, shop: ShopAccess, package_id: str, lane: Lane = "documents") -> dict[str, Any]:
        """One package, raw. Its keys differ from a search's row (T 4.3)."""
        path = {"package_id": package_id}
        return (await self._calls.call(ENDPOINTS["package"], shop, path_values=path, lane=lane)).data

    async def ship_package(
        self,
        shop: ShopAccess,
        package_id: str,
        handover_method: Literal["PICKUP", "DROP_OFF"] | None = None,
        pickup_slot: PickupSlot | None = None,
        self_shipment: tuple[str, str] | None = None,
        lane: Lane = "documents",
    ) -> None:
        """Arrange the shipment of a package: handed to TikTok's carrier, in a slot if it is a pick-up,
        or with the seller's own (tracking number, provider id) (T 4.1, 4.2)."""
        body: dict[str, Any] = {}
        if handover_method is not None:
            body["handover_method"] = handover_method
        if pickup_slot is not None:
            start, end = to_epoch(pickup_slot.start_time), to_epoch(pickup_slot.end_time)
            body["pickup_slot"] = {"start_time": start, "end_time": end}
        if self_shipment is not None:
            body["self_shipment"] = _shipping_info(*self_shipment)
        path = {"package_id": package_id}
        await self._calls.call(ENDPOINTS["ship_package"], shop, path_values=path, body=body, lane=lane)

    async def mark_as_shipped(
        self,
        shop: ShopAccess,
        order_id: str,
        tracking_number: str,
        shipping_provider_id: str,
        line_ids: Sequence[str] = (),
        lane: Lane = "documents",
    ) -> dict[str, Any]:
        """Tell that the seller shipped these units (none named: all that are open) and return what
        TikTok made of it, raw: `package_id`, and `warning` where it doubts the number (T 4.2)."""
        body: dict[str, Any] = _shipping_info(tracking_number, shipping_provider_id)
        if line_ids:
            body["order_line_item_ids"] = list(line_ids)
        path = {"order_id": order_id}
        endpoint = ENDPOINTS["mark_as_shipped"]
        return (await self._calls.call(endpoint, shop, path_values=path, body=body, lane=lane)).data

    async def update_order_shipping_info(
        self,
        shop: ShopAccess,
        order_id: str,
        tracking_number: str,
        shipping_provider_id: str,
        lane: Lane = "documents",
    ) -> None:
        """Correct the tracking of an order that the seller shipped unsplit, within 72 hours and a
        limited number of times (T 4.2)."""
        path = {"order_id": order_id}
        body = _shipping_info(tracking_number, shipping_provider_id)
        endpoint = ENDPOINTS["update_order_shipping_info"]
        await self._calls.call(endpoint, shop, path_values=path, body=body, lane=lane)

    async def update_package_shipping_info(
        self,
        shop: ShopAccess,
        package_id: str,
        tracking_number: str,
        shipping_provider_id: str,
        lane: Lane = "documents",
    ) -> None:
        """Correct the tracking of one package of a split order, under the same limits (T 4.2)."""
        path = {"package_id": package_id}
        body = _shipping_info(tracking_number, shipping_provider_id)
        endpoint = ENDPOINTS["update_package_shipping_info"]
        await self._calls.call(endpoint, shop, path_values=path, body=body, lane=lane)

    async def split_attributes(
        self, shop: ShopAccess, order_ids: Sequence[str], lane: Lane = "documents"
    ) -> list[SplitAttributes]:
        """Whether these orders may or must be split before shipping (T 4.2). Raises WireError."""
        query = {"order_ids": ",".join(order_ids)}
        answer = await self._calls.call(ENDPOINTS["split_attributes"], shop, query=query, lane=lane)
        return [SplitAttributes.parse(raw) for raw in answer.rows("split_attributes")]

    async def split_order(
        self, shop: ShopAccess, order_id: str, groups: Mapping[str, Sequence[str]], lane: Lane = "documents"
    ) -> dict[str, str]:
        """Divide an order into packages before shipping; `groups` are unit ids by an id of ours, and
        the answer is TikTok's package id by that id (T 4.2, 4.4). Raises WireError."""
        body = {
            "splittable_groups": [
                {"id": name, "order_line_item_ids": list(ids)} for name, ids in groups.items()
            ]
        }
        path = {"order_id": order_id}
        answer = await self._calls.call(
            ENDPOINTS["split_order"], shop, path_values=path, body=body, lane=lane
        )
        made = [SplitPackage.parse(raw) for raw in answer.rows("packages")]
        return {package.splittable_group_id: package.id for package in made}

    async def handover_time_slots(
        self, shop: ShopAccess, package_id: str, lane: Lane = "documents"
    ) -> HandoverSlots:
        """How and when TikTok's carrier takes a package (T 4.2). Raises WireError."""
        path = {"package_id": package_id}
        answer = await self._calls.call(ENDPOINTS["handover_time_slots"], shop, path_values=path, lane=lane)
        return HandoverSlots.parse(answer.data, package_id)

    async def shipping_providers(
        self, shop: ShopAccess, delivery_option_id: str, lane: Lane = "documents"
    ) -> list[ShippingProvider]:
        """The carriers that a seller may name for this delivery option of an order (T 4.5). Raises
        TikTokRefused (meaning `channel_ships`) for options of TikTok's own carrier, WireError."""
        path = {"delivery_option_id": delivery_option_id}
        answer = await self._calls.call(ENDPOINTS["shipping_providers"], shop, path_values=path, lane=lane)
        found = [parse(_Provider, raw, "shipping provider") for raw in answer.rows("shipping_providers")]
        return [ShippingProvider(provider.id, provider.name or "") for provider in found]

    async def warehouses(self, shop: ShopAccess, lane: Lane = "documents") -> list[SellerWarehouse]:
        """The shop's warehouses, those for returns among them (T 4.5). Raises WireError."""
        answer = await self._calls.call(ENDPOINTS["warehouses"], shop, lane=lane)
        found = [parse(_Warehouse, raw, "warehouse") for raw in answer.rows("warehouses")]
        return [
            SellerWarehouse(
                one.id, one.name or "", one.type == "SALES_WAREHOUSE" and one.effect_status != "DISABLED"
            )
            for one in found
        ]


class _Warehouse(Wire):
    id: RequiredId
    name: Text = None
    type: Text = None
    effect_status: Text = None


class _Provider(Wire):
    id: RequiredId
    name: Text = None


def _shipping_info(tracking_number: str, shipping_provider_id: str) -> dict[str, str]:
    return {"tracking_number": tracking_number, "shipping_provider_id": shipping_provider_id}
