"""What the seller's answers to a buyer have in common, about a cancellation or a return (T 6.2)."""

from __future__ import annotations

from typing import NamedTuple

from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.tiktok.calling import Caller, ShopAccess
from tiktok_ns_pipeline.tiktok.endpoints import ENDPOINTS
from tiktok_ns_pipeline.tiktok.wire import RequiredText, Text, Wire, parse

_LONGEST_KEY = 255


class RejectReason(NamedTuple):
    """Why a request may be rejected: `name` is sent, `text` is for people (T 6.2)."""

    name: str
    text: str


def answered_once(key: str) -> dict[str, str]:
    """The query that makes the same answer sent twice one answer. Raises ValueError for a key that
    TikTok would not take."""
    if not 0 < len(key) <= _LONGEST_KEY:
        raise ValueError(f"an idempotency key has 1 to {_LONGEST_KEY} characters, this one {len(key)}")
    return {"idempotency_key": key}


async def reject_reasons(
    calls: Caller, shop: ShopAccess, request_id: str, kind: str, lane: Lane
) -> list[RejectReason]:
    """The reasons for which this return or cancellation may be rejected (T 6.2). Raises WireError."""
    query = {"return_or_cancel_id": request_id}
    answer = await calls.call(ENDPOINTS["reject_reasons"], shop, query=query, lane=lane)
    found = [parse(_Reason, raw, f"reject reason of {kind}", request_id) for raw in answer.rows("reasons")]
    return [RejectReason(reason.name, reason.text or "") for reason in found]


class _Reason(Wire):
    name: RequiredText
    text: Text = None
