"""What TikTok does to its own stock when people order, ship, cancel and edit (T 5.3)."""

from pathlib import Path
from typing import Any

import pytest

from tiktok_ns_pipeline.sandbox.catalogue import BUNDLES, LISTINGS, RETIRED, SHOPS, SINGLES, TWINS
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.refusals import Refusal
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.tiktok_stock import ENDLESS, Level
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import Line, TurnedAway, World

US, UK, VN = SHOPS
HERE, THERE = US.warehouses
FBT = US.fbt_warehouse or ""
ONE, TWO = SINGLES[0].sku_id, SINGLES[1].sku_id


def kept(start: int = 10, **options: Any) -> World:
    mix = Mix.plain(stock="kept", stock_at_start=start, fbt_stock_at_start=5, **options.pop("mix", {}))
    return World(clock=VirtualClock(), mix=mix, **options)


def level(world: World, sku_id: str = ONE, warehouse_id: str = HERE, shop: str = "us") -> tuple[int, int]:
    stock = world.stock
    return stock.available(shop, sku_id, warehouse_id), stock.committed(shop, sku_id, warehouse_id)


# Orders


@pytest.mark.parametrize("status", [Status.unpaid, Status.on_hold, Status.awaiting_shipment])
def test_an_order_takes_its_units_at_once_whether_it_is_paid_or_not(status: Status):
    world = kept()
    world.place_order("us", [Line("SKU-001", 3)], status=status)
    assert level(world) == (7, 3)


def test_shipping_takes_from_what_is_committed():
    world = kept()
    order_id = world.place_order("us", [Line("SKU-001", 3)], by_seller=False)
    world.buy_label(order_id, [world.facts(order_id).lines[0].id])
    assert level(world) == (7, 2)
    world.move_to(order_id, Status.delivered)
    assert world.stock.level("us", ONE, HERE) == Level(7, 0, shipped=3, given=10)


def test_a_cancellation_gives_back():
    world = kept()
    order_id = world.place_order("us", [Line("SKU-001", 3)])
    world.cancel_line(order_id)
    assert level(world) == (8, 2)
    world.cancel_order(order_id)
    assert level(world) == (10, 0)


def test_what_was_shipped_does_not_come_back_when_its_order_is_cancelled():
    world = kept()
    order_id = world.place_order("us", [Line("SKU-001", 3)], status=Status.in_transit)
    world.cancel_order(order_id, "Parcel refused and returned", "SYSTEM")
    assert world.stock.level("us", ONE, HERE) == Level(7, 0, shipped=3, given=10)


def test_a_seller_who_cancels_as_out_of_stock_has_none_left_anywhere():
    world = kept()
    order_id = world.place_order("us", [Line("SKU-001", 3)])
    world.cancel_order(order_id, "Out of stock", "SELLER")
    assert [level(world, ONE, warehouse_id) for warehouse_id in US.warehouses] == [(0, 0), (0, 0)]
    assert level(world, ONE, FBT) == (5, 0)
    assert world.stock.level("us", ONE, HERE) == Level(0, 0, written_off=3, given=3)


def test_an_order_that_was_cancelled_and_lives_on_takes_its_units_again():
    world = kept(start=3)
    order_id = world.place_order("us", [Line("SKU-001", 3)])
    world.cancel_order(order_id)
    world.place_order("us", [Line("SKU-001", 2)], warehouse_id=HERE)
    world.move_to(order_id, Status.awaiting_shipment)
    assert world.stock.level("us", ONE, HERE) == Level(0, 5, given=5)


# Buyers who are turned away


def test_a_buyer_who_wants_more_than_is_there_is_turned_away_and_counted():
    world = kept(start=2)
    with pytest.raises(TurnedAway, match="SKU-001"):
        world.place_order("us", [Line("SKU-001", 3), "SKU-002"])
    assert world.stats() == {}
    assert level(world) == (2, 0)
    assert world.stock.turned_away == {("us", ONE): 3, ("us", TWO): 1}
    assert [(sale.sku_id, sale.wanted, sale.short) for sale in world.stock.lost_sales()] == [
        (ONE, 3, 1),
        (TWO, 1, 0),
    ]


def test_another_warehouse_of_the_shop_serves_what_the_first_has_not():
    world = kept()
    world.stock.edit("us", ONE, HERE, 0)
    order_id = world.place_order("us", ["SKU-001"])
    assert world.order(order_id)["warehouse_id"] == THERE
    assert world.truth_of(order_id).warehouse_id == THERE
    assert (level(world, ONE, HERE), level(world, ONE, THERE)) == ((0, 0), (9, 1))
    with pytest.raises(TurnedAway):
        world.place_order("us", ["SKU-001"], warehouse_id=HERE)


def test_tiktoks_warehouse_serves_only_its_own_orders():
    world = kept()
    order_id = world.place_order("us", [Line("SKU-001", 4)], by_tiktok_warehouse=True)
    assert level(world, ONE, FBT) == (1, 4)
    with pytest.raises(TurnedAway):
        world.place_order("us", [Line("SKU-001", 2)], by_tiktok_warehouse=True)
    world.stock.receive_fbt("us", ONE, 7)
    world.move_to(order_id, Status.delivered)
    assert world.stock.level("us", ONE, FBT) == Level(8, 0, shipped=4, given=12)


def test_nothing_is_sold_before_anybody_said_what_is_there():
    world = World(clock=VirtualClock(), mix=Mix.plain(stock="kept"))
    assert world.draw_orders(5) == []
    assert world.stock.turned_away.total() > 0


def test_buyers_who_are_turned_away_are_others_each_time_even_after_a_second_start(tmp_path: Path):
    world = World(tmp_path, clock=VirtualClock(), mix=Mix.plain(stock="kept"))
    world.draw_orders(3)
    world.close()
    again = World(tmp_path, clock=VirtualClock(), mix=Mix.plain(stock="kept"))
    again.draw_orders(2)
    assert {sale.number for sale in again.stock.lost_sales()} == {1, 2, 3, 4, 5}


def test_what_was_kept_is_there_after_a_second_start(tmp_path: Path):
    world = kept(directory=tmp_path)
    order_id = world.place_order("us", [Line("SKU-001", 3)])
    world.close()
    again = kept(directory=tmp_path)
    assert level(again) == (7, 3)
    again.cancel_order(order_id)
    assert level(again) == (10, 0)


def test_what_is_not_on_sale_cannot_be_bought():
    world = kept()
    world.shelf.set_active("us", ONE, False)
    with pytest.raises(TurnedAway):
        world.place_order("us", ["SKU-001"])
    world.place_order("uk", ["SKU-001"])
    world.shelf.set_active("us", ONE, True)
    world.place_order("us", ["SKU-001"])
    world.shelf.set_status("us", SINGLES[0].product_id, "PLATFORM_DEACTIVATED")
    with pytest.raises(TurnedAway):
        world.place_order("us", ["SKU-001"])


# Bundles


def test_a_bundle_takes_its_components_stock_and_has_none_of_its_own():
    world = kept()
    five, six = SINGLES[4].sku_id, SINGLES[5].sku_id
    world.stock.edit("us", six, HERE, 4)
    assert level(world, BUNDLES[0].sku_id) == (4, 0)
    # Two of SKU-007 and one of SKU-008 each.
    assert level(world, BUNDLES[1].sku_id) == (5, 0)
    world.place_order("us", [Line("BUNDLE-2", 2)])
    assert [level(world, SINGLES[place].sku_id) for place in (6, 7)] == [(6, 4), (8, 2)]
    assert level(world, five) == (10, 0)
    with pytest.raises(Refusal, match="12052850"):
        world.stock.edit("us", BUNDLES[0].sku_id, HERE, 3)


def test_twins_have_stock_of_their_own():
    world = kept()
    world.place_order("us", ["SKU-009"])
    assert (level(world, SINGLES[8].sku_id), level(world, TWINS[0].sku_id)) == ((9, 1), (10, 0))


# People and campaigns


def test_an_edit_is_absolute_and_leaves_what_is_committed():
    world = kept()
    world.place_order("us", [Line("SKU-001", 3)])
    world.stock.edit("us", ONE, HERE, 20)
    assert world.stock.level("us", ONE, HERE) == Level(20, 3, given=23)


def test_a_campaign_keeps_stock_from_being_lowered_below_what_it_reserved():
    world = kept()
    world.stock.lock("us", ONE, HERE, 6)
    with pytest.raises(Refusal, match="12052393"):
        world.stock.edit("us", ONE, HERE, 5)
    world.place_order("us", [Line("SKU-001", 6)])
    world.stock.edit("us", ONE, HERE, 4)
    with pytest.raises(ValueError, match="reserved"):
        world.stock.lock("us", ONE, HERE, 5)
    world.stock.lock("us", ONE, HERE, 0)
    world.stock.edit("us", ONE, HERE, 0)
    assert level(world) == (0, 6)


@pytest.mark.parametrize(("warehouse_id", "quantity"), [(FBT, 3), (UK.warehouses[0], 3), (HERE, -1)])
def test_a_person_cannot_set_what_is_not_the_sellers(warehouse_id: str, quantity: int):
    with pytest.raises(Refusal):
        kept().stock.edit("us", ONE, warehouse_id, quantity)


def test_shops_without_tiktoks_warehouse_receive_nothing_there():
    world = kept()
    with pytest.raises(ValueError, match="uk"):
        world.stock.receive_fbt("uk", ONE, 3)
    with pytest.raises(ValueError, match="fewer"):
        world.stock.receive_fbt("us", ONE, -6)


# Endless stock


def test_endless_stock_shows_what_was_set_and_no_order_lowers_it():
    world = World(clock=VirtualClock(), mix=Mix.plain())
    world.place_order("us", [Line("SKU-001", 3)])
    assert level(world) == (ENDLESS, 0)
    world.stock.edit("us", ONE, HERE, 2)
    order_id = world.place_order("us", [Line("SKU-001", 3)])
    world.cancel_order(order_id)
    assert level(world) == (2, 0)
    assert world.stock.turned_away == {}


def test_the_orders_of_a_seed_are_the_same_whether_stock_is_kept_or_endless():
    worlds = [
        World(clock=VirtualClock(), seed=3, mix=mix) for mix in (Mix(), Mix(stock="kept", stock_at_start=999))
    ]
    drawn = [
        [(truth.order_id, truth.quantities, truth.warehouse_id) for truth in world.truth()]
        for world in worlds
        if world.draw_orders(60)
    ]
    assert drawn[0] == drawn[1]


# What the truth says


def test_the_truth_tells_which_listing_each_unit_is_of():
    world = kept()
    order_id = world.place_order("us", [Line("SKU-001", 2), "BUNDLE-2"])
    truth = world.truth_of(order_id)
    assert sorted(truth.line_skus.values()) == sorted([ONE, ONE, BUNDLES[1].sku_id])
    assert truth.line_skus.keys() == truth.line_items.keys()


def test_what_is_retired_is_not_for_sale():
    retired = {listing.sku_id for listing, _ in RETIRED}
    assert retired.isdisjoint(listing.sku_id for listing in LISTINGS)
