"""Listings and stock for tests of the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.inventory.governing import Outlook
from tiktok_ns_pipeline.inventory.levels import Level, Supply, levels
from tiktok_ns_pipeline.inventory.pools import Draw, Listing, Pool, Shelf
from tiktok_ns_pipeline.tiktok.slot import Slot

POOL: Pool = ("7",)

RULES = ("share", "buffer", "cap", "shown", "publishes")


def listing(sku: str, *, shop: str = "us", warehouse: str = "W1", pool: Pool = POOL, **more: Any) -> Listing:
    """A listing; what is no rule is an item with how many of it are in one unit."""
    rules = {name: more.pop(name) for name in RULES if name in more}
    draws = tuple(Draw(item, Decimal(quantity)) for item, quantity in sorted(more.items()))
    return Listing(Slot(shop, sku, warehouse), pool, draws, **{"shown": 0, **rules})


def shelf(item: str, pool: Pool = POOL) -> Shelf:
    return Shelf(item, pool)


def supply(there: int, *, uncommitted: int = 0, available: Mapping[str, Decimal] | None = None) -> Supply:
    return Supply(available or {"7": Decimal(there)}, {"W1": Decimal(uncommitted)} if uncommitted else {})


def levels_of(
    listings: Sequence[Listing],
    supplies: Mapping[Shelf, Supply],
    outlooks: Mapping[Shelf, Outlook] | None = None,
    *,
    rates: Mapping[Slot, float] | None = None,
    reserves: Mapping[Slot, int] | None = None,
) -> dict[Slot, Level]:
    return levels(listings, supplies, outlooks or {}, rates=rates or {}, reserves=reserves or {})
