"""The judge of stock: what is really there, who wants it, and what TikTok shows of it.

A *shelf* is one item at the Locations of one TikTok warehouse. What lies there, less what other orders
of the books hold, less what TikTok has sold and has not left yet, *can be promised*. The judge takes
TikTok's orders from the world, be they in the books or not, so it sees what NetSuite cannot see yet. It
shares no code with the pipeline and believes none of its tables.

- *oversold*: units that TikTok has sold of a shelf and that are not there.
- *disagreement*: a number that TikTok shows and that is not what can be promised. Only at rest should
  there be none: a number that lags by seconds is no fault, and units kept back on purpose are the
  seller's *terms*.

`judge_stock` takes plain data; `gathered` collects it from a world and its books.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from tiktok_ns_pipeline.sandbox.books import Books, Record
from tiktok_ns_pipeline.sandbox.books.movements import effects
from tiktok_ns_pipeline.sandbox.books.stock import Figures, Place
from tiktok_ns_pipeline.sandbox.catalogue import LISTINGS, SHOPS
from tiktok_ns_pipeline.sandbox.facts import OrderTruth
from tiktok_ns_pipeline.sandbox.world import World

POOLS: Mapping[str, tuple[str, ...]] = {
    "7000000000000000061": ("6",),
    "7000000000000000071": ("7",),
    "7000000000000000091": ("9",),
    "7000000000000000101": ("10",),
}
"""TikTok warehouse -> Locations that its stock lies at, for the seller's own ones of the sandbox."""

_ZERO = Decimal(0)
Parts = Mapping[str, Decimal]
"""Item id -> NetSuite units."""


class Shelf(NamedTuple):
    """One item at the Locations of one TikTok warehouse."""

    item_id: str
    locations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """What an order of TikTok still takes from the seller's stock: neither cancelled nor gone."""

    order_id: str
    warehouse_id: str
    item_id: str
    quantity: Decimal
    """NetSuite units."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a seller keeps back: percent of a shelf that a shop shows, units kept, most that is shown."""

    share: Decimal = Decimal(100)
    buffer: int = 0
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One number that TikTok shows, in TikTok units."""

    shop: str
    sku_id: str
    warehouse_id: str
    available: int
    parts: Parts
    """What one unit of it takes."""
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class ShelfTruth:
    """The truth about one shelf, in NetSuite units."""

    on_hand: Decimal = _ZERO
    netsuite_promises: Decimal = _ZERO
    """What NetSuite says is available."""
    held_by_others: Decimal = _ZERO
    sold: Decimal = _ZERO
    """What TikTok has sold and has not left."""

    @property
    def can_promise(self) -> Decimal:
        """What may still be sold; negative where too much is sold already."""
        return self.on_hand - self.held_by_others - self.sold

    @property
    def oversold(self) -> Decimal:
        """Units sold at TikTok that are not there."""
        return max(min(-self.can_promise, self.sold), _ZERO)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A number of TikTok's that is not what it should be."""

    slot: Shown
    should: int

    @property
    def excess(self) -> int:
        """Units shown beyond what can be promised; negative where there are more than shown."""
        return self.slot.available - self.should


@dataclass(slots=True)
class StockJudgement:
    """What the judge found about stock."""

    shelves: dict[Shelf, ShelfTruth]
    oversold: dict[Shelf, Decimal] = field(default_factory=dict[Shelf, Decimal])
    disagreements: list[Disagreement] = field(default_factory=list[Disagreement])
    slots: int = 0
    """Numbers of TikTok's that were compared."""

    @property
    def oversold_units(self) -> Decimal:
        """All units that were sold and are not there."""
        return sum(self.oversold.values(), _ZERO)

    @property
    def shown_in_excess(self) -> list[Disagreement]:
        """Numbers that invite buyers to what is not there."""
        return [one for one in self.disagreements if one.excess > 0]

    @property
    def is_clean(self) -> bool:
        """Whether nothing is oversold and every number is what it should be."""
        return not (self.oversold or self.disagreements)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is judged."""

    stock: Mapping[Place, Figures]
    held_by_others: Mapping[Place, Decimal]
    demands: Collection[Demand]
    shown: Collection[Shown]


class OversoldTally:
    """Counts each oversold unit once, over many looks: also those that are cancelled or found later."""

    def __init__(self) -> None:
        self.units = _ZERO
        self._last: Mapping[Shelf, Decimal] = {}

    def look(self, judgement: StockJudgement) -> None:
        """Count what was oversold since the last look."""
        for shelf, quantity in judgement.oversold.items():
            self.units += max(quantity - self._last.get(shelf, _ZERO), _ZERO)
        self._last = dict(judgement.oversold)


def judge_stock(evidence: Evidence, pools: Mapping[str, tuple[str, ...]] = POOLS) -> StockJudgement:
    """Score stock by the truth. What belongs to a warehouse without Locations in `pools` is left out."""
    sold: defaultdict[Shelf, Decimal] = defaultdict(Decimal)
    for demand in evidence.demands:
        if demand.warehouse_id in pools:
            sold[Shelf(demand.item_id, pools[demand.warehouse_id])] += demand.quantity
    shelves: dict[Shelf, ShelfTruth] = {}

    def shelf_of(item_id: str, locations: tuple[str, ...]) -> ShelfTruth:
        shelf = Shelf(item_id, locations)
        if shelf not in shelves:
            shelves[shelf] = _truth(evidence, shelf, sold.get(shelf, _ZERO))
        return shelves[shelf]

    for shelf in sold:
        shelf_of(*shelf)
    found = StockJudgement(shelves)
    for slot in evidence.shown:
        locations = pools.get(slot.warehouse_id)
        if locations is None or not slot.parts:
            continue
        found.slots += 1
        promised = {item: shelf_of(item, locations).can_promise for item in slot.parts}
        should = _level(slot, promised)
        if slot.available != should:
            found.disagreements.append(Disagreement(slot, should))
    found.oversold = {shelf: truth.oversold for shelf, truth in shelves.items() if truth.oversold}
    return found


def _truth(evidence: Evidence, shelf: Shelf, sold: Decimal) -> ShelfTruth:
    places = [(shelf.item_id, location) for location in shelf.locations]
    figures = [evidence.stock.get(place, Figures()) for place in places]
    return ShelfTruth(
        on_hand=sum((one.on_hand for one in figures), _ZERO),
        netsuite_promises=sum((one.available for one in figures), _ZERO),
        held_by_others=sum((evidence.held_by_others.get(place, _ZERO) for place in places), _ZERO),
        sold=sold,
    )


def _level(slot: Shown, promised: Parts) -> int:
    """The number that a slot should show, by the scarcest of its parts."""
    units = min(max(promised[item], _ZERO) // quantity for item, quantity in slot.parts.items())
    level = int(units * slot.terms.share // 100) - slot.terms.buffer
    return max(level if slot.terms.cap is None else min(level, slot.terms.cap), 0)


def gathered(world: World, books: Books, terms: Mapping[str, Terms] | None = None) -> Evidence:
    """What a world and its books hold now; `terms` by shop key, for shops that keep something back."""
    parts = _parts_by_name(books)
    return Evidence(
        stock=books.all_stock(),
        held_by_others=held_by_others(books),
        demands=open_demands(world.truth(), books, parts),
        shown=list(_shown(world, parts, terms or {})),
    )


def held_by_others(books: Books) -> dict[Place, Decimal]:
    """What orders that are none of TikTok's hold, by place."""
    held: dict[Place, Decimal] = {}
    for place in books.all_stock():
        for order, quantity in books.stock(*place).held_by.items():
            record = books.find("transaction", order)
            if record is not None and not record.get("custbody_tts_order_id"):
                held[place] = held.get(place, _ZERO) + quantity
    return held


def open_demands(
    truths: Iterable[OrderTruth], books: Books, parts: Mapping[str, Parts] | None = None
) -> list[Demand]:
    """What TikTok's orders still take from the seller's own stock; what left by the books is gone."""
    parts = _parts_by_name(books) if parts is None else parts
    left = _left_by_order(books)
    demands: list[Demand] = []
    for truth in truths:
        if truth.shipped_through == "fbt" or truth.cancelled_at is not None:
            continue
        wanted: defaultdict[str, Decimal] = defaultdict(Decimal)
        for line, makes in truth.line_items.items():
            for name, count in makes if line not in truth.cancelled_lines else ():
                for item, quantity in parts.get(name, {}).items():
                    wanted[item] += quantity * count
        gone = left.get(truth.order_id, {})
        for item, quantity in wanted.items():
            if (still := quantity - gone.get(item, _ZERO)) > 0:
                demands.append(Demand(truth.order_id, truth.warehouse_id, item, still))
    return demands


def _left_by_order(books: Books) -> dict[str, dict[str, Decimal]]:
    """Units that left the shelves, by TikTok order and item."""
    left: dict[str, dict[str, Decimal]] = {}
    for fulfilment in books.listed(books.kind("itemFulfillment"), None):
        order = books.find("salesOrder", fulfilment.get("createdFrom"))
        if order is None or fulfilment.get("shipStatus") != "C":
            continue
        units = left.setdefault(str(order.get("custbody_tts_order_id")), {})
        for (item, _), effect in effects(fulfilment):
            units[item] = units.get(item, _ZERO) - effect.on_hand
    return left


def _parts_by_name(books: Books) -> dict[str, Parts]:
    """What leaves the warehouse for one unit of an item, by the item's name; kits by their members."""
    items: list[Record] = []
    for name in ("inventoryItem", "kitItem"):
        items += books.listed(books.kind(name), None)
    return {one.get("itemId"): _parts(one) for one in items}


def _parts(item: Record) -> Parts:
    if item.type.code != "Kit":
        return {item.id: Decimal(1)}
    units: defaultdict[str, Decimal] = defaultdict(Decimal)
    for member in item.lines("member"):
        units[member["item"]] += member["quantity"]
    return units


def _shown(world: World, parts: Mapping[str, Parts], terms: Mapping[str, Terms]) -> Iterable[Shown]:
    """Every number of the seller's own warehouses; a bundle has none of its own (T 3.5)."""
    for listing in LISTINGS:
        if listing.components or not all(name in parts for name, _ in listing.makes):
            continue
        units: defaultdict[str, Decimal] = defaultdict(Decimal)
        for name, count in listing.makes:
            for item, quantity in parts[name].items():
                units[item] += quantity * count
        for shop in SHOPS:
            for warehouse in shop.warehouses:
                available = world.stock.available(shop.key, listing.sku_id, warehouse)
                kept_back = terms.get(shop.key, Terms())
                yield Shown(shop.key, listing.sku_id, warehouse, available, units, kept_back)
