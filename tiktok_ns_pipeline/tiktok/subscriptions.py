"""Where TikTok Shop sends its webhooks: one address per event type and shop (T 8.1, 8.4).

After a registration the entry may be missing from the list for a while, so the caller lists,
compares and registers again (T 8.4). Types from 64 on are not registered here but in TikTok's
Partner Center.
"""

from __future__ import annotations

from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.tiktok.calling import Caller, ShopAccess
from tiktok_ns_pipeline.tiktok.endpoints import ENDPOINTS
from tiktok_ns_pipeline.tiktok.wire import Instant, RequiredText, Text, Wire, parse


class WebhookSubscription(Wire):
    """One event type and the address that is told of it."""

    event_type: RequiredText
    address: Text = None
    create_time: Instant = None
    update_time: Instant = None


class WebhookCalls:
    """Calls about webhook addresses; each raises TikTokError for every failure."""

    def __init__(self, calls: Caller) -> None:
        self._calls = calls

    async def list(self, shop: ShopAccess, lane: Lane = "orders") -> tuple[WebhookSubscription, ...]:
        """What is registered for the shop (T 8.4). Raises WireError."""
        answer = await self._calls.call(ENDPOINTS["webhooks"], shop, lane=lane)
        return tuple(
            parse(WebhookSubscription, raw, "webhook", id_keys=("event_type",))
            for raw in answer.rows("webhooks")
        )

    async def register(self, shop: ShopAccess, event_type: str, address: str, lane: Lane = "orders") -> None:
        """Send events of this type (`ORDER_STATUS_CHANGE`, ...) to this https address from now on,
        instead of any other (T 8.1, 8.4)."""
        body = {"event_type": event_type, "address": address}
        await self._calls.call(ENDPOINTS["register_webhook"], shop, body=body, lane=lane)

    async def delete(self, shop: ShopAccess, event_type: str, lane: Lane = "orders") -> None:
        """Send events of this type no more; nothing registered is no error (T 8.4)."""
        body = {"event_type": event_type}
        await self._calls.call(ENDPOINTS["delete_webhook"], shop, body=body, lane=lane)
