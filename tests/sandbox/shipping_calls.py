"""Calls that sellers make to ship, for tests of packages."""

from typing import Any

from tests.sandbox.tiktok_caller import Caller
from tiktok_ns_pipeline.sandbox.markets import MARKETS
from tiktok_ns_pipeline.sandbox.shoppers import Mix

F = "/fulfillment/202309"
USPS, UPS = MARKETS["US"].providers[0].id, MARKETS["US"].providers[1].id
GHN = MARKETS["VN"].providers[1].id
WAREHOUSE = {"mix": Mix.plain(shipped_by="warehouse")}


def own(tracking: str = "1Z999AA10123456784", provider: str = UPS) -> dict[str, Any]:
    return {"tracking_number": tracking, "shipping_provider_id": provider}


def self_shipment(tracking: str = "GHN0000000001", provider: str = GHN) -> dict[str, Any]:
    return {"self_shipment": own(tracking, provider)}


def lines_of(caller: Caller, order_id: str) -> list[str]:
    return [line["id"] for line in caller.world.order(order_id)["line_items"]]


def states(caller: Caller, order_id: str) -> list[str]:
    return [line["display_status"] for line in caller.world.order(order_id)["line_items"]]


async def mark(caller: Caller, order_id: str, body: dict[str, Any], **options: Any) -> int:
    return await caller.code("POST", f"{F}/orders/{order_id}/packages", body=body, **options)


def package_of(caller: Caller, order_id: str) -> str:
    (package,) = caller.world.order(order_id)["packages"]
    return package["id"]
