"""Item Fulfillments as they landed last, followed through a run by shop and order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from tiktok_ns_pipeline.fulfilment.documents import COLUMNS_OF_FULFILMENT
from tiktok_ns_pipeline.lake import Following
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEM_FULFILLMENTS
from tiktok_ns_pipeline.runtime import Runtime


class LandedFulfilments:
    """The newest rows of `raw_netsuite_item_fulfillments`, without what nobody here looks at."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._by_shop: dict[str, Following] = {}

    def of(self, shop: str, order_ids: Sequence[str]) -> list[dict[str, Any]]:
        """All fulfilments of these orders."""
        return self._followed(shop).of(order_ids)

    def lately(self, shops: Iterable[str]) -> list[dict[str, Any]]:
        """What landed within the time for which a shipped fulfilment is watched."""
        followed = [self._followed(shop) for shop in sorted(shops)]
        return [row for each in followed for row in each.landed_after(each.since)]

    def _followed(self, shop: str) -> Following:
        if shop not in self._by_shop:
            watched_for = timedelta(days=self._runtime.mapping.fulfilment.watch_days)
            self._by_shop[shop] = Following(
                self._runtime.lake,
                RAW_NETSUITE_ITEM_FULFILLMENTS,
                shop=shop,
                by="order_id",
                columns=(*COLUMNS_OF_FULFILMENT, "modified_at_account"),
                since=self._runtime.clock.now() - watched_for,
            )
        return self._by_shop[shop]
