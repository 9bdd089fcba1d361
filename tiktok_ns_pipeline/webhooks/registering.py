"""Tells TikTok where to post which events, and makes sure that it knows.

One address per event type and shop (T 8.4). A registration that TikTok accepted may be missing from
its list for a while, or for good: so the list is compared with what is wanted, and what is missing
is registered again, a few times with growing pauses.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from tiktok_ns_pipeline.settings import TIKTOK_API
from tiktok_ns_pipeline.tiktok.calling import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import TikTokPermissionError, TikTokRefused
from tiktok_ns_pipeline.tiktok.subscriptions import WebhookCalls

DEFAULT_EVENTS = (
    "ORDER_STATUS_CHANGE",
    "RECIPIENT_ADDRESS_UPDATE",
    "PACKAGE_UPDATE",
    "CANCELLATION_STATUS_CHANGE",
    "RETURN_STATUS_CHANGE",
    "PRODUCT_STATUS_CHANGE",
    "PRODUCT_INFORMATION_CHANGE",
    "PRODUCT_CREATION",
    "PRODUCT_AUDIT_STATUS_CHANGE",
)
LONGEST_ADDRESS = 255
PAUSES_S = (0.5, 2.0, 5.0, 10.0, 20.0)
"""How long to wait before each look at the list; then what is missing is registered again."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of one event type."""

    event_type: str
    outcome: Literal["was there", "registered", "deleted", "not seen", "refused"]
    """`not seen` was accepted and is not listed; `refused` was not accepted."""
    before: str | None = None
    """The other address that TikTok posted to until now."""
    why: str = ""
    """What TikTok said when it refused."""


def complaint_about(address: str, api_url: str) -> str | None:
    """Why TikTok would not post to an address (T 8.1), or None.

    A sandbox, which is anything but TikTok's own host, posts to this machine as well.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    if not host or parts.scheme not in {"http", "https"} or parts.username is not None:
        return f"{address!r} is no web address; write one like https://shop.example.com/webhooks/tiktok"
    if len(address) > LONGEST_ADDRESS:
        return f"the address has {len(address)} characters, TikTok takes {LONGEST_ADDRESS} at most"
    if urlsplit(api_url).hostname != urlsplit(TIKTOK_API).hostname:
        return None
    for is_wrong, complaint in (
        (parts.scheme != "https", "TikTok posts to https only; put a proxy with a certificate in front"),
        (_is_no_domain(host), f"TikTok posts to a domain name only, and {host} is none"),
        (port is not None, "TikTok takes no port in the address; let a proxy on 443 pass requests on"),
    ):
        if is_wrong:
            return complaint
    return None


async def register(
    calls: WebhookCalls,
    shop: ShopAccess,
    events: Sequence[str],
    address: str,
    *,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> list[Registered]:
    """Have these events of a shop posted to the address.

    Raises TikTokError when TikTok cannot be asked; what it refuses is in the result.
    """
    before = await _addresses(calls, shop)
    done = {event: Registered(event, "was there") for event in events if before.get(event) == address}
    missing = [event for event in events if event not in done]
    for seconds in PAUSES_S:
        if not missing:
            break
        for event in missing:
            try:
                await calls.register(shop, event, address)
            except (TikTokRefused, TikTokPermissionError) as error:
                done[event] = Registered(event, "refused", before.get(event), str(error))
        await pause(seconds)
        listed = await _addresses(calls, shop)
        for event in missing:
            if listed.get(event) == address:
                done[event] = Registered(event, "registered", before.get(event))
        missing = [event for event in missing if event not in done]
    return [done.get(event) or Registered(event, "not seen", before.get(event)) for event in events]


async def unregister(calls: WebhookCalls, shop: ShopAccess, events: Sequence[str]) -> list[Registered]:
    """Have these events of a shop posted nowhere; raises TikTokError when TikTok refuses."""
    before = await _addresses(calls, shop)
    for event in events:
        # Also what is not listed: an entry may exist that is not listed yet (T 8.4).
        await calls.delete(shop, event)
    return [Registered(event, "deleted", before.get(event)) for event in events]


async def _addresses(calls: WebhookCalls, shop: ShopAccess) -> dict[str, str | None]:
    return {one.event_type: one.address for one in await calls.list(shop)}


def _is_no_domain(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host
    return True
