"""A crowd wants a few things within seconds, and the world knows who got what."""

import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tiktok_ns_pipeline.sandbox.catalogue import PACK, SINGLES, TWINS, listing_by_id
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import World

ONE, NINE = SINGLES[0], SINGLES[8]


def world_with(start: int, seed: int = 1, directory: Path | None = None) -> World:
    mix = Mix.plain(stock="kept", stock_at_start=start, fulfilled_by_tiktok=0.0)
    return World(directory, clock=VirtualClock(), seed=seed, mix=mix)


def sold(world: World) -> Counter[str]:
    """sku_id -> units of the orders that were placed."""
    return Counter(sku_id for truth in world.truth() for sku_id in truth.line_skus.values())


def wanted(world: World) -> Counter[str]:
    lost = Counter({sku_id: units for (_, sku_id), units in world.stock.turned_away.items()})
    return sold(world) + lost


def test_buyers_want_the_listing_its_twins_and_its_packs_in_one_shop():
    world = world_with(10_000)
    world.flash_sale("us", ["SKU-001", "SKU-009"], buyers_per_second=20, seconds=30)
    world.advance(60)
    units = sold(world)
    assert units.keys() == {ONE.sku_id, PACK.sku_id, NINE.sku_id, TWINS[0].sku_id}
    assert units.total() > 3 * units[PACK.sku_id]
    assert 450 < sum(world.stats()["us"].values()) < 750
    assert world.stats().keys() == {"us"}
    assert world.stock.turned_away == {}


def test_they_come_spread_over_the_seconds_and_then_no_more():
    world = world_with(10_000)
    begin = world.epoch()
    world.flash_sale("uk", ["SKU-002"], buyers_per_second=5, seconds=40)
    world.advance(20)
    first = len(list(world.truth()))
    world.advance(20)
    placed = [truth.placed_at.timestamp() - begin for truth in world.truth()]
    world.advance(3_600)
    assert 60 < first < 140
    assert 0 <= min(placed) < 3 and 37 < max(placed) <= 40
    assert len(list(world.truth())) == len(placed)


def test_no_more_is_sold_than_there_was_and_the_rest_is_counted_as_lost():
    world = world_with(0)
    [place] = ["7000000000000000091"]
    world.stock.edit("uk", ONE.sku_id, place, 30)
    world.stock.edit("uk", PACK.sku_id, place, 4)
    world.flash_sale("uk", ["SKU-001"], buyers_per_second=10, seconds=30)
    world.advance(30)
    units = sold(world)
    assert units == {ONE.sku_id: 30, PACK.sku_id: 4}
    level = world.stock.level("uk", ONE.sku_id, place)
    assert (level.available, level.committed) == (0, 30)
    lost = list(world.stock.lost_sales())
    assert sum(sale.wanted for sale in lost) == world.stock.turned_away.total()
    assert all(0 < sale.short <= sale.wanted for sale in lost)
    # Units of the item that leave the warehouse: what the books are to hold.
    items = sum((truth.quantities["SKU-001"][0] for truth in world.truth()), Decimal(0))
    assert items == 30 + 4 * 6


def test_the_same_seed_wants_the_same_whatever_there_is():
    crowds = []
    for start in (10_000, 25):
        world = world_with(start, seed=7)
        world.flash_sale("us", ["SKU-009"], buyers_per_second=10, seconds=20)
        world.advance(20)
        crowds.append(wanted(world))
    other = world_with(25, seed=8)
    other.flash_sale("us", ["SKU-009"], buyers_per_second=10, seconds=20)
    other.advance(20)
    assert crowds[0] == crowds[1] != wanted(other)


def test_a_sale_does_not_outlive_the_worlds_being_closed(tmp_path: Path):
    world = world_with(10_000, directory=tmp_path)
    world.flash_sale("us", ["SKU-001"], buyers_per_second=5, seconds=60)
    world.close()
    again = world_with(10_000, directory=tmp_path)
    again.advance(60)
    assert again.stats() == {}


@pytest.mark.parametrize(
    ("sku", "rate", "seconds"), [("SKU-999", 1, 1), ("SKU-001", 0, 1), ("SKU-001", 1, 0)]
)
def test_a_sale_of_nothing_is_none(sku: str, rate: float, seconds: float):
    with pytest.raises(ValueError):
        world_with(5).flash_sale("us", [sku], rate, seconds)


def test_a_crowd_is_cheap():
    world = world_with(100_000)
    begin = time.process_time()
    world.flash_sale("us", ["SKU-001", "SKU-009"], buyers_per_second=100, seconds=10)
    world.advance(10)
    placed = sum(sold(world).values())
    assert placed > 900
    # 10,000 orders are to take less than 15 s of processor time.
    assert time.process_time() - begin < 15 * len(list(world.truth())) / 10_000 + 1


def test_every_unit_is_of_a_listing_that_makes_it():
    world = world_with(10_000)
    world.flash_sale("us", ["SKU-001"], buyers_per_second=10, seconds=10)
    world.advance(10)
    for truth in world.truth():
        for line_id, sku_id in truth.line_skus.items():
            listing = listing_by_id(sku_id)
            assert listing is not None
            assert truth.line_items[line_id] == listing.makes
