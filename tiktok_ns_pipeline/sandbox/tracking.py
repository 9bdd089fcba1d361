"""Which tracking numbers TikTok accepts for a seller's own parcel (T 2.3, 4.2, 4.4)."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tiktok_ns_pipeline.sandbox.catalogue import Shop
from tiktok_ns_pipeline.sandbox.facts import OrderFacts
from tiktok_ns_pipeline.sandbox.markets import (
    MARKETS,
    MOST_ORDERS_PER_NUMBER,
    TRACKING_NUMBER,
    Provider,
    provider_of,
)
from tiktok_ns_pipeline.sandbox.packages import Package
from tiktok_ns_pipeline.sandbox.refusals import refused

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.world import World

# So long TikTok does not know some numbers, from when it is first told.
_UNKNOWN_FOR_S = 900


class TrackingDesk:
    """Checks what sellers tell. Which numbers are known late is drawn from the number itself; when
    one was first told is remembered until the world closes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._first_told: dict[str, int] = {}

    def accepted(
        self,
        shop: Shop,
        tracking: str,
        provider_id: str,
        orders: Sequence[OrderFacts],
        beside: Package | None = None,
    ) -> Provider:
        """The provider, if number and provider are right for the orders; raises Refusal.

        `beside` is the package that goes by the number already.
        """
        provider = provider_of(shop.region, provider_id)
        if provider is None or not TRACKING_NUMBER.fullmatch(tracking) or self._is_unknown(tracking):
            raise refused(21011022)
        others = [
            package
            for package in self._world.store.packages.with_tracking(tracking)
            if beside is None or package.id != beside.id
        ]
        if others:
            self._check_shared(shop, orders, others)
        return provider

    def matches_several(self, shop: Shop, tracking: str) -> bool:
        """Whether the number could be that of several carriers: mere digits tell nothing."""
        return tracking.isdigit() and len(tracking) == 12 and len(MARKETS[shop.region].providers) > 1

    def _check_shared(self, shop: Shop, orders: Sequence[OrderFacts], others: Sequence[Package]) -> None:
        if not MARKETS[shop.region].shares_numbers:
            raise refused(21034012)
        order_ids = {order_id for package in others for order_id in package.lines}
        recipients = {_recipient(self._world.found(order_id).facts) for order_id in order_ids}
        if {_recipient(order) for order in orders} != recipients:
            raise refused(21011025)
        if len(order_ids | {order.order_id for order in orders}) > MOST_ORDERS_PER_NUMBER:
            raise refused(21011026)

    def _is_unknown(self, tracking: str) -> bool:
        rate = self._world.mix.rate("recognised_late")
        if random.Random(f"tracking {self._world.seed} {tracking}").random() >= rate:
            return False
        now = self._world.epoch()
        return now < self._first_told.setdefault(tracking, now) + _UNKNOWN_FOR_S


def _recipient(facts: OrderFacts) -> str:
    return json.dumps([facts.shop, facts.address], sort_keys=True)
