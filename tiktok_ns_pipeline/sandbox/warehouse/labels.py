"""The staff's way to the channel: where a parcel needs a label that the channel sells, they buy it there."""

from __future__ import annotations

from collections.abc import Sequence

from tiktok_ns_pipeline.sandbox.world import World


class Labels:
    """Labels for orders of a world whose parcels go out by what the warehouse does."""

    def __init__(self, world: World) -> None:
        self._world = world

    def needed(self, order_id: str) -> bool:
        """Whether the order's parcels go by the channel's own labels (T 4.1)."""
        if self._world.mix.shipped_by == "itself":
            return False
        try:
            return self._world.facts(order_id).shipped_through == "label"
        except KeyError:
            return False

    def buy(self, order_id: str, line_ids: Sequence[str]) -> str | None:
        """Tracking number of a label for these units; None while none is sold, such as on hold."""
        try:
            return self._world.buy_label(order_id, line_ids)
        except ValueError:
            return None
