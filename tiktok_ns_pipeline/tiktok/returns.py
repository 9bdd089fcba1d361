"""What is asked of TikTok Shop about returns and refunds, and how the seller answers them (T 6.1-6.4).

A *return* is the buyer's request for money, for money against goods, or for a replacement; TikTok calls
all of them so. While it waits for the seller it is answered once; `idempotency_key` makes the same answer
sent twice one answer (T 6.2). A write can end in TikTokAmbiguous: send it again with the same key, or
read the return.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.tiktok.answering import RejectReason, answered_once, reject_reasons
from tiktok_ns_pipeline.tiktok.calling import Caller, Listing, Page, ShopAccess, time_bounds
from tiktok_ns_pipeline.tiktok.endpoints import ENDPOINTS

Approval = Literal[
    "APPROVE_REFUND",
    "APPROVE_RETURN",
    "APPROVE_RECEIVED_PACKAGE",
    "APPROVE_REPLACEMENT",
    "ISSUE_REPLACEMENT_REFUND",
    "OFFER_PARTIAL_REFUND",
]
"""How a return is agreed to (T 6.2)."""

Rejection = Literal["REJECT_REFUND", "REJECT_RETURN", "REJECT_RECEIVED_PACKAGE", "REJECT_REPLACEMENT"]
"""How a return is refused (T 6.2)."""

_RETURNS_PER_SEARCH = 50
_IDS_PER_SEARCH = 50
_RETURNS = Listing("return_orders", "return_id")


class ReturnCalls:
    """Calls about returns; each raises TikTokError for every failure."""

    def __init__(self, calls: Caller) -> None:
        self._calls = calls

    async def search(
        self,
        shop: ShopAccess,
        *,
        updated_since: datetime | None = None,
        updated_until: datetime | None = None,
        statuses: Sequence[str] = (),
        return_ids: Sequence[str] = (),
        order_ids: Sequence[str] = (),
        page_size: int = _RETURNS_PER_SEARCH,
        sort_order: Literal["ASC", "DESC"] = "ASC",
        lane: Lane = "documents",
    ) -> AsyncIterator[Page]:
        """Pages of raw returns by their last change; the upper bound is exclusive. By return or by order,
        50 ids a call (T 6.2).

        The caller overlaps its windows, since rows move between pages. Raises ValueError for both kinds
        of ids at once.
        """
        if return_ids and order_ids:
            raise ValueError("returns are asked for by their own ids or by their orders', not by both")
        query = {
            "page_size": str(page_size),
            "sort_field": "update_time",
            "sort_order": sort_order,
        }
        body: dict[str, Any] = time_bounds(update_time_ge=updated_since, update_time_lt=updated_until)
        if statuses:
            body["return_status"] = list(statuses)
        name, ids = ("return_ids", return_ids) if return_ids else ("order_ids", order_ids)
        distinct = list(dict.fromkeys(ids))
        batches = [
            {name: distinct[at : at + _IDS_PER_SEARCH]} for at in range(0, len(distinct), _IDS_PER_SEARCH)
        ]
        for batch in batches or [{}]:
            async for page in self._calls.pages(
                ENDPOINTS["search_returns"],
                shop,
                Page,
                _RETURNS,
                query=query,
                body={**body, **batch},
                lane=lane,
            ):
                yield page

    async def records(
        self, shop: ShopAccess, return_id: str, lane: Lane = "documents"
    ) -> list[dict[str, Any]]:
        """What was done and said about a return, raw (`ReturnRecord`)."""
        path = {"return_id": return_id}
        answer = await self._calls.call(ENDPOINTS["return_records"], shop, path_values=path, lane=lane)
        return answer.rows("records")

    async def approve(
        self,
        shop: ShopAccess,
        return_id: str,
        idempotency_key: str,
        decision: Approval,
        *,
        buyer_keeps_item: bool | None = None,
        partial_refund: Money | None = None,
        lane: Lane = "urgent",
    ) -> None:
        """Agree to a return, or offer a part of the money instead (T 6.2).

        Raises ValueError for an offer without a positive amount, and for an amount that is no offer.
        """
        offers = decision == "OFFER_PARTIAL_REFUND"
        if offers != (partial_refund is not None):
            raise ValueError(
                f"{decision} of return {return_id}: an amount belongs to an offer, and only there"
            )
        body: dict[str, Any] = {"decision": decision}
        if buyer_keeps_item is not None:
            body["buyer_keep_item"] = buyer_keeps_item
        if partial_refund is not None:
            if partial_refund.amount <= Decimal(0):
                raise ValueError(f"offer for return {return_id}: {partial_refund.amount} is no refund")
            amount = format(partial_refund.amount, "f")
            body["partial_refund"] = {"amount": amount, "currency": partial_refund.currency}
        await self._answer("approve_return", shop, return_id, idempotency_key, body, lane)

    async def reject(
        self,
        shop: ShopAccess,
        return_id: str,
        idempotency_key: str,
        decision: Rejection,
        reason: str,
        comment: str = "",
        *,
        lane: Lane = "urgent",
    ) -> None:
        """Refuse a return, for a reason that `reject_reasons` names; the buyer may call TikTok (T 6.2)."""
        body = {"decision": decision, "reject_reason": reason, **({"comment": comment} if comment else {})}
        await self._answer("reject_return", shop, return_id, idempotency_key, body, lane)

    async def reject_reasons(
        self, shop: ShopAccess, return_id: str, lane: Lane = "urgent"
    ) -> list[RejectReason]:
        """The reasons for which this return may be rejected (T 6.2). Raises WireError."""
        return await reject_reasons(self._calls, shop, return_id, "return", lane)

    async def _answer(
        self, call: str, shop: ShopAccess, return_id: str, key: str, body: dict[str, Any], lane: Lane
    ) -> None:
        await self._calls.call(
            ENDPOINTS[call],
            shop,
            path_values={"return_id": return_id},
            query=answered_once(key),
            body=body,
            lane=lane,
        )
