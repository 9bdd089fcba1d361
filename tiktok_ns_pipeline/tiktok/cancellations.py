"""What is asked of TikTok Shop about cancellations, and how the seller answers a request (T 6.1-6.3).

A buyer's request that waits for the seller is answered once; `idempotency_key` makes the same answer
sent twice one answer (T 6.2). A write can end in TikTokAmbiguous: send it again with the same key, or
read the cancellation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Literal

from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.tiktok.answering import RejectReason, answered_once, reject_reasons
from tiktok_ns_pipeline.tiktok.calling import Caller, Listing, Page, ShopAccess, time_bounds
from tiktok_ns_pipeline.tiktok.endpoints import ENDPOINTS

_CANCELLATIONS_PER_SEARCH = 50
_CANCELLATIONS = Listing("cancellations", "cancel_id")


class CancellationCalls:
    """Calls about cancellations; each raises TikTokError for every failure."""

    def __init__(self, calls: Caller) -> None:
        self._calls = calls

    async def search(
        self,
        shop: ShopAccess,
        update_time_ge: datetime | None = None,
        update_time_lt: datetime | None = None,
        *,
        statuses: Sequence[str] = (),
        order_ids: Sequence[str] = (),
        cancel_ids: Sequence[str] = (),
        page_size: int = _CANCELLATIONS_PER_SEARCH,
        sort_order: Literal["ASC", "DESC"] = "ASC",
        lane: Lane = "urgent",
    ) -> AsyncIterator[Page]:
        """Pages of raw cancellations by their last change; the upper bound is exclusive (T 6.2).

        As a filter the withdrawn status is spelled `CANCELLATION_REQUEST_CANCEL` (T 6.3). The caller
        overlaps its windows, since rows move between pages.
        """
        query = {
            "page_size": str(page_size),
            "sort_field": "update_time",
            "sort_order": sort_order,
        }
        lists = {"cancel_status": statuses, "order_ids": order_ids, "cancel_ids": cancel_ids}
        body: dict[str, Any] = {
            **time_bounds(update_time_ge=update_time_ge, update_time_lt=update_time_lt),
            **{name: list(values) for name, values in lists.items() if values},
        }
        endpoint = ENDPOINTS["search_cancellations"]
        async for page in self._calls.pages(
            endpoint, shop, Page, _CANCELLATIONS, query=query, body=body, lane=lane
        ):
            yield page

    async def approve(
        self, shop: ShopAccess, cancel_id: str, idempotency_key: str, lane: Lane = "urgent"
    ) -> None:
        """Let the buyer cancel (T 6.2)."""
        await self._answer("approve_cancellation", shop, cancel_id, idempotency_key, {}, lane)

    async def reject(
        self,
        shop: ShopAccess,
        cancel_id: str,
        idempotency_key: str,
        reason: str,
        comment: str = "",
        lane: Lane = "urgent",
    ) -> None:
        """Refuse a buyer's request, for a reason that `reject_reasons` names (T 6.2)."""
        body = {"reject_reason": reason, **({"comment": comment} if comment else {})}
        await self._answer("reject_cancellation", shop, cancel_id, idempotency_key, body, lane)

    async def reject_reasons(
        self, shop: ShopAccess, cancel_id: str, lane: Lane = "urgent"
    ) -> list[RejectReason]:
        """The reasons for which this request may be rejected (T 6.2). Raises WireError."""
        return await reject_reasons(self._calls, shop, cancel_id, "cancellation", lane)

    async def _answer(
        self, call: str, shop: ShopAccess, cancel_id: str, key: str, body: dict[str, str], lane: Lane
    ) -> None:
        await self._calls.call(
            ENDPOINTS[call],
            shop,
            path_values={"cancel_id": cancel_id},
            query=answered_once(key),
            body=body,
            lane=lane,
        )
