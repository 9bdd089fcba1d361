"""What was parked for a cause that others end is taken up again by itself, such as a combined package."""

from __future__ import annotations

import asyncio
import random

from tests.fulfilment.shipping_desk import amend, posted, ship, shown, tell
from tests.rigging import exceptions, in_world, kinds
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.shoppers import Mix, any_address
from tiktok_ns_pipeline.sandbox.world import Line

NOBODY = Mix(shipped_by="nobody")
GHN = "4726"
ADDRESS = any_address("VN", random.Random("one buyer"))[1]

COMBINED_WAIT_S = 4 * 3600
"""So long a combined package waits for its other orders before a person is told."""


async def combined(rig: Rig) -> list[str]:
    """Two orders of one buyer, posted and joined into one package."""
    orders = [
        rig.world.place_order("vn", [Line(sku, 1, "100000")], buyer=7, address=ADDRESS)
        for sku in ("SKU-001", "SKU-002")
    ]
    for order_id in orders:
        await posted(rig, order_id)
    vietnam = shop_of("vn")
    [group] = rig.world.splitting.combinable(vietnam)
    rig.world.splitting.combine(vietnam, group[0].id, orders)
    return orders


async def the_first_is_stopped(rig: Rig) -> list[str]:
    """The first of two combined orders is shipped, and parked for want of the other."""
    orders = await combined(rig)
    ship(rig, orders[0], tracking=["GHN1234567"], ship_method=GHN)
    await tell(rig)
    await asyncio.sleep(COMBINED_WAIT_S)
    await tell(rig)
    assert kinds(rig) == ["combined_package_incomplete"]
    await asyncio.sleep(700)
    return orders


def test_what_waited_for_another_order_is_shipped_by_itself_once_that_left_too() -> None:
    async def story(rig: Rig) -> None:
        first, second = await the_first_is_stopped(rig)
        ship(rig, second, tracking=["GHN1234567"], ship_method=GHN)
        await tell(rig)
        await asyncio.sleep(700)
        await tell(rig)
        assert [shown(rig, each) for each in (first, second)] == [["GHN1234567"], ["GHN1234567"]]
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_what_waited_for_another_order_is_shipped_by_itself_once_that_is_cancelled() -> None:
    async def story(rig: Rig) -> None:
        first, second = await the_first_is_stopped(rig)
        rig.world.cancel_order(second)
        await tell(rig)
        assert shown(rig, first) == ["GHN1234567"]
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_a_label_that_is_bought_late_ends_what_was_parked_for_it() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")], by_seller=False)
        await posted(rig, order_id)
        fulfilment = ship(rig, order_id, tracking=["1ZOWNLABEL"])
        await tell(rig)
        await asyncio.sleep(3700)
        await tell(rig)
        assert kinds(rig) == ["label_not_bought"]
        number = rig.world.buy_label(order_id)
        amend(rig, fulfilment, tracking=[number])
        await asyncio.sleep(700)
        await tell(rig)
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_what_a_person_resolved_is_not_tried_again() -> None:
    async def story(rig: Rig) -> None:
        first, second = await the_first_is_stopped(rig)
        [one] = exceptions(rig)
        with rig.ledger().begin() as tx:
            tx.exceptions.resolve(one.id, "shipped by hand", "somebody")
        rig.world.cancel_order(second)
        await tell(rig)
        assert shown(rig, first) == [""]

    in_world(story, mix=NOBODY)


async def a_request_stops_it(rig: Rig) -> str:
    """An order is shipped, and its parcel parked since its buyer asks to cancel it."""
    order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
    await posted(rig, order_id)
    rig.world.request_cancellation(order_id)
    ship(rig, order_id, tracking=["1Z999AA10123456784"])
    await tell(rig)
    await asyncio.sleep(3700)
    await tell(rig)
    assert kinds(rig) == ["shipment_refused"]
    await asyncio.sleep(700)
    return order_id


def test_a_request_to_cancel_that_is_withdrawn_lets_the_parcel_go() -> None:
    async def story(rig: Rig) -> None:
        order_id = await a_request_stops_it(rig)
        [request] = rig.world.cancellations_of(order_id)
        rig.world.withdraw_cancellation(request.id)
        await tell(rig)
        assert shown(rig, order_id) == ["1Z999AA10123456784"]
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_what_is_held_up_by_something_else_now_is_told_once() -> None:
    async def story(rig: Rig) -> None:
        order_id = await a_request_stops_it(rig)
        rig.world.cancel_order(order_id)
        await tell(rig)
        assert kinds(rig) == ["shipped_after_cancellation"]
        await asyncio.sleep(3600)
        assert (await tell(rig)).dispatch.parked == 0

    in_world(story, mix=NOBODY)
