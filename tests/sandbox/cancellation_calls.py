"""Calls about cancellations, for tests."""

from typing import Any

from tests.sandbox.tiktok_caller import Caller

R = "/return_refund/202309"
SEARCH = f"{R}/cancellations/search"
PACKED = "ecom_reverse_reject_cancel_reason_product_packed"
OUT_OF_STOCK = "seller_cancel_reason_out_of_stock"
DAY = 86_400


async def listed(caller: Caller, body: dict[str, Any] | None = None, **options: Any) -> list[dict[str, Any]]:
    data = await caller.data("POST", SEARCH, {"page_size": "50"}, body or {}, **options)
    return data.get("cancellations", [])


async def only(caller: Caller, order_id: str) -> dict[str, Any]:
    (one,) = await listed(caller, {"order_ids": [order_id]})
    return one


async def approve(caller: Caller, cancel_id: str, key: str = "k1", **options: Any) -> int:
    path = f"{R}/cancellations/{cancel_id}/approve"
    return await caller.code("POST", path, {"idempotency_key": key}, **options)


async def reject(
    caller: Caller, cancel_id: str, reason: str = PACKED, key: str = "k1", **options: Any
) -> int:
    path = f"{R}/cancellations/{cancel_id}/reject"
    body = {"reject_reason": reason} if reason else {}
    return await caller.code("POST", path, {"idempotency_key": key}, body, **options)


async def cancel(caller: Caller, order_id: str, reason: str = OUT_OF_STOCK, **body: Any) -> int:
    wish = {"order_id": order_id, "cancel_reason": reason, **body}
    return await caller.code("POST", f"{R}/cancellations", body=wish)
