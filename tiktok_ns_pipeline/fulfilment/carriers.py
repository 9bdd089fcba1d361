"""Which TikTok provider a carrier of NetSuite is.

The mapping decides; a carrier that is called exactly as one of TikTok's providers needs no entry. What
the seller may name hangs on the delivery option of the order (T 4.5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tiktok_ns_pipeline.mapping import Mapping, Shop
from tiktok_ns_pipeline.mapping.follow_ups import carrier_key
from tiktok_ns_pipeline.tiktok.client import ShopAccess, TikTokClient
from tiktok_ns_pipeline.tiktok.fulfilment import ShippingProvider


@dataclass(frozen=True, slots=True)
class Unmapped:
    """No provider for a carrier; says which there are."""

    cause: str
    message: str


def provider_of(
    carrier: str | None, providers: Sequence[ShippingProvider], mapping: Mapping, shop: Shop
) -> ShippingProvider | Unmapped:
    """The provider that a carrier is, among those that TikTok offers for the order."""
    wanted = mapping.provider_for(shop, carrier) or carrier
    for provider in providers:
        if wanted is not None and (
            provider.id == wanted or carrier_key(provider.name) == carrier_key(wanted)
        ):
            return provider
    offered = ", ".join(provider.name for provider in providers) or "none at all"
    if not carrier:
        return Unmapped(
            "carrier:", f"The Item Fulfillment names no ship method; TikTok offers {offered} for this order."
        )
    meant = "" if wanted == carrier else f" (mapped to {wanted})"
    return Unmapped(
        f"carrier:{carrier_key(carrier)}",
        f"Carrier {carrier!r}{meant} is none of the providers that TikTok offers for this order: {offered}.",
    )


class Providers:
    """What TikTok offers by delivery option, asked once in a run. Raises TikTokError, WireError."""

    def __init__(self, tiktok: TikTokClient) -> None:
        self._tiktok = tiktok
        self._known: dict[tuple[str, str], Sequence[ShippingProvider]] = {}
        self._asking: dict[tuple[str, str], asyncio.Lock] = {}

    async def of(self, access: ShopAccess, delivery_option_id: str) -> Sequence[ShippingProvider]:
        """The providers of a shop's delivery option."""
        key = (access.shop_id, delivery_option_id)
        async with self._asking.setdefault(key, asyncio.Lock()):
            if key not in self._known:
                self._known[key] = await self._tiktok.fulfilment.shipping_providers(
                    access, delivery_option_id
                )
        return self._known[key]
