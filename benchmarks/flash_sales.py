"""A flash sale on the same seeds for three publishers of stock: what each oversells, and what it never sells.

- *naive* publishes what NetSuite says is available, as it is, every five minutes;
- *buffer* likewise, less a tenth of it;
- *ours* is the real stock flow beside the real orders flow.

Everything else is equal: the orders flow posts, TikTok's calls take some hundred milliseconds, orders
are on hold for an hour as TikTok has it, unless the scene says otherwise. The first two publish by a
stroke of the pen that takes no time, which flatters them. All of it is in virtual time and in process.

*Oversold* units were sold at TikTok and are not there. Two kinds of them no number on TikTok prevents, and
they are told apart: units that were there when TikTok sold them, and that others took in NetSuite before
it knew of the order (`taken_by_others`); and units that TikTok sold in the seconds after others had taken
the last (`crossed`), before anybody could have read that and written it. *Lost* are units that a buyer
wanted who was turned away, and that nobody has in the end.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from tiktok_ns_pipeline.flows.turning import TurnRequest
from tiktok_ns_pipeline.inventory.flow import StockFlow
from tiktok_ns_pipeline.orders.flow import OrdersFlow, RunRequest
from tiktok_ns_pipeline.sandbox.catalogue import Listing, listing_by_id, listings_alike, shop_of
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.judge_stock import POOLS, gathered, judge_stock
from tiktok_ns_pipeline.sandbox.rig import MAPPING, Rig
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.stockroom import StockroomHabits
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual

Publisher = Literal["naive", "buffer", "ours"]
PUBLISHERS: tuple[Publisher, ...] = get_args(Publisher)

_PUBLISHED_EVERY_S = 300
_BUFFER_PERCENT = 10
_SETTLED_S = 120.0
_LONGEST_CALL_S = 0.6
_KNOWN_AFTER_S = 5.0
"""Sooner nobody knows at TikTok of an order in NetSuite: a look every two seconds, a reading, a write."""
_SHARED_POOL = "7000000000000000091"
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Scene:
    """One sale. Stock is in NetSuite units at each Location of the warehouses concerned."""

    name: str
    skus: tuple[str, ...]
    there: Mapping[str, int] = field(hash=False)
    """Item id -> units."""
    buyers_per_s: float
    seconds: float = 420.0
    shops: tuple[str, ...] = ("us",)
    others_take: int = 0
    """Units that other channels order in NetSuite during the sale, about."""
    hold_s: float = 3_600.0

    @property
    def pools(self) -> dict[str, tuple[str, ...]]:
        """TikTok warehouse -> Locations; a second shop sells from the first one's."""
        return {**POOLS, _SHARED_POOL: ("6",)} if len(self.shops) > 1 else dict(POOLS)

    @property
    def locations(self) -> tuple[str, ...]:
        """Where the goods of the sale lie."""
        names = {
            name for shop in self.shops for each in shop_of(shop).warehouses for name in self.pools[each]
        }
        return tuple(sorted(names))

    def with_others(self) -> Scene:
        """The same, where other channels sell too."""
        taken = sum(self.there.values()) * len(self.locations) // 5
        return replace(self, name=f"{self.name}, others sell too", others_take=taken)


_ALONE = Scene(
    "single listings", ("SKU-021", "SKU-022", "SKU-023"), dict.fromkeys(("321", "322", "323"), 60), 1.0
)
_TWINS = Scene("two listings of one item", ("SKU-009",), {"309": 150}, 1.0)
_PACKS = Scene("pieces and packs of six", ("SKU-001",), {"301": 260}, 0.6)
_SHARED = Scene("two shops on one pool", ("SKU-024",), {"324": 150}, 0.5, shops=("us", "uk"))
SCENES: tuple[Scene, ...] = (
    _ALONE,
    replace(_ALONE, name="single listings, nothing on hold", hold_s=1.0),
    _TWINS,
    _PACKS,
    _SHARED,
    _ALONE.with_others(),
    _TWINS.with_others(),
    _PACKS.with_others(),
    _SHARED.with_others(),
)


_COUNTED = ("orders", "units", "oversold", "taken_by_others", "crossed", "lost", "turned_away")


@dataclass(slots=True)
class Outcome:
    """What one publisher made of some sales."""

    orders: int = 0
    units: int = 0
    """NetSuite units sold at TikTok."""
    oversold: int = 0
    """By the publisher: it could have known."""
    taken_by_others: int = 0
    crossed: int = 0
    lost: int = 0
    turned_away: int = 0
    seeds: list[int] = field(default_factory=list[int])
    """Seeds with which something was oversold by TikTok."""

    def add(self, other: Outcome) -> None:
        """Count another sale with this one."""
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.seeds += other.seeds

    def figures(self) -> dict[str, Any]:
        """For the report."""
        return {
            "orders": self.orders,
            "units": self.units,
            "oversold_units": self.oversold,
            "oversold_per_10k_orders": 10_000 * self.oversold / max(1, self.orders),
            "crossed_units": self.crossed,
            "taken_by_others_units": self.taken_by_others,
            "lost_units": self.lost,
            "turned_away_units": self.turned_away,
            **({"oversold_with_seeds": self.seeds} if self.seeds else {}),
        }


def flash_sales(seeds: Sequence[int], scenes: Sequence[Scene] = SCENES) -> dict[str, Any]:
    """Every scene with every seed for every publisher."""
    # The longest first, so that no core idles at the end.
    chosen = [
        (scene, publisher, seed) for publisher in PUBLISHERS[::-1] for scene in scenes for seed in seeds
    ]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as processes:
        outcomes = dict(zip(chosen, processes.map(flash_sale, *zip(*chosen, strict=True)), strict=True))
    found: dict[str, Any] = {}
    whole = {publisher: Outcome() for publisher in PUBLISHERS}
    for scene in scenes:
        of_scene = {publisher: Outcome() for publisher in PUBLISHERS}
        for publisher in PUBLISHERS:
            for seed in seeds:
                of_scene[publisher].add(outcomes[scene, publisher, seed])
            whole[publisher].add(of_scene[publisher])
        found[scene.name] = {publisher: outcome.figures() for publisher, outcome in of_scene.items()}
    found["all"] = {publisher: outcome.figures() for publisher, outcome in whole.items()}
    return found


def flash_sale(scene: Scene, publisher: Publisher, seed: int) -> Outcome:
    """One sale in virtual time."""
    random.seed(seed)
    with tempfile.TemporaryDirectory(prefix="tns-flash-") as folder:

        async def sale(clock: VirtualClock) -> Outcome:
            return await _Sale(Path(folder), scene, publisher, seed, clock).run()

        return run_virtual(sale)


class _Sale:
    def __init__(
        self, folder: Path, scene: Scene, publisher: Publisher, seed: int, clock: VirtualClock
    ) -> None:
        self._scene, self._publisher, self._clock = scene, publisher, clock
        lasts = scene.seconds + 2 * _SETTLED_S
        habits = StockroomHabits.still(
            # Two pieces an order on average.
            orders=scene.others_take / 2 * _DAY_S / lasts,
            cancelled=0.0,
            pending=0.0,
            kits=0.0,
            items=tuple(scene.there),
            locations=scene.locations,
            until_shipped=(_DAY_S, 2 * _DAY_S),
        )
        self._rig = Rig(
            folder,
            clock,
            seed=seed,
            mix=Mix.plain(shops=dict.fromkeys(scene.shops, 1), stock="kept"),
            speed=3_600.0 / scene.hold_s,
            stockroom=replace(habits, orders=habits.orders * scene.hold_s / 3_600.0),
        )
        self._rig.settings = replace(self._rig.settings, mapping_path=_mapping(folder, scene))
        self._rig.faults.delay_s = _LONGEST_CALL_S
        self._rig.faults.set_rate("tiktok", FaultKind.delay, 1.0)
        self._listings: list[Listing] = listings_alike(scene.skus)

    async def run(self) -> Outcome:
        rig, scene = self._rig, self._scene
        for item, units in scene.there.items():
            for location in scene.locations:
                rig.books.set_stock(item, location, units)
        await rig.log_in()
        lasts = scene.seconds + 2 * _SETTLED_S
        async with rig.runtime() as runtime:
            working: list[asyncio.Task[Any]] = [
                asyncio.create_task(
                    OrdersFlow(runtime, "orders").run(RunRequest(budget_s=lasts, idle_s=lasts))
                )
            ]
            if self._publisher == "ours":
                turning = TurnRequest(budget_s=lasts, idle_s=lasts)
                working.append(asyncio.create_task(StockFlow(runtime, "stock").run(turning)))
            await self._sell(lasts)
            await asyncio.gather(*working)
        return self._outcome()

    async def _sell(self, lasts: float) -> None:
        """The world goes on second by second; buyers come in the middle."""
        for second in range(int(lasts)):
            self._rig.catch_up()
            self._rig.world.catch_up()
            if self._publisher != "ours" and second % _PUBLISHED_EVERY_S == 0:
                self._publish()
            if second == _SETTLED_S:
                for shop in self._scene.shops:
                    self._rig.world.flash_sale(
                        shop, self._scene.skus, self._scene.buyers_per_s, self._scene.seconds
                    )
            await asyncio.sleep(1)

    def _publish(self) -> None:
        for listing in self._listings:
            for shop in self._scene.shops:
                for warehouse in shop_of(shop).warehouses:
                    available = min(
                        sum(
                            self._rig.books.stock(_item_of(name), each).available
                            for each in self._scene.pools[warehouse]
                        )
                        // count
                        for name, count in listing.makes
                    )
                    if self._publisher == "buffer":
                        available = available * (100 - _BUFFER_PERCENT) // 100
                    self._rig.world.stock.edit(shop, listing.sku_id, warehouse, max(0, int(available)))

    # What came of it

    def _outcome(self) -> Outcome:
        world, scene = self._rig.world, self._scene
        found = judge_stock(gathered(world, self._rig.books), scene.pools)
        found.oversold = {shelf: units for shelf, units in found.oversold.items() if shelf[0] in scene.there}
        left = sum(
            max(Decimal(0), truth.can_promise)
            for shelf, truth in found.shelves.items()
            if shelf.item_id in scene.there and set(shelf.locations) <= set(scene.locations)
        )
        turned_away = sum(
            units * sum(count for _, count in listing.makes)
            for (_, sku_id), units in world.stock.turned_away.items()
            if (listing := listing_by_id(sku_id)) is not None
        )
        oversold = int(found.oversold_units)
        late, crossed = self._beyond_help()
        late = min(late, oversold)
        crossed = min(crossed, oversold - late)
        truths = list(world.truth())
        return Outcome(
            orders=len(truths),
            units=sum(count for one in truths for makes in one.line_items.values() for _, count in makes),
            oversold=oversold - late - crossed,
            taken_by_others=late,
            crossed=crossed,
            lost=int(min(left, turned_away)),
            turned_away=turned_away,
            seeds=[world.seed] if oversold > late + crossed else [],
        )

    def _beyond_help(self) -> tuple[int, int]:
        """By a walk through the sale: units that others ordered in NetSuite when TikTok had sold them, and
        units that TikTok sold before it could be known there that others had taken them."""
        left = {
            (item, location): units
            for item, units in self._scene.there.items()
            for location in self._scene.locations
        }
        late = crossed = 0
        taken: dict[tuple[str, str], list[tuple[float, int]]] = {}
        for at, item, location, units, by_others in sorted(self._taken()):
            place = (item, location)
            before = left.get(place, 0)
            left[place] = before - units
            short = min(units, max(0, units - before))
            if by_others:
                late += short
                taken.setdefault(place, []).append((at, units))
            else:
                just = sum(one for when, one in taken.get(place, ()) if at - when <= _KNOWN_AFTER_S)
                crossed += min(short, just)
        return late, crossed

    def _taken(self) -> Iterator[tuple[float, str, str, int, bool]]:
        """Who took what: instant, item, location, units, and whether it was others in NetSuite."""
        for one in self._rig.world.truth():
            placed = float(self._rig.world.facts(one.order_id).placed_at)
            location = self._scene.pools[one.warehouse_id][0]
            for makes in one.line_items.values():
                for name, count in makes:
                    yield placed, _item_of(name), location, count, False
        stockroom = self._rig.stockroom
        for order in stockroom.orders if stockroom else ():
            record = self._rig.books.record("salesOrder", order)
            made = datetime.fromisoformat(record.get("createdDate")).timestamp()
            for line in record.lines():
                yield made, line["item"], line["location"], int(line["quantity"]), True


def _item_of(name: str) -> str:
    """Internal id of a SKU in the sandbox's NetSuite."""
    return str(300 + int(name[-3:]))


def _mapping(folder: Path, scene: Scene) -> Path:
    """The sandbox's mapping; for two shops one in which both belong to one subsidiary and warehouse."""
    if len(scene.shops) == 1:
        return MAPPING
    mapping = yaml.load(MAPPING.read_text(), yaml.BaseLoader)
    us, uk = mapping["shops"]["us"], mapping["shops"]["uk"]
    uk |= {"subsidiary_id": us["subsidiary_id"], "location_id": "6", "tax": us["tax"]}
    uk["billing"] = {"policy": "none"}
    mapping["warehouses"][_SHARED_POOL] = {"location_id": "6"}
    written = folder / "mapping.yaml"
    written.write_text(yaml.safe_dump(mapping))
    return written
