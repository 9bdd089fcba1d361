"""The level that each listing should show, with every term that led to it.

    free      available at the pool's Locations - what TikTok sold and NetSuite does not know
    shared    the shop's share of it, in whole units; shares above 100 % in sum are scaled down
    units     shared / units in one TikTok unit, the fewest over all parts (kits, packs)
    level     units - buffer, at most the cap, at least nothing

Where a shelf is divided (`governing`), the listings that draw from it share it by their rates of
sale, by the Webster method: whoever has sold most for each unit given gets the next one, and a
listing without any comes first. More stock never gives a listing less, which largest remainders do
not promise.

Invariants: no level is above what is free; over a divided shelf, levels x quantity never exceed in
sum what is free; unknown is not zero: a listing with a part of unknown stock has no level.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import floor

from tiktok_ns_pipeline.inventory.governing import Mode, Outlook
from tiktok_ns_pipeline.inventory.pools import Listing, Shelf
from tiktok_ns_pipeline.tiktok.slot import Slot

_ZERO = Decimal(0)
_WHOLE = Decimal(100)
_OPEN = Outlook()


@dataclass(frozen=True, slots=True)
class Supply:
    """What there is of an item in a pool."""

    available: Mapping[str, Decimal]
    """NetSuite's available quantity by Location id."""
    uncommitted: Mapping[str, Decimal]
    """What TikTok sold and NetSuite does not know, by TikTok warehouse id."""

    @property
    def free(self) -> Decimal:
        """What can be promised; below nothing where more was sold than there is."""
        return sum(self.available.values(), _ZERO) - sum(self.uncommitted.values(), _ZERO)


@dataclass(frozen=True, slots=True)
class PartTerms:
    """One part of a listing: how many units of the listing it is enough for."""

    shelf: Shelf
    quantity: Decimal
    """NetSuite units in one TikTok unit."""
    supply: Supply | None
    """None where NetSuite's stock of it is not known."""
    share: Decimal
    """Percent that the shop may show, after scaling."""
    shared: int
    """Whole NetSuite units."""
    units: int
    """TikTok units."""
    mode: Mode
    need: int
    elsewhere: int


@dataclass(frozen=True, slots=True)
class Level:
    """What a slot should show, and why."""

    slot: Slot
    quantity: int | None
    """None where it cannot be told, since the stock of a part is not known."""
    parts: tuple[PartTerms, ...]
    buffer: int
    cap: int | None
    reserve: int
    """TikTok units likely to be sold while a number is read and written, where stock is short."""
    siblings: tuple[Slot, ...]
    """Other slots that draw from its shelves."""
    undivided: int | None
    """What it would show if it had its shelves for itself."""

    @property
    def mode(self) -> Mode:
        """Divided, where any of its parts is."""
        return "divided" if any(part.mode == "divided" for part in self.parts) else "open"

    @property
    def scarcest(self) -> PartTerms | None:
        """The part that is enough for the fewest units."""
        return min(self.parts, key=lambda part: (part.units, part.shelf), default=None)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Items whose stock is not known."""
        return tuple(part.shelf.item_id for part in self.parts if part.supply is None)


def levels(
    listings: Iterable[Listing],
    supplies: Mapping[Shelf, Supply],
    outlooks: Mapping[Shelf, Outlook],
    *,
    rates: Mapping[Slot, float],
    reserves: Mapping[Slot, int],
) -> dict[Slot, Level]:
    """The level of every listing that publishes.

    Listings that share a shelf must be given together (`pools.components`), those that do not publish
    too: what they show is on the shelf. `rates`: TikTok units a second; `reserves`: units likely to be
    sold during one write (`governing.most_likely_sold`).
    """
    ordered = sorted(listings, key=lambda listing: listing.slot)
    drawing = _drawing(ordered)
    shares = {shelf: _shares(shelf, drawing[shelf], supplies) for shelf in drawing}
    alone = {
        listing.slot: _alone(listing, supplies, outlooks, shares, reserves, drawing)
        for listing in ordered
        if listing.publishes
    }
    divided = _divide(ordered, alone, supplies, outlooks, shares, rates)
    return {slot: replace(level, quantity=divided.get(slot, level.quantity)) for slot, level in alone.items()}


def writes(listings: Iterable[Listing], levels: Mapping[Slot, Level]) -> dict[Slot, int]:
    """The numbers to write now, given what TikTok shows; what need not change is left out.

    An absolute number undoes the sales of the moment in which it is written (T 5.3). So where stock is
    short and sells, a listing is lowered by what is likely to be sold meanwhile too, and raised as if all
    that it shows were sold meanwhile: a raise that is not worth that waits. It never goes beyond what
    siblings, as they are shown now, leave: lower them first, then ask again.
    """
    ordered = sorted(listings, key=lambda listing: listing.slot)
    left = _left_by_shown(ordered, levels)
    due: dict[Slot, int] = {}
    for listing in ordered:
        level = levels.get(listing.slot)
        if level is None or level.quantity is None or listing.shown is None:
            continue
        if level.quantity <= listing.shown:
            if level.quantity < listing.shown:
                due[listing.slot] = max(0, level.quantity - min(level.reserve, listing.shown))
            continue
        # A rate tells little of a listing that was sold out, but no more than what is shown can be sold.
        meanwhile = listing.shown if level.reserve else 0
        raised = min(level.quantity - listing.shown, _room(listing, left))
        if raised > meanwhile:
            due[listing.slot] = listing.shown + raised - meanwhile
            _take(listing, raised, left)
    return due


def _drawing(listings: Sequence[Listing]) -> dict[Shelf, list[Listing]]:
    drawing: dict[Shelf, list[Listing]] = {}
    for listing in listings:
        for shelf in listing.shelves:
            drawing.setdefault(shelf, []).append(listing)
    return drawing


@dataclass(frozen=True, slots=True)
class _Share:
    percent: Decimal
    units: int


def _shares(shelf: Shelf, listings: Sequence[Listing], supplies: Mapping[Shelf, Supply]) -> dict[str, _Share]:
    """What each shop may show of a shelf. A shop whose listings differ in share has the greatest."""
    percents: dict[str, Decimal] = {}
    for listing in listings:
        if listing.publishes:
            shop = listing.slot.shop
            percents[shop] = max(percents.get(shop, _ZERO), listing.share)
    supply = supplies.get(shelf)
    free = max(0, floor(supply.free)) if supply else 0
    whole = max(_WHOLE, sum(percents.values(), _ZERO))
    claims = sorted(percents.items())
    # What no shop may show claims its part too, and comes last where claims are equal.
    claims.append(("", whole - sum(percents.values(), _ZERO)))
    units = _apportioned(free, [claim for _, claim in claims])
    return {
        shop: _Share(percent * _WHOLE / whole, given)
        for (shop, percent), given in zip(claims[:-1], units[:-1], strict=True)
    }


def _apportioned(units: int, claims: Sequence[Decimal]) -> list[int]:
    """Whole units by claims, in sum exactly `units` where anybody claims; more units give nobody less."""
    whole = sum(claims, _ZERO)
    if not whole:
        return [0] * len(claims)
    # Nobody gets fewer than so many; it spares handing thousands of units out one by one.
    given = [max(0, floor(units * claim / whole) - len(claims)) for claim in claims]
    for _ in range(units - sum(given)):
        best = max(range(len(claims)), key=lambda i: (claims[i] / (2 * given[i] + 1), -i))
        given[best] += 1
    return given


def _alone(
    listing: Listing,
    supplies: Mapping[Shelf, Supply],
    outlooks: Mapping[Shelf, Outlook],
    shares: Mapping[Shelf, Mapping[str, _Share]],
    reserves: Mapping[Slot, int],
    drawing: Mapping[Shelf, Sequence[Listing]],
) -> Level:
    """The level of a listing that has its shelves for itself."""
    parts: list[PartTerms] = []
    for draw, shelf in zip(listing.draws, listing.shelves, strict=True):
        supply, outlook = supplies.get(shelf), outlooks.get(shelf, _OPEN)
        share = shares[shelf][listing.slot.shop]
        parts.append(
            PartTerms(
                shelf,
                draw.quantity,
                supply,
                share.percent,
                share.units,
                floor(share.units / draw.quantity),
                outlook.mode,
                outlook.need,
                outlook.elsewhere,
            )
        )
    quantity = None
    if parts and all(part.supply is not None for part in parts):
        quantity = max(0, min(part.units for part in parts) - listing.buffer)
        quantity = quantity if listing.cap is None else min(quantity, listing.cap)
    is_divided = any(part.mode == "divided" for part in parts)
    siblings = {other.slot for shelf in listing.shelves for other in drawing[shelf]} - {listing.slot}
    return Level(
        slot=listing.slot,
        quantity=quantity,
        parts=tuple(parts),
        buffer=listing.buffer,
        cap=listing.cap,
        reserve=reserves.get(listing.slot, 0) if is_divided else 0,
        siblings=tuple(sorted(siblings)),
        undivided=quantity,
    )


def _divide(
    listings: Sequence[Listing],
    alone: Mapping[Slot, Level],
    supplies: Mapping[Shelf, Supply],
    outlooks: Mapping[Shelf, Outlook],
    shares: Mapping[Shelf, Mapping[str, _Share]],
    rates: Mapping[Slot, float],
) -> dict[Slot, int]:
    """What the listings of divided shelves get: unit by unit, to the one that has sold most for each."""
    left = _divisible(shares.keys(), supplies, outlooks)
    left_to_shop = {
        (shelf, shop): Decimal(share.units) for shelf in left for shop, share in shares[shelf].items()
    }
    takers: list[Listing] = []
    for listing in listings:
        level = alone.get(listing.slot)
        if level is not None and level.quantity is not None:
            if any(shelf in left for shelf in listing.shelves):
                takers.append(listing)
        elif listing.shown:
            # Its number is not ours to change now, but what it shows can be sold.
            _take(listing, listing.shown, left)
    weights = _weights(takers, rates)
    given = dict.fromkeys((listing.slot for listing in takers), 0)
    queue = [_turn(listing, 0, weights) for listing in takers]
    heapq.heapify(queue)
    by_slot = {listing.slot: listing for listing in takers}
    while queue:
        slot = heapq.heappop(queue)[-1]
        listing, most = by_slot[slot], alone[slot].quantity or 0
        if given[slot] >= most or not _fits(listing, left, left_to_shop):
            continue
        given[slot] += 1
        _take(listing, 1, left)
        for draw, shelf in zip(listing.draws, listing.shelves, strict=True):
            if (shelf, slot.shop) in left_to_shop:
                left_to_shop[(shelf, slot.shop)] -= draw.quantity
        heapq.heappush(queue, _turn(listing, given[slot], weights))
    return given


def _divisible(
    shelves: Iterable[Shelf], supplies: Mapping[Shelf, Supply], outlooks: Mapping[Shelf, Outlook]
) -> dict[Shelf, Decimal]:
    """What may be shown in sum of each divided shelf whose stock is known."""
    return {
        shelf: max(_ZERO, supplies[shelf].free - outlooks[shelf].elsewhere)
        for shelf in shelves
        if shelf in supplies and outlooks.get(shelf, _OPEN).mode == "divided"
    }


def _weights(takers: Sequence[Listing], rates: Mapping[Slot, float]) -> dict[Slot, float]:
    """Rates of sale; a listing that sold nothing yet counts as a tenth of an average one."""
    known = {listing.slot: max(0.0, rates.get(listing.slot, 0.0)) for listing in takers}
    average = sum(known.values()) / len(known) if known else 0.0
    return {slot: rate + average / 10 if average else 1.0 for slot, rate in known.items()}


def _turn(listing: Listing, given: int, weights: Mapping[Slot, float]) -> tuple[int, Decimal, float, Slot]:
    """When a listing's turn is, earliest first: those without any, the least demanding of them first."""
    if given == 0:
        return 0, sum((draw.quantity for draw in listing.draws), _ZERO), -weights[listing.slot], listing.slot
    return 1, _ZERO, -weights[listing.slot] / (2 * given + 1), listing.slot


def _fits(
    listing: Listing, left: Mapping[Shelf, Decimal], left_to_shop: Mapping[tuple[Shelf, str], Decimal]
) -> bool:
    """Whether one more unit of it is there."""
    return all(
        shelf not in left
        or (left[shelf] >= draw.quantity and left_to_shop[(shelf, listing.slot.shop)] >= draw.quantity)
        for draw, shelf in zip(listing.draws, listing.shelves, strict=True)
    )


def _take(listing: Listing, units: int, left: dict[Shelf, Decimal]) -> None:
    for draw, shelf in zip(listing.draws, listing.shelves, strict=True):
        if shelf in left:
            left[shelf] -= draw.quantity * units


def _left_by_shown(listings: Sequence[Listing], levels: Mapping[Slot, Level]) -> dict[Shelf, Decimal]:
    """What TikTok's numbers, as they are shown, leave of each divided shelf; nothing where one of them
    is not known."""
    left: dict[Shelf, Decimal] = {}
    for level in levels.values():
        for part in level.parts:
            if part.mode == "divided" and part.supply is not None:
                left[part.shelf] = max(_ZERO, part.supply.free - part.elsewhere)
    for listing in listings:
        if listing.shown is None:
            left.update({shelf: _ZERO for shelf in listing.shelves if shelf in left})
        else:
            _take(listing, listing.shown, left)
    return left


def _room(listing: Listing, left: Mapping[Shelf, Decimal]) -> int:
    """By how many units the listing may be raised."""
    rooms = [
        floor(left[shelf] / draw.quantity)
        for draw, shelf in zip(listing.draws, listing.shelves, strict=True)
        if shelf in left
    ]
    return max(0, min(rooms)) if rooms else 2**31
