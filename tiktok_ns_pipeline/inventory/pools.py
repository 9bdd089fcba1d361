"""Who draws from what: slots, the items in one unit of them, and the pools that they share.

A *slot* is one number that TikTok shows. A *pool* is a set of NetSuite Locations. A *shelf* is one
item in one pool: a listing draws so many units of it for each unit that it sells. Listings that
share a shelf, directly or through others, are decided together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from tiktok_ns_pipeline.goods.items import Part
from tiktok_ns_pipeline.tiktok.slot import Slot

Pool = tuple[str, ...]
"""Location ids, sorted."""


class Shelf(NamedTuple):
    """An item in a pool: what listings share."""

    item_id: str
    pool: Pool


class Draw(NamedTuple):
    """NetSuite units of an item in one TikTok unit."""

    item_id: str
    quantity: Decimal


Kits = Mapping[str, Sequence[Draw]]
"""Members of NetSuite's kit items, by the kit's item id."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A slot with all that decides its level, but the stock."""

    slot: Slot
    pool: Pool
    draws: tuple[Draw, ...]
    share: Decimal = Decimal(100)
    """Percent of a shelf that its shop may show."""
    buffer: int = 0
    cap: int | None = None
    shown: int | None = None
    """What TikTok shows now; None where that is not known."""
    publishes: bool = True
    """False where the number is not ours to change: its units are still on the shelf."""
    shelves: tuple[Shelf, ...] = field(init=False, compare=False, repr=False)
    """What it draws from."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shelves", tuple(Shelf(draw.item_id, self.pool) for draw in self.draws))


def draws_of(parts: Iterable[Part], kits: Kits) -> tuple[Draw, ...]:
    """What one unit draws, each item once, by item id; kits of NetSuite by their members.

    A kit in a kit is opened too. ValueError for a kit that contains itself.
    """
    sums: dict[str, Decimal] = {}
    for part in parts:
        _open(part.item_id, Decimal(part.quantity), kits, sums, ())
    return tuple(Draw(item_id, sums[item_id]) for item_id in sorted(sums))


def _open(
    item_id: str, quantity: Decimal, kits: Kits, sums: dict[str, Decimal], inside: tuple[str, ...]
) -> None:
    if item_id in inside:
        raise ValueError(f"kit item {item_id} contains itself; mend its members in NetSuite")
    if item_id not in kits:
        sums[item_id] = sums.get(item_id, Decimal(0)) + quantity
        return
    for member in kits[item_id]:
        _open(member.item_id, quantity * member.quantity, kits, sums, (*inside, item_id))


def components(listings: Iterable[Listing]) -> list[tuple[Listing, ...]]:
    """Listings in groups that share nothing with each other; ordered by slot, within and between."""
    ordered = sorted(listings, key=lambda listing: listing.slot)
    leader: dict[Shelf | Slot, Shelf | Slot] = {}

    def led(one: Shelf | Slot) -> Shelf | Slot:
        leader.setdefault(one, one)
        while leader[one] != one:
            leader[one] = one = leader[leader[one]]
        return one

    for listing in ordered:
        for shelf in listing.shelves:
            leader[led(shelf)] = led(listing.slot)
    groups: dict[Shelf | Slot, list[Listing]] = {}
    for listing in ordered:
        groups.setdefault(led(listing.slot), []).append(listing)
    return [tuple(group) for group in groups.values()]
